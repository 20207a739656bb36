"""A sparse matrix of features times a dense one: a weighted sum over the non-zeros of each row.

Bag-of-words features are about one per cent dense. What follows from the places of the non-zeros
alone (their orders by row and by column) is worked out once for a matrix and shared with those that
differ from it in their values only, as after dropout.
"""

from __future__ import annotations

import functools
import warnings

import torch
from torch import Tensor

from graphkit._memory import IdentityMemory
from graphkit.engine.expression import Leaf, Program
from graphkit.engine.fused import Aggregation, Fused, computed_alike
from graphkit.engine.ops import runs_on_kernels
from graphkit.graph import Graph

_PATTERN = "pattern"
_known: IdentityMemory[Graph] = IdentityMemory()


def csr(
    crow: Tensor, col: Tensor, values: Tensor, size: tuple[int, int], check: bool = False
) -> Tensor:
    """A CSR matrix, without torch's notices that all of them are new, and these not checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        warnings.filterwarnings("ignore", "Sparse invariant checks are implicitly", UserWarning)
        return torch.sparse_csr_tensor(crow, col, values, size, check_invariants=check)


def with_values(matrix: Tensor, values: Tensor) -> Tensor:
    """A CSR matrix with its non-zeros, in order, replaced."""
    out = csr(matrix.crow_indices(), matrix.col_indices(), values, (matrix.size(0), matrix.size(1)))
    _known.put(out, _PATTERN, _pattern(matrix))
    return out


def matmul(matrix: Tensor, dense: Tensor) -> Tensor:
    """``[rows, columns]`` sparse times ``[columns, width]``.

    Gradients flow to `dense`, and to the values of a matrix that asks for them. Under autocast
    `dense` and the result have its dtype, as with other matrix products.
    """
    kernels = (
        matrix.layout == torch.sparse_csr
        and computed_alike(matrix.dtype, dense.dtype)
        and runs_on_kernels(dense)
        and dense.numel() > 0
        and not (matrix.requires_grad or torch.compiler.is_compiling())
    )
    if not kernels:
        return torch.sparse.mm(matrix, dense)
    if dense.dtype != torch.float64 and torch.is_autocast_enabled("cpu"):
        dense = dense.to(torch.get_autocast_dtype("cpu"))
    width = dense.size(1)
    (out,) = _weighted_sum(width, dense.dtype)(
        _pattern(matrix), [dense.contiguous(), matrix.values().view(-1, 1)], []
    )
    return out


def _pattern(matrix: Tensor) -> Graph:
    """The non-zeros as edges from the columns to the rows."""
    found = _known.get(matrix, _PATTERN)
    if found is None:
        crow, col = matrix.crow_indices().long(), matrix.col_indices().long()
        row = torch.arange(matrix.size(0), device=col.device).repeat_interleave(crow.diff())
        found = Graph(torch.stack([col, row]), (matrix.size(1), matrix.size(0)))
        _known.put(matrix, _PATTERN, found)
    return found


@functools.cache
def _weighted_sum(width: int, dtype: torch.dtype) -> Fused:
    p = Program()
    x = p.leaf(Leaf("j", False, width > 1))
    weight = p.leaf(Leaf("e", False, False))
    return Fused(p, [Aggregation("sum", p("mul", weight, x))], [], 1, width, dtype)
