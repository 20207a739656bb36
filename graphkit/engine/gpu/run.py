"""From tensors to a kernel's arguments and back."""

from __future__ import annotations

import functools
import hashlib
import inspect
import linecache
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from graphkit._structure import LONG_ROW, Adjacency
from graphkit.engine.cpu.run import Pass
from graphkit.engine.gpu import functions
from graphkit.engine.gpu.source import source

THREAD = 8  # entries of a tile [edges, heads, channels] that each of a program's threads has
EDGES = 32  # of a tile, at most, for every warp: rows are mostly short
FEATURES = 256  # of a block, where channels do not meet
WARPS, LONG_WARPS = 1, 8  # of a program: with one, its threads need not wait for each other
MANY_EDGES = 2**17  # from which on long rows are worth a launch of their own
ROWS, PROGRAMS = 32, 4096  # rows totalled by one program, at most; programs to have at least

_LOW = 0xFFFFFFFF


@functools.cache
def _compiled(nodes: tuple, outputs: tuple, row: str) -> Any:
    """The kernel of equal passes; its text is kept where tracebacks and Triton look for it."""
    text = source(nodes, outputs, row)
    name = f"<graphkit kernel {hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"tl": tl, "functions": functions, "__name__": __name__}
    exec(compile(text, name, "exec"), names)
    arguments = inspect.signature(names["kernel"]).parameters
    # What differs from call to call needs no kernel of its own where it happens to be even.
    free = [a for a in arguments if a.startswith(("num_rows", "most", "start", "limit"))]
    return triton.jit(names["kernel"], do_not_specialize=free)


_kernels: WeakKeyDictionary[Pass, Any] = WeakKeyDictionary()


def kernel(walk: Pass) -> Any:
    """The kernel of a pass, which Triton compiles at its first launch and keeps on disk."""
    found = _kernels.get(walk)
    if found is None:
        found = _kernels[walk] = _compiled(walk.nodes, walk.outputs, walk.row)
    return found


def run(
    walk: Pass,
    adjacency: Adjacency,
    leaves: Sequence[Tensor],
    scalars: Sequence[float],
    heads: int,
    channels: int,
    dtype: torch.dtype,
    results: Sequence[torch.dtype] | None = None,
) -> list[Tensor]:
    """Walk over the edges of ``adjacency``, as :func:`graphkit.engine.cpu.run.run` does.

    Args:
        leaves: each is read in its own dtype.
        dtype: what is computed with, float32 or float64.
        results: dtypes of the outputs, if not that. Totals are never shorter, and winners of max
            and min have the dtype of the graph's indices.
    """
    if walk.flat:
        heads, channels = 1, heads * channels
    accumulator = tl.float64 if dtype == torch.float64 else tl.float32
    arguments: list[Any] = []
    for number in walk.leaves:
        tensor = leaves[number]
        if tensor.dim() != 2 or (tensor.stride(1) != 1 and tensor.shape[1] > 1):
            tensor = tensor.contiguous()
        arguments += [tensor, tensor.stride(0)]
    numbers = [float(scalars[s]) for s in walk.scalars]
    arguments += numbers
    for node in walk.nodes:
        if node.op == "keep":
            rate, seed = (numbers[walk.nodes[a].data] for a in node.args)
            arguments += dropout(rate, seed, node.data[1], dtype)
    rows = 1
    if any(out.mode == "total" for out in walk.outputs):
        rows = rows_per_program(adjacency.num_rows)
    # The rows, and those of them with so many edges that all others would be done long before.
    launches = [(adjacency.col, adjacency.num_rows, rows, WARPS)]
    most = 2**62
    if adjacency.num_edges > MANY_EDGES:
        most, long = LONG_ROW, adjacency.long_rows
        launches.append((long, long.numel(), 1, LONG_WARPS))
    programs = [triton.cdiv(count, each) for _, count, each, _ in launches]
    outputs = []
    for number, out in enumerate(walk.outputs):
        width = heads * channels if out.wide else heads
        count = {"row": adjacency.num_rows, "edge": adjacency.num_edges, "total": sum(programs)}
        kind = dtype if results is None or out.mode == "total" else results[number]
        if "arg" in walk.nodes[out.node].op:
            kind = adjacency.col.dtype
        outputs.append(adjacency.col.new_empty(count[out.mode], width, dtype=kind))
    summed = any(node.op == "channel_sum" for node in walk.nodes)
    connections = adjacency.rowptr, adjacency.col, adjacency.edge, adjacency.slot
    for number, (listed, count, each, warps) in enumerate(launches):
        if programs[number] == 0:
            continue
        e, h, c, warps = tile(heads, channels, summed, warps)
        first = sum(programs[:number])  # of the totals
        with torch.cuda.device_of(adjacency.col):
            kernel(walk)[programs[number], triton.cdiv(heads, h), triton.cdiv(channels, c)](
                *connections,
                listed,
                count,
                most,
                *arguments,
                *(
                    t[first:] if o.mode == "total" else t
                    for t, o in zip(outputs, walk.outputs, strict=True)
                ),
                heads,
                channels,
                accumulator,
                number > 0,
                each,
                e,
                h,
                c,
                num_warps=warps,
                enable_fp_fusion=True,
            )
    return [
        t.sum(0) if o.mode == "total" else t for t, o in zip(outputs, walk.outputs, strict=True)
    ]


def tile(heads: int, channels: int, summed: bool, warps: int) -> tuple[int, int, int, int]:
    """How many edges, heads and channels a program has in hand at once, and its warps.

    Args:
        summed: whether something is summed over channels, which then are all in one block.
        warps: how many it has at least; wide blocks have more.
    """
    c = triton.next_power_of_2(channels)
    if not summed:
        c = min(c, FEATURES)
    h = min(triton.next_power_of_2(heads), max(1, FEATURES // c))
    warps = max(warps, min(16, h * c // (32 * THREAD)))
    return max(1, min(EDGES * warps, THREAD * 32 * warps // (h * c))), h, c, warps


def rows_per_program(rows: int) -> int:
    """Rows that one program totals: a power of two, so that few kernels serve all graphs."""
    most = max(1, min(ROWS, rows // PROGRAMS))
    return 1 << (most.bit_length() - 1)


def dropout(rate: float, seed: float, stream: int, dtype: torch.dtype) -> tuple[int, int, float]:
    """What a kernel needs for dropout's factors: the hash's start, its limit, and 1 / (1 - rate).

    The quotient is taken in the factors' own precision, as in ``reference.keep``.
    """
    h = (int(seed) + stream * 0x9E3779B9) & _LOW
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = ((h ^ (h >> shift)) * factor) & _LOW
    kind = np.float64 if dtype == torch.float64 else np.float32
    return h ^ (h >> 16), min(int(rate * 2**32), _LOW), float(kind(1) / kind(1 - rate))
