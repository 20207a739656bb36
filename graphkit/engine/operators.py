"""A fused kernel as operators of torch, for compiled and exported programs.

``graphkit::fused`` runs an expression and its aggregations on a graph, ``graphkit::fused_backward``
derives it. The expression is an argument, as text that holds all there is to it; so a program that
was exported runs wherever graphkit is installed. Eager layers call :class:`Fused` itself, which
costs less per call.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkit._compiled import ADDRESS, graph_at, loops_at, rows_at
from graphkit._structure import Address
from graphkit.engine.expression import Leaf, Node, Program
from graphkit.engine.fused import Aggregation, Fused, differentiable
from graphkit.engine.ops import runs_on_kernels
from graphkit.engine.threads import in_thread

_VERSION = 1  # of the text; goes up when older texts would be read wrongly


# ------------------------------------------------------------------ text


def encode(fused: Fused, seeds: Sequence[int] = ()) -> str:
    """A fused expression as text.

    Args:
        seeds: which of its scalars are drawn anew in every call.
    """
    p = fused.program
    return json.dumps(
        {
            "version": _VERSION,
            "nodes": [[n.op, n.args, n.data] for n in p.nodes],
            "leaves": p.leaves,
            "scalars": p.scalars,
            "aggregations": fused.aggregations,
            "softmax": fused.softmax,
            "heads": fused.heads,
            "channels": fused.channels,
            "dtype": str(fused.dtype).removeprefix("torch."),
            "seeds": list(seeds),
        },
        separators=(",", ":"),
    )


class Decoded(NamedTuple):
    fused: Fused
    seeds: tuple[int, ...]


@functools.cache
def decode(text: str) -> Decoded:
    """What :func:`encode` wrote; the same object for the same text.

    Raises:
        ValueError: it was written by another version.
    """
    stored = json.loads(text)
    if stored["version"] != _VERSION:
        raise ValueError(
            f"program: expected version {_VERSION} of graphkit's expressions, "
            f"got {stored['version']}; export the model again"
        )
    p = Program(leaves=[Leaf(*leaf) for leaf in stored["leaves"]], scalars=stored["scalars"])
    for op, args, data in stored["nodes"]:
        if op == "leaf":
            data = (data[0], Leaf(*data[1]))
        p.node(Node(op, tuple(args), tuple(data) if isinstance(data, list) else data))
    fused = Fused(
        p,
        [Aggregation(*a) for a in stored["aggregations"]],
        stored["softmax"],
        stored["heads"],
        stored["channels"],
        getattr(torch, stored["dtype"]),
    )
    return Decoded(fused, tuple(stored["seeds"]))


# ------------------------------------------------------------------ one call


class _Call:
    """What the operators' bodies have in common: a program on a graph, with its numbers."""

    def __init__(
        self, program: str, address: Address, scalars: Sequence[float], seeds: Sequence[Tensor]
    ) -> None:
        self.fused, places = decode(program)
        self.address, self.graph = address, graph_at(address)
        self.scalars = list(scalars)
        for place, seed in zip(places, seeds, strict=True):
            self.scalars[place] = float(seed.item())
        # Where attributes of edges have vacant places, the places that are not.
        self.taken = loops_at(address).taken if address.looped else None

    def dense(self, side: str, value: Tensor) -> Tensor:
        """Values without vacant places."""
        if side != "e" or self.taken is None:
            return value
        return value.index_select(0, self.taken)

    def placed(self, side: str, value: Tensor) -> Tensor:
        """Values of the edges, each in its place."""
        if side != "e" or self.taken is None:
            return value
        return value.new_zeros(rows_at(self.address)[2], value.shape[1]).index_copy(
            0, self.taken, value
        )

    def shapes(self) -> list[torch.Size]:
        """Of the leaves, without vacant places."""
        rows = {
            "i": self.graph.num_dst,
            "j": self.graph.num_src,
            "e": self.graph.num_edges,
            "p": 1,
        }
        return [
            torch.Size((rows[leaf.side], _width(self.fused, leaf)))
            for leaf in self.fused.program.leaves
        ]

    def named(
        self, needed: Sequence[bool], kept: Sequence[Tensor]
    ) -> dict[tuple[str, int], Tensor]:
        """What was kept, by kind and number."""
        fused = self.fused
        counts = len(fused.program.leaves), len(fused.aggregations), len(fused.saved)
        nothing = [[torch.empty(0)] * count for count in counts]
        found = {}
        for (kind, of), value in zip(fused.to_save(tuple(needed), *nothing), kept, strict=True):
            if kind == "leaf":
                value = self.dense(fused.program.leaves[of].side, value)
            elif kind == "out":
                value = self.dense(self.side(of), value)
            found[kind, of] = value
        return found

    def gradients(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        return [self.dense(self.side(k), g) for k, g in enumerate(gradients)]

    def placed_gradients(
        self, found: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> list[Tensor]:
        """Of the leaves that need one, zeros where no result depends on them."""
        out = []
        for leaf, need, value, shape in zip(
            self.fused.program.leaves, needed, found, self.shapes(), strict=True
        ):
            if need:
                if value is None:
                    device = self.address.edge_index.device
                    value = torch.zeros(shape, dtype=self.fused.dtype, device=device)
                out.append(self.placed(leaf.side, value))
        return out

    def differentiable(
        self, needed: Sequence[bool], kept: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> list[Tensor]:
        """The backward pass in plain torch."""
        found = differentiable(
            self.fused,
            self.graph,
            self.scalars,
            self.shapes(),
            self.named(needed, kept),
            self.gradients(gradients),
            needed,
        )
        return self.placed_gradients(found, needed)

    def side(self, aggregation: int) -> str:
        """Where a result lies."""
        return "e" if self.fused.aggregations[aggregation].reduce == "edge" else "i"


def _width(fused: Fused, leaf: Leaf) -> int:
    return (fused.heads if leaf.heads else 1) * (fused.channels if leaf.channels else 1)


# Schemas are spelt out: torch 2.4 does not read annotations that are strings.
@torch.library.custom_op(
    "graphkit::fused",
    mutates_args=(),
    schema=f"(str program, {ADDRESS}, Tensor[] leaves, float[] scalars, Tensor[] seeds)"
    " -> Tensor[]",
)
def _fused(
    program: str,
    edge_index: Tensor,
    num_src: int,
    num_dst: int,
    looped: bool,
    turned: bool,
    leaves: list[Tensor],
    scalars: list[float],
    seeds: list[Tensor],
) -> list[Tensor]:
    """The aggregations' results, and what the backward pass will read."""
    address = Address(edge_index, num_src, num_dst, looped, turned)
    call = _Call(program, address, scalars, seeds)
    fused, graph = call.fused, call.graph
    dense = [call.dense(leaf.side, v) for leaf, v in zip(fused.program.leaves, leaves, strict=True)]
    if all(runs_on_kernels(leaf) for leaf in dense):
        outs, saved = fused.forward(graph, dense, call.scalars)
    else:
        outs = fused.evaluate(graph, dense, call.scalars)
        outs = [out.clone() for out in outs]  # the values of edges may be those that came
        saved = [torch.zeros_like(s) for s in _saved(fused, edge_index, graph.num_dst)]
    return [*(call.placed(call.side(k), out) for k, out in enumerate(outs)), *saved]


@_fused.register_fake
def _(
    program: str,
    edge_index: Tensor,
    num_src: int,
    num_dst: int,
    looped: bool,
    turned: bool,
    leaves: list[Tensor],
    scalars: list[float],
    seeds: list[Tensor],
) -> list[Tensor]:
    fused = decode(program).fused
    _, rows, places = rows_at(Address(edge_index, num_src, num_dst, looped, turned))
    return [*results(fused, edge_index, rows, places), *_saved(fused, edge_index, rows)]


def results(fused: Fused, like: Tensor, rows: int, edges: int) -> list[Tensor]:
    """Tensors as an expression gives them for so many destinations and edges."""
    wide = fused.program.wide
    return [
        like.new_empty(
            edges if a.reduce == "edge" else rows,
            fused.heads * (fused.channels if wide[a.node] else 1),
            dtype=fused.dtype,
        )
        for a in fused.aggregations
    ]


def _saved(fused: Fused, like: Tensor, rows: int) -> list[Tensor]:
    """Tensors as the forward pass saves them."""
    found = []
    for kind, of in fused.saved:
        node = of if kind == "lse" else fused.aggregations[of].node
        width = fused.heads * (fused.channels if fused.program.wide[node] else 1)
        dtype = torch.int32 if kind == "arg" else fused.dtype
        found.append(like.new_empty(rows, width, dtype=dtype))
    return found


def _setup(ctx: Any, inputs: tuple, output: list[Tensor]) -> None:
    program, edge_index, *where, leaves, scalars, seeds = inputs
    fused = decode(program).fused
    ctx.needed = [bool(leaf.requires_grad) for leaf in leaves]
    outs = output[: len(fused.aggregations)]
    kept = fused.to_save(tuple(ctx.needed), leaves, outs, output[len(outs) :])
    ctx.program, ctx.where, ctx.scalars = program, where, scalars
    ctx.seeds = len(seeds)
    ctx.outs = [(out.shape, out.dtype, out.device) for out in outs]
    ctx.save_for_backward(edge_index, *seeds, *kept.values())


def _derive(ctx: Any, gradients: list[Tensor | None]) -> tuple:
    edge_index, *saved = ctx.saved_tensors
    seeds, kept = saved[: ctx.seeds], saved[ctx.seeds :]
    given = [
        torch.zeros(shape, dtype=dtype, device=device) if gradient is None else gradient
        for gradient, (shape, dtype, device) in zip(gradients, ctx.outs, strict=False)
    ]
    address = Address(edge_index, *ctx.where)
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        call = _Call(ctx.program, address, ctx.scalars, seeds)
        found = iter(call.differentiable(ctx.needed, kept, given))  # to be derived once more
    else:
        found = iter(
            torch.ops.graphkit.fused_backward(
                ctx.program, *address, ctx.needed, kept, given, ctx.scalars, seeds
            )
        )
    leaves = [next(found) if need else None for need in ctx.needed]
    scalars = None if ctx.scalars else []  # torch takes an empty list for one of tensors
    return None, None, *[None] * len(ctx.where), leaves, scalars, [None] * ctx.seeds


_fused.register_autograd(_derive, setup_context=_setup)


@torch.library.custom_op(
    "graphkit::fused_backward",
    mutates_args=(),
    schema=f"(str program, {ADDRESS}, bool[] needed, Tensor[] kept, Tensor[] gradients, "
    "float[] scalars, Tensor[] seeds) -> Tensor[]",
)
def _fused_backward(
    program: str,
    edge_index: Tensor,
    num_src: int,
    num_dst: int,
    looped: bool,
    turned: bool,
    needed: list[bool],
    kept: list[Tensor],
    gradients: list[Tensor],
    scalars: list[float],
    seeds: list[Tensor],
) -> list[Tensor]:
    """The gradients of the leaves that need one."""
    address = Address(edge_index, num_src, num_dst, looped, turned)
    call = _Call(program, address, scalars, seeds)
    fused, graph = call.fused, call.graph
    if all(runs_on_kernels(gradient) for gradient in gradients):
        given = [g.contiguous() for g in call.gradients(gradients)]
        named = call.named(needed, kept)
        found = fused.backward(graph, call.scalars, call.shapes(), named, given, tuple(needed))
        return call.placed_gradients(found, needed)
    return in_thread(lambda: _derive_plainly(call, needed, kept, gradients))


def _derive_plainly(
    call: _Call, needed: Sequence[bool], kept: Sequence[Tensor], gradients: Sequence[Tensor]
) -> list[Tensor]:
    """In an operator's body torch records nothing to be derived; in a thread of its own it does."""
    kept = [k.detach().requires_grad_(k.is_floating_point()) for k in kept]
    return [g.detach() for g in call.differentiable(needed, kept, gradients)]


@_fused_backward.register_fake
def _(
    program: str,
    edge_index: Tensor,
    num_src: int,
    num_dst: int,
    looped: bool,
    turned: bool,
    needed: list[bool],
    kept: list[Tensor],
    gradients: list[Tensor],
    scalars: list[float],
    seeds: list[Tensor],
) -> list[Tensor]:
    fused = decode(program).fused
    sizes = rows_at(Address(edge_index, num_src, num_dst, looped, turned))
    rows = {"j": sizes[0], "i": sizes[1], "e": sizes[2], "p": 1}
    return [
        edge_index.new_empty(rows[leaf.side], _width(fused, leaf), dtype=fused.dtype)
        for leaf, need in zip(fused.program.leaves, needed, strict=True)
        if need
    ]
