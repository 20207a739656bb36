"""Kernels for GPUs against the reference, in Triton's interpreter or on a GPU.

Triton makes up its mind whether it interprets when it is imported, so `test_triton.py` runs this
file in a process of its own. By hand:

    TRITON_INTERPRET=1 python -m pytest tests/engine/triton_cases.py
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import graphkit.nn as gnn
from graphkit import _structure
from graphkit.engine import devices, fused, plan, reference, sparse
from graphkit.engine.expression import Leaf, Program
from graphkit.engine.fused import Aggregation, Fused, reduction
from graphkit.engine.gpu import run as gpu
from graphkit.engine.ops import segment_reduce, segment_softmax
from graphkit.graph import Graph
from tests.engine.test_expressions import ALL, Attention, Formula
from tests.engine.test_random_graphs import FLOAT32, Gate, features, random_edges
from tests.engine.test_random_programs import RandomProgram
from tests.engine.test_update import UPDATES
from tests.engine.test_update import Layer as Updated

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
FLOAT64 = {"rtol": 1e-10, "atol": 1e-11}
TOLERANCE = {torch.float32: {"rtol": 1e-5, "atol": 2e-5}, torch.float64: FLOAT64}


@pytest.fixture(autouse=True)
def launches(monkeypatch) -> Iterator[list]:
    """The walks that ran. In the interpreter the tensors of a CPU take the place of a GPU's."""
    ran = []

    def run(walk, *rest):
        ran.append(walk)
        return (gpu if DEVICE == "cpu" else devices).run(walk, *rest)

    monkeypatch.setattr(fused, "run", run)
    monkeypatch.setattr(fused.winners, "serves", lambda *_: False)  # a path of the CPU's own
    with np.errstate(all="ignore"):  # lanes that are masked compute with zeros
        yield ran


@pytest.fixture
def graph() -> Graph:
    """Four nodes, one of them isolated."""
    edges = [[0, 1, 2, 0, 2, 1, 0, 2, 0], [1, 0, 0, 1, 2, 1, 0, 0, 1]]
    return Graph(torch.tensor(edges, device=DEVICE), num_nodes=4)


def draw(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return x.to(DEVICE, dtype).requires_grad_()


def results(function, inputs: list[Tensor]) -> list[Tensor]:
    """Value and gradients of a weighted sum of it."""
    out = function(*inputs)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype, device=DEVICE).view(out.shape)
    found = torch.autograd.grad((out * weight).sum(), inputs, allow_unused=True)
    pairs = zip(found, inputs, strict=True)
    return [out.detach(), *(torch.zeros_like(x) if g is None else g for g, x in pairs)]


def double(inputs: list[Tensor]) -> list[Tensor]:
    return [x.detach().double().requires_grad_() for x in inputs]


def assert_same(found: list[Tensor], expected: list[Tensor], **tolerance: float) -> None:
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got.double(), wanted.double(), **tolerance)


# ------------------------------------------------------------------ the language


# In single precision many formulas make one message: there is one derivative to compare.
GROUPS = [(name, [f], positive, torch.float64) for name, f, positive in ALL]
GROUPS += [
    (f"{part} of all", [f for _, f, positive in ALL if not positive][k::3], False, torch.float32)
    for k, part in enumerate(("a third", "another third", "the rest"))
]
GROUPS += [("all of positive", [f for _, f, positive in ALL if positive], True, torch.float32)]


@pytest.mark.parametrize(
    ("name", "formulas", "positive", "dtype"), GROUPS, ids=[g[0] for g in GROUPS]
)
def test_operations(name, formulas, positive, dtype, graph, launches, monkeypatch) -> None:
    monkeypatch.setattr("tests.engine.test_expressions.WIDTH", 3)  # read by one of the formulas
    layer = Formula(lambda a, b, e: sum(f(a, b, e) for f in formulas))
    inputs = [draw(4, 3), draw(4, 3, seed=1), draw(9, 1)]
    if positive:
        inputs = [x.detach().abs() + 0.2 for x in inputs]
    inputs = [x.detach().to(dtype).requires_grad_() for x in inputs]
    found = results(lambda *x: layer(*x, graph), inputs)
    assert len(launches) in (2, 3)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    expected = results(lambda *x: layer(*x, graph), double(inputs))
    assert_same(found, expected, **TOLERANCE[dtype])


