"""Vectors of nodes from random walks."""

from __future__ import annotations

from typing import Any

import networkx
import pytest
import torch

from graphkit.convert import from_networkx
from graphkit.graph import Graph
from graphkit.sampling import walk_embedding


def communities() -> Graph:
    return from_networkx(networkx.planted_partition_graph(3, 20, 0.4, 0.01, seed=0))


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (2.0, 0.5)])
def test_neighbours_of_a_node_are_of_its_community(p: float, q: float):
    x = walk_embedding(communities(), 8, p=p, q=q, seed=0)
    assert x.shape == (60, 8)
    assert x.dtype == torch.float32
    product = (x @ x.T).fill_diagonal_(-torch.inf)
    of = torch.arange(60) // 20
    near = product.topk(10, dim=1).indices
    assert (of[near] == of[:, None]).double().mean() > 0.95


def test_all_vectors_give_the_positive_pointwise_mutual_information():
    """On a ring of four with a window of 1: i and j meet on every step along their edge, so that
    M is log(n_ij n / (n_i n_j)), which comes back from all eigenvalues that are not negative."""
    ring = Graph(torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]]), 4)
    x = walk_embedding(ring, 3, walks=20_000, length=1, window=1, seed=0).double()
    # Each pair of neighbours is an eighth of all meetings, each node a quarter.
    gain = torch.log(torch.tensor((1 / 8) / (1 / 16), dtype=torch.double))
    expected = torch.zeros(4, 4, dtype=torch.double)
    expected[tuple(ring.edge_index)] = gain
    values, vectors = torch.linalg.eigh(expected)
    positive = vectors @ torch.diag(values.clamp(min=0)) @ vectors.T
    torch.testing.assert_close(x @ x.T, positive, rtol=0.05, atol=0.02)


def test_one_seed_one_result():
    graph = communities()
    first, again, other = (walk_embedding(graph, 4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(5)
    drawn = walk_embedding(graph, 4)
    torch.manual_seed(5)
    assert torch.equal(walk_embedding(graph, 4), drawn)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channels": 60}, "channels: expected 1 to 59, below the number of nodes, got 60"),
        ({"walks": 0}, "walks: expected at least 1, got 0"),
        ({"window": 0}, "window: expected at least 1, got 0"),
        ({"q": 0.0}, "q: expected a positive number"),
    ],
)
def test_bad_arguments(given: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        walk_embedding(communities(), **{"channels": 4} | given)
