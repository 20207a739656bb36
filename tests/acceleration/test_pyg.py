"""Models and layers of PyTorch Geometric, accelerated: what stays, what goes, what comes back."""

import copy
import gc
import io
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg
from torch_geometric import utils
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.utils import add_self_loops, degree, softmax

import graphkit
from graphkit.acceleration import accelerate

N, E, F = 30, 140, 6
FUSED, STEPS, THEIRS = "fused kernel", "gather, message, reduction", "PyTorch Geometric"


@pytest.fixture(autouse=True)
def _kernels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")


def edges(seed: int = 0, count: int = E) -> Tensor:
    return torch.randint(N, (2, count), generator=torch.Generator().manual_seed(seed))


def features(seed: int = 0, width: int = F) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(N, width, dtype=torch.float64, generator=random)


def results(model: nn.Module, *args: Any, **kwargs: Any) -> list[Tensor]:
    """Output, and gradients of the first argument and all parameters."""
    model.zero_grad()
    x = args[0].clone().requires_grad_()
    out = model(x, *args[1:], **kwargs)
    out.backward(torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out))
    return [out.detach(), x.grad, *(p.grad for p in model.parameters() if p.grad is not None)]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def paths(model: nn.Module) -> list[str]:
    """How the paths of its layers begin."""
    return [path.partition(" (")[0] for layer in accelerate(model).layers for path in layer.paths]