@pytest.mark.parametrize("aggr", ["sum", "mean", "max"])
@pytest.mark.parametrize("name", UPDATES)
def test_updates(name, aggr, graph, monkeypatch) -> None:
    layer = Updated(UPDATES[name], aggr).to(DEVICE)
    leaves = [draw(4, 6), layer.bias, layer.eps]
    found = results(lambda x, *_: layer(x, graph), leaves)
    assert "the update in the kernel" in plan.explain(layer)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    assert_same(found, results(lambda x, *_: layer(x, graph), leaves), **FLOAT64)


def test_dropout_in_an_update(graph) -> None:
    layer = Updated(lambda layer, out, x: F.dropout(out + 5, 0.5), "sum").to(DEVICE)
    out, slope = results(lambda x: layer(x, graph), [draw(4, 6)])
    assert "the update in the kernel" in plan.explain(layer)
    assert 0 < (out == 0).sum() < out.numel()
    assert torch.equal(out[3][out[3] != 0], torch.full_like(out[3][out[3] != 0], 10.0))
    kept = (out != 0).double().index_select(0, graph.edge_index[1])
    reaches = torch.zeros_like(out).index_add(0, graph.edge_index[0], kept)
    assert torch.equal(slope != 0, reaches != 0)


FUNCTIONS = [torch.exp, torch.expm1, torch.tanh, torch.sigmoid, F.softplus, torch.log, torch.erf]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_elementary_functions_over_their_range(function, dtype, launches) -> None:
    parts = [torch.linspace(-1, 1, 21) * s for s in (1e-30, 1e-6, 0.01, 1, 30, 80, 200, 1e30)]
    special = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan])
    x = torch.cat([*parts, special]).to(DEVICE, dtype).view(1, -1)
    loop = Graph(torch.zeros(2, 1, dtype=torch.long, device=DEVICE), num_nodes=1)
    one = torch.ones(1, 1, dtype=dtype, device=DEVICE)
    found = Formula(lambda a, b, e: function(b))(x, x, one, loop)
    assert launches
    expected = function(x.double()).to(dtype)
    precision = 1e-5 if dtype == torch.float32 else 1e-14
    tiny = 4 * torch.finfo(dtype).tiny
    torch.testing.assert_close(found, expected, rtol=precision, atol=tiny, equal_nan=True)


def test_powers(launches) -> None:
    base = torch.tensor([-2.5, -1.0, 0.0, 0.3, 1.0, 4.0, 50.0, torch.inf, torch.nan])
    exponent = torch.tensor([-3.0, -2.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 20.0])
    a, b = (t.reshape(1, -1).to(DEVICE) for t in torch.meshgrid(base, exponent, indexing="ij"))
    loop = Graph(torch.zeros(2, 1, dtype=torch.long, device=DEVICE), num_nodes=1)
    one = torch.ones(1, 1, device=DEVICE)
    found = Formula(lambda a, b, e: torch.pow(a, b))(a, b, one, loop)
    assert launches
    torch.testing.assert_close(found, torch.pow(a, b), rtol=1e-6, atol=0, equal_nan=True)


