"""Which path a layer takes, when a plan still holds, and what a user is told."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit import runtime
from graphkit.engine import ops, plan, reference
from graphkit.engine.cpu import run
from graphkit.graph import Graph
from graphkit.nn import MessagePassing, softmax

GRAPH = Graph(torch.tensor([[0, 1, 2, 2, 3], [1, 2, 0, 1, 1]]), num_nodes=5)
X = torch.linspace(-1, 1, 15).view(5, 3)


class Layer(MessagePassing):
    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.slope = 0.1
        self.linear = nn.Linear(3, 3)
        self.act: nn.Module = nn.ELU(alpha=0.5)
        self.log: list[Tensor] = []
        for name, value in settings.items():
            setattr(self, name, value)

    def forward(self, x: Tensor, graph: Graph = GRAPH, **values: object) -> Tensor:
        return self.propagate(graph, x=x, **values)


def plainly(layer: MessagePassing, *args, **kwargs) -> Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHKIT_ENGINE", "reference")
        return layer(*args, **kwargs)


def fused(layer: MessagePassing) -> bool:
    return plan.explain(layer).endswith("fused kernel (sum)")


def test_a_layer_that_was_not_called() -> None:
    assert plan.explain(Layer()) == "Layer: not called yet"


def test_settings_read_from_the_layer_are_watched() -> None:
    class Slope(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return F.leaky_relu(x_j, self.slope)

    layer = Slope()
    for slope in (0.1, 0.5, 0.1):
        layer.slope = slope
        torch.testing.assert_close(layer(X), plainly(layer, X))
    assert fused(layer)


def test_settings_of_submodules_are_watched() -> None:
    class Act(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return self.act(x_j)

    layer = Act()
    first = layer(X)
    layer.act.alpha = 2.0  # type: ignore[assignment]
    assert not torch.allclose(layer(X), first)
    torch.testing.assert_close(layer(X), plainly(layer, X))
    layer.act = nn.Tanh()
    torch.testing.assert_close(layer(X), plainly(layer, X))
    assert fused(layer)


def test_parameters_are_read_at_every_call() -> None:
    class Scaled(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.weight.exp().view(1, 3)

    layer = Scaled(weight=nn.Parameter(torch.zeros(3)))
    torch.testing.assert_close(layer(X), plainly(layer, X))
    with torch.no_grad():
        layer.weight.add_(1.0)
    torch.testing.assert_close(layer(X), plainly(layer, X))
    layer.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    found = layer(X)
    torch.testing.assert_close(found, plainly(layer, X))
    (gradient,) = torch.autograd.grad(found.sum(), layer.weight)
    (expected,) = torch.autograd.grad(plainly(layer, X).sum(), layer.weight)
    torch.testing.assert_close(gradient, expected)
    assert fused(layer)


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 3), (1, 1)])
def test_parameters_of_another_shape_are_traced_anew(shape: tuple[int, ...]) -> None:
    """A kernel made for three entries must not read three where one is left."""

    class Scaled(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.weight * self.inner.weight

    layer = Scaled(weight=nn.Parameter(torch.tensor([1.0, 2.0, 3.0])), inner=nn.LayerNorm(3))
    layer(X)
    layer.weight.data = torch.full(shape, 5.0)
    layer.inner.weight = nn.Parameter(torch.full(shape, 7.0))
    torch.testing.assert_close(layer(X), plainly(layer, X))
    layer.weight.data = layer.weight.data.double()
    assert layer(X).dtype == torch.float64


def test_parameters_of_submodules_are_taken_along() -> None:
    class Act(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.inner.weight

    layer = Act(inner=nn.LayerNorm(3))
    torch.testing.assert_close(layer(X), plainly(layer, X))
    layer.inner = nn.LayerNorm(3)
    nn.init.constant_(layer.inner.weight, 3.0)
    torch.testing.assert_close(layer(X), plainly(layer, X))


def test_training_is_part_of_the_plan() -> None:
    class Drop(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return F.dropout(x_j, 0.5, self.training)

    layer = Drop()
    assert not torch.equal(layer(X + 2), layer.eval()(X + 2))
    torch.testing.assert_close(layer(X), plainly(layer, X))
    assert fused(layer)


def test_plain_arguments_are_part_of_the_plan() -> None:
    class Times(Layer):
        def message(self, x_j: Tensor, factor: float, bias: Tensor | None = None) -> Tensor:
            return x_j * factor if bias is None else x_j * factor + bias

    layer = Times()
    for factor in (1.0, 2.0):
        torch.testing.assert_close(layer(X, factor=factor), plainly(layer, X, factor=factor))
    bias = torch.tensor([1.0, 2.0, 3.0])
    found = layer(X, factor=2.0, bias=bias)
    torch.testing.assert_close(found, plainly(layer, X, factor=2.0, bias=bias))
    assert fused(layer)


def untraceable() -> dict[str, tuple[type[Layer], str]]:
    class Control(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            if x_j.sum() > 0:
                return x_j
            return -x_j

    class Value(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j * float(x_j[0, 0])

    class SideEffect(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            self.seen = x_j
            return x_j

    class Log(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            self.log.append(x_j)
            return x_j

    class Cumulated(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j.cumsum(0)

    class InPlace(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return F.relu(x_j, inplace=True)

    class Outside(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j * torch.ones(3)

    class Count(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j / x_j.size(0)

    class ByIndex(Layer):
        def message(self, x_j: Tensor, index: Tensor) -> Tensor:
            return x_j * index.view(-1, 1)

    class Sort(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j.flip(0).flip(0)

    return {
        "control flow on values": (Control, "if x_j.sum() > 0:"),
        "a value": (Value, "return x_j * float(x_j[0, 0])"),
        "side effect": (SideEffect, "changes self.seen"),
        "side effect on a list": (Log, "reads self.log, a list that may change"),
        "no kernel": (Cumulated, "calls cumsum, which has no kernel"),
        "in place": (InPlace, "relu in place"),
        "a tensor from outside": (Outside, "neither an argument nor a parameter"),
        "number of edges": (Count, "computes with the number of edges"),
        "index": (ByIndex, "computes with the edges' index"),
        "edges' order": (Sort, "calls flip"),
    }


@pytest.mark.parametrize("case", untraceable())
def test_what_cannot_be_fused_takes_the_plain_path_and_says_why(case: str) -> None:
    kind, reason = untraceable()[case]
    layer = kind()
    torch.testing.assert_close(layer(X), plainly(layer, X))
    told = plan.explain(layer)
    assert "gather, message, reduction" in told
    assert reason in told
    assert __file__ in told  # and the line


def test_side_effects_happen() -> None:
    layer = untraceable()["side effect"][0]()
    layer(X)
    torch.testing.assert_close(layer.seen, X[GRAPH.edge_index[0]])


def test_errors_of_a_message_are_the_user_s_own() -> None:
    class Wrong(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j + torch.ones(7)

    with pytest.raises(RuntimeError, match="must match the size"):
        Wrong()(X)


def test_a_message_with_the_wrong_number_of_rows() -> None:
    class Few(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j[:2]

    with pytest.raises(ValueError, match=r"Few.message: expected 5 rows.*got shape \(2, 3\)"):
        Few()(X)


def test_softmax_of_pytorch_geometric_is_recognised() -> None:
    from torch_geometric.utils import softmax as theirs

    namespace = {"softmax": theirs, "Layer": Layer}
    code = (
        "class Theirs(Layer):\n"
        "    def message(self, x_i, x_j, index, ptr, size_i):\n"
        "        return softmax((x_i * x_j).sum(-1, True), index, ptr, size_i) * x_j\n"
    )
    exec(code, namespace)
    layer = namespace["Theirs"]()
    found = layer(X)
    assert fused(layer)
    torch.testing.assert_close(found, plainly(layer, X))


def test_shorter_floats_run_on_kernels() -> None:
    class Half(Layer):
        def message(self, x_j: Tensor, x_i: Tensor) -> Tensor:
            return torch.sigmoid(x_i) * x_j

    layer, full = Half(), plainly(Half(), X)
    for dtype in (torch.bfloat16, torch.float16):
        out = layer(X.to(dtype))
        assert out.dtype == dtype
        torch.testing.assert_close(out.float(), full, rtol=0.02, atol=0.02)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(X).float(), full, rtol=0.02, atol=0.02)
    assert fused(layer)


def test_mixed_dtypes_take_the_plain_path() -> None:
    class Weighted(Layer):
        def message(self, x_j: Tensor, w: Tensor) -> Tensor:
            return x_j * w.view(-1, 1)

    layer = Weighted()
    weight = torch.arange(5, dtype=torch.float64)
    assert layer(X, w=weight).dtype == torch.float64
    assert "w has torch.float64" in plan.explain(layer)


def test_copies_make_their_own_plans() -> None:
    class Scaled(Layer):
        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.weight

    layer = Scaled(weight=nn.Parameter(torch.ones(3)))
    layer(X)
    twin = copy.deepcopy(layer)
    nn.init.constant_(twin.weight, 2.0)
    torch.testing.assert_close(twin(X), 2 * layer(X))


def test_layers_are_pickled_without_plans() -> None:
    from graphkit.nn import GCNConv

    layer = GCNConv(3, 2)
    expected = layer(X, GRAPH)
    torch.testing.assert_close(pickle.loads(pickle.dumps(layer))(X, GRAPH), expected)


@pytest.mark.parametrize("aggr", ["sum", "max", ["mean", "std", "softmax"]], ids=str)
def test_plain_path_in_parts(aggr, monkeypatch) -> None:
    """Where messages would fill the memory, destinations are taken part by part."""

    class Product(MessagePassing):
        def __init__(self) -> None:
            super().__init__(aggr)
            self.linear = nn.Linear(8, 4)

        def forward(self, x: Tensor, weight: Tensor, graph: Graph) -> Tensor:
            return self.propagate(graph, x=x, weight=weight)

        def message(self, x_i: Tensor, x_j: Tensor, weight: Tensor, index: Tensor, size_i: int):
            alpha = softmax(x_i[:, 0] * x_j[:, 1], index, num_nodes=size_i)
            both = torch.cat([x_i, x_j], dim=-1).flip(0).flip(0)  # no kernel turns edges about
            return self.linear(both) * (weight * alpha).view(-1, 1)

    layer = Product().double()
    generator = torch.Generator().manual_seed(0)
    graph = Graph(torch.randint(0, 40, (2, 300), generator=generator), num_nodes=43)
    x = torch.randn(43, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(300, generator=generator, dtype=torch.float64)
    wanted = [x, *layer.parameters()]

    def run() -> list[Tensor]:
        out = layer(x, weight, graph)
        return [out, *torch.autograd.grad(out.square().sum(), wanted)]

    whole = run()
    ranges = []
    monkeypatch.setattr(runtime, "_message_bytes", 4000)
    monkeypatch.setattr(
        plan,
        "row_ranges",
        lambda *a, of=plan.row_ranges: ranges.append(of(*a)) or ranges[-1],
    )
    for got, expected in zip(run(), whole, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)
    assert len(ranges[0]) > 5
    assert ranges[0][0][0] == 0
    assert ranges[0][-1][1] == 43


# ------------------------------------------------------------------ operators


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "var", "std"])
@pytest.mark.parametrize("shape", [(30,), (30, 5), (30, 2, 3), (30, 0)])
def test_segment_reduce(reduce: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 6, (30,), generator=generator)
    found = ops.segment_reduce(x, index, None, 8, 0, reduce)
    expected = reference.segment_reduce(x, index, 8, reduce)
    torch.testing.assert_close(found, expected)
    if x.numel():
        pair = [torch.autograd.grad(out.square().sum(), x)[0] for out in (found, expected)]
        torch.testing.assert_close(*pair)


def test_segments_by_row_pointers() -> None:
    x = torch.arange(6.0).view(6, 1)
    ptr = torch.tensor([0, 2, 2, 6])
    found = ops.segment_reduce(x, None, ptr, None, 0, "sum")
    assert found.flatten().tolist() == [1.0, 0.0, 14.0]
    torch.testing.assert_close(
        ops.segment_softmax(x, None, ptr), ops.segment_softmax(x, torch.tensor([0, 0, 2, 2, 2, 2]))
    )


def test_segment_reduce_along_another_dimension() -> None:
    x = torch.randn(4, 6, 2)
    index = torch.tensor([0, 1, 1, 2, 0, 2])
    found = ops.segment_reduce(x, index, None, 3, 1, "max")
    for segment in range(3):
        torch.testing.assert_close(found[:, segment], x[:, index == segment].amax(1))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (torch.tensor([0, 3, 1]), r"index: expected entries from 0 to 2, got 0 to 3"),
        (torch.tensor([0, -1, 1]), r"index: expected entries from 0 to 2, got -1 to 1"),
        (torch.tensor([0.0, 1.0, 2.0]), r"index: expected int64 of shape \[entries\], got"),
        (torch.tensor([[0, 1, 2]]), r"index: expected int64 of shape \[entries\], got"),
        (torch.tensor([0, 1]), r"x: expected 2 entries, as index has, got 3"),
        (None, r"index: expected the segment of every entry, or ptr, got neither"),
    ],
)
def test_wrong_segments(index: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ops.segment_reduce(torch.ones(3, 2), index, None, 3)


def test_winners_are_not_noted_where_their_number_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "_MOST_EDGES", 5)
    index = torch.tensor([0, 1, 0, 1, 0])
    with pytest.raises(ValueError, match=r"edge_index: expected fewer than 5 edges.*got 5"):
        ops.segment_reduce(torch.rand(5, 2), index, None, 2, 0, "max")
    assert ops.segment_reduce(torch.rand(5, 2), index, None, 2, 0, "sum").shape == (2, 2)


def test_registered_operators() -> None:
    x = torch.randn(20, 3, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 5, (20,))
    torch.library.opcheck(torch.ops.graphkit.segment_sum, (x, index, 6))
    torch.library.opcheck(torch.ops.graphkit.segment_winner, (x.detach(), index, 6, "max"))


@pytest.mark.compiles
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "var", "std"])
def test_compiled_operators(reduce: str) -> None:
    index = torch.randint(0, 5, (20,))

    def attend(x: Tensor) -> Tensor:
        alpha = softmax(x, index, num_nodes=6)
        return ops.segment_reduce(alpha * x.relu(), index, None, 6, 0, reduce)

    x = torch.randn(20, 3, requires_grad=True)
    found, expected = torch.compile(attend, fullgraph=True)(x), attend(x)
    torch.testing.assert_close(found, expected)
    pair = [torch.autograd.grad(out.square().sum(), x)[0] for out in (found, expected)]
    torch.testing.assert_close(*pair)


def test_a_first_call_does_not_import_torch_s_compiler() -> None:
    """Which takes seconds."""
    program = """
import sys, torch
from torch import nn
from graphkit.nn import EdgeConv, GATConv, GCNConv, SAGEConv, TransformerConv
edges = torch.randint(0, 9, (2, 30))
for layer in (GCNConv(8, 4), SAGEConv(8, 4), GATConv(8, 4, heads=2), TransformerConv(8, 4),
              EdgeConv(nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)))):
    layer(torch.rand(9, 8), edges).sum().backward()
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
