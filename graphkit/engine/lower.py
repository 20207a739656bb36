"""From a traced message to programs: what a kernel computes, and what plain torch does before it.

A program knows numbers per edge and head or channel. What it cannot express is computed before the
kernel and read by it: on the nodes, where a value depends on one end of the edges alone (a matrix
product of ``x_j``, a part of its features), so that it is computed once for every node; on the
edges else, from what a kernel of its own left there. Linear maps move: one of ``[x_i, x_j, e]`` is
split into a map of each, and one that ends a message that is summed comes after the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.engine import dense
from graphkit.engine.expression import FusionError, Leaf, Node, Program
from graphkit.engine.fused import After, Aggregation, Fused, computed_alike
from graphkit.engine.traced import (
    CAT,
    CONSTANT,
    RULES,
    RULES_AFTER,
    Apply,
    Given,
    RowCount,
    Trace,
    Traced,
    call,
    plain,
    replaced,
    softmax,
)
from graphkit.graph import Graph

MATMUL = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm}
ADD = {torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__}
SUB = {torch.sub, torch.subtract, Tensor.sub, Tensor.__sub__}
NEG = {torch.neg, torch.negative, Tensor.neg, Tensor.__neg__, Tensor.negative}
MUL = {torch.mul, torch.multiply, Tensor.mul, Tensor.multiply, Tensor.__mul__, Tensor.__rmul__}


# ------------------------------------------------------------------ at run time


class Source(NamedTuple):
    """Where a kernel finds what it reads: on which side it lies, and how it is come by."""

    side: str
    get: Callable[[Run], Tensor]
    made: bool = False  # computed for the kernel, not given


@dataclass
class Run:
    """One call: the tensors it brings, and what is computed of them on the way."""

    graph: Graph
    values: dict[str, Any]  # by the message's arguments, as they lie at the nodes
    stages: dict[int, Kernel]  # kernels that leave a value on the edges, by the value
    mask: Tensor | None = None
    temperatures: tuple[Any, ...] = ()
    memo: dict[Any, Any] = field(default_factory=dict)

    def read(self, source: Source) -> Tensor:
        """``[rows, features]`` for a kernel."""
        key = id(source)
        if key not in self.memo:
            value = source.get(self)
            rows = 1 if source.side == CONSTANT else value.shape[0]
            width = value.numel() if source.side == CONSTANT else math.prod(value.shape[1:])
            self.memo[key] = value.reshape(rows, width)
        return self.memo[key]

    def value(self, t: Traced) -> Any:
        """A value on the nodes or edges it belongs to, by plain torch."""
        if id(t) not in self.memo:
            self.memo[id(t)] = self._compute(t)
        return self.memo[id(t)]

    def _compute(self, t: Traced) -> Any:
        origin = t.origin
        if isinstance(origin, Given):
            if origin.owner is None:
                return self.values[origin.name]
            return getattr(origin.owner, origin.name)
        if id(t) in self.stages:
            (out,) = self.stages[id(t)](self)
            return out.view(-1, *t.features)
        rows = {"i": self.graph.num_dst, "j": self.graph.num_src}.get(t.side or "e")

        def found(a: Any) -> Any:
            if isinstance(a, Traced):
                return self._on_edges(a) if t.side is None else self.value(a)
            if isinstance(a, RowCount):
                return self.graph.num_edges if rows is None else rows
            return a

        args = [replaced(a, found) for a in origin.args]
        return origin.func(*args, **{k: replaced(a, found) for k, a in origin.kwargs.items()})

    def _on_edges(self, t: Traced) -> Any:
        value = self.value(t)
        if t.side in ("i", "j"):
            return value.index_select(0, self.graph.edge_index[1 if t.side == "i" else 0])
        return value


@dataclass
class Kernel:
    """A program with its aggregations, and where it finds what it reads."""

    fused: Fused
    sources: list[Source]
    scalars: list[float | Callable[[Run], float]]

    def __call__(self, run: Run) -> list[Tensor]:
        # Autocast may have made narrower what plain torch computed.
        leaves = [run.read(source).to(self.fused.dtype) for source in self.sources]
        scalars = [s(run) if callable(s) else s for s in self.scalars]
        return self.fused(run.graph, leaves, scalars)


# ------------------------------------------------------------------ one program


class _Before(Exception):  # noqa: N818 (not an error)
    """A value has to be computed before the kernel."""

    def __init__(self, value: Traced) -> None:
        self.value = value


class Lowered:
    """A program for some values of a message.

    Attributes:
        program, nodes: the expression, and its nodes for the values.
        softmax: its softmaxes over the neighbourhood.
        heads, channels: its feature axes.
        sources, scalars: what its leaves and numbers are at run time.
    """

    def __init__(
        self, plan: Stages, values: Iterable[Traced], before: set[int] | frozenset = frozenset()
    ) -> None:
        self.stages, self.trace, self.before = plan, plan.trace, before
        self.program = Program()
        self.softmax: list[int] = []
        self.sources: list[Source] = []
        self.scalars: list[float | Callable[[Run], float]] = []
        self._known: dict[int, int] = {}
        self._aggregated: Traced | None = None
        self._values = values = list(values)
        self.heads, self.channels = self._axes_of(values)
        self.nodes = [self.node(t) for t in values]
        self.shape, self.dtype = values[0].features, values[0].dtype
        if not computed_alike(self.dtype, self.trace.dtype):
            raise FusionError(f"a message of {self.dtype} from {self.trace.dtype}")
        if self.axes(self.shape) != (self.heads > 1, self.program.wide[self.nodes[0]]):
            raise FusionError(f"a message of shape {self.shape} is the same along some features")

    def kernel(
        self,
        aggregations: list[Aggregation],
        softmax: Iterable[int] = (),
        after: After | None = None,
    ) -> Kernel:
        weights = [*self.softmax, *softmax]
        size = self.heads, self.channels
        fused = Fused(self.program, aggregations, weights, *size, self.dtype, after)
        return Kernel(fused, self.sources, self.scalars)

    # -------------------------------------------------------------- what follows the aggregation

    def after(self, update: Trace, aggregated: Traced) -> After:
        """The nodes of an update that works entry by entry; nothing can be lowered after it.

        Raises:
            FusionError: it does something else.
        """
        result, p = update.message, self.program
        assert result is not None
        stack, seen = [result], set[int]()
        while stack:
            t = stack.pop()
            if id(t) in seen or t is aggregated or not _hangs_on(t, aggregated):
                continue
            seen.add(id(t))
            assert isinstance(t.origin, Apply)
            if t.origin.func not in RULES and t.origin.func not in RULES_AFTER:
                raise FusionError(f"calls {t.origin.name}{t.origin.where}")
            stack += t.origin.operands
        message = self.nodes[0]
        stands_in = p.node(Node("aggregated", (), (p.wide[message],)))
        self._known[id(aggregated)], self._aggregated = stands_in, aggregated
        try:
            node = self.node(result)
        except _Before as found:
            raise FusionError(f"calls {found.value.origin.name}") from None
        if any(p.nodes[n].op in ("channel_sum", "softmax") for n in p.reachable([node])):
            raise FusionError("sums over features")
        if p.wide[node] != p.wide[message] or self.axes(result.features) != self.axes(self.shape):
            raise FusionError(f"makes features {result.features} of {self.shape}")
        leaf = p.leaf(Leaf("i", self.heads > 1, p.wide[message]))
        return After(leaf, p.substitute(node, {stands_in: leaf}))

    # -------------------------------------------------------------- feature axes

    def _axes_of(self, values: list[Traced]) -> tuple[int, int]:
        """Heads and channels, from the shapes of all that the kernel computes."""
        shapes: set[tuple[int, ...]] = set()
        stack, seen = list(values), set[int]()
        while stack:
            t = stack.pop()
            if id(t) in seen:
                continue
            seen.add(id(t))
            shapes.add(t.features)
            if self._is_read(t):
                continue
            assert isinstance(t.origin, Apply)
            for a in t.origin.operands:
                if a.side != CONSTANT:
                    stack.append(a)
                elif plain(a).dim() <= plain(t).dim():
                    shapes.add(_lined_up(tuple(plain(a).shape), plain(t).dim()))
        if any(len(shape) > 2 for shape in shapes):
            raise FusionError("more than two feature dimensions")
        pairs = [shape for shape in shapes if len(shape) == 2]
        if pairs:
            return max(shape[0] for shape in pairs), max(shape[1] for shape in pairs)
        if math.prod(values[0].features) > 1:
            return 1, values[0].features[0]
        return 1, max((shape[0] for shape in shapes if shape), default=1)

    def axes(self, features: tuple[int, ...]) -> tuple[bool, bool]:
        """Which of (heads, channels) a feature shape has."""
        heads, channels = self.heads, self.channels
        if len(features) == 2:
            if features[0] in (1, heads) and features[1] in (1, channels):
                return features[0] > 1, features[1] > 1
        elif all(f == 1 for f in features):
            return False, False
        elif len(features) == 1:
            if features[0] == heads * channels:
                return heads > 1, channels > 1
            if features[0] == heads:
                return True, False
            if features[0] == channels:
                return False, True
        raise FusionError(f"mixes features of shape {features} and {(heads, channels)}")

    # -------------------------------------------------------------- nodes

    def _is_read(self, t: Traced) -> bool:
        """Whether a value is a leaf, or a sum of leaves."""
        if isinstance(t.origin, Given) or id(t) in self.before:
            return True
        return t.origin.func not in RULES and t.origin.func is not softmax

    def node(self, t: Traced) -> int:
        if id(t) not in self._known:
            self._known[id(t)] = self._node(t)
        return self._known[id(t)]

    def _node(self, t: Traced) -> int:
        origin = t.origin
        if isinstance(origin, Given):
            return self.leaf(t.side or "e", lambda run: run.value(t), t)
        follows = self._aggregated is not None and _hangs_on(t, self._aggregated)
        if follows and origin.func in RULES_AFTER:
            return RULES_AFTER[origin.func](Call(self, t, origin))
        if self._is_read(t):
            linear = LinearMap.of(t) if t.side is None else None
            if linear is not None:
                return self._split(t, linear)
            self.stages.prepare(t)
            self.stages.note(f"{origin.name} {_WHERE[t.side or 'e']} before the kernel")
            return self.leaf(t.side or "e", lambda run: run.value(t), t, made=True)
        try:
            if origin.func is softmax:
                return self._softmax(origin)
            return RULES[origin.func](Call(self, t, origin))
        except FusionError as error:
            self._look_below(origin)
            if t.side is not None or all(t is not value for value in self._values):
                raise _Before(t) from None
            where = "" if str(error).endswith(")") else origin.where
            raise FusionError(f"{error}{where}") from None

    def _look_below(self, origin: Apply) -> None:
        """What an operation is applied to may have to come before the kernel itself."""
        for a in origin.operands:
            if a.side != CONSTANT:
                try:
                    self.node(a)
                except FusionError:
                    continue

    def leaf(
        self, side: str, get: Callable[[Run], Tensor], form: Traced, *, made: bool = False
    ) -> int:
        if form.dtype == torch.bool:
            dtype = self.trace.dtype
            truth = self._leaf(side, lambda run: get(run).to(dtype), form, made)
            return self.program("ne", truth, self.program.literal(0.0))
        if not computed_alike(form.dtype, self.trace.dtype):
            name = getattr(form.origin, "name", "a value")
            raise FusionError(f"{name} has {form.dtype}, others {self.trace.dtype}")
        return self._leaf(side, get, form, made)

    def _leaf(self, side: str, get: Callable[[Run], Tensor], form: Traced, made: bool) -> int:
        heads, channels = self.axes(form.features)
        self.sources.append(Source(side, get, made))
        return self.program.leaf(Leaf(side, heads, channels))

    def constant(self, t: Traced, rank: int) -> int:
        """A parameter that meets values of ``rank`` dimensions."""
        shape = tuple(plain(t).shape)
        if len(shape) > rank or (len(shape) == rank and shape[0] != 1):
            raise FusionError(f"broadcasts a parameter of shape {shape} over edges")
        if not computed_alike(t.dtype, self.trace.dtype):
            raise FusionError(f"mixes {t.dtype} and {self.trace.dtype}")
        heads, channels = self.axes(_lined_up(shape, rank))
        self.sources.append(Source(CONSTANT, lambda run: run.value(t)))
        return self.program.leaf(Leaf(CONSTANT, heads, channels))

    def number(self, value: float | Callable[[Run], float]) -> int:
        if not callable(value) and float(value) in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0):
            return self.program.literal(float(value))
        self.scalars.append(value if callable(value) else float(value))
        return self.program.scalar()

    def _softmax(self, origin: Apply) -> int:
        p = self.program
        score = self.node(origin.args[0])
        if any(p.depends(score, known) for known in self.softmax):
            raise FusionError("a softmax of a softmax")
        node = p("softmax", score)
        if node not in self.softmax:
            self.softmax.append(node)
        return node

    # -------------------------------------------------------------- linear maps

    def _split(self, t: Traced, linear: LinearMap) -> int:
        """A linear map of values from several sides, as a sum of maps of each side."""
        sides: dict[str, list[_Term]] = {}
        for term in _terms(linear.x):
            self.stages.prepare(term.value)
            sides.setdefault(term.value.side or "e", []).append(term)
        bias = linear.bias
        nodes = []
        for side in sorted(sides, key="jie".index):  # the bias goes where there are fewest rows
            nodes.append(self._mapped(t, linear, side, sides[side], bias))
            bias = None
        maps = ", ".join(_WHERE[side] for side in sorted(sides, key="jie".index))
        self.stages.note(f"the linear map of {_names(linear.x)} split into maps {maps}")
        total = nodes[0]
        for node in nodes[1:]:
            total = self.program("add", total, node)
        return total

    def _mapped(
        self, t: Traced, linear: LinearMap, side: str, terms: list[_Term], bias: Traced | None
    ) -> int:
        def get(run: Run) -> Tensor:
            weight = linear.matrix(run)
            parts: dict[int, tuple[Traced, Tensor]] = {}
            for value, first, sign in terms:
                part = weight[:, first : first + value.features[-1]]
                part = part if sign > 0 else -part
                if id(value) in parts:
                    part = parts[id(value)][1] + part
                parts[id(value)] = value, part
            b = None if bias is None else run.value(bias)
            (first_value, first_part), *rest = parts.values()
            out = dense.linear(run.value(first_value), first_part, b)
            for value, part in rest:
                out = out + dense.linear(run.value(value), part)
            return out

        return self.leaf(side, get, t, made=True)


def _hangs_on(t: Traced, other: Traced) -> bool:
    """Whether a value is computed from another one."""
    stack, seen = [t], set[int]()
    while stack:
        t = stack.pop()
        if t is other:
            return True
        if id(t) not in seen and isinstance(t.origin, Apply):
            stack += t.origin.operands
        seen.add(id(t))
    return False


_WHERE = {"i": "on the destinations", "j": "on the sources", "e": "on the edges"}


def _names(t: Traced) -> str:
    """The arguments a value is made of, for people."""
    names: dict[str, None] = {}
    stack = [t]
    while stack:
        origin = stack.pop().origin
        if isinstance(origin, Given):
            names[origin.name] = None
        else:
            stack += [a for a in reversed(origin.operands) if a.side != CONSTANT]
    return ", ".join(names)


def _lined_up(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The feature shape of a parameter that meets values of ``rank`` dimensions."""
    return (1,) * (rank - 1 - len(shape)) + (shape[1:] if len(shape) == rank else shape)


