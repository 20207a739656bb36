"""The largest component of a graph."""

import torch

from graphkit.data import largest_component
from graphkit.graph import Graph


def test_largest_component_with_its_attributes():
    edges = torch.tensor([[0, 2, 4, 5], [1, 3, 3, 5]])  # 2 -> 3 <- 4, whichever way they point
    graph = Graph(edges, 7, x=torch.arange(7.0).view(-1, 1), edge_attr=torch.arange(4.0))
    part = largest_component(graph)
    assert part.x.flatten().tolist() == [2.0, 3.0, 4.0]
    assert part.edge_index.tolist() == [[0, 2], [1, 1]]
    assert part.edge_attr.tolist() == [1.0, 2.0]


def test_of_equally_large_ones_the_first():
    graph = Graph(torch.tensor([[1, 3], [2, 4]]), 5, x=torch.arange(5.0).view(-1, 1))
    assert largest_component(graph).x.flatten().tolist() == [1.0, 2.0]
    assert largest_component(Graph(torch.empty(2, 0, dtype=torch.int64), 0)).num_nodes == 0
