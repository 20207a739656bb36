"""Plain torch: what every kernel must compute.

Nothing here is fast. It runs on any device and dtype, and derives twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkit.engine.expression import Program

STD_FLOOR = 1e-5  # a variance below it has no usable root, and counts as 0


def segment_reduce(x: Tensor, index: Tensor, num_segments: int, reduce: str) -> Tensor:
    """Reduce the rows of ``x`` that share an entry of ``index``; an empty segment gives 0."""
    shape = (num_segments, *x.shape[1:])
    if x.shape[0] == 0:
        return x.new_zeros(shape) + x.sum()
    if reduce == "sum":
        return x.new_zeros(shape).index_add(0, index, x)
    if reduce in ("max", "min"):
        return _extremum(x, index, num_segments, reduce)
    mean = segment_reduce(x, index, num_segments, "sum") / _degree(x, index, num_segments)
    if reduce == "mean":
        return mean
    deviation = x - mean.index_select(0, index)
    var = segment_reduce(deviation * deviation, index, num_segments, "mean")
    if reduce == "var":
        return var
    if reduce == "std":
        return standard_deviation(var)
    raise ValueError(f"reduce: expected sum, mean, max, min, var or std, got {reduce!r}")


def standard_deviation(var: Tensor) -> Tensor:
    """The root of a variance, 0 below the floor (NaN stays NaN)."""
    return torch.where(var <= STD_FLOOR, torch.zeros_like(var), var.clamp(min=STD_FLOOR).sqrt())


def segment_softmax(x: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """exp(x_e) over its sum within the segment."""
    if x.shape[0] == 0:
        return x
    top = segment_reduce(x.detach(), index, num_segments, "max").index_select(0, index)
    weight = (x - top).exp()
    total = segment_reduce(weight, index, num_segments, "sum")
    return weight / total.index_select(0, index)


def _degree(x: Tensor, index: Tensor, num_segments: int) -> Tensor:
    degree = torch.bincount(index, minlength=num_segments).clamp(min=1).to(x.dtype)
    return degree.view(-1, *[1] * (x.dim() - 1))


def _extremum(x: Tensor, index: Tensor, num_segments: int, reduce: str) -> Tensor:
    """The first of the largest (smallest) entries; NaN is larger and smaller than all."""
    rows = x.shape[0]
    first = winner(x.detach(), index, num_segments, reduce)
    found = x.gather(0, first.clamp(max=rows - 1))
    return torch.where(first < rows, found, torch.zeros_like(found))


def winner(x: Tensor, index: Tensor, num_segments: int, reduce: str) -> Tensor:
    """Which row of ``x`` the maximum or minimum of every segment is; ``len(x)`` if it is empty."""
    rows, shape = x.shape[0], (num_segments, *x.shape[1:])
    lift = (-1, *[1] * (x.dim() - 1))
    wide = index.view(lift).expand_as(x)
    best = x.new_zeros(shape).scatter_reduce(
        0, wide, x, "amax" if reduce == "max" else "amin", include_self=False
    )
    best = best.index_select(0, index)
    wins = (x == best) | (x.isnan() & best.isnan())
    row = torch.arange(rows, device=x.device).view(lift).expand_as(x)
    none = torch.full(shape, rows, device=x.device)
    return none.scatter_reduce(0, wide, torch.where(wins, row, rows), "amin")


# ------------------------------------------------------------------ expressions

_ELEMENTWISE = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "gt": torch.gt,
    "ge": torch.ge,
    "lt": torch.lt,
    "le": torch.le,
    "eq": torch.eq,
    "ne": torch.ne,
    "where": torch.where,
    "neg": torch.neg,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "sign": torch.sign,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "relu": torch.relu,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "stop": torch.detach,
}


def evaluate(
    program: Program,
    wanted: Sequence[int],
    edge_index: Tensor,
    num_dst: int,
    leaves: Sequence[Tensor],
    scalars: Sequence[float],
    heads: int,
    channels: int,
) -> list[Tensor]:
    """Per-edge values of an expression as the user wrote it, ``[edges, features]``.

    Args:
        leaves: ``[rows, features]`` each, as for a kernel.
    """
    source, index = edge_index
    edges = index.numel()
    values: dict[int, Tensor] = {}
    for n in program.reachable(list(wanted)):
        op, args, data = program.nodes[n]
        if op == "leaf":
            number, leaf = data  # type: ignore[misc]
            tensor = leaves[number]
            if leaf.side in ("i", "j"):
                tensor = tensor.index_select(0, index if leaf.side == "i" else source)
            shape = heads if leaf.heads else 1, channels if leaf.channels else 1
            values[n] = tensor.reshape(-1, *shape)
        elif op in ("literal", "scalar"):
            number = data if op == "literal" else scalars[data]  # type: ignore[index]
            values[n] = torch.tensor(number, dtype=leaves[0].dtype, device=leaves[0].device)
        elif op == "keep":
            rate, seed = (scalars[program.nodes[a].data] for a in args)  # type: ignore[index]
            wide, stream, _ = data  # type: ignore[misc]
            width = channels if wide else 1
            mask = keep(rate, seed, stream, edges, heads * width, leaves[0])
            values[n] = mask.view(-1, heads, width)
        elif op == "channel_sum":
            values[n] = values[args[0]].expand(-1, -1, channels).sum(-1, keepdim=True)
        elif op == "softmax":
            values[n] = segment_softmax(values[args[0]], index, num_dst)
        else:
            values[n] = _ELEMENTWISE[op](*(values[a] for a in args))
    shapes = {n: (edges, heads, channels if program.wide[n] else 1) for n in wanted}
    return [values[n].expand(shapes[n]).reshape(edges, -1) for n in wanted]


def keep(rate: float, seed: float, stream: int, edges: int, features: int, like: Tensor) -> Tensor:
    """Dropout's factors ``[edges, features]`` from a hash of seed, edge and feature."""
    device = like.device
    edge = torch.arange(edges, device=device)
    start = torch.tensor(int(seed) + stream * 0x9E3779B9, device=device) & _LOW
    h = _mix(_mix(start) ^ (edge & _LOW))
    h = _mix(h ^ (edge >> 32))
    h = _mix(h.view(-1, 1) ^ torch.arange(features, device=device))
    limit = min(int(rate * 4294967296.0), 0xFFFFFFFF)
    return (h >= limit).to(like.dtype) / (1.0 - rate)


_LOW = 0xFFFFFFFF


def _mix(h: Tensor) -> Tensor:
    """The kernels' hash of 32 bits, in int64. The products stay below 2**63 in two halves."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = h ^ (h >> shift)
        low, high = h & 0xFFFF, h >> 16
        h = (low * factor + ((high * factor & 0xFFFF) << 16)) & _LOW
    return h ^ (h >> 16)