MODELS = {
    "GCN": lambda: pyg.GCN(F, 8, 2, 3, act="tanh"),
    "GraphSAGE": lambda: pyg.GraphSAGE(F, 8, 2, 3, act="tanh", jk="cat"),
    "GIN": lambda: pyg.GIN(F, 8, 2, 3, act="tanh", norm="batch_norm"),
    "GAT": lambda: pyg.GAT(F, 8, 2, 3, act="tanh", heads=2),
    "GATv2": lambda: pyg.GAT(F, 8, 2, 3, act="tanh", heads=2, v2=True),
    "PNA": lambda: pyg.PNA(
        F,
        8,
        2,
        3,
        act="tanh",
        aggregators=["mean", "max"],
        scalers=["identity", "amplification"],
        deg=torch.bincount(degree(edges()[1], N).long()),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_give_the_same_on_the_engine(name: str):
    model = MODELS[name]().double()
    expected = results(model, features(), edges())
    accelerate(model)
    for _ in range(2):
        assert_same(results(model, features(), edges()), expected)
    assert paths(model) == [FUSED] * 2


@pytest.mark.parametrize("name", MODELS)
def test_undo_leaves_no_trace(name: str):
    model = MODELS[name]().double()
    before = {name: (type(m), set(vars(m))) for name, m in model.named_modules()}
    expected = results(model, features(), edges())
    with accelerate(model):
        results(model, features(), edges())
    assert {name: (type(m), set(vars(m))) for name, m in model.named_modules()} == before
    found = results(model, features(), edges())
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_parameters_and_state_dict_stay():
    model = MODELS["GAT"]()
    state = {name: (id(value), value.clone()) for name, value in model.named_parameters()}
    keys, text = list(model.state_dict()), repr(model)
    accelerate(model)
    model(features().float(), edges())
    assert list(model.state_dict()) == keys
    assert repr(model) == text
    for name, value in model.named_parameters():
        assert id(value) == state[name][0]
        assert torch.equal(value, state[name][1])
    model.load_state_dict(MODELS["GAT"]().state_dict(), strict=True)


def test_isinstance_and_the_names_of_classes_stay():
    layer = pyg.GCNConv(F, 3)
    accelerate(layer)
    assert isinstance(layer, pyg.GCNConv)
    assert type(layer).__name__ == "GCNConv"
    assert type(layer).__module__ == pyg.GCNConv.__module__
    assert type(pyg.GCNConv(F, 3)) is pyg.GCNConv


def by_pickle(model: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(model))


def by_saving(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, by_pickle, by_saving])
def test_copies_are_accelerated_too(duplicate: Any):
    model = MODELS["GAT"]().double()
    expected = results(model, features(), edges())
    report = accelerate(model)
    results(model, features(), edges())
    other = duplicate(model)
    layer = other.convs[0]
    if duplicate is not copy.copy:
        assert paths(other) == []
    assert_same(results(other, features(), edges()), expected)
    assert paths(other) == [FUSED] * 2
    if duplicate is copy.copy:
        return
    report.undo()
    assert paths(other) == [FUSED] * 2
    accelerate(other).undo()
    assert type(layer) is pyg.GATConv
    assert_same(results(other, features(), edges()), expected)


def test_a_pickle_holds_nothing_that_was_traced():
    layer = pyg.GCNConv(F, 3)
    accelerate(layer)
    fresh = len(pickle.dumps(layer))
    layer(features().float(), edges())
    assert len(pickle.dumps(layer)) == fresh


def test_to_train_and_eval():
    model = pyg.GAT(F, 8, 2, 3, dropout=0.5)
    accelerate(model)
    model.double().eval()
    assert torch.equal(model(features(), edges()), model(features(), edges()))
    model.train()
    torch.manual_seed(0)
    first = model(features(), edges())
    assert not torch.equal(first, model(features(), edges()))
    torch.manual_seed(0)
    assert torch.equal(first, model(features(), edges()))


def test_twice_is_once():
    layer = pyg.GCNConv(F, 3)
    accelerate(layer)
    made = type(layer)
    assert str(accelerate(layer)).startswith("1 of 1 layers")
    assert type(layer) is made


def test_the_report_names_layers_paths_and_reasons():
    class Own(pyg.MessagePassing):
        def propagate(self, edge_index, x):
            return x

        def forward(self, x, edge_index):
            return self.propagate(edge_index, x=x)

    model = nn.ModuleDict({"gcn": pyg.GCNConv(F, F), "sorting": Sorting(), "own": Own()})
    report = accelerate(model)
    lines = str(report).splitlines()
    assert lines[0] == "2 of 3 layers on graphkit's engine"
    assert lines[1].split(maxsplit=2) == ["gcn", "GCNConv", "accelerated, not called yet"]
    assert lines[3].split(maxsplit=2) == ["own", "Own", "left as it is: has a propagate of its own"]
    for layer in model.values():
        layer(features().float(), edges())
    lines = str(report).splitlines()
    assert lines[1].endswith("fused kernel (sum)")
    assert f"{STEPS}: calls sort, which has no kernel" in lines[2]
    assert type(model["own"]) is Own
    report.undo()
    assert str(report).splitlines()[1].endswith("as it was")


def test_a_model_without_such_layers():
    report = accelerate(nn.Linear(2, 2))
    assert report.layers == []
    assert "no layer" in str(report)
    with pytest.raises(TypeError, match=r"model: expected a torch.nn.Module, got int"):
        accelerate(3)  # type: ignore[arg-type]


def test_the_function_and_its_room_have_different_names():
    assert graphkit.accelerate is accelerate
    assert graphkit.acceleration.accelerate is accelerate


# ------------------------------------------------------------------ layers that users write


class Gate(pyg.MessagePassing):
    def __init__(self) -> None:
        super().__init__(aggr="mean")
        self.lin = nn.Linear(F, F)
        self.scale = nn.Parameter(torch.rand(F))

    def forward(self, x, edge_index):
        edge_index, _ = add_self_loops(edge_index, num_nodes=len(x))
        return self.propagate(edge_index, x=x, h=self.lin(x))

    def message(self, x_i, h_j):
        return torch.sigmoid(x_i * self.scale) * h_j

    def update(self, inputs, x):
        return inputs + x


class Attention(pyg.MessagePassing):
    """With two steps, and attention that is looked at on the way."""

    def __init__(self, look: bool) -> None:
        super().__init__(node_dim=0)
        self.look = look

    def forward(self, x, edge_index):
        alpha = self.edge_updater(edge_index, x=x, edge_weight=None)
        if self.look:
            alpha = alpha * 2
        return self.propagate(edge_index, x=x, alpha=alpha)

    def edge_update(self, x_i, x_j, edge_weight, index, ptr, size_i):
        assert edge_weight is None
        return softmax((x_i * x_j).sum(-1), index, ptr, size_i)

    def message(self, x_j, alpha):
        return alpha.unsqueeze(-1) * x_j


class Sorting(pyg.MessagePassing):
    """There is no kernel for sorting."""

    def __init__(self, aggr: Any = "max") -> None:
        super().__init__(aggr=aggr)

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)

    def message(self, x_i, x_j):
        return x_i + x_j.sort(dim=-1).values


class Remembering(pyg.MessagePassing):
    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)

    def message(self, x_i, x_j):
        self.gate = torch.sigmoid(x_i - x_j)
        return self.gate * x_j


