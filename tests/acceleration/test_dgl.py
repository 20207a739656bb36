"""Layers of DGL, accelerated."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.acceleration import accelerate

# What it does while it is imported is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

N, E, F = 20, 90, 6


@pytest.fixture(scope="module")
def dgl() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("dgl", exc_type=ImportError)


@pytest.fixture(autouse=True)
def _kernels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")


def graph_of(dgl: Any) -> Any:
    random = torch.Generator().manual_seed(0)
    ends = torch.randint(N - 2, (2, E), generator=random)
    return dgl.graph((ends[0], ends[1]), num_nodes=N)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(F, 4), nn.Tanh())


WEIGHTED = {"edge_weight": torch.rand(E, dtype=torch.float64)}
LAYERS = {
    "GraphConv": (lambda m: m.GraphConv(F, 4, allow_zero_in_degree=True), {}, "sum"),
    "GraphConv, right": (
        lambda m: m.GraphConv(F, 9, norm="right", allow_zero_in_degree=True),
        WEIGHTED,
        "sum",
    ),
    "SAGEConv, mean": (lambda m: m.SAGEConv(F, 4, "mean"), {}, "mean"),
    "SAGEConv, gcn": (lambda m: m.SAGEConv(F, 4, "gcn"), WEIGHTED, "sum"),
    "SAGEConv, pool": (lambda m: m.SAGEConv(F, 4, "pool"), {}, "max"),
    "GATConv": (lambda m: m.GATConv(F, 4, 3, allow_zero_in_degree=True), {}, "sum"),
    "GATConv, weighted": (
        lambda m: m.GATConv(F, 4, 3, residual=True, allow_zero_in_degree=True),
        WEIGHTED,
        "sum",
    ),
    "GINConv, sum": (lambda m: m.GINConv(mlp(), "sum", learn_eps=True), {}, "sum"),
    "GINConv, max": (lambda m: m.GINConv(mlp(), "max"), {}, "max"),
    "GINConv, mean": (lambda m: m.GINConv(mlp(), "mean"), WEIGHTED, "mean"),
}


def results(layer: nn.Module, graph: Any, **kwargs: Any) -> list[Tensor]:
    layer.zero_grad()
    x = torch.linspace(-2, 3, N * F, dtype=torch.float64).view(N, F).sin().requires_grad_()
    out = layer(graph, x, **kwargs)
    out.backward(torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out))
    return [out.detach(), x.grad, *(p.grad for p in layer.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", LAYERS)
def test_accelerated_equals_plain(dgl: Any, name: str):
    make, given, reduction = LAYERS[name]
    layer, graph = make(dgl.nn).double(), graph_of(dgl)
    expected = results(layer, graph, **given)
    with accelerate(layer) as report:
        for _ in range(2):
            found = results(layer, graph, **given)
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        assert report.layers[0].paths == [f"fused kernel ({reduction})"]
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert type(other) is type(layer)
            torch.testing.assert_close(results(other, graph, **given), expected)
    assert type(layer).__module__.startswith("dgl.")
    assert not graph.ndata
    assert not graph.edata
    again = results(layer, graph, **given)
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))


def test_what_the_engine_has_not_dgl_does(dgl: Any):
    layer, graph = dgl.nn.SAGEConv(F, 4, "lstm").double(), graph_of(dgl)
    expected = results(layer, graph)
    report = accelerate(layer)
    torch.testing.assert_close(results(layer, graph), expected)
    assert report.layers[0].paths[0].startswith("DGL: ")


def test_blocks(dgl: Any):
    block = dgl.create_block((torch.tensor([0, 1, 3, 4]), torch.tensor([0, 1, 1, 0])), 5, 2)
    layer, x = dgl.nn.SAGEConv(F, 4, "mean"), torch.randn(5, F)
    expected = layer(block, x)
    report = accelerate(layer)
    torch.testing.assert_close(layer(block, x), expected)
    assert report.layers[0].paths == ["fused kernel (mean)"]


def test_other_layers_are_not_touched(dgl: Any):
    assert accelerate(dgl.nn.EdgeConv(F, 4)).layers == []
