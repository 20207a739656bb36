"""bfloat16 and float16 in memory, float32 in the arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit import nn as gnn
from graphkit.engine import ops, plan
from graphkit.graph import Graph
from graphkit.nn import MessagePassing, softmax

NODES, EDGES, WIDTH = 12, 70, 19
EPSILON = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11, torch.float32: 1e-6}
SHORT = [torch.bfloat16, torch.float16]


class Formula(MessagePassing):
    def __init__(self, formula: Callable[..., Tensor], aggr: str = "sum") -> None:
        super().__init__(aggr)
        self.formula = formula

    def forward(self, a: Tensor, b: Tensor, e: Tensor, graph: Graph) -> Tensor:
        return self.propagate(graph, a=a, b=b, e=e)

    def message(self, a_i: Tensor, b_j: Tensor, e: Tensor) -> Tensor:
        return self.formula(a_i, b_j, e)


class Attention(MessagePassing):
    """Two heads, a softmax over the neighbourhood, and a sum over channels."""

    def forward(self, a: Tensor, b: Tensor, e: Tensor, graph: Graph) -> Tensor:
        a, b = a[:, :-1].view(NODES, 2, -1), b[:, :-1].view(NODES, 2, -1)
        return self.propagate(graph, a=a, b=b, e=e).flatten(1)

    def message(self, a_i, b_j, e, index, ptr, size_i) -> Tensor:
        score = F.leaky_relu((a_i * b_j).sum(-1) * e, 0.2)
        return softmax(score, index, ptr, size_i).unsqueeze(-1) * b_j

    def __init__(self) -> None:
        super().__init__("sum", node_dim=0)


def gate(a_i: Tensor, b_j: Tensor, e: Tensor) -> Tensor:
    return torch.sigmoid(a_i + b_j) * b_j * e


@pytest.fixture
def graph() -> Graph:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(0, NODES - 2, (2, EDGES), generator=generator)  # two isolated nodes
    return Graph(edges, num_nodes=NODES)


def values_and_gradients(layer: nn.Module, inputs: list[Tensor], graph: Graph) -> list[Tensor]:
    inputs = [x.detach().requires_grad_() for x in inputs]
    out = layer(*inputs, graph)
    weight = torch.linspace(-1, 1, out.numel()).view(out.shape).to(torch.bfloat16)
    (out * weight.to(out.dtype)).sum().backward()
    return [out.detach(), *(x.grad for x in inputs)]  # type: ignore[list-item]


def inputs_of(*dtypes: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = ((NODES, WIDTH), (NODES, WIDTH), (EDGES, 1))
    return [
        torch.randn(shape, generator=generator).to(dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]


@pytest.mark.parametrize("short", SHORT, ids=str)
@pytest.mark.parametrize("layer", ["sum", "mean", "max", "min", "std", "softmax", "attention"])
@pytest.mark.parametrize("mixed", [False, True], ids=["alike", "mixed"])
def test_against_float64(layer: str, short: torch.dtype, mixed: bool, graph: Graph) -> None:
    """Rounded once, at the end: as near to float64 as the dtype of the result allows."""
    made = Attention() if layer == "attention" else Formula(gate, layer)
    wide = torch.float32 if mixed else short
    inputs = inputs_of(short, wide, short)
    found = values_and_gradients(made, inputs, graph)
    expected = values_and_gradients(made, [x.double() for x in inputs], graph)
    result = torch.result_type(torch.empty(2, dtype=short), torch.empty(2, dtype=wide))
    assert [t.dtype for t in found] == [result, *(x.dtype for x in inputs)]
    assert "fused kernel" in plan.explain(made)
    assert "gather" not in plan.explain(made)
    # Gradients of var, std and softmax also read the rounded result; differences of it cancel.
    slack = 4 if layer in ("std", "softmax", "attention") else 1
    for a, b in zip(found, expected, strict=True):
        tolerance = slack * max(EPSILON[a.dtype], EPSILON[result] if slack > 1 else 0.0)
        assert float((a.double() - b).abs().max()) <= tolerance * float(b.abs().max())


@pytest.mark.parametrize("short", SHORT, ids=str)
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_sums_are_taken_in_float32(short: torch.dtype, reduce: str) -> None:
    """A bfloat16 that has come to 256 does not grow by ones any more."""
    count = 10_000
    star = Graph(torch.stack([torch.arange(count), torch.zeros(count, dtype=torch.long)]))
    x = torch.full((count, 3), 1.0078125, dtype=short)  # 1 + 1/128, exact in both
    out = Formula(lambda a, b, e: b, reduce)(x, x, torch.ones(count, 1, dtype=short), star)
    exact = 1.0078125 * (count if reduce == "sum" else 1)
    assert out[0].tolist() == torch.full((3,), exact, dtype=torch.float64).to(short).tolist()
    index = torch.zeros(count, dtype=torch.long)
    assert torch.equal(ops.segment_reduce(x, index, dim_size=1, reduce=reduce)[0], out[0])


def test_gradients_of_parameters_are_summed_in_float32() -> None:
    class Scaled(MessagePassing):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(5))

        def forward(self, x: Tensor, graph: Graph) -> Tensor:
            return self.propagate(graph, x=x)

        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.scale

    count = 10_000
    ring = Graph(torch.stack([torch.arange(count), torch.arange(count).roll(1)]))
    layer = Scaled().bfloat16()
    layer(torch.ones(count, 5, dtype=torch.bfloat16), ring).sum().backward()
    assert layer.scale.grad is not None
    assert layer.scale.grad.tolist() == [float(torch.tensor(count).bfloat16())] * 5


@pytest.mark.parametrize("short", SHORT, ids=str)
def test_rounding_is_torchs(short: torch.dtype) -> None:
    """To nearest even, over ties, subnormals, overflow, infinities and NaN."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(-(2**31), 2**31, (4096, 16), generator=generator).int()
    ties = (bits & ~0xFFFF) | 0x8000
    values = torch.cat([bits, ties, ties + 1, ties - 1]).view(torch.float32)
    special = [0.0, -0.0, torch.inf, -torch.inf, torch.nan, 3.4e38, -3.4e38, 65504.0, 65520.0]
    special += [1e-40, -1e-40, 2**-25, 2**-24 * 1.5, 2**-14, 6e-8, 1.0, 1.5]
    values = torch.cat([values.view(-1), torch.tensor(special)]).view(-1, 1)
    rows = values.shape[0]
    loops = Graph(torch.arange(rows).repeat(2, 1))
    halves = torch.ones(rows, 1, dtype=short)

    class Cast(Formula):
        def message(self, a_i: Tensor, b_j: Tensor, e: Tensor) -> Tensor:
            return b_j.to(e.dtype)

    out = Cast(gate, "max")(halves, values, halves, loops)
    assert out.dtype == short
    torch.testing.assert_close(out, values.to(short), rtol=0, atol=0, equal_nan=True)
    # and back: read as it is
    back = Formula(lambda a, b, e: b.float(), "max")(out, out, halves, loops)
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, values.to(short).float(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("width", [1, 7, 16, 33, 300])
def test_widths(width: int, graph: Graph) -> None:
    """Whole vectors, tails, rows that are not next to each other."""
    x = torch.randn(NODES, width + 3, generator=torch.Generator().manual_seed(2)).bfloat16()
    part = x[:, 1 : width + 1]
    e = torch.ones(EDGES, 1)
    layer = Formula(lambda a, b, e: a * b, "sum")
    found = layer(part, part, e, graph)
    expected = layer(part.double(), part.double(), e.double(), graph)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=2**-8)


