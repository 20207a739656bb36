"""torch.compile and torch.export: the fused kernels serve there too, with the same numbers."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit import _structure
from graphkit.engine import operators, plan
from graphkit.graph import Graph
from graphkit.nn import (
    GAT,
    GCN,
    GIN,
    PNA,
    GATConv,
    GCNConv,
    GINEConv,
    GraphSAGE,
    MessagePassing,
)
from graphkit.nn.models import ConvStack

pytestmark = [
    pytest.mark.compiles,
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
]

NODES, EDGES, IN, EDGE_IN = 43, 300, 6, 3


class Gate(MessagePassing):
    """Reads parameters of its own and of a submodule, and a number."""

    def __init__(self, aggr="sum") -> None:
        super().__init__(aggr)
        self.lin = nn.Linear(IN, IN)
        self.scale = nn.Parameter(torch.randn(IN))
        self.slope = 0.3

    def forward(self, x: Tensor, edge_index) -> Tensor:
        return self.propagate(edge_index, a=self.lin(x), b=x)

    def message(self, a_i: Tensor, b_j: Tensor) -> Tensor:
        gate = torch.sigmoid(a_i + b_j * self.scale.exp() + self.lin.bias)
        return F.leaky_relu(gate * b_j, self.slope)


def gine(in_channels, out_channels, to_output) -> GINEConv:
    return GINEConv(nn.Linear(in_channels, out_channels), edge_dim=EDGE_IN)


class WithEdges(ConvStack):
    supports_edge_attr = True


class Joined(MessagePassing):
    """A linear map of everything, and one that may follow the aggregation."""

    def __init__(self, aggr="mean") -> None:
        super().__init__(aggr)
        self.lin, self.out = nn.Linear(2 * IN + EDGE_IN, 5), nn.Linear(5, 7)

    def forward(self, x: Tensor, edge_index, edge_attr: Tensor) -> Tensor:
        return self.propagate(edge_index, x=x, edge_attr=edge_attr)

    def message(self, x_i: Tensor, x_j: Tensor, edge_attr: Tensor) -> Tensor:
        return self.out(self.lin(torch.cat([x_i, x_j - x_i, edge_attr], -1)).relu())


DEGREES = torch.tensor([1, 4, 9, 10, 8, 5, 3, 2, 1])
MODELS = {
    "gcn": lambda: GCN(IN, 8, 2, 4),
    "sage": lambda: GraphSAGE(IN, 8, 1, 4),
    "sage-max": lambda: GraphSAGE(IN, 8, 1, 4, aggr="max"),
    "gat": lambda: GAT(IN, 8, 1, 4, heads=2),
    "gat-edges": lambda: GAT(IN, 8, 1, heads=2, edge_dim=EDGE_IN),
    "gatv2": lambda: GAT(IN, 8, 1, heads=2, v2=True),
    "gatv2-edges": lambda: GAT(IN, 8, 1, 4, heads=2, v2=True, edge_dim=EDGE_IN, fill_value="max"),
    "gin": lambda: GIN(IN, 8, 1, 4),
    "gine": lambda: WithEdges(gine, IN, 8, 1, 4),
    "pna": lambda: PNA(
        IN, 8, 1, 4, aggregators=["mean", "std", "max", "min"],
        scalers=["identity", "amplification", "attenuation"], deg=DEGREES, edge_dim=EDGE_IN,
        towers=2,
    ),
    "gate": Gate,
    "joined-mean": Joined,
    "joined-max": lambda: Joined("max"),
    "gate-several": lambda: Gate(["mean", "max", "softmax"]),
}  # fmt: skip


def edges_of(nodes: int = NODES, edges: int = EDGES, seed: int = 0) -> Tensor:
    """With loops, doubled edges and nodes that stand alone."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, nodes - 3, (2, edges), generator=generator)


