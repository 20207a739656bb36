"""Features of nodes, sparse and dense."""

import numpy as np
import pytest
import scipy.sparse
import torch

from graphkit.data import normalize_features
from graphkit.data.degrees import OneHotDegree
from graphkit.data.features import features, sparse_features
from graphkit.graph import Graph


def words(rows: int = 6, columns: int = 200, density: float = 0.1) -> scipy.sparse.csr_matrix:
    return scipy.sparse.random(rows, columns, density, "csr", random_state=0)


def test_mostly_zero_stays_sparse():
    matrix = words()
    x = features(matrix)
    assert x.layout == torch.sparse_csr
    assert x.dtype == torch.float32
    assert torch.equal(x.to_dense(), torch.from_numpy(matrix.toarray().astype(np.float32)))


@pytest.mark.parametrize("matrix", [words(density=0.3), words(columns=10)], ids=["full", "narrow"])
def test_else_it_becomes_dense(matrix: scipy.sparse.csr_matrix):
    x = features(matrix)
    assert x.layout == torch.strided
    assert torch.equal(x, torch.from_numpy(matrix.toarray().astype(np.float32)))


def test_no_zeros_are_kept_and_columns_are_in_order():
    matrix = scipy.sparse.csr_matrix(
        (np.array([1, 0, 2]), np.array([3, 2, 1]), np.array([0, 3, 3])), shape=(2, 4)
    )
    x = sparse_features(matrix)
    assert x.col_indices().tolist() == [1, 3]
    assert x.values().tolist() == [2, 1]
    assert matrix.nnz == 3  # what was given is as it was


@pytest.mark.parametrize("sparse", [True, False])
def test_rows_are_divided_by_their_sum(sparse: bool):
    dense = torch.tensor([[1.0, 0, 3], [0, 0, 0], [0, -2, 2]])
    x = sparse_features(scipy.sparse.csr_matrix(dense.numpy())) if sparse else dense
    graph = normalize_features(Graph(torch.tensor([[0, 1], [1, 2]]), x=x))
    assert graph.x.layout == x.layout
    assert graph.x.to_dense().tolist() == [[0.25, 0, 0.75], [0, 0, 0], [0, -0.5, 0.5]]


def test_normalising_needs_features():
    with pytest.raises(ValueError, match="graph: expected features x, got none"):
        normalize_features(Graph(torch.tensor([[0, 1], [1, 2]])))


def test_one_hot_degrees():
    path = Graph(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    star = Graph(torch.tensor([[0, 1, 0, 2, 0, 3], [1, 0, 2, 0, 3, 0]]), 5)
    graphs = OneHotDegree([path, star])
    assert len(graphs) == 2
    assert graphs.degrees.tolist() == [0, 1, 2, 3]
    assert graphs[0].x.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert graphs[-1].x.argmax(dim=1).tolist() == [3, 1, 1, 1, 0]
    assert [graph.num_nodes for graph in graphs[:2]] == [3, 5]
    assert [graph.num_nodes for graph in graphs] == [3, 5]
