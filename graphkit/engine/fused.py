"""An expression and its aggregations on a graph: forward, backward, and backward of that.

The forward pass walks the edges by destination. The backward passes are programs of the same kind:
gradients of what was read at the source are sums by source, those at the destination sums by
destination; edges' gradients fall out of either walk, parameters' are summed over all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from graphkit._structure import Adjacency
from graphkit.engine import reference
from graphkit.engine.cpu import winners
from graphkit.engine.cpu.kernel import Output
from graphkit.engine.cpu.run import Pass
from graphkit.engine.devices import run
from graphkit.engine.expression import FusionError, Leaf, Program, derive

LINEAR = {"sum", "mean", "max", "min"}  # reductions r with r(t * m) = t * r(m)


def computed_alike(a: torch.dtype, b: torch.dtype) -> bool:
    """Whether one kernel computes with both: what is shorter than float32 it reads as such."""
    return a == b or {a, b} <= {torch.float32, torch.bfloat16, torch.float16}


class Structure(Protocol):
    """What of a graph the engine reads."""

    @property
    def by_destination(self) -> Adjacency: ...
    @property
    def by_source(self) -> Adjacency: ...
    @property
    def edge_index(self) -> Tensor: ...
    @property
    def num_dst(self) -> int: ...
    @property
    def num_edges(self) -> int: ...
    def cached(self, key: Hashable, build: Callable[[], Any]) -> Any: ...


class Aggregation(NamedTuple):
    """What is made of a per-edge value: sum, mean, max, min, var, std; or ``edge``, itself."""

    reduce: str
    node: int


class After(NamedTuple):
    """What the rows make of the one aggregation, in the same kernel.

    Its nodes belong to the rows: they read the destinations' leaves and constants, and the last
    leaf of the program, which stands for what was aggregated.
    """

    aggregated: int
    node: int


class _Saved(NamedTuple):
    """A forward result that the backward pass reads, by destination."""

    kind: str  # "arg", "mean", "lse", "aggregated"
    of: int  # the aggregation, or the softmax node


@dataclass
class _Gradient:
    """Where the gradient of a leaf comes from."""

    leaf: int
    walk: int
    output: int
    summed: bool = False  # still to be summed by destination: it was stored per edge


@dataclass
class _Backward:
    walks: list[Pass] = field(default_factory=list)
    gradients: list[_Gradient] = field(default_factory=list)
    inner: list[tuple[int, int]] = field(default_factory=list)  # (extra leaf, output of walk 0)
    extras: list[tuple[str, int]] = field(default_factory=list)  # leaves beyond the forward's

    def reads(self) -> set[int]:
        """Numbers of the leaves, extras included, whose values some walk reads."""
        return {leaf for walk in self.walks for leaf in walk.leaves}

    def extra(self, leaf: int, kind: str, of: int) -> int:
        """Note that the next leaf of the program is to be read by its kind."""
        self.extras.append((kind, of))
        return leaf


@dataclass
class _BehindAfter(_Backward):
    """How what follows the aggregation is derived.

    Attributes:
        aggregated: the output that is the gradient of what was aggregated; None if it is that of
            the result.
        same: leaves whose gradient is that of the result.
        whole: whether what is read of the result or of what was aggregated may hang on any leaf.
    """

    aggregated: int | None = None
    same: list[int] = field(default_factory=list)
    whole: bool = False


class Fused:
    """A program whose aggregations run as kernels.

    Args:
        program: the expression; its leaves are the tensors of a call, in order.
        aggregations: what to make of it.
        softmax: its nodes named ``softmax``.
        heads, channels: the feature axes.
        dtype: of the results. The leaves have dtypes of their own. float64 is computed in float64,
            everything else in float32.
        after: what follows the aggregation, if there is one, by sum, mean, max or min without
            softmax.

    Raises:
        FusionError: what follows the aggregation cannot be derived by a kernel.
    """

    def __init__(
        self,
        program: Program,
        aggregations: Sequence[Aggregation],
        softmax: Sequence[int],
        heads: int,
        channels: int,
        dtype: torch.dtype,
        after: After | None = None,
    ) -> None:
        self.program, self.aggregations, self.softmax = program, tuple(aggregations), tuple(softmax)
        self.heads, self.channels, self.dtype = heads, channels, dtype
        self.computed = torch.float64 if dtype == torch.float64 else torch.float32
        self.after = after
        self.num_leaves = len(program.leaves) - (after is not None)
        self._backwards: dict[tuple[bool, ...], _Backward] = {}
        self._behind_after: dict[tuple[bool, ...], _BehindAfter] = {}
        roots = program.reachable([a.node for a in self.aggregations])
        data = (program.nodes[n].data for n in roots if program.nodes[n].op == "leaf")
        self._of_message = {number for number, _ in data}  # type: ignore[misc]
        self._keeps_aggregated = after is not None and any(
            kind == "aggregated" and self.num_leaves + k in plan.reads()
            for plan in [self._derived_after((True,) * self.num_leaves)]
            for k, (kind, _) in enumerate(plan.extras)
        )
        self._forward, self.saved = self._plan_forward()
        self._picked = self._picks_features()

    def copy(self) -> Program:
        p = self.program
        return Program(list(p.nodes), list(p.leaves), p.scalars, list(p.wide), dict(p._known))

    def __call__(self, graph: Structure, leaves: Sequence[Tensor], scalars: Sequence[float]):
        """The aggregations' results, ``[rows, features]`` each, for leaves of the same form."""
        if torch._C._are_functorch_transforms_active():
            return self.evaluate(graph, leaves, scalars)  # torch.func follows plain torch only
        if torch.is_grad_enabled() and any(t.requires_grad for t in leaves):
            return _Function.apply(self, graph, tuple(scalars), *leaves)
        return self.forward(graph, leaves, scalars)[0]

    # -------------------------------------------------------------- forward

    def _narrow(self, side: str) -> Leaf:
        return Leaf(side, self.heads > 1, False)

    def _wide(self, side: str, integer: bool = False) -> Leaf:
        return Leaf(side, self.heads > 1, True, integer)

    def _like(self, p: Program, n: int, side: str, integer: bool = False) -> int:
        """A new leaf with the axes of node ``n``."""
        leaf = self._wide(side, integer) if p.wide[n] else self._narrow(side)
        return p.leaf(leaf._replace(integer=integer))

    def _plan_forward(self) -> tuple[Pass, list[_Saved]]:
        p = self.copy()
        count = p.leaf(Leaf("i", False, False))
        known: dict[int, int] = {}
        outputs: list[Output] = []
        kept: list[tuple[Output, _Saved]] = []
        for n in self.softmax:
            (score,) = p.nodes[n].args
            top = p("row_max", p("stop", score))
            weight = p("exp", p("sub", score, top))
            total = p("row_sum", weight)
            known[n] = p("div", weight, total)
            log_sum = p("add", top, p("log", total))
            kept.append((Output("row", log_sum, p.wide[n]), _Saved("lse", n)))
        for number, (reduce, node) in enumerate(self.aggregations):
            m = p.substitute(node, dict(known))
            wide = p.wide[m]
            if reduce == "edge":
                outputs.append(Output("edge", m, wide))
            elif reduce in ("max", "min"):
                outputs.append(self._followed(p, p(f"row_{reduce}", m), wide, kept))
                arg = Output("row", p(f"row_arg{reduce}", m), wide)
                kept.append((arg, _Saved("arg", number)))
            else:
                total = p("row_sum", m)
                if reduce == "sum":
                    outputs.append(self._followed(p, total, wide, kept))
                    continue
                mean = p("div", total, count)
                if reduce == "mean":
                    outputs.append(self._followed(p, mean, wide, kept))
                    continue
                off = p("sub", m, mean)
                out = p("div", p("row_sum", p("mul", off, off)), count)
                if reduce == "std":
                    flat = p("le", out, p.literal(reference.STD_FLOOR))
                    out = p("where", flat, p.literal(0.0), p("sqrt", out))
                outputs.append(Output("row", out, wide))
                kept.append((Output("row", mean, wide), _Saved("mean", number)))
        return Pass.of(p, [*outputs, *(o for o, _ in kept)], "i"), [s for _, s in kept]

    def _followed(
        self, p: Program, value: int, wide: bool, kept: list[tuple[Output, _Saved]]
    ) -> Output:
        """The result that an aggregated value leads to."""
        if self.after is None:
            return Output("row", value, wide)
        if self._keeps_aggregated:
            kept.append((Output("row", value, wide), _Saved("aggregated", 0)))
        return Output("row", p.substitute(self.after.node, {self.after.aggregated: value}), wide)

    def forward(
        self, graph: Structure, leaves: Sequence[Tensor], scalars: Sequence[float] = ()
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Results, and what the backward pass will read."""
        inputs: list[Any] = [*leaves, *([] if self.after is None else [None])]
        inputs.append(degree(graph, self.computed))
        count = len(self.aggregations)
        results = None
        if self.dtype != self.computed:
            results = (self.dtype,) * count + (self.computed,) * len(self.saved)
        found = self._run(self._forward, graph, inputs, scalars, results)
        return found[:count], found[count:]

    def _run(
        self,
        walk: Pass,
        graph: Structure,
        leaves: Sequence[Any],
        scalars: Sequence[float],
        results: tuple[torch.dtype, ...] | None,
    ) -> list[Tensor]:
        adjacency = graph.by_destination if walk.row == "i" else graph.by_source
        size = self.heads, self.channels
        return run(walk, adjacency, leaves, scalars, *size, self.computed, results)

    # -------------------------------------------------------------- backward

    def _backward_of(self, needed: tuple[bool, ...]) -> _Backward:
        if needed not in self._backwards:
            self._backwards[needed] = self._plan_backward(needed)
        return self._backwards[needed]

    def _plan_backward(self, needed: tuple[bool, ...]) -> _Backward:
        p, plan = self.copy(), _Backward()
        extra = plan.extra
        if self.after is not None:
            plan.extras.append(("aggregated", 0))  # a leaf of the program that is not the message's
        inverse = extra(p.leaf(Leaf("i", False, False)), "inverse_degree", 0)
        known: dict[int, int] = {}
        inner: dict[int, int | None] = {}
        for n in self.softmax:
            (score,) = p.nodes[n].args
            lse = extra(self._like(p, n, "i"), "lse", n)
            known[n] = p("exp", p("sub", score, lse))
        messages = [p.substitute(a.node, dict(known)) for a in self.aggregations]
        for n in self.softmax:
            inner[known[n]] = None
            if self._known_inner(p, messages, known[n]):
                inner[known[n]] = extra(self._like(p, n, "i"), "inner", n)
        adjoints: dict[int, int] = {}
        for number, (m, (reduce, _)) in enumerate(zip(messages, self.aggregations, strict=True)):
            g = extra(self._like(p, m, "e" if reduce == "edge" else "i"), "gradient", number)
            if reduce == "mean":
                g = p("mul", g, inverse)
            elif reduce in ("max", "min"):
                winner = extra(self._like(p, m, "i", integer=True), "arg", number)
                g = p("where", p("eq", winner, p.slot()), g, p.literal(0.0))
            elif reduce == "var":
                mean = extra(self._like(p, m, "i"), "mean", number)
                slope = p("mul", p.literal(2.0), p("mul", g, inverse))
                g = p("mul", slope, p("sub", m, mean))
            elif reduce == "std":
                std = extra(self._like(p, m, "i"), "out", number)
                mean = extra(self._like(p, m, "i"), "mean", number)
                slope = p("div", p("mul", g, inverse), std)
                slope = p("where", p("eq", std, p.literal(0.0)), p.literal(0.0), slope)
                g = p("mul", slope, p("sub", m, mean))
            adjoints[m] = p("add", adjoints[m], g) if m in adjoints else g
        open_inner = [n for n, value in inner.items() if value is None]
        adjoint = derive(p, adjoints, inner)
        self._share_out(p, plan, adjoint, needed, [inner[n] for n in open_inner])
        return plan

    def _known_inner(self, p: Program, messages: list[int], alpha: int) -> bool:
        """Whether sum_e alpha_e * adjoint_e is <gradient, result>: no walk is needed for it."""
        return all(
            not p.depends(m, alpha) or (a.reduce in LINEAR and p.homogeneous(m, alpha))
            for m, a in zip(messages, self.aggregations, strict=True)
        )

    def _share_out(
        self,
        p: Program,
        plan: _Backward,
        adjoint: dict[int, int],
        needed: tuple[bool, ...],
        inner: Sequence[int | None],
    ) -> None:
        """Which leaf's gradient comes from which walk."""
        wanted: list[tuple[int, Leaf, int]] = []
        for n, node in enumerate(p.nodes):
            if node.op == "leaf" and n in adjoint:
                number, leaf = node.data  # type: ignore[misc]
                if number < self.num_leaves and needed[number]:
                    wanted.append((number, leaf, adjoint[n]))
        open_inner = [n for n in inner if n is not None]
        by_source = any(leaf.side == "j" for _, leaf, _ in wanted)
        by_destination = (
            not by_source
            or any(leaf.side == "i" and leaf.channels for _, leaf, _ in wanted)
            or any(p.depends(a, n) for n in open_inner for _, _, a in wanted)
        )
        outputs: dict[str, list[Output]] = {"i": [], "j": []}

        def give(row: str, leaf_number: int, output: Output, summed: bool = False) -> None:
            outputs[row].append(output)
            walk = 1 if row == "j" and by_destination else 0
            plan.gradients.append(_Gradient(leaf_number, walk, len(outputs[row]) - 1, summed))

        home = "i" if by_destination else "j"
        for number, leaf, value in wanted:
            if leaf.side == "j":
                give("j", number, Output("row", p("row_sum", value), leaf.channels))
            elif leaf.side == "e":
                give(home, number, Output("edge", value, leaf.channels))
            elif leaf.side == "p":
                give(home, number, Output("total", p("row_sum", value), leaf.channels))
            elif by_destination:
                give("i", number, Output("row", p("row_sum", value), leaf.channels))
            else:
                give("j", number, Output("edge", value, False), summed=True)
        if by_destination:
            first = outputs["i"]
            if by_source:
                for n in open_inner:
                    first.append(Output("row", n, p.wide[n]))
                    plan.inner.append((len(p.leaves), len(first) - 1))
                    plan.extras.append(("inner_output", 0))
                    known = {n: self._like(p, n, "i")}
                    outputs["j"] = [
                        o._replace(node=p.substitute(o.node, dict(known))) for o in outputs["j"]
                    ]
            plan.walks.append(Pass.of(p, first, "i"))
        if by_source:
            plan.walks.append(Pass.of(p, outputs["j"], "j"))

    def _derived_after(self, needed: tuple[bool, ...]) -> _BehindAfter:
        if needed not in self._behind_after:
            self._behind_after[needed] = self._plan_behind_after(needed)
        return self._behind_after[needed]

    def _plan_behind_after(self, needed: tuple[bool, ...]) -> _BehindAfter:
        assert self.after is not None
        p, plan = self.copy(), _BehindAfter()
        plan.extras.append(("aggregated", 0))
        aggregated, result = self.after
        g = plan.extra(self._like(p, result, "i"), "gradient", 0)
        out = plan.extra(self._like(p, result, "i"), "out", 0)
        adjoint = derive(p, {result: g}, {})
        if aggregated not in adjoint:
            raise FusionError("has no derivative in what was aggregated")
        known = self._told_by_result(p, result, out)
        outputs: list[Output] = []

        def value(n: int) -> int:
            n = p.substitute(n, dict(known))
            if any(p.nodes[m].op == "channel_sum" for m in p.reachable([n])):
                raise FusionError("its derivative sums over features")
            return n

        if adjoint[aggregated] != g:
            plan.aggregated = len(outputs)
            outputs.append(Output("row", value(adjoint[aggregated]), p.wide[aggregated]))
        for n, node in enumerate(p.nodes):
            if node.op != "leaf" or n == aggregated or n not in adjoint:
                continue
            number, leaf = node.data  # type: ignore[misc]
            if number >= self.num_leaves or not needed[number]:
                continue
            total, wide = adjoint[n], leaf.channels
            if leaf.side == "p" and p.nodes[total].op == "channel_sum":
                (total,), wide = p.nodes[total].args, True  # its channels are summed at the end
            if (
                leaf.side == "i"
                and total == g
                and leaf.channels
                and (leaf.heads or self.heads == 1)
            ):
                plan.same.append(number)
                continue
            mode = "total" if leaf.side == "p" else "row"
            plan.gradients.append(_Gradient(number, 0, len(outputs)))
            outputs.append(Output(mode, value(total), wide))
        if outputs:
            plan.walks.append(Pass.of(p, outputs, "i"))
        kinds = {
            kind for k, (kind, _) in enumerate(plan.extras, self.num_leaves) if k in plan.reads()
        }
        plan.whole = bool(kinds & {"out", "aggregated"})
        return plan

    def _told_by_result(self, p: Program, result: int, out: int) -> dict[int, int]:
        """Nodes that are known from the result, so that what was aggregated need not be kept."""
        known = {result: out}
        node = p.nodes[result]
        if node.op == "mul":  # dropout: where it is 0, so is the gradient, whatever was there
            inner = [a for a in node.args if p.nodes[a].op != "keep"]
            node = p.nodes[inner[0]] if len(inner) == 1 else node
        if node.op == "relu":
            zero = p.literal(0.0)
            known[p("le", node.args[0], zero)] = p("le", out, zero)
        return known

    def _behind(
        self,
        graph: Structure,
        scalars: Sequence[float],
        kept: dict[tuple[str, int], Tensor],
        gradient: Tensor,
        needed: tuple[bool, ...],
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """The gradient of what was aggregated, and those of leaves that were read after it."""
        plan = self._derived_after(needed)
        found = dict.fromkeys(plan.same, gradient)
        if not plan.walks:
            return gradient, found
        inputs: list[Any] = [kept.get(("leaf", k)) for k in range(self.num_leaves)]
        for kind, of in plan.extras:
            inputs.append(gradient if kind == "gradient" else kept.get((kind, of)))
        (walk,) = plan.walks
        kinds = None
        if self.dtype != self.computed:
            kinds = (self.dtype,) * len(walk.outputs)
        outs = self._run(walk, graph, inputs, scalars, kinds)
        for g in plan.gradients:
            value = outs[g.output]
            if walk.outputs[g.output].wide and not self.program.leaves[g.leaf].channels:
                value = value.view(self.heads, self.channels).sum(-1)
            found[g.leaf] = value
        return gradient if plan.aggregated is None else outs[plan.aggregated], found

    def to_save(
        self,
        needed: tuple[bool, ...],
        leaves: Sequence[Tensor],
        outs: Sequence[Tensor],
        saved: Sequence[Tensor],
    ) -> dict[tuple[str, int], Tensor]:
        """What the backward pass for these leaves will read, by kind and number."""
        plan = self._backward_of(needed)
        reads = plan.reads()
        kept = {("leaf", k): leaf for k, leaf in enumerate(leaves) if k in reads}
        intermediate = dict(zip(self.saved, saved, strict=True))
        for number, (kind, of) in enumerate(plan.extras, len(leaves)):
            if number not in reads:
                continue
            if kind == "out":
                kept[kind, of] = outs[of]
            elif kind == "inner":
                kept |= {("out", k): outs[k] for k in self._weighed_by(of)}
            elif kind in ("arg", "mean", "lse"):
                kept[kind, of] = intermediate[_Saved(kind, of)]
        if self.after is not None:
            derived = self._derived_after(needed)
            reads = derived.reads()
            if derived.whole:  # a derivative of the derivative starts from the leaves
                reads |= set(range(self.num_leaves))
            kept |= {("leaf", k): leaf for k, leaf in enumerate(leaves) if k in reads}
            for number, (kind, of) in enumerate(derived.extras, self.num_leaves):
                if number in reads and kind == "out":
                    kept[kind, of] = outs[of]
                elif number in reads and kind == "aggregated":
                    kept[kind, of] = intermediate[_Saved(kind, of)]
        return kept

    def backward(
        self,
        graph: Structure,
        scalars: Sequence[float],
        shapes: Sequence[torch.Size],
        kept: dict[tuple[str, int], Tensor],
        gradients: Sequence[Tensor],
        needed: tuple[bool, ...],
        dtypes: Sequence[torch.dtype] | None = None,
    ) -> list[Tensor | None]:
        """Gradients of the leaves that need one, from those of the results.

        Args:
            dtypes: of the leaves, if not all have that of the results.
        """
        found: list[Tensor | None] = [None] * self.num_leaves

        def give(leaf: int, value: Tensor) -> None:
            value = self._to_leaf(value, self.program.leaves[leaf], shapes[leaf])
            found[leaf] = value.to(self.dtype if dtypes is None else dtypes[leaf])

        if self.after is not None:
            gradient, read_after = self._behind(graph, scalars, kept, gradients[0], needed)
            gradients = [gradient]
            for leaf, value in read_after.items():
                give(leaf, value)
            if not any(needed[k] for k in self._of_message):
                return found
        if self._picked is not None and winners.serves(graph.by_destination, gradients[0]):
            won = winners.hand_out(graph.by_destination, kept["arg", 0], gradients[0])
            give(self._picked, won)
            return found
        plan = self._backward_of(needed)
        reads = plan.reads()
        inputs: list[Any] = [kept.get(("leaf", k)) for k in range(self.num_leaves)]
        for number, (kind, of) in enumerate(plan.extras, self.num_leaves):
            if number not in reads or kind == "inner_output":
                inputs.append(None)
            elif kind == "gradient":
                inputs.append(gradients[of])
            elif kind == "inverse_degree":
                inputs.append(inverse_degree(graph, self.computed))
            elif kind == "inner":
                inputs.append(self._inner(of, kept, gradients))
            else:
                inputs.append(kept[kind, of])
        results: list[list[Tensor]] = []
        for number, walk in enumerate(plan.walks):
            kinds = self._kinds(plan, number, dtypes)
            results.append(self._run(walk, graph, inputs, scalars, kinds))
            if len(results) == 1:
                for leaf, output in plan.inner:
                    inputs[leaf] = results[0][output]
        for g in plan.gradients:
            value = results[g.walk][g.output]
            give(g.leaf, sum_by_destination(graph, value) if g.summed else value)
        return found

    def _picks_features(self) -> int | None:
        """The leaf of the sources' features whose maximum or minimum is all that is computed."""
        if len(self.aggregations) == 1 and self.aggregations[0].reduce in ("max", "min"):
            node = self.program.nodes[self.aggregations[0].node]
            if node.op == "leaf":
                number, leaf = node.data  # type: ignore[misc]
                if leaf == Leaf("j", self.heads > 1, self.channels > 1):
                    return number
        return None

    def _kinds(
        self, plan: _Backward, walk: int, dtypes: Sequence[torch.dtype] | None
    ) -> tuple[torch.dtype, ...] | None:
        """How the outputs of a walk are stored: as the leaves are, unless still to be summed."""
        if dtypes is None and self.dtype == self.computed:
            return None
        kinds = [self.computed] * len(plan.walks[walk].outputs)
        for g in plan.gradients:
            heads = self.program.leaves[g.leaf].heads or self.heads == 1
            if g.walk == walk and heads and not g.summed:
                kinds[g.output] = self.dtype if dtypes is None else dtypes[g.leaf]
        return tuple(kinds)

    def _weighed_by(self, softmax: int) -> list[int]:
        """The aggregations whose values a softmax weighs."""
        return [k for k, a in enumerate(self.aggregations) if self.program.depends(a.node, softmax)]

    def _inner(
        self, softmax: int, kept: dict[tuple[str, int], Tensor], gradients: Sequence[Tensor]
    ) -> Tensor:
        """<gradient, result> over what one softmax weight multiplies."""
        kind = self.computed
        terms = [gradients[k].to(kind) * kept["out", k] for k in self._weighed_by(softmax)]
        total = terms[0] if len(terms) == 1 else torch.stack(terms).sum(0)
        if self.program.wide[softmax] or total.shape[1] == self.heads:
            return total
        return total.view(-1, self.heads, self.channels).sum(-1)

    def _to_leaf(self, value: Tensor, leaf: Leaf, shape: torch.Size) -> Tensor:
        """Sum over the heads that a leaf does not have."""
        if not leaf.heads and self.heads > 1 and value.shape[-1] != shape[-1]:
            value = value.view(*value.shape[:-1], self.heads, -1).sum(-2)
        return value.view(shape)

    # -------------------------------------------------------------- plain torch

    def evaluate(
        self, graph: Structure, leaves: Sequence[Tensor], scalars: Sequence[float]
    ) -> list[Tensor]:
        """The same results by :mod:`reference`: any device, any number of derivatives."""
        values = reference.evaluate(
            self.program,
            [a.node for a in self.aggregations],
            graph.edge_index,
            graph.num_dst,
            [leaf.to(self.computed) for leaf in leaves],
            scalars,
            self.heads,
            self.channels,
        )
        index = graph.edge_index[1]
        outs = [
            v if a.reduce == "edge" else reference.segment_reduce(v, index, graph.num_dst, a.reduce)
            for v, a in zip(values, self.aggregations, strict=True)
        ]
        if self.after is not None:
            rows = torch.arange(graph.num_dst, device=index.device)
            outs = reference.evaluate(
                self.program,
                [self.after.node],
                torch.stack([rows, rows]),
                graph.num_dst,
                [*(leaf.to(self.computed) for leaf in leaves), outs[0]],
                scalars,
                self.heads,
                self.channels,
            )
        return [out.to(self.dtype) for out in outs]


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, fused: Fused, graph: Structure, scalars: tuple, *leaves: Tensor) -> Any:
        outs, saved = fused.forward(graph, leaves, scalars)
        ctx.fused, ctx.graph, ctx.scalars = fused, graph, scalars
        ctx.needed = tuple(ctx.needs_input_grad[3:])
        kept = fused.to_save(ctx.needed, leaves, outs, saved)
        ctx.shapes, ctx.kept = [leaf.shape for leaf in leaves], list(kept)
        dtypes = [leaf.dtype for leaf in leaves]
        ctx.dtypes = dtypes if any(dtype != fused.dtype for dtype in dtypes) else None
        ctx.save_for_backward(*kept.values())
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        kept = dict(zip(ctx.kept, ctx.saved_tensors, strict=True))
        if torch.is_grad_enabled():  # a derivative of the derivative is wanted
            found = differentiable(
                ctx.fused, ctx.graph, ctx.scalars, ctx.shapes, kept, gradients, ctx.needed
            )
        else:
            gradients = tuple(g.contiguous() for g in gradients)
            found = ctx.fused.backward(
                ctx.graph, ctx.scalars, ctx.shapes, kept, gradients, ctx.needed, ctx.dtypes
            )
        return None, None, None, *found


def differentiable(
    fused: Fused,
    graph: Structure,
    scalars: Sequence[float],
    shapes: Sequence[torch.Size],
    kept: dict[tuple[str, int], Tensor],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """The backward pass by the reference, to be derived again.

    A leaf that was not kept has no influence on the gradients: zeros stand for it.
    """
    device = graph.edge_index.device
    leaves = []
    for k, (shape, need) in enumerate(zip(shapes, needed, strict=True)):
        leaf = kept.get(("leaf", k))
        if leaf is None:
            leaf = torch.zeros(shape, dtype=fused.dtype, device=device, requires_grad=need)
        leaves.append(leaf)
    outs = fused.evaluate(graph, leaves, scalars)
    wanted = [leaf for leaf, need in zip(leaves, needed, strict=True) if need]
    found = iter(torch.autograd.grad(outs, wanted, gradients, create_graph=True, allow_unused=True))
    return [next(found) if need else None for need in needed]


def degree(graph: Structure, dtype: torch.dtype) -> Tensor:
    """``[destinations, 1]``: number of incoming edges, but 1 where there are none."""

    def build() -> Tensor:
        return graph.by_destination.degree.clamp(min=1).to(dtype).view(-1, 1)

    return graph.cached(("degree", dtype), build)


def inverse_degree(graph: Structure, dtype: torch.dtype) -> Tensor:
    return graph.cached(("inverse_degree", dtype), lambda: degree(graph, dtype).reciprocal())


_SUMS: dict[tuple[int, torch.dtype], Fused] = {}


def reduction(reduce: str, width: int, dtype: torch.dtype) -> Fused:
    """One aggregation of per-edge values as they are."""
    p = Program()
    node = p.leaf(Leaf("e", False, width > 1))
    return Fused(p, [Aggregation(reduce, node)], [], 1, width, dtype)


def sum_by_destination(graph: Structure, value: Tensor) -> Tensor:
    key = (value.shape[1], value.dtype)
    if key not in _SUMS:
        _SUMS[key] = reduction("sum", *key)
    return _SUMS[key].forward(graph, [value], [])[0][0]