def inputs_of(name: str, nodes: int = NODES, edges: int = EDGES) -> tuple[Tensor, dict]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(nodes, IN, generator=generator, requires_grad=True)
    if name in ("gat-edges", "gatv2-edges", "gine", "pna", "joined-mean", "joined-max"):
        return x, {"edge_attr": torch.randn(edges, EDGE_IN, generator=generator)}
    return x, {}


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name]()


def gradients(out: Tensor, x: Tensor, model: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(out.square().sum(), [x, *model.parameters()]))


def layers(model: nn.Module) -> list[MessagePassing]:
    return [m for m in model.modules() if isinstance(m, MessagePassing)]


class Counter:
    """A backend that runs a graph as it is, and counts graphs and the operators in them."""

    def __init__(self) -> None:
        self.graphs: list[torch.fx.GraphModule] = []

    def __call__(self, graph: torch.fx.GraphModule, inputs) -> torch.fx.GraphModule:
        self.graphs.append(graph)
        return graph

    def calls(self, operator) -> int:
        return sum(node.target is operator for graph in self.graphs for node in graph.graph.nodes)


@pytest.fixture(autouse=True)
def _afresh():
    torch._dynamo.reset()


def assert_same(model: nn.Module, x: Tensor, found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    pairs = zip(gradients(found, x, model), gradients(expected, x, model), strict=True)
    for got, plain in pairs:
        torch.testing.assert_close(got, plain, rtol=1e-5, atol=1e-5)


def assert_fused(model: nn.Module) -> None:
    """At its calls so far, which were compiled."""
    for layer in layers(model):
        assert plan.explain(layer).split(": ")[1].startswith("fused kernel")
        assert "gather" not in plan.explain(layer)


# ------------------------------------------------------------------ torch.compile


@pytest.mark.parametrize("name", MODELS)
def test_fused_on_edges_nobody_has_seen(name: str) -> None:
    model, (x, rest), edges = made(name), inputs_of(name), edges_of()
    found = torch.compile(model, fullgraph=True, backend="aot_eager")(x, edges, **rest)
    assert_fused(model)
    assert_same(model, x, found, model(x, edges, **rest))


@pytest.mark.parametrize("name", ["gcn", "pna"])
def test_fused_on_a_graph(name: str) -> None:
    model, (x, rest), graph = made(name), inputs_of(name), Graph(edges_of(), NODES)
    found = torch.compile(model, fullgraph=True, backend="aot_eager")(x, graph, **rest)
    assert_fused(model)
    assert_same(model, x, found, model(x, graph, **rest))


def test_training_steps_by_inductor() -> None:
    model, (x, _), edges = made("gat"), inputs_of("gat"), edges_of()
    other = copy.deepcopy(model)
    y = torch.randint(0, 4, (NODES,))
    pairs = [(model, torch.compile(model, fullgraph=True)), (other, other)]
    for owner, run in pairs:
        optimizer = torch.optim.SGD(owner.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(run(x, edges), y).backward()
            optimizer.step()
    for found, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "form", "dynamic", "programs"),
    [
        ("gcn", "edge_index", None, 2),
        ("gcn", "batch", None, 2),
        ("gat-edges", "edge_index", True, 1),
        ("pna", "edge_index", True, 1),
        ("gcn", "batch", True, 1),
    ],
)
def test_new_sizes_need_no_new_program(name: str, form: str, dynamic, programs: int) -> None:
    """By default torch takes a size for a number, until it meets another."""
    model, backend = made(name), Counter()
    compiled = torch.compile(model, fullgraph=True, dynamic=dynamic, backend=backend)
    for number in range(4):
        nodes, count = 43 + 5 * number, 300 + 10 * number
        x, rest = inputs_of(name, nodes, count)
        edges = edges_of(nodes, count, number)
        if form == "batch":
            one = Graph(edges, nodes)
            edges = Graph.batch([one] * (2 + number))
            x = x.detach().repeat(2 + number, 1)
            rest = {k: v.repeat(2 + number, 1) for k, v in rest.items()}
        found = compiled(x, edges, **rest)
        torch.testing.assert_close(found, model(x, edges, **rest), rtol=1e-6, atol=1e-6)
    assert len(backend.graphs) == programs


