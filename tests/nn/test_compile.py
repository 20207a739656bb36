"""Layers under torch.compile: no graph break, the same numbers and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphkit.graph import Graph
from graphkit.nn import GATConv, GCNConv, GINConv, SAGEConv

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)


@pytest.mark.compiles
@pytest.mark.parametrize(
    "make",
    [
        lambda: GCNConv(8, 4),
        lambda: SAGEConv(8, 4, aggr="max"),
        lambda: GATConv(8, 4, heads=2),
        lambda: GINConv(nn.Linear(8, 4)),
    ],
    ids=["gcn", "sage-max", "gat", "gin"],
)
def test_compiled_without_a_break(make) -> None:
    """On a Graph whose orders are known; they are made when the layer is called once."""
    generator = torch.Generator().manual_seed(0)
    graph = Graph(torch.randint(0, 40, (2, 300), generator=generator), num_nodes=43)
    x = torch.randn(43, 8, generator=generator, requires_grad=True)
    layer = make()
    expected = layer(x, graph)
    found = torch.compile(layer, fullgraph=True)(x, graph)
    torch.testing.assert_close(found, expected)
    wanted = [x, *layer.parameters()]
    pairs = zip(
        torch.autograd.grad(found.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
        strict=True,
    )
    for got, plain in pairs:
        torch.testing.assert_close(got, plain, rtol=1e-4, atol=1e-5)
