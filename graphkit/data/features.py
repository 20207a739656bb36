"""Features of nodes: sparse where they are mostly zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.engine.sparse import csr
from graphkit.graph import Graph

# A sparse row costs an index for every value, a dense one the zeros. Words of PubMed, 10 % dense,
# are worth it; those of Amazon, 35 %, and a handful of columns are not.
_SPARSE_BELOW = 0.2
_WIDE = 100


def sparse_features(matrix: Any) -> Tensor:
    """A SciPy sparse matrix as a sparse CSR tensor of float32.

    Explicit zeros are left out, and the columns of a row are in order.
    """
    matrix = matrix.tocsr().astype("float32")
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return csr(
        torch.from_numpy(matrix.indptr).long(),
        torch.from_numpy(matrix.indices).long(),
        torch.from_numpy(matrix.data),
        matrix.shape,
        check=True,
    )


def features(matrix: Any) -> Tensor:
    """A SciPy sparse matrix as a tensor of float32: sparse if wide and mostly zero, else dense."""
    rows, columns = matrix.shape
    if columns >= _WIDE and matrix.count_nonzero() < _SPARSE_BELOW * rows * columns:
        return sparse_features(matrix)
    return torch.from_numpy(matrix.toarray().astype("float32"))


def identity_features(num_nodes: int) -> Tensor:
    """The sparse identity matrix: features that say nothing but which node it is, so that a first
    linear map learns a vector for each."""
    import scipy.sparse

    return sparse_features(scipy.sparse.identity(num_nodes, format="csr"))


def normalize_features(graph: Graph) -> Graph:
    """The graph with every row of `x`, dense or sparse CSR, divided by its sum.

    Absolute values are summed, so that negative ones do not cancel; a row of zeros stays.
    """
    x = graph.x
    if x is None:
        raise ValueError("graph: expected features x, got none")
    if x.layout != torch.sparse_csr:
        return graph.replace(x=x / _or_one(x.abs().sum(dim=-1, keepdim=True)))
    start, column, value = x.crow_indices(), x.col_indices(), x.values()
    row = torch.arange(x.size(0), device=x.device).repeat_interleave(start.diff())
    total = value.new_zeros(x.size(0)).index_add_(0, row, value.abs())
    value = value / _or_one(total)[row]
    return graph.replace(x=csr(start, column, value, (x.size(0), x.size(1)), check=True))


def _or_one(total: Tensor) -> Tensor:
    return torch.where(total == 0, 1, total)
