"""Clusters: balanced, with few edges between them, and batches of some."""

from __future__ import annotations

import pytest
import torch

from graphkit.graph import Graph
from graphkit.sampling import ClusterLoader, partition


def communities(count: int = 8, size: int = 50, seed: int = 0) -> tuple[Graph, torch.Tensor]:
    """A graph whose edges mostly stay within communities, numbered at random."""
    generator = torch.Generator().manual_seed(seed)
    nodes = count * size
    source = torch.randint(0, nodes, (10 * nodes,), generator=generator)
    inside = source // size * size + torch.randint(0, size, source.shape, generator=generator)
    anywhere = torch.randint(0, nodes, source.shape, generator=generator)
    stays = torch.rand(source.shape, generator=generator) < 0.9
    number = torch.randperm(nodes, generator=generator)
    ends = number[torch.stack([source, torch.where(stays, inside, anywhere)])]
    community = torch.empty(nodes, dtype=torch.int64)
    community[number] = torch.arange(nodes) // size
    return Graph(ends, nodes, x=torch.arange(nodes)), community


def cut(graph: Graph, part: torch.Tensor) -> float:
    source, destination = part[graph.edge_index]
    return (source != destination).double().mean().item()


def test_parts_are_balanced_and_few_edges_leave_them() -> None:
    graph, community = communities()
    part = partition(graph, 8, seed=0)
    sizes = part.bincount(minlength=8)
    assert sizes.numel() == 8
    assert int(sizes.max()) <= 53
    assert int(sizes.min()) > 0
    assert cut(graph, community) < 0.1
    assert cut(graph, part) < 0.3  # of 0.875 if drawn at random


def test_the_direction_of_edges_does_not_count() -> None:
    graph, _ = communities()
    assert cut(graph, partition(graph.reverse(), 8, seed=0)) < 0.3


@pytest.mark.parametrize("parts", [1, 7, 100])
def test_without_edges_parts_are_balanced_still(parts: int) -> None:
    sizes = partition(Graph(torch.empty(2, 0, dtype=torch.int64), 100), parts).bincount()
    assert sizes.numel() == parts
    assert int(sizes.max()) - int(sizes.min()) <= 1


def test_loops_alone_bind_nobody() -> None:
    loops = torch.arange(20).expand(2, -1)
    sizes = partition(Graph(loops, 20), 4).bincount()
    assert sizes.tolist() == [5, 5, 5, 5]


def test_partition_repeats_itself() -> None:
    graph, _ = communities()
    assert torch.equal(partition(graph, 8, seed=3), partition(graph, 8, seed=3))
    assert not torch.equal(partition(graph, 8, seed=3), partition(graph, 8, seed=4))


def test_batches_hold_all_edges_among_their_nodes() -> None:
    graph, _ = communities()
    loader = ClusterLoader(graph, 8, batch_size=3, shuffle=True, seed=1)
    batches = list(loader)
    assert len(batches) == len(loader) == 3
    assert torch.equal(torch.cat([b.n_id for b in batches]).sort().values, torch.arange(400))
    for sub in batches:
        assert set(loader.part[sub.n_id].tolist()) <= set(range(8))
        expected = graph.subgraph(sub.n_id)
        assert sub.num_edges == expected.num_edges
        assert torch.equal(sub.n_id[sub.edge_index], graph.edge_index[:, sub.e_id])
        assert torch.equal(sub.x, sub.n_id)
    assert [loader.part[b.n_id].unique().numel() for b in batches] == [3, 3, 2]
    second = list(loader)
    assert not torch.equal(batches[0].n_id, second[0].n_id)


def test_own_parts_with_a_gap() -> None:
    graph, _ = communities(2, 5)
    part = torch.tensor([0, 0, 3, 3, 3, 1, 1, 0, 0, 1])
    batches = list(ClusterLoader(graph, part))
    assert [b.n_id.tolist() for b in batches] == [[0, 1, 7, 8], [5, 6, 9], [], [2, 3, 4]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (0, "num_parts: expected at least 1, got 0"),
        (401, "num_parts: expected at most the 400 nodes, got 401"),
        (
            torch.zeros(3, dtype=torch.int64),
            r"parts: expected int64 \[400\], got torch.int64 \[3\]",
        ),
        (torch.full((400,), -1), "parts: expected parts numbered from 0, got -1"),
    ],
)
def test_bad_parts(parts: int | torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusterLoader(communities()[0], parts)
