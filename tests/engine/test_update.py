"""An update that works entry by entry is part of the kernel, and equals itself outside of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import plan
from graphkit.graph import Graph
from graphkit.nn import MessagePassing

N, FEATURES = 9, 6


@pytest.fixture
def graph() -> Graph:
    """With a node that hears from nobody, a loop and an edge that is there twice."""
    edges = [(0, 1), (1, 2), (2, 0), (3, 1), (1, 1), (4, 5), (4, 5), (6, 2), (7, 3), (0, 4)]
    return Graph(torch.tensor(edges).T, num_nodes=N)


class Layer(MessagePassing):
    """What its update does is a function of it, what was aggregated, and the nodes' features."""

    def __init__(self, function: Callable[[Any, Tensor, Tensor], Tensor], aggr: str) -> None:
        super().__init__(aggr)
        self.function = function
        self.bias = nn.Parameter(torch.linspace(-1, 1, FEATURES).double())
        self.eps = nn.Parameter(torch.tensor([0.3]).double())
        self.lin = nn.Linear(FEATURES, FEATURES).double()
        self.norm = nn.BatchNorm1d(FEATURES).double().eval()
        assert self.norm.running_mean is not None
        self.norm.running_mean += torch.linspace(0, 1, FEATURES)
        assert self.norm.running_var is not None
        self.norm.running_var += torch.linspace(0, 1, FEATURES)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.propagate(graph, x=x)

    def message(self, x_j: Tensor) -> Tensor:
        return torch.sigmoid(x_j)

    def update(self, out: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.function(self, out, x)


UPDATES: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "bias": lambda layer, out, x: out + layer.bias,
    "root": lambda layer, out, x: out + x,
    "root, learnt weight": lambda layer, out, x: out + (1 + layer.eps) * x,
    "relu": lambda layer, out, x: (out + layer.bias).relu(),
    "elu": lambda layer, out, x: F.elu(out * 2 - 1),
    "gate": lambda layer, out, x: torch.sigmoid(x) * out.tanh(),
    "norm": lambda layer, out, x: layer.norm(out).relu(),
    "square": lambda layer, out, x: out * out + x,
    "map of the root": lambda layer, out, x: out + layer.lin(x),
}
NOT_ABSORBED: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "map": lambda layer, out, x: layer.lin(out),
    "normalised": lambda layer, out, x: F.normalize(out, dim=-1),
    "sum of features": lambda layer, out, x: out * out.sum(-1, keepdim=True),
    "nothing of it": lambda layer, out, x: x * 2,
    "other width": lambda layer, out, x: out.sum(-1, keepdim=True),
    "looks": lambda layer, out, x: out if float(out.detach().sum()) > -1e9 else x,
    "in place": lambda layer, out, x: out.clone().add_(1.0),
}


def run(layer: Layer, graph: Graph, x: Tensor) -> list[Tensor]:
    out = layer(x, graph)
    factor = torch.linspace(-1, 2, out.numel()).double().view_as(out)
    leaves = [x, *layer.parameters()]
    grads = torch.autograd.grad((out * factor).sum(), leaves, allow_unused=True)
    return [
        out,
        *(torch.zeros_like(p) if g is None else g for p, g in zip(leaves, grads, strict=True)),
    ]


@pytest.mark.parametrize("aggr", ["sum", "mean", "max"])
@pytest.mark.parametrize("name", [*UPDATES, *NOT_ABSORBED])
def test_equals_itself(name: str, aggr: str, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer({**UPDATES, **NOT_ABSORBED}[name], aggr)
    x = torch.randn(N, FEATURES).double().requires_grad_()
    found = run(layer, graph, x)
    where = "in the kernel" if name in UPDATES else "after the kernel: "
    assert f"the update {where}" in plan.explain(layer)
    with monkeypatch.context() as patch:
        patch.setenv("GRAPHKIT_ENGINE", "reference")
        expected = run(layer, graph, x)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, graph), expected[0])


@pytest.mark.parametrize("name", UPDATES)
def test_derivatives(name: str, graph: Graph) -> None:
    layer = Layer(UPDATES[name], "sum")
    x = torch.randn(N, FEATURES).double().requires_grad_()

    def function(x: Tensor, *_: Tensor) -> Tensor:
        return layer(x, graph)

    assert torch.autograd.gradcheck(function, (x, layer.bias, layer.eps))
    assert torch.autograd.gradgradcheck(function, (x, layer.bias, layer.eps))