@pytest.mark.parametrize("seed", [3, 8, 11, 21, 25])
def test_random_programs(seed: int, launches) -> None:
    torch.manual_seed(seed)
    made = RandomProgram(seed)
    leaves = [x.detach().to(DEVICE).requires_grad_() for x in made.leaves]
    used = made.program.reachable([a.node for a in made.aggregations])
    softmax = [n for n in made.softmax if n in used]
    whole = Fused(
        made.program, made.aggregations, softmax, made.heads, made.channels, torch.float64
    )
    graph = Graph(torch.randint(0, 12, (2, 60)).to(DEVICE), num_nodes=14)
    found = whole(graph, leaves, made.scalars)
    expected = whole.evaluate(graph, leaves, made.scalars)
    weights = [torch.randn_like(out) for out in expected]
    gradients = [
        torch.autograd.grad(outs, leaves, weights, allow_unused=True, materialize_grads=True)
        for outs in (found, expected)
    ]
    assert launches
    assert_same([*found, *gradients[0]], [*expected, *gradients[1]], rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------ graphs


@pytest.mark.parametrize(
    "aggr", ["sum", "mean", "max", "min", "var", "std", "softmax", ["mean", "max", "std"]], ids=str
)
def test_random_graphs(aggr, launches, monkeypatch) -> None:
    """Self-loops, duplicates, huge rows and columns; all memory layouts; no edges, no nodes."""
    rng = np.random.default_rng(0)
    layer = Gate(aggr)
    for number in range(5):
        nodes = int(rng.integers(1, 7)) if number else 0
        graph = Graph(random_edges(rng, nodes).to(DEVICE), num_nodes=nodes)
        width = int(rng.choice([1, 3, 70]))
        inputs = [features(rng, nodes, width) for _ in range(2)]
        inputs.append(torch.from_numpy(rng.uniform(0.5, 1.5, graph.num_edges)))
        dtype = torch.float64 if number % 4 == 0 else torch.float32
        copies = [
            torch.empty_strided(x.shape, x.stride(), dtype=dtype, device=DEVICE).copy_(x)
            for x in inputs
        ]
        inputs = [x.to(DEVICE).requires_grad_() for x in inputs]
        monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
        found = results(lambda *x, g=graph: layer(*x, g), [x.requires_grad_() for x in copies])
        monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
        expected = results(lambda *x, g=graph: layer(*x, g), inputs)
        tolerance = {"rtol": 1e-9, "atol": 1e-10} if dtype == torch.float64 else FLOAT32
        assert_same(found, expected, **tolerance)
    assert launches
    assert "fused kernel" in plan.explain(layer)


@pytest.mark.parametrize("aggr", ["max", "softmax", ["mean", "max", "std"]], ids=str)
def test_long_rows_have_a_launch_of_their_own(aggr, launches, monkeypatch) -> None:
    monkeypatch.setattr(gpu, "MANY_EDGES", 0)
    monkeypatch.setattr(gpu, "LONG_ROW", 3)
    monkeypatch.setattr(_structure, "LONG_ROW", 3)
    rng = np.random.default_rng(1)
    edges = torch.from_numpy(rng.integers(0, 9, (2, 40)))
    edges[1, :17] = 4
    graph, layer = Graph(edges.to(DEVICE), num_nodes=10), Gate(aggr)
    inputs = [draw(10, 5), draw(10, 5, seed=1), draw(40)]
    found = results(lambda *x: layer(*x, graph), inputs)
    assert launches
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    assert_same(found, results(lambda *x: layer(*x, graph), inputs), **FLOAT64)
    attention = Attention(2, 3).to(DEVICE, torch.float64)  # totals its parameters' gradients
    inputs = [draw(10, 6), draw(10, 6, seed=1), *attention.parameters()]
    expected = results(lambda a, b, *_: attention(a, b, graph), inputs)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    assert_same(results(lambda a, b, *_: attention(a, b, graph), inputs), expected, **FLOAT64)


@pytest.mark.parametrize("aggr", ["sum", "max"])
def test_one_huge_row(aggr, launches) -> None:
    """Far more edges than a tile holds; the maximum is a tie between the two halves."""
    edges = 3001
    ends = torch.arange(edges), torch.full((edges,), 1)
    graph = Graph(torch.stack(ends).to(DEVICE), (edges, 3))
    x = draw(edges, 2)
    with torch.no_grad():
        x[77] = x[2900] = 9.0
    found = results(lambda x: segment_reduce(x, graph.edge_index[1], dim_size=3, reduce=aggr), [x])
    expected = results(lambda x: reference.segment_reduce(x, graph.edge_index[1], 3, aggr), [x])
    assert launches
    assert_same(found, expected, **FLOAT64)
    if aggr == "max":
        assert found[1][77].any()
        assert not found[1][2900].any()


def test_indices_of_64_bits(graph, launches, monkeypatch) -> None:
    """What graphs beyond 2**31 edges have, and 64 bits of the winning edge too."""
    run, seen = fused.run, []

    def wide(walk, adjacency, *rest):
        parts = {k: getattr(adjacency, k).long() for k in ("rowptr", "col", "edge", "slot")}
        outs = run(walk, dataclasses.replace(adjacency, **parts), *rest)
        seen.extend(o.dtype for o in outs)
        return outs

    x = draw(9, 5)
    expected = results(lambda x: segment_reduce(x, graph.edge_index[1], None, 4, 0, "max"), [x])
    monkeypatch.setattr(fused, "run", wide)
    found = results(lambda x: segment_reduce(x, graph.edge_index[1], None, 4, 0, "max"), [x])
    assert torch.int64 in seen
    assert_same(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_halves_are_read_and_written_but_not_computed_with(half, graph) -> None:
    """A sum of hundreds of ones, which no half counts so far."""
    edges = torch.zeros(2, 3001, dtype=torch.long, device=DEVICE)
    graph = Graph(edges, num_nodes=1)
    ones = torch.ones(3001, 2, dtype=half, device=DEVICE)
    walk = reduction("sum", 2, torch.float32)._forward
    order = graph.by_destination
    (exact,) = gpu.run(walk, order, [ones], [], 1, 2, torch.float32)
    (rounded,) = gpu.run(walk, order, [ones], [], 1, 2, torch.float32, [half])
    assert exact.dtype == torch.float32
    assert exact.tolist() == [[3001.0, 3001.0]]
    assert rounded.dtype == half
    torch.testing.assert_close(rounded.float(), exact, rtol=1 / 128, atol=0)  # or cut off


def test_two_runs_agree_bit_for_bit(graph) -> None:
    layer = Attention(3, 7).to(DEVICE)
    inputs = [draw(4, 21, dtype=torch.float32), draw(4, 21, dtype=torch.float32, seed=1)]
    first, second = (results(lambda *x: layer(*x, graph), inputs) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# ------------------------------------------------------------------ max, min and NaN


@pytest.mark.parametrize("reduce", ["max", "min"])
def test_first_of_equal_entries_wins_whatever_it_holds(reduce, launches) -> None:
    inf, nan = torch.inf, torch.nan
    rows = [[1.0, 2, 2, 0], [inf, inf, -inf, -inf], [nan, 1, nan, 3], [-inf, -inf], [inf, inf], []]
    index = torch.tensor([k for k, row in enumerate(rows) for _ in row], device=DEVICE)
    x = torch.tensor([v for row in rows for v in row], device=DEVICE).view(-1, 1).requires_grad_()
    out = segment_reduce(x, index, dim_size=len(rows), reduce=reduce)
    expected = reference.segment_reduce(x, index, len(rows), reduce)
    assert launches
    torch.testing.assert_close(out, expected, rtol=0, atol=0, equal_nan=True)
    pairs = (torch.autograd.grad(o, x, torch.ones_like(o))[0] for o in (out, expected))
    assert torch.equal(*pairs)


def test_nan_and_infinity_are_passed_on(graph, monkeypatch) -> None:
    for aggr in ("sum", "mean", "max", "min", "var", "std", "softmax"):
        a, b, e = draw(4, 3).detach(), draw(4, 3, seed=1).detach(), draw(9, 1).detach()
        b[0, 0], b[1, 1], b[2, 2] = torch.nan, torch.inf, -torch.inf
        layer = Formula(lambda a, b, e: a + b * e, aggr)
        monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
        found = layer(a, b, e, graph)
        monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
        torch.testing.assert_close(found, layer(a, b, e, graph), equal_nan=True)
        assert found.isnan().any()


# ------------------------------------------------------------------ heads, dropout, outputs


@pytest.mark.parametrize(("heads", "channels"), [(1, 5), (3, 7), (9, 2), (4, 1), (2, 70)])
def test_attention(heads, channels, graph, launches, monkeypatch) -> None:
    layer = Attention(heads, channels).to(DEVICE, torch.float64)
    inputs = [draw(4, heads * channels), draw(4, heads * channels, seed=1), *layer.parameters()]
    found = results(lambda a, b, *_: layer(a, b, graph), inputs)
    assert {o.mode for walk in launches for o in walk.outputs} >= {"row", "total"}
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    assert_same(found, results(lambda a, b, *_: layer(a, b, graph), inputs), **FLOAT64)


@pytest.mark.parametrize("rows", [1, 2, 32])
def test_totals_of_several_rows_per_program(rows, graph, monkeypatch) -> None:
    monkeypatch.setattr(gpu, "ROWS", rows)
    monkeypatch.setattr(gpu, "PROGRAMS", 1)
    p = Program()
    x, scale = p.leaf(Leaf("j", True, True)), p.leaf(Leaf("p", True, False))
    whole = Fused(p, [Aggregation("sum", p("mul", x, scale))], [], 2, 3, torch.float64)
    leaves = [draw(4, 6), draw(1, 2)]
    found = results(lambda *x: whole(graph, x, [])[0], leaves)
    assert_same(found, results(lambda *x: whole.evaluate(graph, x, [])[0], leaves), **FLOAT64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.73])
def test_dropout_is_the_reference_s_bit_for_bit(rate, dtype, launches, monkeypatch) -> None:
    edges = 9
    graph = Graph(torch.arange(edges, device=DEVICE).repeat(2, 1), num_nodes=edges)
    x, one = (torch.ones(edges, k, dtype=dtype, device=DEVICE) for k in (70, 1))
    layer = Formula(lambda a, b, e: F.dropout(b, rate))
    torch.manual_seed(7)
    found = layer(x, x, one, graph)
    assert launches
    drawn = Formula(lambda a, b, e: F.dropout(b, rate))
    monkeypatch.setattr(fused.Fused, "__call__", fused.Fused.evaluate)
    torch.manual_seed(7)
    assert torch.equal(found, drawn(x, x, one, graph))
    assert 0 < int((found == 0).sum()) < found.numel()


def test_dropout_is_the_same_in_backward(graph) -> None:
    layer = Attention(2, 3, dropout=0.4).to(DEVICE, torch.float64)
    inputs = [draw(4, 6), draw(4, 6, seed=1)]
    torch.manual_seed(5)
    out = layer(*inputs, graph)
    by_reference = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
    torch.manual_seed(5)
    by_kernel = torch.autograd.grad(layer(*inputs, graph).square().sum(), inputs)
    assert_same(by_kernel, by_reference, **FLOAT64)


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "var", "std"])
def test_segment_reduce(reduce, launches) -> None:
    index = torch.tensor([3, 0, 3, 3, 1, 0], device=DEVICE)
    x = draw(6, 2, 5)
    found = results(lambda x: segment_reduce(x, index, dim_size=5, reduce=reduce), [x])
    assert launches
    assert_same(
        found, results(lambda x: reference.segment_reduce(x, index, 5, reduce), [x]), **FLOAT64
    )