class Call:
    """An operation that a rule turns into a node."""

    def __init__(self, lowered: Lowered, out: Traced, origin: Apply) -> None:
        self.lowered, self.out, self.p = lowered, out, lowered.program
        self.func, self.name, self.number = origin.func, origin.name, origin.number
        self.args, self.kwargs, self.argument = origin.args, origin.kwargs, origin.argument

    @property
    def rank(self) -> int:
        return plain(self.out).dim()

    def node(self, a: Any, rank: int | None = None) -> int:
        """The node of a tensor or number that meets per-edge values of ``rank`` dimensions.

        What is true counts as 1.
        """
        node = self.as_it_is(a, rank)
        if isinstance(a, Traced) and a.dtype == torch.bool:
            return self.p("where", node, self.p.literal(1.0), self.p.literal(0.0))
        return node

    def as_it_is(self, a: Any, rank: int | None = None) -> int:
        """The same, but a condition stays one."""
        if isinstance(a, Traced):
            rank = self.rank if rank is None else rank
            if a.side == CONSTANT:
                return self.lowered.constant(a, rank)
            if plain(a).dim() != rank:
                raise FusionError(f"{self.name} broadcasts the edges' dimension away")
            return self.lowered.node(a)
        if isinstance(a, (bool, int, float)):
            return self.lowered.number(a)
        raise FusionError(f"{self.name} takes a {type(a).__name__}")

    def axes(self, t: Traced) -> tuple[bool, bool]:
        return self.lowered.axes(t.features)


