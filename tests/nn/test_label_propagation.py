"""Label propagation beside PyTorch Geometric's and its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from graphkit.graph import Graph
from graphkit.nn import LabelPropagation

EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 4, 4], [1, 0, 2, 1, 3, 2, 2, 4]])
Y = torch.tensor([0, 2, 1, 1, 0, 2])
KNOWN = torch.tensor([True, False, False, True, False, False])


def half(x: torch.Tensor) -> torch.Tensor:
    return x / 2


@pytest.mark.parametrize("mask", [None, KNOWN, KNOWN.nonzero().flatten()])
@pytest.mark.parametrize("weight", [None, torch.linspace(0.1, 1.0, 8)])
@pytest.mark.parametrize("post_step", [None, half])
@pytest.mark.parametrize("y", [Y, torch.rand(6, 2)], ids=["classes", "numbers"])
def test_as_pyg(y: torch.Tensor, mask: Any, weight: Any, post_step: Any):
    from torch_geometric.nn import LabelPropagation as Theirs

    found, expected = (
        kind(4, 0.8)(y, EDGES, mask, weight, post_step) for kind in (LabelPropagation, Theirs)
    )
    torch.testing.assert_close(found, expected)
    assert repr(LabelPropagation(4, 0.8)) == repr(Theirs(4, 0.8))


def test_many_steps_reach_the_closed_form():
    """The limit is (1 - alpha) (1 - alpha S)^-1 Y."""
    both = torch.cat([EDGES[:, :6], torch.tensor([[4, 2], [2, 4]])], dim=1)
    adjacency = torch.zeros(6, 6, dtype=torch.double)
    adjacency[tuple(both)] = 1
    root = adjacency.sum(0).clamp(min=1).rsqrt()
    spread = root[:, None] * adjacency * root
    start = torch.zeros(6, 3, dtype=torch.double)
    start[KNOWN, Y[KNOWN]] = 1
    expected = 0.1 * torch.linalg.solve(torch.eye(6).double() - 0.9 * spread, start)
    found = LabelPropagation(400, 0.9)(start, Graph(both, 6))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "alpha", "message"),
    [
        (0, 0.5, "num_layers: expected at least 1, got 0"),
        (2, 1.5, "alpha: expected a share of 0 to 1, got 1.5"),
    ],
)
def test_bad_arguments(layers: int, alpha: float, message: str):
    with pytest.raises(ValueError, match=message):
        LabelPropagation(layers, alpha)
