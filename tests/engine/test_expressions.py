"""Every operation that a message may hold: kernel against plain torch, values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import plan
from graphkit.graph import Graph
from graphkit.nn import MessagePassing, softmax

NODES, EDGES, WIDTH = 12, 70, 19


class Formula(MessagePassing):
    """A message given as a function of both ends and an edge."""

    def __init__(self, formula: Callable[..., Tensor], aggr="sum") -> None:
        super().__init__(aggr)
        self.formula = formula

    def forward(self, a: Tensor, b: Tensor, e: Tensor, graph: Graph) -> Tensor:
        return self.propagate(graph, a=a, b=b, e=e)

    def message(self, a_i: Tensor, b_j: Tensor, e: Tensor) -> Tensor:
        return self.formula(a_i, b_j, e)


@pytest.fixture
def graph() -> Graph:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(0, NODES - 2, (2, EDGES), generator=generator)  # two isolated nodes
    return Graph(edges, num_nodes=NODES)


def tensors(dtype: torch.dtype = torch.float64, positive: bool = False) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    made = [
        torch.randn(rows, width, generator=generator, dtype=torch.float64) * 1.7
        for rows, width in ((NODES, WIDTH), (NODES, WIDTH), (EDGES, 1))
    ]
    if positive:
        made = [t.abs() + 0.2 for t in made]
    return [t.to(dtype).requires_grad_() for t in made]


def values_and_gradients(layer, inputs, graph) -> list[Tensor]:
    out = layer(*inputs, graph)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    found = torch.autograd.grad((out * weight).sum(), inputs, allow_unused=True)
    both = zip(found, inputs, strict=True)
    return [out, *(torch.zeros_like(x) if g is None else g for g, x in both)]


FORMULAS: dict[str, Callable[..., Tensor]] = {
    "arithmetic": lambda a, b, e: (2 * a - b / 3 + 1) * e - (4 - b) * -a,
    "divide": lambda a, b, e: 1 / (2 + a * a) + b / (1 + e.square()) + torch.rsqrt(1 + b * b),
    "exp": lambda a, b, e: torch.exp(a - b) + torch.expm1(b * e),
    "sigmoid tanh": lambda a, b, e: torch.sigmoid(a + b) * torch.tanh(b * e),
    "sign abs": lambda a, b, e: torch.sign(a) * b + torch.abs(b * e),
    "relu": lambda a, b, e: F.relu(a + b) + (a - b).relu() * e,
    "leaky relu": lambda a, b, e: F.leaky_relu(a + b, 0.2) + F.leaky_relu(b * e),
    "elu selu": lambda a, b, e: F.elu(a + b, 1.3) + F.selu(b * e),
    "gelu": lambda a, b, e: F.gelu(a + b) + F.gelu(b * e, approximate="tanh"),
    "silu softplus": lambda a, b, e: F.silu(a + b) + F.softplus(b * e, beta=2.0, threshold=3.0),
    "logsigmoid": lambda a, b, e: F.logsigmoid(a + b * e),
    "clamp": lambda a, b, e: (a + b).clamp(-1, 1.5) + torch.clamp(b * e, min=0.1) + F.relu6(a),
    "where": lambda a, b, e: torch.where(a > b, a * e, b) + (a * b).masked_fill(b <= 0.3, 0.0),
    "compare": lambda a, b, e: torch.where(a >= e, a, b) + torch.where(a != b, e, 0.0),
    "maximum": lambda a, b, e: torch.maximum(a, b) + torch.minimum(b, e * a) + torch.max(a, e),
    "power": lambda a, b, e: a**2 + b**3 + (1 + e.abs()) ** 1.5 + torch.pow(a * a + 1, -0.5),
    "detach": lambda a, b, e: a.detach() * b + (b * e).detach(),
    "views": lambda a, b, e: (a.view(-1, 1, WIDTH) * b.unsqueeze(1) + e[..., None]).flatten(1),
    "of the channels": lambda a, b, e: (a * b).sum(-1, keepdim=True) * b + a.mean(1, True) * e,
    "one end only": lambda a, b, e: 3.5 * a,
    "edges only": lambda a, b, e: e * 2,
}
POSITIVE: dict[str, Callable[..., Tensor]] = {
    "log sqrt": lambda a, b, e: torch.log(a * b) + torch.sqrt(b + e) * a.log(),
    "power of tensors": lambda a, b, e: a ** (b * 0.3) * e,
}
ALL = [(name, f, False) for name, f in FORMULAS.items()]
ALL += [(name, f, True) for name, f in POSITIVE.items()]


@pytest.mark.parametrize(("name", "formula", "positive"), ALL, ids=[a[0] for a in ALL])
def test_operations(name, formula, positive, graph, monkeypatch) -> None:
    layer = Formula(formula)
    inputs = tensors(positive=positive)
    found = values_and_gradients(layer, inputs, graph)
    assert plan.explain(layer) == "Formula: fused kernel (sum)"
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    expected = values_and_gradients(layer, inputs, graph)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("name", "formula", "positive"), ALL, ids=[a[0] for a in ALL])
def test_operations_in_single_precision(name, formula, positive, graph, monkeypatch) -> None:
    layer = Formula(formula)
    found = values_and_gradients(layer, tensors(torch.float32, positive), graph)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    expected = values_and_gradients(layer, tensors(positive=positive), graph)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got.double(), wanted.double(), rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 30.0, 80.0, 200.0, 1e30])
@pytest.mark.parametrize(
    "function", [torch.exp, torch.expm1, torch.tanh, torch.sigmoid, F.softplus, torch.log]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_elementary_functions_over_their_range(function, scale, dtype) -> None:
    x = torch.linspace(-1, 1, 401, dtype=dtype).mul(scale).view(1, -1)
    special = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan], dtype=dtype)
    x = torch.cat([x, special.view(1, -1)], dim=1)
    loop = Graph(torch.zeros(2, 1, dtype=torch.long), num_nodes=1)
    found = Formula(lambda a, b, e: function(b))(x, x, torch.ones(1, 1, dtype=dtype), loop)
    expected = function(x.double()).to(dtype)
    precision = 4 * torch.finfo(dtype).eps
    tiny = 4 * torch.finfo(dtype).tiny
    torch.testing.assert_close(found, expected, rtol=precision, atol=tiny, equal_nan=True)


class Attention(MessagePassing):
    """GATv2's message, with everything in it: parameters, heads, channel sums, softmax, dropout."""

    def __init__(self, heads: int, channels: int, dropout: float = 0.0) -> None:
        super().__init__(node_dim=0)
        self.att = nn.Parameter(torch.linspace(-1, 1, heads * channels).view(1, heads, channels))
        self.scale = nn.Parameter(torch.tensor([0.7]))
        self.heads, self.channels, self.dropout = heads, channels, dropout

    def forward(self, a: Tensor, b: Tensor, graph: Graph) -> Tensor:
        return self.propagate(graph, a=self.split(a), b=self.split(b)).flatten(1)

    def split(self, x: Tensor) -> Tensor:
        return x.view(-1, self.heads, self.channels)

    def message(self, a_i: Tensor, b_j: Tensor, index: Tensor, size_i: int) -> Tensor:
        score = (F.leaky_relu(a_i + b_j, 0.2) * self.att).sum(-1)
        alpha = softmax(score * self.scale.exp(), index, num_nodes=size_i)
        alpha = F.dropout(alpha, self.dropout, self.training)
        return alpha.unsqueeze(-1) * b_j


