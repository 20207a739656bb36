"""Negative pairs: never linked, as many as asked for, each as likely."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from scipy import stats

from graphkit.graph import Graph
from graphkit.sampling import negative_sampling, structured_negative_sampling


def random_graph(nodes: int = 40, edges: int = 300) -> Graph:
    generator = torch.Generator().manual_seed(0)
    return Graph(torch.randint(0, nodes, (2, edges), generator=generator), nodes)


def pairs_of(edges: torch.Tensor) -> list[tuple[int, int]]:
    return list(zip(*edges.tolist(), strict=True))


def unlinked(graph: Graph, undirected: bool) -> set[tuple[int, int]]:
    linked = set(pairs_of(graph.edge_index))
    if undirected:
        linked |= {(b, a) for a, b in linked}
    return set(itertools.permutations(range(graph.num_nodes), 2)) - linked


@pytest.mark.parametrize("undirected", [False, True])
@pytest.mark.parametrize("edges", [0, 10, 300, 3000])
def test_all_negatives_of_a_graph(edges: int, undirected: bool) -> None:
    graph = random_graph(edges=edges)
    expected = unlinked(graph, undirected)
    drawn = pairs_of(negative_sampling(graph, None, len(expected), undirected, seed=0))
    assert len(drawn) == len(expected)
    assert set(drawn) == expected
    with pytest.raises(ValueError, match=f"at most the {len(expected)} pairs without an edge"):
        negative_sampling(graph, None, len(expected) + 2, undirected, seed=0)


def test_as_many_as_edges_by_default() -> None:
    graph = random_graph()
    assert negative_sampling(graph, seed=0).shape == (2, 300)
    assert negative_sampling(graph.edge_index, 50, seed=0).max() >= 40
    odd = random_graph(edges=7)
    both = negative_sampling(odd, force_undirected=True, seed=0)
    assert both.shape == (2, 6)
    assert torch.equal(both[:, :3], both[:, 3:].flip(0))


@pytest.mark.parametrize("undirected", [False, True])
def test_every_negative_is_as_likely(undirected: bool) -> None:
    graph = random_graph(8, 20)
    choices = sorted(unlinked(graph, undirected))
    draws = 3000
    counts: Counter = Counter()
    places: Counter = Counter()
    for seed in range(draws):
        drawn = pairs_of(negative_sampling(graph, None, 6, undirected, seed=seed))
        assert len(set(drawn)) == 6
        counts.update(drawn)
        places[drawn[0]] += 1  # the order is random as well
    assert stats.chisquare([counts[pair] for pair in choices]).pvalue > 1e-3
    first = choices if not undirected else [pair for pair in choices if pair[0] < pair[1]]
    assert stats.chisquare([places[pair] for pair in first]).pvalue > 1e-3
    assert sum(places.values()) == sum(places[pair] for pair in first)


def test_large_and_sparse() -> None:
    generator = torch.Generator().manual_seed(0)
    n = 3_000_000
    graph = Graph(torch.randint(0, n, (2, 200_000), generator=generator), n)
    drawn = negative_sampling(graph, seed=0)
    key = drawn[0] * n + drawn[1]
    assert key.unique().numel() == 200_000
    assert not torch.isin(key, graph.edge_index[0] * n + graph.edge_index[1]).any()
    assert bool((drawn[0] != drawn[1]).all())
    # As many in each tenth of the nodes.
    for end in drawn:
        assert stats.chisquare((end // (n // 10)).bincount().numpy()).pvalue > 1e-3


def test_one_hub_linked_to_all() -> None:
    """Rows that miss everything and rows that miss nearly nothing, side by side."""
    hub = torch.stack(
        [torch.full((999,), 500), torch.cat([torch.arange(500), torch.arange(501, 1000)])]
    )
    graph = Graph(hub, 1000)
    drawn = negative_sampling(graph, None, 5000, seed=0)
    assert not (drawn[0] == 500).any()
    both = negative_sampling(graph, None, 5000, True, seed=0)
    assert not (both == 500).any()


def test_structured_negatives() -> None:
    graph = random_graph()
    i, j, k = structured_negative_sampling(graph, seed=0)
    assert torch.equal(torch.stack([i, j]), graph.edge_index)
    assert set(zip(i.tolist(), k.tolist(), strict=True)) <= unlinked(graph, False)


def test_structured_negatives_are_uniform() -> None:
    graph = Graph(torch.tensor([[3] * 400, [1] * 200 + [4] * 200]), 8)
    counts: Counter = Counter()
    for seed in range(20):
        counts.update(structured_negative_sampling(graph, seed=seed)[2].tolist())
    assert set(counts) == {0, 2, 5, 6, 7}
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_one_seed_one_draw() -> None:
    graph = random_graph()
    assert torch.equal(negative_sampling(graph, seed=1), negative_sampling(graph, seed=1))
    assert not torch.equal(negative_sampling(graph, seed=1), negative_sampling(graph, seed=2))
    first, again = (structured_negative_sampling(graph, seed=1)[2] for _ in range(2))
    assert torch.equal(first, again)


def test_bad_input() -> None:
    graph = random_graph()
    with pytest.raises(ValueError, match="num_neg_samples: expected at least 0, got -1"):
        negative_sampling(graph, num_neg_samples=-1)
    with pytest.raises(ValueError, match="num_neg_samples: expected an even number"):
        negative_sampling(graph, num_neg_samples=5, force_undirected=True)
    with pytest.raises(ValueError, match="graph: expected one set of nodes"):
        negative_sampling(Graph(torch.tensor([[0], [0]]), (1, 1)))
    full = Graph(torch.tensor([[0, 1], [1, 0]]), 2)
    with pytest.raises(ValueError, match="expected nodes not linked to all others, got node 0"):
        structured_negative_sampling(full)


def test_no_nodes() -> None:
    empty = Graph(torch.empty(2, 0, dtype=torch.int64), 0)
    assert negative_sampling(empty).shape == (2, 0)
    with pytest.raises(ValueError, match="at most the 0 pairs"):
        negative_sampling(empty, num_neg_samples=1)
