"""The virtual node."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn import GCNConv, VirtualNode

C, LAYERS = 4, 3
BATCH = torch.tensor([0, 0, 0, 2, 2, 3])  # graph 1 is empty
EDGES = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 4]])
X = torch.randn(6, C, dtype=torch.float64)


def virtual_node(**kwargs: Any) -> VirtualNode:
    torch.manual_seed(1)
    virtual = VirtualNode(C, LAYERS, **kwargs).double()
    nn.init.normal_(virtual.start)
    return virtual


def run(virtual: VirtualNode, x: Tensor, edge_index: Any, batch: Any) -> Tensor:
    torch.manual_seed(2)
    v = None
    for layer in range(LAYERS):
        x, v = virtual(x, v, layer, batch)
        x = GCNConv(C, C).double()(x, edge_index).tanh()
    return x


@pytest.mark.parametrize("residual", [False, True])
def test_equals_its_formula(residual: bool):
    virtual = virtual_node(residual=residual)
    torch.manual_seed(2)
    x, v = X, virtual.start.expand(4, -1)
    for layer in range(LAYERS):
        x = x + v[BATCH]
        if layer < LAYERS - 1:
            heard = v + torch.zeros(4, C, dtype=torch.float64).index_add(0, BATCH, x)
            for k in range(2):
                heard = virtual.mlps[layer].lins[k](heard)
                heard = F.batch_norm(heard, None, None, training=True).relu()
            v = v + heard if residual else heard
        x = GCNConv(C, C).double()(x, EDGES).tanh()
    torch.testing.assert_close(run(virtual, X, EDGES, BATCH), x)


def test_joins_nodes_that_no_edge_joins():
    virtual = virtual_node().eval()
    x = X.clone().requires_grad_()
    none = torch.empty(2, 0, dtype=torch.int64)
    run(virtual, x, Graph(none, 6), BATCH)[0].sum().backward()
    assert x.grad is not None
    assert x.grad[:3].abs().sum(1).min() > 0
    assert not x.grad[3:].any()


def test_the_order_of_nodes_does_not_matter():
    virtual = virtual_node()
    perm = torch.tensor([2, 0, 1, 4, 3, 5])
    graph = Graph(EDGES, batch=BATCH)
    moved = run(virtual, X[perm], graph.permute(perm), BATCH[perm])
    torch.testing.assert_close(moved, run(virtual, X, graph, BATCH)[perm])


def test_a_graph_tells_the_batch():
    graph = Graph(EDGES, batch=BATCH)
    out = run(virtual_node(), X, graph, graph)
    torch.testing.assert_close(out, run(virtual_node(), X, EDGES, BATCH))


def test_one_graph_and_no_nodes():
    virtual = virtual_node()
    x, v = virtual(X, None, 0)
    assert v.shape == (1, C)
    x, v = virtual(X[:0], None, 0, torch.empty(0, dtype=torch.int64), 2)
    assert x.shape == (0, C)
    assert v.isfinite().all()


def test_gradcheck():
    virtual = virtual_node().eval()

    def both(x: Tensor, start: Tensor) -> Any:
        named = {"start": start}
        x, v = torch.func.functional_call(virtual, named, (x, None, 0, BATCH))
        return torch.func.functional_call(virtual, named, (x, v, 1, BATCH))

    leaves = [X.clone().requires_grad_(), virtual.start.detach().clone().requires_grad_()]
    assert torch.autograd.gradcheck(both, leaves)


def test_every_parameter_is_used():
    virtual = virtual_node(dropout=0.1)
    run(virtual, X, EDGES, BATCH).sum().backward()
    assert all(p.grad is not None for p in virtual.parameters())


def test_dropout_and_reset():
    virtual = virtual_node(dropout=1.0)
    assert not virtual(X, None, 0, BATCH)[1].any()
    assert virtual.eval()(X, None, 0, BATCH)[1].any()
    virtual.reset_parameters()
    assert not virtual.start.any()
    assert repr(virtual) == "VirtualNode(4, num_layers=3)"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda v: v(X, None, 3), "layer: expected a number below 3, got 3"),
        (lambda v: v(X[:, :2], None, 0), r"x: expected shape \[nodes, 4\]"),
        (lambda v: v(X, torch.ones(3, C), 1, BATCH), r"v: expected shape \(4, 4\), got \(3, 4\)"),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call(virtual_node())
