"""Every aggregation over ten thousand random small graphs, against the float64 reference."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch import Tensor

from graphkit.engine import plan
from graphkit.graph import Graph
from graphkit.nn import MessagePassing

GRAPHS = 10_000
AGGREGATIONS = ["sum", "mean", "max", "min", "var", "std", "softmax", ["mean", "max", "std"]]
WIDTHS = (0, 1, 3, 16, 17, 33, 70)


class Gate(MessagePassing):
    """A message that reads both ends and an edge."""

    def forward(self, a: Tensor, b: Tensor, weight: Tensor, graph: Graph) -> Tensor:
        return self.propagate(graph, a=a, b=b, weight=weight)

    def message(self, a_i: Tensor, b_j: Tensor, weight: Tensor) -> Tensor:
        return torch.sigmoid(a_i + b_j) * b_j * weight.view(-1, 1)


def random_edges(rng: np.random.Generator, nodes: int) -> Tensor:
    kind = rng.choice(["random", "none", "loops", "duplicates", "one huge row", "one huge column"])
    if nodes == 0 or kind == "none":
        return torch.zeros(2, 0, dtype=torch.long)
    count = int(rng.integers(1, 4 * nodes + 2))
    edges = rng.integers(0, nodes, (2, count))
    if kind == "loops":
        edges[1] = edges[0]
    elif kind == "duplicates":
        edges = np.repeat(edges[:, :2], 5, axis=1)
    elif kind == "one huge row":
        edges[1] = nodes - 1
    elif kind == "one huge column":
        edges[0] = 0
    return torch.from_numpy(edges)


def features(rng: np.random.Generator, rows: int, width: int) -> Tensor:
    """Random numbers in a random memory layout."""
    layout = rng.choice(["contiguous", "transposed", "every second", "slice", "row steps"])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    if layout == "transposed":
        return randn(width, rows).t()
    if layout == "every second":
        return randn(rows, 2 * width)[:, ::2]
    if layout == "slice":
        return randn(rows, width + 3)[:, 1 : 1 + width]
    if layout == "row steps":
        return randn(2 * rows, width)[::2]
    return randn(rows, width)


def result(layer: Gate, inputs: list[Tensor], graph: Graph, dtype: torch.dtype, engine: str):
    os.environ["GRAPHKIT_ENGINE"] = engine
    leaves = []
    for tensor in inputs:  # the copy keeps the layout
        leaf = torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype).copy_(tensor)
        leaves.append(leaf.requires_grad_())
    out = layer(*leaves, graph)
    weights = torch.linspace(-1, 1, out.numel(), dtype=dtype).view(out.shape)
    found = torch.autograd.grad((out * weights).sum(), leaves, allow_unused=True)
    zeros = [torch.zeros_like(leaf) for leaf in leaves]
    return [out.detach(), *(z if g is None else g for g, z in zip(found, zeros, strict=True))]


@pytest.mark.parametrize("aggr", AGGREGATIONS, ids=str)
def test_random_graphs(aggr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    rng = np.random.default_rng(AGGREGATIONS.index(aggr))
    layer = Gate(aggr)
    for number in range(-(-GRAPHS // len(AGGREGATIONS))):
        nodes = int(rng.integers(0, 25))
        edges = random_edges(rng, nodes)
        graph = Graph(edges, num_nodes=nodes)
        width = int(rng.choice(WIDTHS))
        dtype = torch.float64 if number % 4 == 0 else torch.float32
        inputs = [features(rng, nodes, width) for _ in range(2)]
        inputs.append(torch.from_numpy(rng.uniform(0.5, 1.5, edges.shape[1])))
        expected = result(layer, inputs, graph, torch.float64, "reference")
        found = result(layer, inputs, graph, dtype, "kernels")
        tolerance = {"rtol": 1e-9, "atol": 1e-10} if dtype == torch.float64 else FLOAT32
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got.double(), wanted, **tolerance)
    assert "fused kernel" in plan.explain(layer)


# The gradient of a standard deviation divides by it, down to the root of 1e-5.
FLOAT32 = {"rtol": 2e-4, "atol": 2e-4}