# ------------------------------------------------------------------ all programs of a message


class Stages:
    """What is computed before the last kernel, for all programs of one message.

    Attributes:
        kernels: those that leave a value on the edges, by the value.
        notes: in words, what was moved.
        edge_bytes: what lies on every edge meanwhile, beside what the call brought.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.kernels: dict[int, Kernel] = {}
        self.notes: list[str] = []
        self.edge_bytes = 0
        self._counted: set[int] = set()

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def lower(self, *values: Traced) -> Lowered:
        before: set[int] = set()
        while True:
            notes, size = len(self.notes), self.edge_bytes
            try:
                lowered = Lowered(self, values, before)
            except _Before as found:
                before.add(id(found.value))
                del self.notes[notes:]
                self.edge_bytes = size
                continue
            width = 2 * torch.empty((), dtype=self.trace.dtype).element_size()  # and a gradient
            for source, leaf in zip(lowered.sources, lowered.program.leaves, strict=True):
                if source.side == "e" and source.made:
                    features = lowered.heads if leaf.heads else 1
                    features *= lowered.channels if leaf.channels else 1
                    self.edge_bytes += width * features
            return lowered

    def prepare(self, t: Traced) -> None:
        """Make the kernels that plain torch needs the results of."""
        if isinstance(t.origin, Given) or t.side == CONSTANT or id(t) in self.kernels:
            return
        origin = t.origin
        by_kernel = origin.func in RULES or origin.func is softmax or LinearMap.of(t) is not None
        if t.side is None and by_kernel:
            lowered = self.lower(t)
            self.kernels[id(t)] = lowered.kernel([Aggregation("edge", lowered.nodes[0])])
            self.note(f"{_names(t)} combined on the edges by a kernel of their own")
            width = 2 * torch.empty((), dtype=self.trace.dtype).element_size()
            self.edge_bytes += width * math.prod(t.features)
            return
        for a in origin.operands:
            self.prepare(a)


class _Term(NamedTuple):
    """A part of what a linear map is applied to: a value, its first column, and its sign."""

    value: Traced
    first: int
    sign: int


def _terms(t: Traced, first: int = 0, sign: int = 1) -> list[_Term]:
    """What a concatenation, sum or difference is made of, down to values of one side."""
    origin = t.origin
    if isinstance(origin, Apply) and t.side is None:
        parts = joined(t)
        if parts is not None:
            found = []
            for part in parts:
                found += _terms(part, first, sign)
                first += part.features[-1]
            return found
        operands = [a for a in origin.args if isinstance(a, Traced)]
        same = len(operands) == len(origin.args) and not origin.kwargs
        if same and all(a.side != CONSTANT and a.features == t.features for a in operands):
            if origin.func in ADD or origin.func in SUB:
                other = sign if origin.func in ADD else -sign
                return _terms(operands[0], first, sign) + _terms(operands[1], first, other)
            if origin.func in NEG:
                return _terms(operands[0], first, -sign)
    return [_Term(t, first, sign)]


def joined(t: Traced) -> list[Traced] | None:
    """The parts of a concatenation along the last dimension."""
    origin = t.origin
    if isinstance(origin, Given) or origin.func not in CAT:
        return None
    parts, dim = origin.argument(0, "tensors"), origin.argument(1, "dim", 0)
    rank = plain(t).dim()
    if dim not in (-1, rank - 1) or any(p.side == CONSTANT for p in parts):
        return None
    return list(parts)


class LinearMap(NamedTuple):
    """A call that is linear in one argument, with constants for the others."""

    x: Traced
    weight: Traced
    bias: Traced | None
    transposed: bool  # the weight is [in, out]

    @classmethod
    def of(cls, t: Traced) -> LinearMap | None:
        origin = t.origin
        if isinstance(origin, Given):
            return None
        if origin.func is F.linear:
            x, weight = origin.argument(0, "input"), origin.argument(1, "weight")
            bias, turned = origin.argument(2, "bias"), False
        elif origin.func in MATMUL and len(origin.args) == 2:
            (x, weight), bias, turned = origin.args, None, True
        else:
            return None
        constants = [c for c in (weight, bias) if c is not None]
        if any(c.side != CONSTANT for c in constants) or plain(weight).dim() != 2:
            return None
        return cls(x, weight, bias, turned)

    def matrix(self, run: Run) -> Tensor:
        """``[out, in]``."""
        weight = run.value(self.weight)
        return weight.t() if self.transposed else weight


class Behind(NamedTuple):
    """A message that is a linear map of ``coefficient * inner``."""

    linear: LinearMap
    parts: list[Traced]  # the inner value, cut along the features, times the coefficient
    coefficient: Traced | None


def behind(trace: Trace, message: Traced) -> Behind | None:
    """The linear map that ends a message, where it had better follow a sum or mean.

    It had not where it is a map of the nodes alone that makes them narrower.
    """
    coefficient, t = None, message
    origin = t.origin
    if isinstance(origin, Apply) and origin.func in MUL and len(origin.args) == 2:
        for t, coefficient in (origin.args, origin.args[::-1]):
            if (
                isinstance(t, Traced)
                and isinstance(coefficient, Traced)
                and coefficient.side != CONSTANT
                and plain(coefficient).dim() == plain(t).dim()
                and math.prod(coefficient.features) == 1
                and LinearMap.of(t) is not None
            ):
                break
        else:
            return None
    linear = LinearMap.of(t)
    if linear is None or len(t.features) != 1:
        return None
    x = linear.x
    on_nodes = all(term.value.side in ("i", "j") for term in _terms(x))
    if on_nodes and t.features[0] <= x.features[0]:
        return None
    parts = joined(x) or [x]
    if coefficient is not None:
        parts = [call(trace, torch.mul, (part, coefficient), {}) for part in parts]
    return Behind(linear, parts, coefficient)