class Counting(pyg.MessagePassing):
    """Asks for the edges themselves."""

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)

    def message(self, x_j, edge_index, edge_index_j, size):
        assert edge_index.size(1) == len(x_j)
        return x_j * (edge_index_j.view(-1, 1) + size[0])


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (Gate, FUSED),
        (lambda: Attention(look=False), FUSED),
        (lambda: Attention(look=True), FUSED),
        (Sorting, STEPS),
        (lambda: Sorting(["mean", "max"]), STEPS),
        (lambda: Sorting("median"), STEPS),
        (Counting, STEPS),
    ],
)
def test_layers_of_ones_own(make: Any, path: str):
    layer = make().double()
    expected = results(layer, features(), edges())
    accelerate(layer)
    assert_same(results(layer, features(), edges()), expected)
    assert_same(results(layer, features(), edges()), expected)
    assert {p.partition(":")[0] for p in paths(layer)} == {path}


def test_what_a_message_leaves_on_its_layer_is_there():
    layer = Remembering()
    expected = results(layer, features(), edges())
    gate = layer.gate.detach()
    accelerate(layer)
    for _ in range(3):
        layer.gate = None
        assert_same(results(layer, features(), edges()), expected)
        assert type(layer.gate) is Tensor
        assert torch.equal(layer.gate, gate)


def test_a_class_that_overrides_what_its_base_took_from_the_library():
    class Quiet(Gate):
        def forward(self, x, edge_index):  # does not add self-loops, as its base does
            return self.propagate(edge_index, x=x, h=x)

    layer = Quiet().double()
    expected = results(layer, features(), edges())
    accelerate(layer)
    assert_same(results(layer, features(), edges()), expected)


def test_a_message_that_is_put_on_the_object():
    layer = pyg.SimpleConv()
    layer.message = lambda x_j, edge_weight: 2 * x_j
    expected = results(layer, features(), edges())
    accelerate(layer)
    assert_same(results(layer, features(), edges()), expected)
    assert "was given a message" in paths(layer)[0]


# ------------------------------------------------------------------ calls of every kind


def test_containers():
    model = pyg.Sequential(
        "x, edge_index",
        [
            (pyg.GCNConv(F, 5), "x, edge_index -> x"),
            nn.Tanh(),
            (pyg.GATConv(5, 3), "x, edge_index -> x"),
        ],
    ).double()
    expected = results(model, features(), edges())
    accelerate(model)
    assert_same(results(model, features(), edges()), expected)
    assert paths(model) == [FUSED, FUSED]