@pytest.mark.parametrize(("heads", "channels"), [(1, 5), (3, 7), (9, 2), (4, 1), (2, 2), (2, 40)])
def test_attention(heads, channels, graph, monkeypatch) -> None:
    layer = Attention(heads, channels).double()
    generator = torch.Generator().manual_seed(2)
    inputs = [
        torch.randn(NODES, heads * channels, generator=generator, dtype=torch.float64)
        for _ in range(2)
    ]
    inputs = [x.requires_grad_() for x in inputs]

    def run() -> list[Tensor]:
        out = layer(*inputs, graph)
        loss = (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)).sum()
        return [out, *torch.autograd.grad(loss, [*inputs, *layer.parameters()])]

    found = run()
    assert "fused kernel" in plan.explain(layer)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    for got, wanted in zip(found, run(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-11)


def test_softmax_that_is_not_linear_in_the_message(graph, monkeypatch) -> None:
    """The inner product of the softmax's derivative then needs a walk of its own."""

    class Odd(Attention):
        def message(self, a_i: Tensor, b_j: Tensor, index: Tensor, size_i: int) -> Tensor:
            alpha = softmax((a_i * b_j).sum(-1), index, num_nodes=size_i)
            return torch.exp(alpha).unsqueeze(-1) * b_j + alpha.unsqueeze(-1)

    layer = Odd(3, 5).double()
    inputs = [torch.randn(NODES, 15, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    found = torch.autograd.grad(layer(*inputs, graph).square().sum(), inputs)
    assert "fused kernel" in plan.explain(layer)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    expected = torch.autograd.grad(layer(*inputs, graph).square().sum(), inputs)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_dropout_is_the_reference_s_and_the_same_in_backward(graph) -> None:
    """Kernel and plain torch derive the same factors from a seed."""
    layer = Attention(2, 3, dropout=0.4).double()
    inputs = [torch.randn(NODES, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    torch.manual_seed(5)
    out = layer(*inputs, graph)
    again = layer(*inputs, graph)
    torch.manual_seed(5)
    repeated = layer(*inputs, graph)
    assert torch.equal(out, repeated)
    assert not torch.equal(out, again)
    gradients = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
    plain = torch.autograd.grad(repeated.square().sum(), inputs)
    for got, wanted in zip(gradients, plain, strict=True):  # by reference, by kernel
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_dropout_keeps_the_mean() -> None:
    edges = 40_000
    graph = Graph(torch.stack([torch.zeros(edges), torch.arange(edges)]).long(), (1, edges))
    layer = Formula(lambda a, b, e: F.dropout(b, 0.3))
    x = (torch.ones(1, 16), torch.zeros(edges, 16))
    out = layer.propagate(graph, a=x, b=x, e=torch.ones(edges, 1))
    zero = (out == 0).float()
    assert abs(float(zero.mean()) - 0.3) < 0.003
    assert (zero.mean(0) - 0.3).abs().max() < 0.02
    torch.testing.assert_close(out[out != 0], torch.full_like(out[out != 0], 1 / 0.7))


@pytest.mark.parametrize(
    "aggr", ["sum", "mean", "max", "var", "std", "softmax", ["min", "mean"]], ids=str
)
def test_gradcheck_of_first_and_second_derivative(aggr, graph) -> None:
    layer = Formula(lambda a, b, e: torch.tanh(a + b) * b * e, aggr)
    generator = torch.Generator().manual_seed(3)
    small = Graph(graph.edge_index[:, :9], num_nodes=NODES)
    inputs = [
        torch.randn(rows, width, generator=generator, dtype=torch.float64, requires_grad=True)
        for rows, width in ((NODES, 2), (NODES, 2), (9, 1))
    ]
    assert torch.autograd.gradcheck(lambda *t: layer(*t, small), inputs)
    assert torch.autograd.gradgradcheck(lambda *t: layer(*t, small), inputs)


def test_nan_and_infinity_are_passed_on(graph, monkeypatch) -> None:
    for aggr in ("sum", "mean", "max", "min", "var", "std", "softmax"):
        a, b, e = (t.detach() for t in tensors())
        b[0, 0], b[1, 1], b[2, 2] = torch.nan, torch.inf, -torch.inf
        layer = Formula(lambda a, b, e: a + b * e, aggr)
        monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
        found = layer(a, b, e, graph)
        monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
        expected = layer(a, b, e, graph)
        torch.testing.assert_close(found, expected, equal_nan=True)
        assert found.isnan().any()


def test_first_of_equal_entries_takes_the_gradient(monkeypatch) -> None:
    edges = torch.tensor([[2, 0, 1, 2], [0, 0, 0, 1]])
    graph = Graph(edges, num_nodes=3)
    for engine in ("kernels", "reference"):
        monkeypatch.setenv("GRAPHKIT_ENGINE", engine)
        x = torch.ones(3, 20, requires_grad=True)
        ones = torch.ones(4, 1)
        out = Formula(lambda a, b, e: b, "max")(x, x, ones, graph)
        (gradient,) = torch.autograd.grad(out[0].sum(), x)
        assert gradient[:, 0].tolist() == [0.0, 0.0, 1.0]


def test_constants_need_no_new_kernel(graph) -> None:
    from graphkit.engine.cpu.compile import _kernels

    inputs = tensors()
    Formula(lambda a, b, e: b * 0.123)(*inputs, graph)
    before = len(_kernels)
    Formula(lambda a, b, e: b * 0.456)(*inputs, graph)
    assert len(_kernels) == before
