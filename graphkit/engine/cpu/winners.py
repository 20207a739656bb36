"""The gradient of a row's maximum or minimum of features as they are: it goes to the winner alone.

A walk over the edges would read two numbers for every edge and feature, to find out whether it won.
Here every row hands its gradient out instead, one by one. Threads share the features among them, so
that no two write to the same place, and each entry is summed in the order of the rows.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba.core import types
from numba.np.numpy_support import carray
from torch import Tensor

from graphkit._structure import Adjacency
from graphkit.engine.cpu import memory, threads
from graphkit.engine.cpu.compile import Kernel, compiled, emitted

SLICE = 16  # features at a time: one cache line of every node, so that those of all nodes stay near


@emitted
def _pointer(typingctx: Any, address: Any, kind: Any) -> Any:
    """An address as a pointer to numbers of a kind."""
    pointer = types.CPointer(kind.dtype)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(types.int64, kind), emit


def _hand_out(kind, first, last, chunk, arguments):
    a = carray(_pointer(arguments, np.int64), 7)
    num_rows, num_sources, width = a[4], a[5], a[6]
    winner = carray(_pointer(a[0], np.int32), (num_rows, width))
    gradient = carray(_pointer(a[1], kind), (num_rows, width))
    col = carray(_pointer(a[2], np.int32), 1)
    out = carray(_pointer(a[3], kind), (num_sources, width))
    for source in range(num_sources):
        for k in range(first, last):
            out[source, k] = 0
    for row in range(num_rows):
        for k in range(first, last):
            slot = winner[row, k]
            if slot >= 0:
                out[col[slot], k] += gradient[row, k]
    return np.int64(0)


@functools.cache
def _kernel(dtype: torch.dtype) -> Kernel:
    kind = {torch.float32: types.float32, torch.float64: types.float64}[dtype]
    return compiled(_hand_out, (types.NumberClass(kind), *[types.int64] * 4))


def serves(adjacency: Adjacency, gradient: Tensor) -> bool:
    """Whether :func:`hand_out` knows these dtypes and this device."""
    known = gradient.dtype in (torch.float32, torch.float64) and gradient.device.type == "cpu"
    return known and adjacency.col.dtype == torch.int32


def hand_out(adjacency: Adjacency, winner: Tensor, gradient: Tensor) -> Tensor:
    """``[sources, features]``: for each the sum of the gradients of what it won.

    Args:
        adjacency: the edges by destination.
        winner: ``[destinations, features]`` int32, the slot of the edge that won, or -1.
        gradient: of the results, of the same shape.
    """
    rows, width = gradient.shape
    out = memory.empty(adjacency.num_cols, width, gradient.dtype)
    winner, gradient = winner.contiguous(), gradient.contiguous()
    tensors = winner, gradient, adjacency.col, out
    packed = np.array([*(t.data_ptr() for t in tensors), rows, adjacency.num_cols, width])
    slices = np.minimum(np.arange(0, width + SLICE, SLICE), width)
    kernel = _kernel(gradient.dtype)
    threads.run(kernel, slices, packed.ctypes.data, rows * width)
    return out
