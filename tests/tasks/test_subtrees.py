"""Weisfeiler and Lehman's colours and the kernel on them, against plain loops."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from graphkit.graph import Graph
from graphkit.tasks.subtrees import SubtreeKernel, colours

ROUNDS = 3


def some_graphs(count: int = 12, **attributes: bool) -> list[Graph]:
    generator = torch.Generator().manual_seed(0)

    def whole(high: int, *size: int) -> torch.Tensor:
        return torch.randint(high, size, generator=generator)

    graphs = []
    for _ in range(count):
        n, e = int(whole(6)) + 1, int(whole(9))
        more: dict[str, Any] = {}
        if attributes.get("nodes"):
            more["x"] = torch.eye(3)[whole(3, n)]
        if attributes.get("edges"):
            more["edge_attr"] = whole(2, e, 1).float()
        graphs.append(Graph(whole(n, 2, e), n, **more))
    return graphs


def by_hand(graph: Graph, rounds: int) -> list[list[Any]]:
    """Colours as nested tuples: nothing is hashed."""
    n = graph.num_nodes
    now: list[Any] = [() if graph.x is None else tuple(graph.x[i].tolist()) for i in range(n)]
    found = [now]
    for _ in range(rounds):
        heard: list[list[Any]] = [[] for _ in range(n)]
        for k, (j, i) in enumerate(graph.edge_index.T.tolist()):
            along = () if graph.edge_attr is None else tuple(graph.edge_attr[k].tolist())
            heard[i].append((now[j], along))
        now = [(now[i], tuple(sorted(heard[i], key=repr))) for i in range(n)]
        found.append(now)
    return found


@pytest.mark.parametrize("attributes", [{}, {"nodes": True}, {"nodes": True, "edges": True}])
def test_colours_are_equal_where_trees_are(attributes: dict[str, bool]):
    graphs = some_graphs(**attributes)
    hashed = colours(Graph.batch(graphs), ROUNDS)
    for t in range(ROUNDS + 1):
        trees = [tree for graph in graphs for tree in by_hand(graph, ROUNDS)[t]]
        pairs = set(zip(map(repr, trees), hashed[t].tolist(), strict=True))
        assert len(pairs) == len({tree for tree, _ in pairs}) == len({c for _, c in pairs})


def test_edges_can_be_left_out():
    plain = some_graphs(nodes=True, edges=True)
    without = [graph.replace(edge_attr=None) for graph in plain]
    for found, expected in zip(
        colours(Graph.batch(plain), 2, edges=False), colours(Graph.batch(without), 2), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_kernel_is_the_product_of_counts():
    graphs = some_graphs(nodes=True, edges=True)
    known, others = graphs[:7], graphs[4:]
    kernel = SubtreeKernel(Graph.batch(known), ROUNDS)

    def counts(graph: Graph, rounds: int) -> Counter[str]:
        trees = by_hand(graph, rounds)
        return Counter(f"{t} {tree}" for t in range(rounds + 1) for tree in trees[t])

    def product(a: Counter[str], b: Counter[str]) -> int:
        return sum(a[tree] * b[tree] for tree in a)

    for rounds in range(ROUNDS + 1):
        of = [[counts(graph, rounds) for graph in part] for part in (others, known)]
        expected = [
            [product(a, b) / np.sqrt(product(a, a) * product(b, b)) for b in of[1]] for a in of[0]
        ]
        np.testing.assert_allclose(kernel(Graph.batch(others))[rounds], expected, rtol=1e-12)


def test_the_order_of_nodes_does_not_matter():
    (graph,) = some_graphs(1, nodes=True)
    perm = torch.randperm(graph.num_nodes, generator=torch.Generator().manual_seed(1))
    for first, second in zip(colours(graph, 2), colours(graph.permute(perm), 2), strict=True):
        np.testing.assert_array_equal(np.sort(first), np.sort(second))


def test_bad_arguments():
    with pytest.raises(ValueError, match="rounds: expected at least 0, got -1"):
        colours(some_graphs(1)[0], -1)
