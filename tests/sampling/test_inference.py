"""Layer-wise inference gives what the whole graph does."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphkit.graph import Graph
from graphkit.nn import GATConv, GATv2Conv, GCNConv, GINConv, GraphConv, MessagePassing, SAGEConv
from graphkit.sampling import layerwise_inference


def random_graph() -> Graph:
    generator = torch.Generator().manual_seed(0)
    return Graph(
        torch.randint(0, 90, (2, 500), generator=generator),
        100,
        x=torch.randn(100, 6, generator=generator),
        edge_attr=torch.randn(500, 3, generator=generator),
        edge_weight=torch.rand(500, generator=generator),
    )


def whole(layers: list, graph: Graph, x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        x = layer(x, graph) if isinstance(layer, MessagePassing) else layer(x)
    return x.detach()


STACKS = {
    "sage": lambda: [SAGEConv(6, 8), F.relu, SAGEConv(8, 4)],
    "max": lambda: [SAGEConv(6, 8, aggr="max"), torch.tanh, SAGEConv(8, 4, aggr="std")],
    "gat": lambda: [GATConv(6, 4, heads=2, edge_dim=3), nn.BatchNorm1d(8).eval(), GATv2Conv(8, 4)],
    "gcn": lambda: [GCNConv(6, 8), F.relu, GCNConv(8, 4, improved=True)],
    "gcn without loops": lambda: [GCNConv(6, 2, add_self_loops=False)],
    "gcn as it is": lambda: [GCNConv(6, 2, normalize=False)],
    "gin": lambda: [GINConv(nn.Linear(6, 4)), GraphConv(4, 2)],
}


@pytest.mark.parametrize("batch_size", [1, 33, 100, 1000])
@pytest.mark.parametrize("name", STACKS)
def test_as_on_the_whole_graph(name: str, batch_size: int) -> None:
    graph, layers = random_graph(), STACKS[name]()
    if name == "gin":
        graph = graph.replace(edge_weight=None)
    out = layerwise_inference(layers, graph, graph.x, batch_size)
    torch.testing.assert_close(out, whole(layers, graph, graph.x), rtol=1e-5, atol=1e-5)
    assert not out.requires_grad


def test_gcn_without_weights_and_own_layers() -> None:
    graph = Graph(random_graph().edge_index, 100, x=random_graph().x)
    first, second = GCNConv(6, 8), SAGEConv(8, 8)
    layers = [first, lambda x, block: second(x, block).relu() + x[1]]
    expected = first(graph.x, graph)
    expected = second(expected, graph).relu() + expected
    out = layerwise_inference(layers, graph, graph.x, 7)
    torch.testing.assert_close(out, expected.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first", ["gcn", "sage"])
def test_sparse_features(first: str) -> None:
    graph = Graph(random_graph().edge_index, 100)
    x = (random_graph().x > 0.5).float()
    layers = [GCNConv(6, 8), SAGEConv(8, 2)] if first == "gcn" else [SAGEConv(6, 8)]
    dense = layerwise_inference(layers, graph, x, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says once that sparse CSR is in beta
        sparse = x.to_sparse_csr()
    torch.testing.assert_close(
        layerwise_inference(layers, graph, sparse, 30), dense, rtol=1e-5, atol=1e-5
    )


def test_no_nodes() -> None:
    graph = Graph(torch.empty(2, 0, dtype=torch.int64), 0)
    assert layerwise_inference([SAGEConv(6, 8)], graph, torch.empty(0, 6), 5).size(0) == 0


def test_bad_input() -> None:
    graph = random_graph()
    with pytest.raises(ValueError, match="x: expected 100 rows"):
        layerwise_inference([], graph, graph.x[:3], 5)
    with pytest.raises(ValueError, match="batch_size: expected at least 1"):
        layerwise_inference([], graph, graph.x, 0)
    with pytest.raises(ValueError, match="layers: expected flow 'source_to_target'"):
        layerwise_inference([SAGEConv(6, 2, flow="target_to_source")], graph, graph.x, 5)