def test_without_fullgraph_there_is_one_graph_too() -> None:
    model, (x, _), backend = made("gcn"), inputs_of("gcn"), Counter()
    torch.compile(model, backend=backend)(x, edges_of())
    assert len(backend.graphs) == 1
    assert backend.calls(torch.ops.graphkit.fused) == 2


@pytest.mark.parametrize("form", ["edge_index", "graph"])
def test_edges_are_sorted_once(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By destination and by source, for all layers, steps and passes, compiled or not."""
    sorts, sort = [], _structure._sort
    monkeypatch.setattr(_structure, "_sort", lambda *args: sorts.append(1) or sort(*args))
    model, (x, _) = made("gcn"), inputs_of("gcn")
    for layer in layers(model):
        layer.add_self_loops = False
    edges = edges_of() if form == "edge_index" else Graph(edges_of(), NODES)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for run in (compiled, compiled, model):
        run(x, edges).sum().backward()
    assert len(sorts) == 2


def test_what_the_message_reads_is_watched() -> None:
    layer, (x, _), edges = made("gate"), inputs_of("gate"), edges_of()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    before = compiled(x, edges)
    layer.slope = 0.9
    assert not torch.equal(compiled(x, edges), before)
    torch.testing.assert_close(compiled(x, edges), layer(x, edges))
    layer.scale = nn.Parameter(torch.randn(IN))
    layer.lin = nn.Linear(IN, IN)
    torch.testing.assert_close(compiled(x, edges), layer(x, edges))


def test_dropout_draws_anew() -> None:
    torch.manual_seed(0)
    model, (x, _), edges = GAT(IN, 8, 1, heads=2, dropout=0.5), inputs_of("gat"), edges_of()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    outs = []
    for run in (compiled, model):
        torch.manual_seed(3)
        outs += [run(x, edges), run(x, edges)]
    assert not torch.equal(outs[0], outs[1])
    assert_same(model, x, outs[0], outs[2])
    torch.testing.assert_close(outs[1], outs[3])


class Mixing(MessagePassing):
    """Computing with the number of a node has no kernel."""

    def __init__(self, loops: bool) -> None:
        super().__init__()
        self.lin, self.loops = nn.Linear(IN, IN), loops

    def forward(self, x: Tensor, edge_index, weight: Tensor) -> Tensor:
        graph = self.graph_of(edge_index, None, x)
        if self.loops:
            weight = graph.self_loops.extend(weight, 0.5)
            graph = graph.self_loops
        return self.propagate(graph, x=x, weight=weight)

    def message(self, x_i: Tensor, x_j: Tensor, weight: Tensor, index: Tensor) -> Tensor:
        return self.lin(x_i * x_j) * weight.view(-1, 1) + index.view(-1, 1) / NODES


@pytest.mark.parametrize("loops", [False, True])
def test_what_has_no_kernel_takes_the_plain_path(loops: bool) -> None:
    torch.manual_seed(0)
    layer, (x, _), edges, weight = Mixing(loops), inputs_of("gate"), edges_of(), torch.rand(EDGES)
    found = torch.compile(layer, fullgraph=True, backend="aot_eager")(x, edges, weight)
    assert "gather, message, reduction: computes with the edges' index" in plan.explain(layer)
    assert_same(layer, x, found, layer(x, edges, weight))


def test_attention_is_returned() -> None:
    torch.manual_seed(0)
    layer, (x, _), edges = GATConv(IN, 4, heads=2), inputs_of("gat"), edges_of()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    found = compiled(x, edges, return_attention_weights=True)
    torch.testing.assert_close(found, layer(x, edges, return_attention_weights=True))


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
def test_weights_masks_and_directions(flow: str) -> None:
    torch.manual_seed(0)
    layer, (x, _), weight = GCNConv(IN, 4, flow=flow), inputs_of("gcn"), torch.rand(EDGES)
    layer.edge_mask = torch.rand(EDGES)
    weight.requires_grad_()
    graph = Graph(edges_of(), NODES)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for edges in (graph.edge_index.clone(), graph.reverse()):
        found, expected = compiled(x, edges, weight), layer(x, edges, weight)
        pair = [torch.autograd.grad(o.sum(), weight, retain_graph=True) for o in (found, expected)]
        torch.testing.assert_close(*pair)
        assert_same(layer, x, found, expected)


# ------------------------------------------------------------------ torch.export


@pytest.mark.parametrize(("name", "form"), [("gat-edges", "edge_index"), ("gin", "batch")])
def test_exported_for_any_size(name: str, form: str) -> None:
    model, calls = made(name).eval(), []
    for nodes, count in ((43, 300), (50, 310)):
        (x, rest), edges = inputs_of(name, nodes, count), edges_of(nodes, count)
        if form == "batch":
            edges, x = Graph.batch([Graph(edges, nodes, x=x), Graph(edges, nodes, x=x)]), None
            x = edges.x
        calls.append(((x, edges), rest))
    more = torch.export.AdditionalInputs()
    for args, rest in calls:
        more.add(args, rest or None)
    program = torch.export.export(model, calls[0][0], calls[0][1] or None, dynamic_shapes=more)
    operators_in = [node.target for node in program.graph.nodes]
    assert torch.ops.graphkit.fused.default in operators_in
    assert torch.ops.graphkit.segment_sum.default not in operators_in
    for args, rest in calls:
        found = program.module()(*args, **rest)
        torch.testing.assert_close(found, model(*args, **rest), rtol=1e-6, atol=1e-6)


LOADED = """
import sys
import torch
import graphkit.nn
from graphkit.graph import Graph

folder = sys.argv[1]
x, edges, of_edges, of_graph = torch.load(f"{folder}/expected.pt")
found = torch.export.load(f"{folder}/edges.pt2").module()(x, edges)
torch.testing.assert_close(found, of_edges, rtol=1e-6, atol=1e-6)
found = torch.export.load(f"{folder}/graph.pt2").module()(x, Graph(edges, len(x)))
torch.testing.assert_close(found, of_graph, rtol=1e-6, atol=1e-6)
print("done")
"""


def test_exported_to_another_process(tmp_path: Path) -> None:
    (x, _), edges = inputs_of("gcn"), edges_of()
    x, graph = x.detach(), Graph(edges, NODES)
    gcn, gate = made("gcn").eval(), made("gate-several").eval()
    torch.export.save(torch.export.export(gcn, (x, edges)), tmp_path / "edges.pt2")
    torch.export.save(torch.export.export(gate, (x, graph)), tmp_path / "graph.pt2")
    torch.save(
        [x, edges, gcn(x, edges).detach(), gate(x, graph).detach()], tmp_path / "expected.pt"
    )
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "done", done.stderr


def test_exported_programs_derive_twice() -> None:
    layer, edges = made("gate").double(), edges_of(12, 30)
    x = torch.randn(12, IN, dtype=torch.float64, requires_grad=True)
    program = torch.export.export(layer, (x.detach(), edges)).module()
    assert torch.autograd.gradcheck(lambda x: program(x, edges), (x,))
    assert torch.autograd.gradgradcheck(lambda x: program(x, edges)[:3], (x,))


# ------------------------------------------------------------------ the operators


def call_of(layer: MessagePassing, *args) -> tuple:
    """What the layer gives to its operator in a compiled program."""
    given = []

    class Keep(torch.fx.Interpreter):
        def call_function(self, target, args, kwargs):
            if target is torch.ops.graphkit.fused:
                given.append(args)
            return super().call_function(target, args, kwargs)

    torch.compile(layer, fullgraph=True, backend=lambda graph, _: Keep(graph).run)(*args)
    return given[0]


@pytest.mark.parametrize("name", ["gcn", "gat", "gate-several"])
def test_operators_keep_their_word(name: str) -> None:
    """Their fakes, schemas and derivatives; and without kernels they compute the same."""
    layer, (x, _) = layers(made(name))[0], inputs_of(name)
    args = call_of(layer, x.detach(), edges_of())
    leaves = [leaf.detach().requires_grad_() for leaf in args[6]]
    args = (*args[:6], leaves, *args[7:])
    torch.library.opcheck(
        torch.ops.graphkit.fused,
        args,
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )
    outs = []
    for engine in ("kernels", "reference"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRAPHKIT_ENGINE", engine)
            fused = operators.decode(args[0]).fused
            found = torch.ops.graphkit.fused(*args)[: len(fused.aggregations)]
            total = sum(out.square().sum() for out in found)
            outs.append([*found, *torch.autograd.grad(total, leaves)])
    torch.testing.assert_close(*outs, rtol=1e-4, atol=1e-5)


def test_an_expression_as_text() -> None:
    text = call_of(made("gate"), inputs_of("gate")[0].detach(), edges_of())[0]
    fused, seeds = operators.decode(text)
    assert operators.encode(fused, seeds) == text
    assert operators.decode(text).fused is fused
    with pytest.raises(ValueError, match=r"expected version 1 .* got 99; export the model again"):
        operators.decode(text.replace('"version":1', '"version":99'))


# ------------------------------------------------------------------ autocast and torch.func


@pytest.mark.parametrize("name", ["gcn", "sage-max", "gat-edges", "gatv2", "gine", "pna", "gate"])
def test_autocast(name: str) -> None:
    model, (x, rest), edges = made(name), inputs_of(name), edges_of()
    expected = model(x, edges, **rest)
    size = float(expected.detach().abs().max())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(x, edges, **rest)
    assert "gather" not in plan.explain(layers(model)[0])
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.02 * size)
    for got, plain in zip(
        gradients(found.float(), x, model), gradients(expected, x, model), strict=True
    ):
        torch.testing.assert_close(got, plain, rtol=0, atol=0.1 * float(plain.abs().max()) + 1e-3)


def test_autocast_compiled() -> None:
    model, (x, _), edges = made("gat"), inputs_of("gat"), edges_of()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch.compile(model, fullgraph=True, backend="aot_eager")(x, edges)
        expected = model(x, edges)
    assert_fused(model)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("width", "dtype"), [(None, torch.float32), (IN, torch.bfloat16)])
def test_autocast_sums_in_float32(width: int | None, dtype: torch.dtype) -> None:
    """A thousand and one ones are 1001, not the 256 where bfloat16 stops counting."""
    edges = torch.stack([torch.arange(1001), torch.zeros(1001, dtype=torch.int64)])
    narrow = torch.ones(1001, IN, dtype=torch.bfloat16)
    weight = None if width else torch.ones(1001)
    layer = GCNConv(IN, IN, normalize=False, bias=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer.propagate(edges, x=narrow, edge_weight=weight)
    assert out.dtype == dtype
    assert torch.equal(out[0], torch.full((IN,), 1001.0).to(dtype))


@pytest.mark.parametrize("name", ["gcn", "gat", "pna"])
def test_torch_func(name: str) -> None:
    model, (x, rest), edges = made(name), inputs_of(name), edges_of()
    parameters, x = dict(model.named_parameters()), x.detach()

    def loss(parameters, x: Tensor) -> Tensor:
        return torch.func.functional_call(model, parameters, (x, edges), rest).square().sum()

    found = torch.func.grad(loss)(parameters, x)
    expected = torch.autograd.grad(loss(parameters, x), list(parameters.values()))
    torch.testing.assert_close(list(found.values()), list(expected), rtol=1e-4, atol=1e-4)
    both = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, torch.stack([x, 2 * x]))
    torch.testing.assert_close([v[0] for v in both.values()], list(expected), rtol=1e-4, atol=1e-4)
