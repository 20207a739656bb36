"""Messages with matrix products and the like: what is moved, and that it changes nothing.

Every layer here is compared with itself on the plain path in float64: outputs, and gradients of
inputs and parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit import runtime
from graphkit.engine import plan
from graphkit.graph import Graph
from graphkit.nn import MessagePassing, softmax

NODES, EDGES, WIDTH = 13, 60, 6


@pytest.fixture
def graph() -> Graph:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(0, NODES - 2, (2, EDGES), generator=generator)  # two isolated nodes
    return Graph(edges, num_nodes=NODES)


class Layer(MessagePassing):
    """A message given as a function of the layer, both ends and an edge."""

    def __init__(self, formula: Callable[..., Tensor], aggr: Any = "sum", **modules: Any) -> None:
        super().__init__(aggr)
        self.formula = formula
        torch.manual_seed(0)
        wide = 3 * WIDTH
        self.narrow = nn.Linear(WIDTH, 4)
        self.broad = nn.Linear(WIDTH, 11)
        self.joint = nn.Linear(wide, 7)
        self.last = nn.Linear(7, 5)
        self.plain = nn.Linear(7, 5, bias=False)
        self.norm = nn.LayerNorm(7)
        self.slope = nn.PReLU(7)
        self.matrix = nn.Parameter(torch.randn(WIDTH, 7))
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x: Tensor, e: Tensor, w: Tensor, graph: Any) -> Tensor:
        return self.propagate(graph, x=x, e=e, w=w)

    def message(self, x_i: Tensor, x_j: Tensor, e: Tensor, w: Tensor, index: Tensor) -> Tensor:
        return self.formula(self, x_i, x_j, e, w, index)


def joint(self, x_i, x_j, e):
    return self.joint(torch.cat([x_i, x_j, e], dim=-1))


def hidden(self, x_i, x_j, e):
    return joint(self, x_i, x_j, e).relu()


def attention(self, x_i, x_j, index):
    score = (self.narrow(x_i) * self.narrow(x_j)).sum(-1, keepdim=True)
    return softmax(score, index, num_nodes=NODES)


# What a message computes, and a part of what is said of it.
FORMULAS: dict[str, tuple[Callable[..., Tensor], str]] = {
    "of a source, narrower": (lambda s, i, j, e, w, n: s.narrow(j), "linear on the sources"),
    "of a source, wider": (lambda s, i, j, e, w, n: s.broad(j) * w, "after the aggregation"),
    "a matrix": (lambda s, i, j, e, w, n: j @ s.matrix * w, "after the aggregation"),
    "of both ends": (lambda s, i, j, e, w, n: s.narrow(i).tanh() * s.narrow(j), "on the sources"),
    "of an edge": (lambda s, i, j, e, w, n: (s.narrow(e) + s.narrow(j)).relu(), "on the edges"),
    "after an activation": (
        lambda s, i, j, e, w, n: s.narrow(F.elu(j)).sigmoid() * w,
        "linear on the sources",
    ),
    "joint": (lambda s, i, j, e, w, n: joint(s, i, j, e), "after the aggregation"),
    "joint, weighed": (lambda s, i, j, e, w, n: joint(s, i, j, e) * w, "after the aggregation"),
    "joint, activated": (
        lambda s, i, j, e, w, n: hidden(s, i, j, e),
        "split into maps",
    ),
    "of a difference": (
        lambda s, i, j, e, w, n: s.joint(torch.cat([i, j - i, -e], dim=-1)).relu(),
        "split into maps",
    ),
    "a sum of ends": (
        lambda s, i, j, e, w, n: (s.narrow(i + j)).relu(),
        "split into maps",
    ),
    "of two layers": (
        lambda s, i, j, e, w, n: s.last(hidden(s, i, j, e)),
        "after the aggregation",
    ),
    "of two layers, weighed": (
        lambda s, i, j, e, w, n: w * s.last(hidden(s, i, j, e)),
        "after the aggregation",
    ),
    "of two layers, without bias": (
        lambda s, i, j, e, w, n: s.plain(hidden(s, i, j, e)),
        "after the aggregation",
    ),
    "of three layers": (
        lambda s, i, j, e, w, n: s.last(s.slope(s.norm(hidden(s, i, j, e)))).tanh(),
        "by a kernel of their own",
    ),
    "attention": (
        lambda s, i, j, e, w, n: attention(s, i, j, n) * s.narrow(j),
        "linear on the sources",
    ),
    "attention, then a map": (
        lambda s, i, j, e, w, n: s.broad(attention(s, i, j, n) * j),
        "after the aggregation",
    ),
    "parts of the features": (lambda s, i, j, e, w, n: j[:, :2] * i[:, 3:5] * w, "before the ker"),
    "chunks": (
        lambda s, i, j, e, w, n: j.chunk(2, dim=-1)[0] + i.chunk(2, dim=-1)[1],
        "on the sources",
    ),
    "side by side": (lambda s, i, j, e, w, n: torch.cat([i, j * w, e - j], dim=-1), "fused"),
    "stacked": (
        lambda s, i, j, e, w, n: torch.stack([i, j], dim=1).amax(dim=1) * w,
        "on the edges before",
    ),
    "normalised": (lambda s, i, j, e, w, n: F.normalize(j, dim=-1) * w, "on the sources before"),
    "normalised over both": (lambda s, i, j, e, w, n: F.normalize(i + j, dim=-1) * w, "edges bef"),
    "einsum": (
        lambda s, i, j, e, w, n: torch.einsum("nf,fg->ng", j, s.matrix).tanh(),
        "einsum on the sources",
    ),
    "a matrix for every edge": (
        lambda s, i, j, e, w, n: (
            (j.view(-1, 1, WIDTH) @ (e.unsqueeze(-1) * e.unsqueeze(1))).squeeze(1) * w
        ),
        "on the edges",
    ),
    "heads": (
        lambda s, i, j, e, w, n: (s.narrow(i).view(-1, 2, 2) * s.narrow(j).view(-1, 2, 2)).flatten(
            1
        ),
        "on the sources",
    ),
    "a number of rows in a view": (
        lambda s, i, j, e, w, n: s.narrow(j).view(j.size(0), 2, 2).flatten(1) * w,
        "on the sources",
    ),
    "what is true counts as one": (
        lambda s, i, j, e, w, n: (i > j) * w + (i.detach() > 0).unsqueeze(-1).squeeze(-1) * j,
        "fused",
    ),
    "chosen by a kind of edge": (
        lambda s, i, j, e, w, n: torch.where((w.detach() * 10).long() == 3, i, j * w),
        "on the edges before",
    ),
    "seen as other numbers": (
        lambda s, i, j, e, w, n: (w.detach().view(torch.int64) == 0).double() * j + j,
        "on the edges before",
    ),
    "elementwise that has no kernel": (
        lambda s, i, j, e, w, n: torch.cos(j) * w + torch.log1p(i.abs()),
        "before the kernel",
    ),
}


def tensors(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = ((NODES, WIDTH), (EDGES, WIDTH), (EDGES, 1))
    made = [torch.randn(*size, generator=generator, dtype=torch.float64) for size in sizes]
    return [t.to(dtype).requires_grad_() for t in made]


def outcome(layer: Layer, inputs: list[Tensor], graph: Any) -> list[Tensor]:
    out = layer(*inputs, graph)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    wanted = [*inputs, *layer.parameters()]
    found = torch.autograd.grad((out * weight).sum(), wanted, allow_unused=True)
    return [out, *(torch.zeros_like(x) if g is None else g for g, x in zip(found, wanted))]  # noqa: B905


def plainly(layer: Layer, inputs: list[Tensor], graph: Any) -> list[Tensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHKIT_ENGINE", "reference")
        return outcome(layer, inputs, graph)


AGGREGATIONS = ["sum", "max", ["mean", "softmax"]]


@pytest.mark.parametrize("aggr", AGGREGATIONS, ids=str)
@pytest.mark.parametrize("name", FORMULAS)
def test_rewritten_layers_equal_themselves(name: str, aggr: Any, graph: Graph) -> None:
    formula, said = FORMULAS[name]
    layer = Layer(formula, aggr).double()
    inputs = tensors()
    if isinstance(aggr, list) and "attention" in name:
        pytest.skip("a softmax of a softmax takes the plain path")
    found = outcome(layer, inputs, graph)
    told = plan.explain(layer)
    assert "fused kernel" in told
    if "after the aggregation" not in said or aggr == "sum":
        assert said in told
    for got, expected in zip(found, plainly(layer, inputs, graph), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("aggr", ["sum", "mean"])
@pytest.mark.parametrize("name", ["joint", "of two layers", "joint, weighed"])
def test_a_masked_message_whose_map_comes_later(name: str, aggr: str, graph: Graph) -> None:
    """The bias is masked too."""
    layer = Layer(FORMULAS[name][0], aggr).double()
    layer.edge_mask = torch.rand(EDGES, dtype=torch.float64, requires_grad=True)
    inputs = tensors()
    found = outcome(layer, inputs, graph)
    (mask,) = torch.autograd.grad(layer(*inputs, graph).square().sum(), layer.edge_mask)
    for got, expected in zip(found, plainly(layer, inputs, graph), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHKIT_ENGINE", "reference")
        (expected,) = torch.autograd.grad(layer(*inputs, graph).square().sum(), layer.edge_mask)
    torch.testing.assert_close(mask, expected, rtol=1e-10, atol=1e-11)


def test_a_node_without_neighbours_gets_no_bias(graph: Graph) -> None:
    for aggr in ("sum", "mean"):
        out = Layer(FORMULAS["of two layers"][0], aggr)(*tensors(torch.float32), graph)
        assert not out[-2:].any()
        assert out[: NODES - 2].any()


@pytest.mark.parametrize("name", ["of two layers", "of three layers", "attention, then a map"])
def test_gradients(name: str, graph: Graph) -> None:
    layer = Layer(FORMULAS[name][0], "mean").double()
    few = Graph(graph.edge_index[:, :8], num_nodes=NODES)
    inputs = [t.detach()[:rows] for t, rows in zip(tensors(), (NODES, 8, 8), strict=True)]
    inputs = [t.requires_grad_() for t in inputs]
    assert torch.autograd.gradcheck(lambda *t: layer(*t, few), inputs)
    assert torch.autograd.gradgradcheck(lambda *t: layer(*t, few), inputs)


def test_several_kernels_draw_the_same_dropout(graph: Graph) -> None:
    """One value in two kernels of a message is dropped once."""

    def formula(self, x_i, x_j, e, w, index):
        dropped = F.dropout(x_i + x_j, 0.5, self.training)
        return torch.cat([dropped, F.layer_norm(dropped, (WIDTH,)), dropped], dim=-1)

    layer = Layer(formula, "sum").double()
    one = Graph(torch.tensor([[0, 1, 2], [3, 4, 5]]), num_nodes=NODES)
    x, e, w = tensors()
    torch.manual_seed(0)
    out = layer(x, e[:3], w[:3], one)
    first, normal, last = out.split(WIDTH, dim=-1)
    assert torch.equal(first, last)
    torch.testing.assert_close(normal[3:6], F.layer_norm(first[3:6], (WIDTH,)))
    assert bool((first[3:6] == 0).any())
    torch.manual_seed(0)
    assert torch.equal(out, layer(x, e[:3], w[:3], one))
    assert not torch.equal(out, layer(x, e[:3], w[:3], one))


@pytest.mark.parametrize("aggr", ["max", ["mean", "std"]], ids=str)
@pytest.mark.parametrize("name", ["of three layers", "joint, activated", "of an edge"])
def test_in_parts_where_the_edges_would_fill_the_memory(
    name: str, aggr: Any, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Layer(FORMULAS[name][0], aggr).double()
    inputs = tensors()
    whole = outcome(layer, inputs, graph)
    kept = []
    monkeypatch.setattr(runtime, "_message_bytes", 2000)
    monkeypatch.setattr(
        plan, "_ranges", lambda *a, of=plan._ranges: kept.append(of(*a)) or kept[-1]
    )
    for got, expected in zip(outcome(layer, inputs, graph), whole, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)
    assert len(kept[0]) > 2
    assert kept[0][0][0] == 0
    assert kept[0][-1][1] == NODES


REFUSED: dict[str, tuple[Callable[..., Tensor], str]] = {
    "across edges": (lambda s, i, j, e, w, n: j.softmax(0), "calls softmax across edges"),
    "other edges": (lambda s, i, j, e, w, n: j[:2].repeat(30, 1), "across edges"),
    "cumulated": (lambda s, i, j, e, w, n: j.cumsum(0), "calls cumsum, which has no kernel"),
    "concatenated edges": (lambda s, i, j, e, w, n: torch.cat([j, i])[:EDGES], "cat across edges"),
    "the number of edges": (lambda s, i, j, e, w, n: s.narrow(j) / j.size(0), "number of edges"),
    "a batch norm": (lambda s, i, j, e, w, n: s.bn(i + j), "batch norm in training"),
    "a foreign tensor": (
        lambda s, i, j, e, w, n: F.linear(j, torch.ones(2, WIDTH, dtype=j.dtype)),
        "neither an argument nor a parameter",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_looks_at_other_edges_takes_the_plain_path(name: str, graph: Graph) -> None:
    formula, reason = REFUSED[name]
    layer = Layer(formula, bn=nn.BatchNorm1d(WIDTH)).double()
    inputs = tensors()
    found = outcome(layer, inputs, graph)
    told = plan.explain(layer)
    assert "gather, message, reduction" in told
    assert reason in told
    for got, expected in zip(found, plainly(layer, inputs, graph), strict=True):
        torch.testing.assert_close(got, expected)


def test_a_batch_norm_counts_its_batches_once(graph: Graph) -> None:
    layer = Layer(REFUSED["a batch norm"][0], bn=nn.BatchNorm1d(WIDTH)).double()
    layer(*tensors(), graph)
    assert int(layer.bn.num_batches_tracked) == 1
    layer.eval()
    expected = plainly(layer, tensors(), graph)
    for got, wanted in zip(outcome(layer, tensors(), graph), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-11)
    assert "batch_norm on the edges before the kernel" in plan.explain(layer)


def test_embeddings_of_edge_types(graph: Graph) -> None:
    class Typed(MessagePassing):
        def __init__(self) -> None:
            super().__init__("mean")
            self.embedding = nn.Embedding(4, WIDTH)

        def forward(self, x: Tensor, kind: Tensor, graph: Graph) -> Tensor:
            return self.propagate(graph, x=x, kind=kind)

        def message(self, x_j: Tensor, kind: Tensor) -> Tensor:
            return (x_j + self.embedding(kind)).relu()

    layer = Typed()
    x, kind = torch.randn(NODES, WIDTH), torch.randint(0, 4, (EDGES,))
    found = layer(x, kind, graph)
    assert "embedding on the edges before the kernel" in plan.explain(layer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHKIT_ENGINE", "reference")
        torch.testing.assert_close(found, layer(x, kind, graph))


def test_a_changed_weight_is_read(graph: Graph) -> None:
    layer = Layer(FORMULAS["joint, activated"][0]).double()
    inputs = tensors()
    first = layer(*inputs, graph)
    with torch.no_grad():
        layer.joint.weight.mul_(2.0)
    second = layer(*inputs, graph)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(second, plainly(layer, inputs, graph)[0])
    layer.joint = nn.Linear(3 * WIDTH, 9).double()
    assert layer(*inputs, graph).shape == (NODES, 9)


def test_explaining_a_model_that_is_called_for_it(graph: Graph) -> None:
    from graphkit.nn import GCN

    model = GCN(WIDTH, 8, num_layers=2)
    told = plan.explain(model, graph.replace(x=torch.randn(NODES, WIDTH)))
    assert told.splitlines() == [
        "convs.0: GCNConv: fused kernel (sum)",
        "convs.1: GCNConv: fused kernel (sum)",
    ]
    assert plan.explain(nn.Linear(2, 2)) == "Linear: no message passing in it"


def test_edge_updates_run_on_a_kernel(graph: Graph) -> None:
    class Updater(MessagePassing):
        def __init__(self) -> None:
            super().__init__()
            self.score = nn.Linear(2 * WIDTH, 3)

        def forward(self, x: Tensor, e: Tensor, graph: Graph) -> Tensor:
            return self.edge_updater(graph, x=x, e=e)

        def edge_update(self, x_i: Tensor, x_j: Tensor, e: Tensor, index: Tensor) -> Tensor:
            score = self.score(torch.cat([x_i, x_j], dim=-1)).tanh() * e.sum(-1, keepdim=True)
            return softmax(score, index, num_nodes=NODES)

    layer = Updater().double()
    x, e, _ = tensors()
    wanted = [x, e, *layer.parameters()]

    def run() -> list[Tensor]:
        out = layer(x, e, graph)
        assert out.shape == (EDGES, 3)
        weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        return [out, *torch.autograd.grad((out * weight).sum(), wanted)]

    found = run()
    assert "fused kernel (edge)" in plan.explain(layer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHKIT_ENGINE", "reference")
        for got, expected in zip(found, run(), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)
