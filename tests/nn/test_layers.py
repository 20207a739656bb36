"""Every layer against its formula, its symmetry, its derivative, and what it accepts."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import graphkit.nn
from graphkit.graph import Graph
from graphkit.nn import (
    AggregateCombineConv,
    EdgeConv,
    GATConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    MessagePassing,
    SAGEConv,
)
from graphkit.nn.conv import gcn_norm
from tests.nn.parity import F_IN, NODES, ROWS, Row, edges_of, mlp

pytestmark = pytest.mark.filterwarnings(
    "ignore:Sparse invariant checks are implicitly disabled", "ignore:Sparse CSR tensor support"
)

N = 7
LAYERS = [row for row in ROWS if isinstance(row.make(graphkit.nn), MessagePassing)]
LAYERS += [
    Row("AggregateCombineConv", "add", lambda m: m.AggregateCombineConv(F_IN, 4)),
    Row("AggregateCombineConv", "cat", lambda m: m.AggregateCombineConv(F_IN, 4, combine="cat")),
    Row(
        "AggregateCombineConv",
        "message of edges",
        lambda m: m.AggregateCombineConv(
            message=lambda x_i, x_j, edge_attr: torch.sigmoid(x_i + edge_attr) * x_j,
            aggr="mean",
            root=mlp(F_IN, F_IN),
            update=mlp(F_IN, 4),
            act=torch.tanh,
        ),
        edges=(F_IN,),
    ),
]
every_layer = pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.id)


def build(row: Row) -> nn.Module:
    torch.manual_seed(3)
    layer = row.make(graphkit.nn).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def edge_input(row: Row, count: int) -> dict[str, Tensor]:
    if row.edges is None:
        return {}
    return {row.edges_name: torch.rand(count, *row.edges, dtype=torch.float64) + 0.1}


# ---------------------------------------------------------------------- the formula, dense


def sparse_graph() -> tuple[Tensor, Tensor]:
    """Edges with a self-loop, without duplicates, node 6 alone; and one weight each."""
    torch.manual_seed(0)
    pairs = torch.cartesian_prod(torch.arange(N - 1), torch.arange(N - 1))
    keep = torch.rand(len(pairs)) < 0.4
    keep[0] = True
    edge_index = pairs[keep].t()
    return edge_index, torch.rand(edge_index.size(1), dtype=torch.float64) + 0.1


def dense(edge_index: Tensor, value: Tensor) -> Tensor:
    """A with A[i, j] the value of the edge j -> i."""
    out = value.new_zeros(N, N, *value.shape[1:])
    out[edge_index[1], edge_index[0]] = value
    return out


def over(total: Tensor, mask: Tensor) -> Tensor:
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def attend(score: Tensor, mask: Tensor, value: Tensor) -> Tensor:
    """score, mask [i, j(, h)], value [j, h, c]."""
    alpha = score.masked_fill(~mask.unsqueeze(-1), -torch.inf).softmax(1).nan_to_num()
    return torch.einsum("ijh,jhc->ihc", alpha, value)


def gcn(c: GCNConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    looped = W + torch.diag((W.diagonal() == 0).double())
    d = looped.sum(1).rsqrt()
    return d[:, None] * looped * d[None] @ x @ c.lin.weight.t() + c.bias


def sage_mean(c: SAGEConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return c.lin_l(over(A @ x, A)) + c.lin_r(x)


def sage_max(c: SAGEConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    every = torch.where(A[..., None] > 0, x[None], -torch.inf).amax(1)
    return c.lin_l(every.masked_fill(every.isinf(), 0)) + c.lin_r(x)


def gat(c: GATConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    h = c.lin(x).view(N, c.heads, -1)
    e = E.clone()  # loops get the mean over what comes from others
    others = A - torch.diag(A.diagonal())
    filled = over(torch.einsum("ij,ijd->id", others, E), others)
    e[range(N), range(N)] = filled
    score = (h * c.att_src).sum(-1)[None] + (h * c.att_dst).sum(-1)[:, None]
    score = score + (c.lin_edge(e).view(N, N, c.heads, -1) * c.att_edge).sum(-1)
    mask = (others + torch.eye(N)) > 0
    return attend(F.leaky_relu(score, 0.2), mask, h).flatten(1) + c.bias


def gatv2(c: GATv2Conv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    left, right = (lin(x).view(N, c.heads, -1) for lin in (c.lin_l, c.lin_r))
    score = (F.leaky_relu(left[None] + right[:, None], 0.2) * c.att).sum(-1)
    return attend(score, (A + torch.eye(N)) > 0, left).mean(1) + c.bias


def gin(c: GINConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return c.nn((1 + c.eps) * x + A @ x)


def gine(c: GINEConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    messages = A[..., None] * (x[None] + c.lin(E)).relu()
    return c.nn((1 + c.eps) * x + messages.sum(1))


def edge(c: EdgeConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    i, j = x[:, None].expand(N, N, -1), x[None].expand(N, N, -1)
    h = torch.where(A[..., None] > 0, c.nn(torch.cat([i, j - i], -1)), -torch.inf).amax(1)
    return h.masked_fill(h.isinf(), 0)


def graph(c: GraphConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return c.lin_rel(W @ x) + c.lin_root(x)


def combine_add(c: AggregateCombineConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return (c.root_fn(x) + A @ c.message_fn(x)).relu()


def combine_cat(c: AggregateCombineConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return c.update_fn(torch.cat([x, A @ x], -1)).relu()


def gated(c: AggregateCombineConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return torch.tanh(x + over(torch.sigmoid(x) * (A @ x), A))


FORMULAS: list[tuple[MessagePassing, str | None, Callable[..., Tensor]]] = [
    (GCNConv(F_IN, 4), "edge_weight", gcn),
    (GCNConv(F_IN, 9), "edge_weight", gcn),
    (SAGEConv(F_IN, 4), None, sage_mean),
    (SAGEConv(F_IN, 9), None, sage_mean),
    (SAGEConv(F_IN, 4, aggr="max"), None, sage_max),
    (GATConv(F_IN, 4, heads=2, edge_dim=3), "edge_attr", gat),
    (GATv2Conv(F_IN, 4, heads=2, concat=False), None, gatv2),
    (GINConv(mlp(F_IN, 4), eps=0.4), None, gin),
    (GINEConv(mlp(F_IN, 4), eps=0.4, edge_dim=3), "edge_attr", gine),
    (EdgeConv(mlp(2 * F_IN, 4)), None, edge),
    (GraphConv(F_IN, 4), "edge_weight", graph),
    (GraphConv(F_IN, 9), "edge_weight", graph),
    (AggregateCombineConv(F_IN, 4), None, combine_add),
    (AggregateCombineConv(F_IN, 4, combine="cat"), None, combine_cat),
    (
        AggregateCombineConv(
            message=lambda x_i, x_j: torch.sigmoid(x_i) * x_j,
            root=nn.Identity(),
            aggr="mean",
            act=torch.tanh,
        ),
        None,
        gated,
    ),
]


@pytest.mark.parametrize(
    ("layer", "takes", "formula"), FORMULAS, ids=lambda p: getattr(p, "__name__", None)
)
def test_equals_its_formula(layer: MessagePassing, takes: str | None, formula: Any):
    layer = layer.double()
    edge_index, weight = sparse_graph()
    attr = torch.randn(edge_index.size(1), 3, dtype=torch.float64)
    x = torch.randn(N, F_IN, dtype=torch.float64)
    A = dense(edge_index, torch.ones_like(weight))
    expected = formula(layer, x, A, dense(edge_index, weight), dense(edge_index, attr))
    inputs = {"edge_weight": weight, "edge_attr": attr}
    out = layer(x, edge_index, **({} if takes is None else {takes: inputs[takes]}))
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("improved", [False, True])
def test_coefficients_without_weights_are_those_of_weights_of_one(improved: bool):
    edge_index, _ = sparse_graph()
    ones = torch.ones(edge_index.size(1))
    _, alone = gcn_norm(edge_index, num_nodes=N, improved=improved)
    _, given = gcn_norm(edge_index, ones, num_nodes=N, improved=improved)
    assert torch.equal(alone, given)


def test_improved_equals_pyg_where_pyg_heeds_it():
    # Without weights and for a dense edge_index, torch_geometric drops the 2 of A + 2 I.
    from torch_geometric.nn import GCNConv as Reference
    from torch_geometric.utils import to_torch_coo_tensor

    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN)
    theirs, ours = Reference(F_IN, 4, improved=True), GCNConv(F_IN, 4, improved=True)
    ours.load_state_dict(theirs.state_dict())
    expected = theirs(x, to_torch_coo_tensor(edge_index, size=NODES).t().to_sparse_csr())
    torch.testing.assert_close(ours(x, edge_index), expected)


# ---------------------------------------------------------------------- symmetry, derivative


@every_layer
@given(data=st.data())
def test_permutation_of_nodes_and_edges(row: Row, data: st.DataObject):
    count = data.draw(st.integers(1, 6), label="nodes")
    node = st.integers(0, count - 1)
    edges = data.draw(st.lists(st.tuples(node, node), max_size=12), label="edges")
    # Several loops on one node are told apart by their place: the last one's weight counts.
    edges = [e for k, e in enumerate(edges) if e[0] != e[1] or e not in edges[:k]]
    perm = torch.tensor(data.draw(st.permutations(range(count)), label="permutation"))
    order = data.draw(st.permutations(range(len(edges))), label="order of edges")
    edge_index = torch.tensor(edges, dtype=torch.int64).view(-1, 2).t()
    layer = build(row)
    x = torch.randn(count, F_IN, dtype=torch.float64)
    inputs = edge_input(row, len(edges))
    moved = {name: value[order] for name, value in inputs.items()}
    out = layer(x, edge_index, **inputs)
    permuted = layer(x[perm], perm.argsort()[edge_index][:, order], **moved)
    torch.testing.assert_close(permuted, out[perm], rtol=1e-9, atol=1e-9)


@every_layer
def test_gradcheck(row: Row):
    layer = build(row)
    edge_index, _ = edges_of("self-loops")
    names = [name for name, _ in layer.named_parameters()]
    inputs = {"x": torch.randn(NODES, F_IN, dtype=torch.float64)}
    inputs |= edge_input(row, edge_index.size(1))
    values = [*inputs.values(), *(p.detach() for p in layer.parameters())]

    def run(*values: Tensor) -> Tensor:
        x, *edges = values[: len(inputs)]
        given = dict(zip(list(inputs)[1:], edges, strict=True))
        parameters = dict(zip(names, values[len(inputs) :], strict=True))
        return torch.func.functional_call(layer, parameters, (x, edge_index), given)

    leaves = [value.clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


# ---------------------------------------------------------------------- what it accepts


def forms(edge_index: Tensor) -> dict[str, Any]:
    import torch_geometric
    from torch_geometric.data import Data

    values = torch.ones(edge_index.size(1))
    adj = torch.sparse_coo_tensor(edge_index.flip(0), values, (NODES, NODES))
    return {
        "edge_index": edge_index,
        "Graph": Graph(edge_index, NODES),
        "Data": Data(edge_index=edge_index, num_nodes=NODES),
        "EdgeIndex": torch_geometric.EdgeIndex(edge_index, sparse_size=(NODES, NODES)),
        "sparse COO": adj,
    }


# The rows of a sparse matrix are destinations, which a reversed flow would take for sources.
ALONG = [row for row in LAYERS if row.edges is None and "flow" not in row.options]


@pytest.mark.parametrize("row", ALONG, ids=lambda row: row.id)
def test_any_form_of_graph(row: Row):
    layer = build(row)
    edge_index, _ = edges_of("plain")
    edge_index = edge_index[:, (edge_index[1] * NODES + edge_index[0]).argsort()]
    x = torch.randn(NODES, F_IN, dtype=torch.float64)
    outs = {name: layer(x, form) for name, form in forms(edge_index).items()}
    for name, out in outs.items():
        torch.testing.assert_close(
            out, outs["edge_index"], msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("row", [r for r in LAYERS if r.edges is not None], ids=lambda row: row.id)
def test_a_graphs_own_edge_input_serves(row: Row):
    layer = build(row)
    edge_index, _ = edges_of("self-loops")
    x = torch.randn(NODES, F_IN, dtype=torch.float64)
    inputs = edge_input(row, edge_index.size(1))
    out = layer(x, Graph(edge_index, NODES, **inputs))
    assert torch.equal(out, layer(x, edge_index, **inputs))
    other = {name: value + 1 for name, value in inputs.items()}
    passed = layer(x, Graph(edge_index, NODES, **inputs), **other)
    assert torch.equal(passed, layer(x, edge_index, **other))


@pytest.mark.parametrize("make", [GCNConv, SAGEConv, GraphConv])
@pytest.mark.parametrize("sizes", [(F_IN, 4), (F_IN, 9), (-1, 4)])
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_sparse_features(make: Any, sizes: tuple[int, int], layout: torch.layout):
    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN) * (torch.rand(NODES, F_IN) < 0.3)
    layer = make(*sizes)
    out = layer(x.to_sparse(layout=layout), edge_index)
    torch.testing.assert_close(out, layer(x, edge_index))
    out.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("make", [GCNConv, SAGEConv, GraphConv, GATConv, GATv2Conv])
def test_size_taken_from_the_first_input(make: Any):
    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN)
    layer, known = make(-1, 4), make(F_IN, 4)
    again = copy.deepcopy(layer)
    out = layer(x, edge_index)
    known.load_state_dict(layer.state_dict())
    torch.testing.assert_close(known(x, edge_index), out)
    again.load_state_dict(layer.state_dict())
    torch.testing.assert_close(again(x, edge_index), out)


# ---------------------------------------------------------------------- layers one by one


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize("out_channels", [4, 9])
def test_gcn_without_weights_is_that_with_ones(loops: bool, flow: str, out_channels: int) -> None:
    """To the bit, though no coefficient of an edge is kept."""
    layer = GCNConv(F_IN, out_channels, add_self_loops=loops, flow=flow)
    edges = torch.tensor([[0, 1, 2, 2, 3, 5, 0], [1, 2, 0, 2, 3, 0, 1]])
    found = []
    for weight in (None, torch.ones(7)):
        x = torch.linspace(-1, 1, N * F_IN).view(N, F_IN).requires_grad_()
        out = layer(x, Graph(edges, N), weight)
        found.append([out, *torch.autograd.grad((out**2).sum(), [x, *layer.parameters()])])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_gin_of_whole_numbers():
    edge_index, _ = edges_of("plain")
    x = torch.arange(NODES * 3).view(NODES, 3)
    layer = GINConv(lambda rows: rows, eps=0.5)
    torch.testing.assert_close(layer(x, edge_index), layer(x.float(), edge_index))


def test_coefficients_are_kept_with_the_graph():
    edge_index, _ = edges_of("plain")
    assert gcn_norm(edge_index)[1] is gcn_norm(edge_index)[1]
    g = Graph(edge_index, NODES)
    assert gcn_norm(g)[1] is gcn_norm(g)[1]
    assert gcn_norm(g)[0] is g.self_loops.graph
    assert gcn_norm(g, dtype=torch.float64)[1].dtype == torch.float64
    assert not torch.equal(gcn_norm(g)[1], gcn_norm(g, improved=True)[1])
    weight = torch.ones(g.num_edges, requires_grad=True)
    assert gcn_norm(g, weight)[1] is not gcn_norm(g, weight)[1]


def test_layers_and_epochs_share_one_structure():
    edge_index, _ = edges_of("plain")
    g = Graph(edge_index, NODES)
    x = torch.randn(NODES, F_IN)
    GCNConv(F_IN, 4)(x, g)
    looped = g.self_loops.graph
    structure = looped.by_destination
    GATConv(F_IN, 4)(x, g)
    GCNConv(F_IN, 3)(x, g.replace(x=x))
    assert g.self_loops.graph is looped
    assert looped.by_destination is structure


def test_cached_keeps_the_first_coefficients():
    edge_index, weight = sparse_graph()
    x = torch.randn(N, F_IN)
    layer = GCNConv(F_IN, 4, cached=True)
    first = layer(x, edge_index, weight.float())
    assert torch.equal(layer(x, edge_index, 2 * weight.float()), first)
    layer.reset_parameters()
    assert not torch.equal(layer(x, edge_index, 2 * weight.float()), first)


def test_a_subclass_with_its_own_message_keeps_the_order_of_the_paper():
    class Squared(GCNConv):
        def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
            return edge_weight.view(-1, 1) * x_j**2

    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN)
    layer = Squared(F_IN, 9)
    looped, weight = gcn_norm(edge_index, num_nodes=NODES)
    h = layer.lin(x)[looped.edge_index[0]] ** 2 * weight[:, None]
    expected = torch.zeros(NODES, 9).index_add(0, looped.edge_index[1], h) + layer.bias
    torch.testing.assert_close(layer(x, edge_index), expected)


@pytest.mark.parametrize("make", [GATConv, GATv2Conv])
def test_attention_weights(make: Any):
    edge_index, _ = edges_of("self-loops")
    x = torch.randn(NODES, F_IN)
    layer = make(F_IN, 4, heads=2, dropout=0.5).eval()
    out, (edges, alpha) = layer(x, edge_index, return_attention_weights=True)
    torch.testing.assert_close(out, layer(x, edge_index))
    assert torch.equal(edges, Graph(edge_index, NODES).self_loops.graph.edge_index)
    total = torch.zeros(NODES, 2).index_add(0, edges[1], alpha)
    torch.testing.assert_close(total, torch.ones(NODES, 2))


@pytest.mark.parametrize("make", [GATConv, GATv2Conv])
def test_attention_weights_are_those_that_were_used(make: Any):
    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN)
    layer = make(F_IN, 4, heads=2, dropout=0.5, bias=False)
    out, (edges, alpha) = layer(x, edge_index, return_attention_weights=True)
    lin = layer.lin if make is GATConv else layer.lin_l
    h = lin(x).view(NODES, 2, 4)[edges[0]] * alpha[..., None]
    expected = torch.zeros(NODES, 2, 4).index_add(0, edges[1], h).flatten(1)
    torch.testing.assert_close(out, expected)
    assert (alpha == 0).any()


def test_dropout_of_attention_has_mean_one():
    edge_index, _ = edges_of("plain")
    torch.manual_seed(0)
    layer = GATConv(1, 1, dropout=0.4, bias=False)
    x = torch.ones(NODES, 1)
    kept = layer.eval()(x, edge_index)
    layer.train()
    mean = torch.stack([layer(x, edge_index) for _ in range(800)]).mean(0)
    torch.testing.assert_close(mean, kept, rtol=0.15, atol=0.0)


@every_layer
def test_copies_and_pickles(row: Row):
    layer = build(row)
    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN, dtype=torch.float64)
    inputs = edge_input(row, edge_index.size(1))
    out = layer(x, edge_index, **inputs)
    copied = copy.deepcopy(layer)
    assert torch.equal(copied(x, edge_index, **inputs), out)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(0.3)
    assert torch.equal(layer(x, edge_index, **inputs), out)
    if list(copied.parameters()):
        assert not torch.equal(copied(x, edge_index, **inputs), out)
    if "message of edges" not in row.options:  # a lambda has no pickle
        again = pickle.loads(pickle.dumps(layer))
        assert torch.equal(again(x, edge_index, **inputs), out)


@every_layer
def test_reset_parameters_draws_anew_from_the_seed(row: Row):
    torch.manual_seed(5)
    layer = row.make(graphkit.nn)
    states = []
    for _ in range(2):
        torch.manual_seed(6)
        layer.reset_parameters()
        states.append(copy.deepcopy(layer.state_dict()))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_one_seed_one_result():
    def train() -> list[Tensor]:
        torch.manual_seed(7)
        edge_index, _ = edges_of("self-loops")
        x = torch.randn(NODES, F_IN)
        layers = nn.ModuleList([GATConv(F_IN, 4, 2, dropout=0.5), GATv2Conv(8, 3, dropout=0.3)])
        layers.append(SAGEConv(3, 2, aggr=["mean", "max", "std"]))
        optimizer = torch.optim.Adam(layers.parameters(), lr=0.05)
        for _ in range(4):
            h = x
            for layer in layers:
                h = F.elu(layer(h, edge_index))
            optimizer.zero_grad()
            h.square().sum().backward()
            optimizer.step()
        return [p.detach() for p in layers.parameters()]

    for first, second in zip(train(), train(), strict=True):
        assert torch.equal(first, second)


# ---------------------------------------------------------------------- bad input


X = torch.randn(NODES, F_IN)
EDGES = edges_of("plain")[0]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: GCNConv(F_IN, 4)((X, X), EDGES), ValueError, "x: expected one set of nodes"),
        (lambda: GCNConv(F_IN, 4, False, False, True, False), ValueError, "add_self_loops"),
        (lambda: GCNConv(F_IN, 4)(X, EDGES, torch.ones(3)), ValueError, "edge_weight: expected"),
        (lambda: GCNConv(F_IN, 4)(X[:3], Graph(EDGES, NODES)), ValueError, "x: expected 12"),
        (lambda: gcn_norm(Graph(EDGES, (NODES, NODES + 1))), ValueError, "one set of nodes"),
        (lambda: gcn_norm(EDGES, flow="up"), ValueError, "flow: expected"),
        (lambda: SAGEConv(F_IN, 4)(X[:3], EDGES), ValueError, "edge_index: node"),
        (lambda: SAGEConv(-1, 4, project=True), ValueError, "in_channels: -1"),
        (lambda: SAGEConv(F_IN, 4, aggr="mode"), ValueError, "aggr: expected one of"),
        (lambda: GATConv(F_IN, 4)(X[None], EDGES), ValueError, "x: expected shape"),
        (
            lambda: GATConv(F_IN, 4, edge_dim=2)(X, EDGES, torch.ones(3, 2)),
            ValueError,
            "edge_attr: expected 40 rows",
        ),
        (lambda: GATv2Conv(F_IN, 4)((X, None), EDGES), ValueError, "x: expected features of"),
        (
            lambda: GATv2Conv(F_IN, 4)(X, EDGES, torch.ones(40, 2)),
            ValueError,
            "edge_attr: expected None",
        ),
        (lambda: GINEConv(mlp(F_IN, 4))(X, EDGES), ValueError, "edge_attr: expected features"),
        (
            lambda: GINEConv(mlp(F_IN, 4))(X, EDGES, torch.ones(40, 2)),
            ValueError,
            "edge_attr: .* do not match",
        ),
        (lambda: GINEConv(torch.relu, edge_dim=2), ValueError, "nn: expected a module"),
        (lambda: AggregateCombineConv(3, 4, combine="mul"), ValueError, "combine: expected"),
        (lambda: AggregateCombineConv(3), ValueError, "in_channels, out_channels: expected"),
    ],
)
def test_bad_input_is_named(call: Callable[[], Any], error: type[Exception], text: str):
    with pytest.raises(error, match=text):
        call()


def test_wrong_number_of_features_is_named():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"x: expected 4 features .* got shape \(2, 7\)"):
        GCNConv(4, 2)(torch.ones(2, 7), edge_index)