def test_heterogeneous_models():
    model = pyg.HeteroConv(
        {
            ("a", "to", "b"): pyg.SAGEConv((F, F), 4),
            ("b", "to", "a"): pyg.GATConv((F, F), 4, add_self_loops=False),
            ("a", "in", "a"): pyg.GCNConv(F, 4),
        },
        aggr="sum",
    ).double()
    x = {"a": features(), "b": features(1)}
    graphs = {("a", "to", "b"): edges(1), ("b", "to", "a"): edges(2), ("a", "in", "a"): edges(3)}
    expected = model(x, graphs)
    accelerate(model)
    found = model(x, graphs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert paths(model) == [FUSED] * 3


HOOKS = [
    "register_propagate_forward_pre_hook",
    "register_propagate_forward_hook",
    "register_message_forward_pre_hook",
    "register_message_forward_hook",
    "register_aggregate_forward_pre_hook",
    "register_aggregate_forward_hook",
]


@pytest.mark.parametrize("register", HOOKS)
def test_hooks_are_called(register: str):
    layer = pyg.SAGEConv(F, 3).double()
    accelerate(layer)
    called = []

    def hook(module, inputs, *output):
        called.append(module)
        return output[0] * 2 if output else inputs

    plain = copy.deepcopy(layer)
    accelerate(plain).undo()
    handles = [getattr(one, register)(hook) for one in (layer, plain)]
    assert_same(results(layer, features(), edges()), results(plain, features(), edges()))
    assert called == [layer, plain]
    assert paths(layer)[-1].startswith(THEIRS)
    for handle in handles:
        handle.remove()
    assert_same(results(layer, features(), edges()), results(plain, features(), edges()))
    assert paths(layer)[-1] == FUSED


def test_hooks_of_edge_updates_are_called():
    layer = pyg.GATConv(F, 3).double()
    expected = results(layer, features(), edges())
    accelerate(layer)
    called = []
    layer.register_edge_update_forward_hook(lambda *_: called.append(True))
    assert_same(results(layer, features(), edges()), expected)
    assert called == [True]


def test_hooks_inside_of_a_message_are_called():
    layer = pyg.EdgeConv(nn.Linear(2 * F, 3)).double()
    accelerate(layer)
    layer(features(), edges())
    called = []
    handle = layer.nn.register_forward_hook(lambda *_: called.append(True))
    for _ in range(2):
        layer(features(), edges())
    assert called == [True, True]
    handle.remove()
    layer(features(), edges())
    assert called == [True, True]


def test_hooks_of_torch_are_called():
    layer = pyg.GCNConv(F, 3).double()
    accelerate(layer)
    layer.register_forward_hook(lambda module, inputs, output: output * 0)
    assert not layer(features(), edges()).any()


def test_explaining():
    model = pyg.GCN(F, 8, 2, 3).double()
    masks = []
    for accelerated in (False, True):
        one = copy.deepcopy(model)
        if accelerated:
            accelerate(one)
            one(features(), edges())
        explainer = Explainer(
            one,
            GNNExplainer(epochs=3),
            explanation_type="model",
            edge_mask_type="object",
            model_config={"mode": "regression", "task_level": "node"},
        )
        torch.manual_seed(0)
        masks.append(explainer(features(), edges(), index=2).edge_mask)
    assert torch.equal(*masks)
    one(features(), edges())
    assert paths(one)[:2] == [FUSED, FUSED]  # and none of them left for PyTorch Geometric's own
    accelerate(one).undo()
    torch.testing.assert_close(one(features(), edges()), model(features(), edges()))


def test_decomposed_layers():
    layer = pyg.GCNConv(F, 4, decomposed_layers=2).double()
    expected = results(layer, features(), edges())
    accelerate(layer)
    assert_same(results(layer, features(), edges()), expected)
    layer.decomposed_layers = 1
    assert_same(results(layer, features(), edges()), expected)
    assert paths(layer) == [FUSED]
    accelerate(layer).undo()
    assert_same(results(layer, features(), edges()), expected)


@pytest.mark.parametrize("make", [pyg.GCNConv, pyg.SAGEConv, pyg.GraphConv, pyg.GATConv])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_adjacency_matrices(make: Any):
    # PyTorch Geometric writes a class's propagate for its first instance: where that has several
    # aggregations, which it does not fuse, no later one takes sparse matrices.
    own = type("Own", (make,), {"propagate": pyg.MessagePassing.propagate})
    layer = own(F, 3).double()
    values = torch.rand(E, dtype=torch.float64)
    matrix = torch.sparse_coo_tensor(edges(), values, (N, N)).coalesce().to_sparse_csr()
    expected = results(layer, features(), matrix)
    accelerate(layer)
    assert_same(results(layer, features(), matrix), expected)


@pytest.mark.parametrize("make", [pyg.GCNConv, pyg.SAGEConv, pyg.GATConv])
def test_edge_indices_of_pyg(make: Any):
    from torch_geometric import EdgeIndex

    layer = make(F, 3).double()
    sorted_edges = utils.sort_edge_index(edges(), num_nodes=N, sort_by_row=False)
    index = EdgeIndex(sorted_edges, sparse_size=(N, N), sort_order="col")
    expected = results(layer, features(), index)
    accelerate(layer)
    assert_same(results(layer, features(), index), expected)


@pytest.mark.parametrize("make", [Gate, lambda: pyg.GATConv(F, F), lambda: pyg.GCNConv(F, F)])
def test_two_graphs_in_turns(make: Any):
    layer = make().double()
    graphs = [edges(1), edges(2), edges(3, E // 2)]
    expected = [results(layer, features(), graph) for graph in graphs]
    accelerate(layer)
    for _ in range(2):
        for graph, wanted in zip(graphs, expected, strict=True):
            assert_same(results(layer, features(), graph), wanted)


@pytest.mark.parametrize("make", [Gate, lambda: pyg.GATConv(F, F), lambda: pyg.GCNConv(F, F)])
def test_edges_that_change_in_place(make: Any):
    layer, graph = make().double(), edges()
    accelerate(layer)
    results(layer, features(), graph)
    graph.copy_(edges(1))
    found = results(layer, features(), graph)
    accelerate(layer).undo()
    assert_same(found, results(layer, features(), graph))


def test_weights_that_change_or_learn():
    layer = pyg.GCNConv(F, 3).double()
    accelerate(layer)
    plain = copy.deepcopy(layer)
    accelerate(plain).undo()
    weight = torch.rand(E, dtype=torch.float64)
    for _ in range(2):
        for learns in (False, True, False):
            given = [weight.clone().requires_grad_(learns) for _ in range(2)]
            assert_same(
                results(layer, features(), edges(), given[0]),
                results(plain, features(), edges(), given[1]),
            )
            if learns:
                assert_same([given[0].grad], [given[1].grad])
        weight.mul_(2)


def test_what_is_derived_from_edges_is_derived_once(monkeypatch: pytest.MonkeyPatch):
    sorted_tensors = []
    original = Tensor.sort
    monkeypatch.setattr(
        Tensor, "sort", lambda *a, **k: (sorted_tensors.append(1), original(*a, **k))[1]
    )
    model = nn.ModuleList([pyg.GCNConv(F, F), pyg.GATConv(F, F), Gate(), pyg.RGCNConv(F, F, 2)])
    accelerate(model.double())
    graph, kind = edges(), torch.arange(E) % 2
    for step in range(3):
        for layer in model:
            results(layer, features(), graph, *([kind] if len(layer._parameters) > 2 else []))
        if step == 0:
            sorted_tensors.clear()
    assert not sorted_tensors


def test_what_is_derived_from_edges_goes_with_them():
    model = nn.ModuleList([pyg.GCNConv(F, F), pyg.GATConv(F, F), Gate(), pyg.LGConv()]).double()
    accelerate(model)
    graph = edges()
    for layer in model:
        results(layer, features(), graph)
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None


def test_unaccelerated_layers_keep_their_functions():
    from torch_geometric.nn.conv import gat_conv, gcn_conv

    before = gat_conv.add_self_loops, gcn_conv.gcn_norm, pyg.GATConv.forward
    accelerate(pyg.GATConv(F, 3))
    assert (gat_conv.add_self_loops, gcn_conv.gcn_norm, pyg.GATConv.forward) == before


def test_without_gradients():
    model = MODELS["GAT"]().double()
    with torch.no_grad():
        expected = model(features(), edges())
    accelerate(model)
    graph = edges()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(model(features(), graph), expected)
    assert_same(results(model, features(), graph)[:1], [expected])


@pytest.mark.slow
@pytest.mark.compiles
# torch.compile looks at the gradients of what lies between two parts of a model.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch._dynamo")
@pytest.mark.parametrize("name", ["GCN", "GAT"])
def test_compiled_and_traced_models_run_the_librarys_code(name: str):
    model = MODELS[name]().double()
    expected = model(features(), edges())
    accelerate(model)
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(compiled(features(), edges()), expected)
    assert paths(model) == []


def test_short_dtypes_are_no_less_exact():
    layer = pyg.SAGEConv(F, 3).bfloat16()
    exact = results(copy.deepcopy(layer).double(), features().bfloat16().double(), edges())
    plain = results(layer, features().bfloat16(), edges())
    accelerate(layer)
    found = results(layer, features().bfloat16(), edges())
    for ours, theirs, wanted in zip(found, plain, exact, strict=True):
        assert ours.dtype == torch.bfloat16
        assert (ours - wanted).norm() <= 1.2 * (theirs - wanted).norm() + 1e-3


@pytest.mark.parametrize("size", [(N, N + 1), (2, 2)])
def test_errors_are_those_of_pyg(size: tuple[int, int]):
    layer = pyg.SAGEConv(F, 3).double()
    messages = []
    for _ in range(2):
        with pytest.raises(ValueError, match="Encountered tensor with size") as error:
            layer(features(), edges(), size=size)
        messages.append(str(error.value))
        accelerate(layer)
    assert messages[0] == messages[1]


def test_edges_out_of_range_are_refused():
    layer = pyg.SAGEConv(F, 3).double()
    accelerate(layer)
    for wrong in (
        torch.tensor([[0], [N]]),
        torch.tensor([[N + 5], [0]]),
        torch.tensor([[-1], [0]]),
    ):
        with pytest.raises((IndexError, RuntimeError, ValueError)):
            layer(features(), wrong)


def test_second_derivatives():
    layer = pyg.GATConv(2, 2).double()
    accelerate(layer)
    graph = edges(0, 12) % 5
    x = features()[:5, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x, graph), x)
    assert torch.autograd.gradgradcheck(lambda x: layer(x, graph), x)


def test_the_reference_engine(monkeypatch: pytest.MonkeyPatch):
    model = MODELS["GAT"]().double()
    expected = results(model, features(), edges())
    accelerate(model)
    monkeypatch.setenv("GRAPHKIT_ENGINE", "reference")
    assert_same(results(model, features(), edges()), expected)
