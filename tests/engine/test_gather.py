"""A gather whose gradient is a sum over segments; and what a trace takes from a class."""

import pytest
import torch
import torch_geometric.utils
from torch import Tensor

import graphkit.nn
from graphkit.engine import ops, plan
from graphkit.graph import Graph
from graphkit.nn.message_passing import destination

softmax = torch_geometric.utils.softmax


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 2, 3)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_gather_is_index_select(shape: tuple[int, ...], dtype: torch.dtype):
    index = torch.tensor([3, 0, 3, 6, 3])
    x = torch.randn(shape).to(dtype).requires_grad_()
    gradient = torch.randn(5, *shape[1:]).to(dtype)
    expected = x.index_select(0, index)
    (slope,) = torch.autograd.grad(expected, x, gradient)
    found = ops.gather(x, index)
    assert torch.equal(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, x, gradient)[0], slope)


def test_gather_along_another_dimension_and_twice():
    index = torch.tensor([1, 1, 0])
    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.equal(ops.gather(x, index, -2), x.index_select(-2, index))
    assert torch.autograd.gradcheck(lambda x: ops.gather(x, index, -2), x)
    assert torch.autograd.gradgradcheck(lambda x: ops.gather(x, index, -2).sin(), x)


def test_the_order_of_a_graphs_destinations_is_known():
    graph = Graph(torch.tensor([[0, 1, 2], [2, 1, 2]]), 3)
    assert ops.remembers(destination(graph), 3)
    assert not ops.remembers(graph.edge_index[1], 3)
    assert not ops.remembers(None, 3)


def test_a_message_that_overrides_one_with_a_foreign_softmax(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")

    class Attention(graphkit.nn.MessagePassing):
        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return self.propagate(edge_index, x=x)

        def message(self, x_j: Tensor, index: Tensor, size_i: int) -> Tensor:
            if index.numel() == 0:
                return x_j
            return softmax(x_j, index, num_nodes=size_i) * x_j

    class Twice(Attention):
        def message(self, x_j: Tensor) -> Tensor:
            return 2 * x_j

    x, edges = torch.randn(4, 3), torch.tensor([[0, 1, 2, 3], [1, 1, 0, 0]])
    attention, twice = Attention(), Twice()
    assert torch.equal(twice(x, edges), 2 * graphkit.nn.MessagePassing().propagate(edges, x=x))
    weight = softmax(x[edges[0]], edges[1], num_nodes=4)
    expected = torch.zeros(4, 3).index_add(0, edges[1], weight * x[edges[0]])
    torch.testing.assert_close(attention(x, edges), expected)
    for layer in (attention, twice):
        assert "fused" in plan.explain(layer)
