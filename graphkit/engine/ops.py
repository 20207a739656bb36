"""Reductions over segments, as operators: the engine for values that already lie on the edges."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from torch import Tensor

from graphkit._compiled import ADDRESS, graph_at
from graphkit._memory import IdentityMemory
from graphkit._structure import Address, Adjacency, build_apart
from graphkit.engine import reference, traced
from graphkit.engine.devices import has_kernels
from graphkit.engine.expression import Leaf, Program
from graphkit.engine.fused import Aggregation, Fused, reduction
from graphkit.graph import Graph

T = TypeVar("T")
NARROW = (torch.bfloat16, torch.float16)  # what is summed in float32


def kernels_wanted() -> bool:
    """Whether GRAPHKIT_ENGINE leaves the kernels on; "reference" switches them off."""
    choice = os.environ.get("GRAPHKIT_ENGINE", "kernels")
    if choice not in ("kernels", "reference"):
        raise ValueError(f"GRAPHKIT_ENGINE: expected 'kernels' or 'reference', got {choice!r}")
    return choice == "kernels"


def runs_on_kernels(tensor: Tensor) -> bool:
    """Whether there are kernels for a tensor, and they are wanted."""
    return has_kernels(tensor) and kernels_wanted()


def _to_be_widened(x: Tensor) -> bool:
    """Whether plain torch would sum a tensor in a narrow dtype."""
    return x.dtype in NARROW and (torch.compiler.is_compiling() or not runs_on_kernels(x))


class Segments:
    """The part of a graph that a reduction needs: which edges end where."""

    def __init__(self, by_destination: Adjacency) -> None:
        self.by_destination = by_destination
        self.by_source = by_destination  # there is one source, and nobody reads it
        self.num_dst, self.num_edges = by_destination.num_rows, by_destination.num_edges
        self._memo: dict[Hashable, Any] = {}

    def cached(self, key: Hashable, build: Callable[[], T]) -> T:
        if key not in self._memo:
            self._memo[key] = build_apart(build)
        return self._memo[key]

    @property
    def edge_index(self) -> Tensor:
        """With sources that nobody asks for."""
        return self.cached("edge_index", self._edge_index)

    def _edge_index(self) -> Tensor:
        adjacency = self.by_destination
        rows = torch.arange(self.num_dst, device=adjacency.col.device)
        index = torch.empty(2, self.num_edges, dtype=torch.int64, device=rows.device)
        index[0] = 0
        index[1, adjacency.edge.long()] = rows.repeat_interleave(adjacency.degree.long())
        return index


_known: IdentityMemory[Segments] = IdentityMemory()


def destination(graph: Graph) -> Tensor:
    """Row 1 of edge_index; the same tensor every time, so that what is derived from it is kept."""
    if torch.compiler.is_compiling():
        return torch.ops.graphkit.destination(*graph._connectivity.address)
    return graph.cached("destination", lambda: _remembered(graph.edge_index[1], graph))


def _remembered(index: Tensor, graph: Graph) -> Tensor:
    """Let reductions over ``index``, the graph's destinations, use the graph's own order."""
    _known.put(index, graph.num_dst, Segments(graph.by_destination))
    return index


def remembers(index: Tensor | None, num: int | None) -> bool:
    """Whether the order of ``index`` is known, so that reductions over it need not sort it."""
    return index is not None and _known.get(index, num) is not None


def segments(index: Tensor | None, ptr: Tensor | None, num: int | None) -> Segments:
    """The order of ``index`` (or of the row pointers ``ptr``), found again for the same tensor."""
    if index is None and ptr is None:
        raise ValueError("index: expected the segment of every entry, or ptr, got neither")
    if index is None:
        assert ptr is not None
        found = _known.get(ptr, "ptr")
        if found is None:
            degree = ptr.diff()
            if ptr.dim() != 1 or ptr.numel() == 0 or int(ptr[0]) != 0 or bool((degree < 0).any()):
                raise ValueError("ptr: expected row pointers that start from 0 and do not fall")
            rows = torch.arange(degree.numel(), device=ptr.device).repeat_interleave(degree)
            found = _sorted(rows, degree.numel())
            _known.put(ptr, "ptr", found)
        return found
    if num is None:
        num = int(index.max()) + 1 if index.numel() else 0
    found = _known.get(index, num)
    if found is None:
        found = build_apart(lambda: _sorted(index, num))
        _known.put(index, num, found)
    return found


def _sorted(index: Tensor, num: int) -> Segments:
    if index.dim() != 1 or index.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"index: expected int64 of shape [entries], got {index.dtype} {tuple(index.shape)}"
        )
    if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < num:
        raise ValueError(
            f"index: expected entries from 0 to {num - 1}, "
            f"got {int(index.min())} to {int(index.max())}"
        )
    edges = torch.stack([torch.zeros_like(index), index]).long()
    return Segments(Graph(edges, (1, num)).by_destination)


@functools.cache
def _reduction(reduce: str, width: int, dtype: torch.dtype) -> Fused:
    return reduction(reduce, width, dtype)


@functools.cache
def _softmax(width: int, dtype: torch.dtype) -> Fused:
    p = Program()
    alpha = p("softmax", p.leaf(Leaf("e", width > 1, False)))
    return Fused(p, [Aggregation("edge", alpha)], [alpha], width, 1, dtype)


def segment_reduce(
    x: Tensor,
    index: Tensor | None,
    ptr: Tensor | None = None,
    dim_size: int | None = None,
    dim: int = 0,
    reduce: str = "sum",
) -> Tensor:
    """Reduce the entries of ``x`` along ``dim`` that share a segment; an empty segment gives 0.

    Args:
        x: values.
        index: ``[x.size(dim)]`` segment of every entry; or ``ptr``, row pointers of sorted entries.
        dim_size: number of segments.
        reduce: sum, mean, max, min, var or std. Of equal entries the first wins in max and min.
    """
    if _to_be_widened(x):
        return segment_reduce(x.float(), index, ptr, dim_size, dim, reduce).to(x.dtype)
    if torch.compiler.is_compiling() and index is not None and dim_size is not None:
        rows = x.movedim(dim, 0)
        flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
        out = _compiled_reduce(flat, index, dim_size, reduce)
        return out.view(dim_size, *rows.shape[1:]).movedim(0, dim)
    order = segments(index, ptr, dim_size)
    rows = x.movedim(dim, 0)
    _check_rows(rows, order)
    width = math.prod(rows.shape[1:])
    if width == 0 or not runs_on_kernels(x):
        out = reference.segment_reduce(rows, order.edge_index[1], order.num_dst, reduce)
        return out.movedim(0, dim)
    fused = _reduction(reduce, width, x.dtype)
    (out,) = fused(order, [rows.reshape(-1, width)], [])
    return out.view(order.num_dst, *rows.shape[1:]).movedim(0, dim)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.index, ctx.num = index, x.shape[0]
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        return segment_reduce(gradients[0], ctx.index, None, ctx.num), None


def gather(x: Tensor, index: Tensor, dim: int = 0) -> Tensor:
    """The entries ``index`` of ``x`` along ``dim``. Its gradient is a sum over the segments of
    ``index``, and as fast as one wherever their order is known."""
    if torch.compiler.is_compiling() or not x.requires_grad or not runs_on_kernels(x):
        return x.index_select(dim, index)
    out: Any = _Gather.apply(x.movedim(dim, 0), index)
    return out.movedim(0, dim)


def segment_softmax(
    src: Tensor,
    index: Tensor | None = None,
    ptr: Tensor | None = None,
    num_nodes: int | None = None,
    dim: int = 0,
) -> Tensor:
    """exp(src) over its sum within every segment, along ``dim``."""
    if isinstance(src, traced.Traced):
        return traced.softmax(src, index, ptr, num_nodes, dim)
    if _to_be_widened(src):
        return segment_softmax(src.float(), index, ptr, num_nodes, dim).to(src.dtype)
    if torch.compiler.is_compiling() and index is not None and num_nodes is not None:
        rows = src.movedim(dim, 0)
        flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
        out = _compiled_softmax(flat, index, num_nodes)
        return out.view(rows.shape).movedim(0, dim)
    order = segments(index, ptr, num_nodes)
    rows = src.movedim(dim, 0)
    _check_rows(rows, order)
    width = math.prod(rows.shape[1:])
    if width == 0 or not runs_on_kernels(src):
        out = reference.segment_softmax(rows, order.edge_index[1], order.num_dst)
        return out.movedim(0, dim)
    flat = rows.reshape(rows.shape[0], width)
    (out,) = _softmax(width, src.dtype)(order, [flat], [])
    return out.view(rows.shape).movedim(0, dim)


def _check_rows(rows: Tensor, order: Segments) -> None:
    if rows.shape[0] != order.num_edges:
        raise ValueError(
            f"x: expected {order.num_edges} entries, as index has, got {rows.shape[0]}"
        )


# ------------------------------------------------------------------ what torch.compile sees
#
# Two operators, a sum and the winners of a maximum; everything else is plain torch around them,
# for the compiler to work on.


# Schemas are spelt out: torch 2.4 does not read annotations that are strings.
@torch.library.custom_op("graphkit::destination", mutates_args=(), schema=f"({ADDRESS}) -> Tensor")
def _destination(
    edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool
) -> Tensor:
    """A copy, whose order is known."""
    graph = graph_at(Address(edge_index, num_src, num_dst, looped, turned))
    return _remembered(graph.edge_index[1].clone(), graph)


@_destination.register_fake
def _(edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool) -> Tensor:
    return edge_index.new_empty(edge_index.size(1))


@torch.library.custom_op(
    "graphkit::segment_sum",
    mutates_args=(),
    schema="(Tensor x, Tensor index, int num) -> Tensor",
)
def _segment_sum(x: Tensor, index: Tensor, num: int) -> Tensor:
    if not x.numel() or not runs_on_kernels(x):
        return reference.segment_reduce(x, index, num, "sum")
    return _first(_reduction("sum", x.shape[1], x.dtype).forward(segments(index, None, num), [x]))


@_segment_sum.register_fake
def _(x: Tensor, index: Tensor, num: int) -> Tensor:
    return x.new_empty(num, x.shape[1])


def _save_index(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(inputs[1])


def _spread(ctx: Any, gradient: Tensor) -> tuple:
    (index,) = ctx.saved_tensors
    return gradient.index_select(0, index), None, None


_segment_sum.register_autograd(_spread, setup_context=_save_index)


@torch.library.custom_op(
    "graphkit::segment_winner",
    mutates_args=(),
    schema="(Tensor x, Tensor index, int num, str reduce) -> Tensor",
)
def _segment_winner(x: Tensor, index: Tensor, num: int, reduce: str) -> Tensor:
    if not x.numel() or not runs_on_kernels(x):
        return reference.winner(x, index, num, reduce)
    order = segments(index, None, num)
    _, (slot,) = _reduction(reduce, x.shape[1], x.dtype).forward(order, [x])
    edge = order.by_destination.edge.long()
    return torch.where(slot < 0, x.shape[0], edge[slot.clamp(min=0).long()])


@_segment_winner.register_fake
def _(x: Tensor, index: Tensor, num: int, reduce: str) -> Tensor:
    return x.new_empty(num, x.shape[1], dtype=torch.int64)


def _first(results: tuple[list[Tensor], list[Tensor]]) -> Tensor:
    return results[0][0]


def _compiled_reduce(x: Tensor, index: Tensor, num: int, reduce: str) -> Tensor:
    """:func:`segment_reduce` of ``[entries, features]`` by these operators."""
    if reduce == "sum":
        return torch.ops.graphkit.segment_sum(x, index, num)
    if reduce in ("max", "min"):
        row = torch.ops.graphkit.segment_winner(x.detach(), index, num, reduce)
        padded = torch.cat([x, x.new_zeros(1, x.shape[1])])  # where an empty segment reads its 0
        return padded.gather(0, row)
    count = torch.ops.graphkit.segment_sum(x.new_ones(x.shape[0], 1), index, num).clamp(min=1)
    mean = torch.ops.graphkit.segment_sum(x, index, num) / count
    if reduce == "mean":
        return mean
    off = x - mean.index_select(0, index)
    var = torch.ops.graphkit.segment_sum(off * off, index, num) / count
    return var if reduce == "var" else reference.standard_deviation(var)


def _compiled_softmax(x: Tensor, index: Tensor, num: int) -> Tensor:
    top = _compiled_reduce(x.detach(), index, num, "max")
    weight = (x - top.index_select(0, index)).exp()
    return weight / torch.ops.graphkit.segment_sum(weight, index, num).index_select(0, index)
