"""The gradient of a maximum of features as they are is handed out, not looked for."""

from __future__ import annotations

import pytest
import torch

from graphkit.engine import fused
from graphkit.engine.cpu import winners
from graphkit.graph import Graph
from graphkit.nn import MessagePassing


def gradient(graph: Graph, x: torch.Tensor, aggr: str) -> torch.Tensor:
    x = x.detach().requires_grad_()
    out = MessagePassing(aggr).propagate(graph, x=x)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    return torch.autograd.grad((out * weight).sum(), x)[0]


@pytest.fixture
def handed_out(monkeypatch) -> list:
    calls, hand_out = [], winners.hand_out

    def seen(*given):
        calls.append(given)
        return hand_out(*given)

    monkeypatch.setattr(fused.winners, "hand_out", seen)
    return calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("aggr", ["max", "min"])
@pytest.mark.parametrize("width", [1, 5, 16, 40])
def test_it_is_what_a_walk_over_the_edges_finds(aggr, width, dtype, handed_out, monkeypatch):
    generator = torch.Generator().manual_seed(width)
    edges = torch.randint(0, 30, (2, 200), generator=generator)
    edges[1, :60] = 7  # a long row; nodes from 30 on have no edges
    graph = Graph(edges, num_nodes=33)
    x = torch.randint(-2, 3, (33, width), generator=generator).to(dtype)  # with ties
    found = gradient(graph, x, aggr)
    assert len(handed_out) == 1
    monkeypatch.setattr(fused.winners, "serves", lambda *_: False)
    torch.testing.assert_close(found, gradient(graph, x, aggr))
    assert len(handed_out) == 1
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    torch.testing.assert_close(found, gradient(graph, x, aggr))


def test_threads_change_nothing(handed_out):
    graph = Graph(torch.randint(0, 500, (2, 5000)), num_nodes=500)
    x = torch.randn(500, 300)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = gradient(graph, x, "max")
        torch.set_num_threads(2)
        assert torch.equal(one, gradient(graph, x, "max"))
    finally:
        torch.set_num_threads(before)
    assert len(handed_out) == 2


def test_sources_and_destinations_may_be_two_sets(handed_out):
    graph = Graph(torch.tensor([[3, 4, 0], [0, 1, 1]]), num_nodes=(6, 2))
    x = torch.tensor([1.0, 9, 9, 2, 5, 9]).view(-1, 1).requires_grad_()
    out = MessagePassing("max").propagate(graph, x=(x, None), size=(6, 2))
    assert out.flatten().tolist() == [2.0, 5.0]
    (found,) = torch.autograd.grad((out * torch.tensor([[1.0], [3.0]])).sum(), x)
    assert found.flatten().tolist() == [0.0, 0.0, 0.0, 1.0, 3.0, 0.0]
    assert handed_out
