"""Random walks and the subgraphs they cover."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from graphkit.engine.cpu.sample import walks as kernels
from graphkit.graph import Graph
from graphkit.sampling import RandomWalkLoader, RandomWalkSampler, random_walk


def random_graph(nodes: int = 100, edges: int = 500) -> Graph:
    generator = torch.Generator().manual_seed(0)
    return Graph(
        torch.randint(0, nodes, (2, edges), generator=generator),
        nodes,
        x=torch.randn(nodes, 3, generator=generator),
        edge_attr=torch.arange(edges),
    )


def is_likely(counts: Counter, expected: dict, draws: int) -> bool:
    assert set(counts) <= set(expected)
    observed = [counts[key] for key in expected]
    return stats.chisquare(observed, [p * draws for p in expected.values()]).pvalue > 1e-3


# A node 0 with the neighbours 1, 2, 3; of these 1 and 2 are joined; 4 hangs on 3.
LINKS = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4)]


def small_graph() -> Graph:
    return Graph(torch.tensor([*LINKS, *[(b, a) for a, b in LINKS]]).T.contiguous(), 5)


# --- walks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0)])
def test_walks_follow_edges(p: float, q: float) -> None:
    graph = random_graph(edges=150)  # some nodes have no edge that leaves them
    walks = random_walk(graph, torch.arange(100).repeat(2), 7, p, q, seed=0)
    assert walks.shape == (200, 8)
    assert torch.equal(walks[:, 0], torch.arange(100).repeat(2))
    edges = set(zip(*graph.edge_index.tolist(), strict=True))
    ends = {node for node in range(100) if graph.out_degree[node] == 0}
    stayed = 0
    for walk in walks.tolist():
        for a, b in itertools.pairwise(walk):
            assert (a, b) in edges or (a == b and a in ends)
            stayed += a in ends
    assert stayed


def test_every_walk_is_as_likely_as_its_steps() -> None:
    draws = 20000
    walks = random_walk(small_graph(), torch.zeros(draws, dtype=torch.int64), 2, seed=1)
    near = {0: [1, 2, 3], 1: [0, 2], 2: [0, 1], 3: [0, 4]}
    expected = {(0, a, b): 1 / 3 / len(near[a]) for a in near[0] for b in near[a]}
    assert is_likely(Counter(map(tuple, walks.tolist())), expected, draws)


@pytest.mark.parametrize(("p", "q"), [(0.25, 4.0), (4.0, 0.25), (3.0, 1.0), (1e6, 1e6), (1e-3, 1)])
def test_steps_are_weighted_as_in_node2vec(p: float, q: float) -> None:
    draws = 20000
    walks = random_walk(small_graph(), torch.full((draws,), 1), 2, p, q, seed=2)
    expected = {}
    near = {0: [1, 2, 3], 2: [0, 1]}
    for middle, options in near.items():
        factor = {x: 1 / p if x == 1 else 1.0 if x in (0, 2) else 1 / q for x in options}
        for x in options:
            expected[(1, middle, x)] = 0.5 * factor[x] / sum(factor.values())
    counts = Counter(map(tuple, walks.tolist()))
    certain = {key: value for key, value in expected.items() if value * draws > 5}
    rest = 1 - sum(certain.values())
    assert sum(counts[key] for key in expected if key not in certain) <= 5 * draws * rest + 20
    if rest > 0:
        certain["rest"] = rest
        counts["rest"] = draws - sum(counts[key] for key in certain if key != "rest")
    seen = Counter({key: counts[key] for key in certain})
    assert is_likely(seen, certain, draws)


def test_walks_that_hardly_may_go_anywhere() -> None:
    """Every neighbour has a tiny factor but 1: without an end to the tries this takes for ever."""
    ring = torch.arange(10)
    graph = Graph(torch.stack([ring, (ring + 1) % 10]), 10).to_undirected()
    walks = random_walk(graph, torch.arange(10), 50, p=1e12, q=1e9, seed=0)
    straight = (walks[:, 2:] != walks[:, :-2]).float().mean()
    assert straight > 0.95


def test_one_seed_one_walk() -> None:
    graph, start = random_graph(), torch.arange(100)
    for p in (1.0, 2.0):
        first = random_walk(graph, start, 9, p, seed=5)
        assert torch.equal(first, random_walk(graph, start, 9, p, seed=5))
        assert not torch.equal(first, random_walk(graph, start, 9, p, seed=6))
        parts = np.empty((100, 10), np.int64)
        parts[:, 0] = start
        order = graph.by_source
        key, rowptr, col = np.uint64(5), order.rowptr.numpy(), order.col.clone().numpy()
        if p != 1.0:
            kernels.sorted_rows._rows(0, 100, rowptr, col)
        for begin, end in ((50, 100), (0, 3), (3, 50)):  # as several threads would
            if p == 1.0:
                kernels.walk._rows(begin, end, rowptr, col, key, parts)
            else:
                kernels.biased_walk._rows(begin, end, rowptr, col, p, 1.0, key, parts)
        assert torch.equal(first, torch.from_numpy(parts))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start": torch.tensor([100])}, ValueError, "start: expected nodes from 0 to 99, got 100"),
        ({"start": torch.tensor([1.0])}, TypeError, "start: expected int64"),
        ({"walk_length": -1}, ValueError, "walk_length: expected at least 0, got -1"),
        ({"p": 0.0}, ValueError, "p: expected a positive number, got 0.0"),
        ({"q": float("nan")}, ValueError, "q: expected a positive number, got nan"),
    ],
)
def test_bad_walks(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        random_walk(random_graph(), **{"start": torch.tensor([0]), "walk_length": 2, **options})


# --- subgraphs ----------------------------------------------------------------------------------


def test_subgraphs_hold_all_edges_among_their_nodes() -> None:
    graph = random_graph()
    sampler = RandomWalkSampler(graph, 6, 2, sample_coverage=0)
    sub = sampler.sample(0)
    assert 6 <= sub.num_nodes <= 18
    expected = graph.subgraph(sub.n_id)
    assert torch.equal(expected.x, sub.x)
    assert torch.equal(sub.n_id[sub.edge_index], graph.edge_index[:, sub.e_id])
    assert torch.equal(sub.e_id.sort().values, expected.edge_attr.sort().values)
    assert torch.equal(sub.edge_attr, sub.e_id)
    fresh = Graph(sub.edge_index, sub.num_nodes)
    for name in ("rowptr", "col", "edge", "slot"):
        assert torch.equal(getattr(sub.by_destination, name), getattr(fresh.by_destination, name))
    assert "node_norm" not in sub.node_attrs


def test_norms_make_up_for_how_often_something_is_met() -> None:
    graph, steps = random_graph(12, 40), 2000
    loader = RandomWalkLoader(graph, 3, 2, num_steps=steps, sample_coverage=1000, seed=1)
    loss, messages = torch.zeros(()), torch.zeros(12)
    held = torch.zeros(12)
    value = torch.rand(12, generator=torch.Generator().manual_seed(3))
    for sub in loader:
        loss += (sub.node_norm * value[sub.n_id]).sum() / steps
        source, destination = sub.edge_index
        messages.index_add_(0, sub.n_id[destination], sub.edge_norm * value[sub.n_id[source]])
        held[sub.n_id] += 1
    assert len(loader) == steps
    torch.testing.assert_close(loss, value.mean(), rtol=0.02, atol=0)
    # The mean over the subgraphs that hold a node is the sum over all its neighbours.
    whole = torch.zeros(12).index_add_(0, graph.edge_index[1], value[graph.edge_index[0]])
    torch.testing.assert_close(messages / held, whole, rtol=0.1, atol=0.02)


def test_norms_are_counts_of_the_first_subgraphs() -> None:
    graph = Graph(torch.tensor([[0, 1], [1, 0]]), 2)
    sub = RandomWalkSampler(graph, 1, 1, sample_coverage=3).sample(0)
    assert torch.equal(sub.node_norm, torch.tensor([0.5, 0.5]))
    assert torch.equal(sub.edge_norm, torch.tensor([1.0, 1.0]))


def test_loader_repeats_itself_and_changes_by_epoch() -> None:
    loaders = [RandomWalkLoader(random_graph(), 5, 2, 3, seed=s) for s in (1, 1, 2)]
    first, again, other = (list(loader) for loader in loaders)
    assert all(torch.equal(a.n_id, b.n_id) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].n_id, other[0].n_id)
    assert not torch.equal(first[0].n_id, next(iter(loaders[0])).n_id)


def test_bad_samplers() -> None:
    with pytest.raises(ValueError, match="num_roots: expected at least 1, got 0"):
        RandomWalkSampler(random_graph(), 0, 2)
    with pytest.raises(ValueError, match="walk_length: expected at least 1, got 0"):
        RandomWalkSampler(random_graph(), 2, 0)
    with pytest.raises(ValueError, match="graph: expected nodes to walk from, got none"):
        RandomWalkSampler(Graph(torch.empty(2, 0, dtype=torch.int64), 0), 2, 2)