def test_segment_softmax_writes_to_the_edges(launches) -> None:
    index = torch.tensor([3, 0, 3, 3, 1, 0], device=DEVICE)
    x = draw(6, 5)
    found = results(lambda x: segment_softmax(x, index, num_nodes=5), [x])
    assert "edge" in {o.mode for walk in launches for o in walk.outputs}
    assert_same(found, results(lambda x: reference.segment_softmax(x, index, 5), [x]), **FLOAT64)


def test_sparse_features(launches) -> None:
    dense = torch.tensor([[1.5, 0, 2, 0], [0, 0, 0, 0], [0, -1, 0, 3]], device=DEVICE).double()
    weight = draw(4, 3)
    crow, col = (torch.tensor(t, device=DEVICE) for t in ([0, 2, 2, 4], [0, 2, 1, 3]))
    matrix = sparse.csr(crow, col, dense[dense != 0], (3, 4))
    found = results(lambda w: sparse.matmul(matrix, w), [weight])
    assert launches
    assert_same(found, results(lambda w: dense @ w, [weight]), **FLOAT64)


# ------------------------------------------------------------------ layers

LAYERS = {
    "GCN": lambda: gnn.GCNConv(5, 4),
    "GAT": lambda: gnn.GATConv(5, 3, heads=2),
    "GATv2": lambda: gnn.GATv2Conv(5, 3, heads=2, edge_dim=1),
    "SAGE max": lambda: gnn.SAGEConv(5, 4, aggr="max"),
    "GIN": lambda: gnn.GINConv(torch.nn.Linear(5, 4)),
    "SAGE softmax": lambda: gnn.SAGEConv(5, 4, aggr="softmax"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, graph, launches, monkeypatch) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().to(DEVICE)
    extra = [draw(9, 1, dtype=torch.float32)] if name == "GATv2" else []
    inputs = [draw(4, 5, dtype=torch.float32), *extra]

    def run(x, *rest):
        return layer(x, graph, *rest[: len(extra)])

    found = results(run, [*inputs, *layer.parameters()])
    assert launches
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    layer.double()
    assert_same(
        found, results(run, [*double(inputs), *layer.parameters()]), **TOLERANCE[torch.float32]
    )