def test_only_the_bias_learns(graph: Graph) -> None:
    layer = Layer(UPDATES["relu"], "sum")
    out = layer(torch.randn(N, FEATURES).double(), graph)
    (found,) = torch.autograd.grad(out.sum(), [layer.bias])
    torch.testing.assert_close(found, (out > 0).double().sum(0))


def test_dropout_is_the_rows_own(graph: Graph) -> None:
    layer = Layer(lambda layer, out, x: F.dropout(out + 5, 0.25, layer.training).relu(), "sum")
    many = Graph(torch.stack([torch.arange(4000), torch.arange(4000)]), num_nodes=4000)
    x = torch.randn(4000, FEATURES).double().requires_grad_()
    torch.manual_seed(1)
    out = layer(x, many)
    torch.manual_seed(1)
    assert torch.equal(layer(x, many), out)
    assert not torch.equal(layer(x, many), out)
    assert "the update in the kernel" in plan.explain(layer)
    assert 0.23 < (out == 0).double().mean() < 0.27
    kept = out != 0
    torch.testing.assert_close(out[kept], (torch.sigmoid(x) + 5)[kept] / 0.75)
    (slope,) = torch.autograd.grad(out.sum(), [x])
    assert torch.equal(slope != 0, kept)
    layer.eval()
    torch.testing.assert_close(layer(x, many), torch.sigmoid(x) + 5)


def test_dropouts_of_message_and_update_are_apart() -> None:
    class Both(MessagePassing):
        def forward(self, x: Tensor, graph: Graph) -> Tensor:
            return self.propagate(graph, x=x)

        def message(self, x_j: Tensor) -> Tensor:
            return F.dropout(x_j, 0.5)

        def update(self, out: Tensor) -> Tensor:
            return F.dropout(out, 0.5)

    loops = torch.arange(5000)
    out = Both()(torch.ones(5000, 4), Graph(torch.stack([loops, loops]), num_nodes=5000))
    assert 0.23 < (out != 0).float().mean() < 0.27


def test_several_heads(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    class Heads(MessagePassing):
        def __init__(self) -> None:
            super().__init__(node_dim=0)
            self.weight = nn.Parameter(torch.randn(1, 3, 4).double())
            self.scale = nn.Parameter(torch.randn(1, 3, 1).double())

        def forward(self, x: Tensor, graph: Graph) -> Tensor:
            return self.propagate(graph, x=x)

        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.scale

        def update(self, out: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
            return torch.tanh(out * self.weight + x)

    layer, x = Heads(), torch.randn(N, 3, 4).double().requires_grad_()

    def everything() -> list[Tensor]:
        out = layer(x, graph)
        return [out, *torch.autograd.grad((out**2).sum(), [x, layer.weight, layer.scale])]

    found = everything()
    assert "the update in the kernel" in plan.explain(layer)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    for mine, other in zip(found, everything(), strict=True):
        torch.testing.assert_close(mine, other)


def test_bfloat16(graph: Graph) -> None:
    layer = Layer(UPDATES["relu"], "sum").bfloat16()
    x = torch.randn(N, FEATURES).bfloat16().requires_grad_()
    out = layer(x, graph)
    out.sum().backward()
    wide = Layer(UPDATES["relu"], "sum").float()
    y = x.detach().float().requires_grad_()
    expected = wide(y, graph)
    expected.sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    assert y.grad is not None
    torch.testing.assert_close(out.float(), expected, atol=0.05, rtol=0.05)
    torch.testing.assert_close(x.grad.float(), y.grad, atol=0.05, rtol=0.05)


def test_what_the_update_reads_may_change(graph: Graph) -> None:
    layer = Layer(UPDATES["bias"], "sum")
    x = torch.randn(N, FEATURES).double()
    before = layer(x, graph)
    with torch.no_grad():
        layer.bias += 1
    torch.testing.assert_close(layer(x, graph), before + 1)
    layer.function = UPDATES["root"]
    torch.testing.assert_close(layer(x, graph), before - torch.linspace(-1, 1, FEATURES) + x)