def test_float64_does_not_mix(graph: Graph) -> None:
    layer = Formula(gate)
    assert layer(*inputs_of(torch.bfloat16, torch.bfloat16, torch.float64), graph).dtype
    assert "torch.float64" in plan.explain(layer)


@pytest.mark.parametrize(
    "make",
    [
        lambda: gnn.GCNConv(WIDTH, 8),
        lambda: gnn.SAGEConv(WIDTH, 8),
        lambda: gnn.GATConv(WIDTH, 4, heads=2),
        lambda: gnn.GATv2Conv(WIDTH, 4, heads=2),
        lambda: gnn.GraphConv(WIDTH, 8),
    ],
    ids=["gcn", "sage", "gat", "gatv2", "graphconv"],
)
@pytest.mark.parametrize("how", ["autocast", "bfloat16"])
def test_layers_train_fused(make: Callable[[], nn.Module], how: str, graph: Graph) -> None:
    torch.manual_seed(0)
    layer, x = make(), torch.randn(NODES, WIDTH)
    expected = layer(x, graph)
    expected.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in layer.named_parameters()}  # type: ignore[union-attr]
    layer.zero_grad()
    if how == "autocast":
        with torch.autocast("cpu", torch.bfloat16):
            out = layer(x, graph)
    else:
        layer = layer.bfloat16()
        out = layer(x.bfloat16(), graph)
        assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert "gather" not in plan.explain(layer)
    torch.testing.assert_close(out.float(), expected, rtol=0.05, atol=0.05)
    for name, p in layer.named_parameters():
        assert p.grad is not None
        assert p.grad.dtype == p.dtype
        size = float(gradients[name].abs().max())
        assert float((p.grad.float() - gradients[name]).abs().max()) <= 0.05 * size, name


def test_derives_twice(graph: Graph) -> None:
    inputs = [x.requires_grad_() for x in inputs_of(*[torch.bfloat16] * 3)]
    out = Formula(gate)(*inputs, graph)
    (first,) = torch.autograd.grad(out.square().sum(), inputs[1], create_graph=True)
    (second,) = torch.autograd.grad(first.float().square().sum(), inputs[0])
    assert first.dtype == second.dtype == torch.bfloat16
    assert second.isfinite().all()
