"""Layers of several hops, of gates, scalers and matrices for edges: formulas, options, errors."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import plan
from graphkit.graph import Graph
from graphkit.nn import (
    APPNP,
    AGNNConv,
    ARMAConv,
    ChebConv,
    GCN2Conv,
    LGConv,
    MessagePassing,
    NNConv,
    PNAConv,
    ResGatedGraphConv,
    SGConv,
    TAGConv,
)
from tests.nn.parity import F_IN, NODES, edges_of, mlp
from tests.nn.test_layers import N, attend, dense, over, sparse_graph

pytestmark = pytest.mark.filterwarnings(
    "ignore:Sparse invariant checks are implicitly disabled", "ignore:Sparse CSR tensor support"
)

HISTOGRAM = torch.tensor([1, 2, 4, 1])
EVERY_WAY = ["mean", "max", "min", "std"]
X, ATTR = torch.randn(NODES, F_IN), torch.randn(40, 3)
EDGES = edges_of("plain")[0]
EVERY_SCALER = ["identity", "amplification", "attenuation", "linear", "inverse_linear"]


def pna(**options: Any) -> PNAConv:
    return PNAConv(F_IN, 4, EVERY_WAY, EVERY_SCALER, HISTOGRAM, **options)


# ---------------------------------------------------------------------- the formula, dense
#
# x features, A of ones, W of weights, E of edge features; all by [destination, source].


def looped(W: Tensor) -> Tensor:
    return W + torch.diag((W.diagonal() == 0).double())


def symmetric(W: Tensor) -> Tensor:
    d = W.sum(1).rsqrt().nan_to_num(posinf=0)
    return d[:, None] * W * d[None]


def sgc(c: SGConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return c.lin(torch.linalg.matrix_power(symmetric(looped(W)), c.K) @ x)


def tag(c: TAGConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    S = symmetric(W) if c.normalize else W
    return sum(torch.linalg.matrix_power(S, k) @ lin(x) for k, lin in enumerate(c.lins)) + c.bias


def appnp(c: APPNP, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    S, z = symmetric(looped(W)), x
    for _ in range(c.K):
        z = (1 - c.alpha) * S @ z + c.alpha * x
    return z


def cheb(c: ChebConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    W = W - torch.diag(W.diagonal())
    d = W.sum(0)  # of the sources
    eye = torch.eye(N, dtype=x.dtype)
    if c.normalization is None:
        L = torch.diag(d) - W
    elif c.normalization == "sym":
        root = d.rsqrt().nan_to_num(posinf=0)
        L = eye - root[:, None] * W * root[None]
    else:
        L = eye - W * d.reciprocal().nan_to_num(posinf=0)[None]
    T = [eye, L / L.max() - eye]
    while len(T) < len(c.lins):
        T.append(2 * T[1] @ T[-1] - T[-2])
    return sum(t @ lin(x) for t, lin in zip(T, c.lins, strict=False)) + c.bias


def gated(c: ResGatedGraphConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    i, j = x[:, None].expand(N, N, -1), x[None].expand(N, N, -1)
    if c.edge_dim is not None:
        i, j = torch.cat([i, E], -1), torch.cat([j, E], -1)
    gate = torch.sigmoid(c.lin_key(i) + c.lin_query(j))
    return (A[..., None] * gate * c.lin_value(j)).sum(1) + c.lin_skip(x) + c.bias


def principal(c: PNAConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    degrees = torch.arange(4) @ HISTOGRAM / 8.0, torch.arange(1, 5).log() @ HISTOGRAM.float() / 8
    d, outs = A.sum(1), []
    towers = x.view(N, c.towers, -1) if c.divide_input else x[:, None].expand(-1, c.towers, -1)
    for t in range(c.towers):
        x, mask = towers[:, t], A[..., None] > 0
        parts = [x[:, None].expand(N, N, -1), x[None].expand(N, N, -1)]
        if c.edge_dim is not None:
            parts.append(c.edge_encoder(E))
        m = c.pre_nns[t](torch.cat(parts, -1))
        mean = over(torch.where(mask, m, 0).sum(1), A)
        deviation = torch.where(mask, m - mean[:, None], 0)
        every = [mean, torch.where(mask, m, -torch.inf).amax(1)]
        every += [torch.where(mask, m, torch.inf).amin(1), over((deviation**2).sum(1), A).sqrt()]
        h = torch.cat(every, -1).nan_to_num(posinf=0, neginf=0)
        lin, log = degrees
        ones = torch.ones(N)
        scales = ones, (d + 1).log() / log, log / (d + 1).log(), d / lin, lin / d
        scaled = [h * s[:, None].nan_to_num(posinf=0) for s in scales]
        outs.append(c.post_nns[t](torch.cat([x, *scaled], -1)))
    return c.lin(torch.cat(outs, -1))


def matrices(c: NNConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    h = c.nn(E).view(N, N, F_IN, 4) * A[..., None, None]
    out = torch.einsum("jf,ijfo->io", x, h)
    return (over(out, A) if c.aggr == "mean" else out) + c.lin(x) + c.bias


def light(c: LGConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    return symmetric(W) @ x


def arma(c: ARMAConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    stacks = []
    for k in range(c.num_stacks):
        h = x
        for t in range(c.num_layers):
            own = 0 if c.shared_weights else t
            w = c.init_weight[k] if t == 0 else c.weight[0 if c.shared_weights else t - 1, k]
            h = torch.tanh(symmetric(W) @ h @ w + x @ c.root_weight[own, k] + c.bias[own, k])
        stacks.append(h)
    return torch.stack(stacks).mean(0)


def alike(c: AGNNConv, x: Tensor, A: Tensor, W: Tensor, E: Tensor) -> Tensor:
    cos = F.cosine_similarity(x[:, None], x[None], dim=-1)
    mask = (A + torch.eye(N)) > 0
    return attend((c.beta * cos)[..., None], mask, x[:, None]).squeeze(1)


FORMULAS: list[tuple[MessagePassing, str | None, Callable[..., Tensor]]] = [
    (SGConv(F_IN, 4, K=3), "edge_weight", sgc),
    (SGConv(F_IN, 9, K=3), "edge_weight", sgc),
    (TAGConv(F_IN, 4), "edge_weight", tag),
    (TAGConv(F_IN, 9), "edge_weight", tag),
    (TAGConv(F_IN, 4, K=0), "edge_weight", tag),
    (TAGConv(F_IN, 4, normalize=False), "edge_weight", tag),
    (APPNP(5, 0.2), "edge_weight", appnp),
    (ChebConv(F_IN, 4, 1), "edge_weight", cheb),
    (ChebConv(F_IN, 4, 2), "edge_weight", cheb),
    (ChebConv(F_IN, 4, 5), "edge_weight", cheb),
    (ChebConv(F_IN, 9, 5), "edge_weight", cheb),
    (ChebConv(F_IN, 4, 5, "rw"), "edge_weight", cheb),
    (ChebConv(F_IN, 4, 5, None), "edge_weight", cheb),
    (ResGatedGraphConv(F_IN, 4), None, gated),
    (ResGatedGraphConv(F_IN, 4, edge_dim=3), "edge_attr", gated),
    (pna(), None, principal),
    (pna(edge_dim=3, towers=2, pre_layers=2, post_layers=2), "edge_attr", principal),
    (pna(edge_dim=3, towers=2, divide_input=True), "edge_attr", principal),
    (NNConv(F_IN, 4, mlp(3, 4 * F_IN)), "edge_attr", matrices),
    (NNConv(F_IN, 4, nn.Linear(3, 4 * F_IN, bias=False), "mean"), "edge_attr", matrices),
    (NNConv(F_IN, 4, nn.Sequential(mlp(3, 4 * F_IN), nn.Tanh())), "edge_attr", matrices),
    (LGConv(), "edge_weight", light),
    (ARMAConv(F_IN, 4, 3, 4, act=torch.tanh), "edge_weight", arma),
    (ARMAConv(F_IN, 4, 2, 3, True, act=torch.tanh), "edge_weight", arma),
    (AGNNConv(), None, alike),
]


@pytest.mark.parametrize(
    ("layer", "takes", "formula"), FORMULAS, ids=lambda p: getattr(p, "__name__", None)
)
def test_equals_its_formula(layer: MessagePassing, takes: str | None, formula: Any):
    layer = layer.double()
    edge_index, weight = sparse_graph()
    attr = torch.randn(edge_index.size(1), 3, dtype=torch.float64)
    x = torch.randn(N, F_IN, dtype=torch.float64)
    with torch.no_grad():
        for p in layer.parameters():
            nn.init.normal_(p, std=0.5)
    if isinstance(layer, PNAConv):  # the means of degrees are kept in float32
        layer.reset_parameters()
    A = dense(edge_index, torch.ones_like(weight))
    expected = formula(layer, x, A, dense(edge_index, weight), dense(edge_index, attr))
    inputs = {"edge_weight": weight, "edge_attr": attr}
    out = layer(x, edge_index, **({} if takes is None else {takes: inputs[takes]}))
    limit = 1e-6 if isinstance(layer, PNAConv) else 1e-12
    torch.testing.assert_close(out, expected, rtol=limit, atol=limit)


# ---------------------------------------------------------------------- GCN2Conv, called with x_0


def gcn2(**options: Any) -> GCN2Conv:
    torch.manual_seed(3)
    return GCN2Conv(F_IN, 0.3, 0.5, 2, **options).double()


def two_features(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(4)
    return torch.randn(2, count, F_IN, dtype=torch.float64).unbind()


@pytest.mark.parametrize("shared", [True, False])
def test_gcn2_equals_its_formula(shared: bool):
    layer = gcn2(shared_weights=shared)
    edge_index, weight = sparse_graph()
    x, x_0 = two_features(N)
    beta = torch.tensor(0.5 / 2 + 1).double().log()
    eye = torch.eye(F_IN, dtype=x.dtype)
    own = layer.weight1 if shared else layer.weight2
    maps = [(1 - beta) * eye + beta * w for w in (layer.weight1, own)]
    S = symmetric(looped(dense(edge_index, weight)))
    expected = 0.7 * S @ x @ maps[0] + 0.3 * x_0 @ maps[1]
    out = layer(x, x_0, edge_index, weight)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


def test_gcn2_gradients_and_permutations():
    layer = gcn2(shared_weights=False)
    edge_index, _ = edges_of("self-loops")
    x, x_0 = two_features(NODES)
    weight = torch.rand(edge_index.size(1), dtype=torch.float64) + 0.1
    names = [name for name, _ in layer.named_parameters()]
    values = [x, x_0, weight, *(p.detach() for p in layer.parameters())]

    def run(x: Tensor, x_0: Tensor, weight: Tensor, *parameters: Tensor) -> Tensor:
        known = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(layer, known, (x, x_0, edge_index, weight))

    leaves = [value.clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)
    perm = torch.randperm(NODES)
    moved = layer(x[perm], x_0[perm], perm.argsort()[edge_index], weight)
    torch.testing.assert_close(moved, layer(x, x_0, edge_index, weight)[perm])


def test_gcn2_copies_and_pickles():
    layer, (x, x_0), (edge_index, _) = gcn2(), two_features(NODES), edges_of("plain")
    out = layer(x, x_0, edge_index)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(again(x, x_0, edge_index), out)


def test_gcn2_leaves_out_further_rows_of_the_initial_features():
    layer, (x, x_0), (edge_index, _) = gcn2(), two_features(NODES), edges_of("plain")
    more = torch.cat([x_0, torch.ones(3, F_IN, dtype=torch.float64)])
    assert torch.equal(layer(x, more, edge_index), layer(x, x_0, edge_index))


# ---------------------------------------------------------------------- what they accept

SIZED = [
    lambda size, out: SGConv(size, out, 2),
    lambda size, out: TAGConv(size, out),
    lambda size, out: ChebConv(size, out, 3),
    lambda size, out: ResGatedGraphConv(size, out),
    lambda size, out: ARMAConv(size, out, 2, 2),
    lambda size, out: ARMAConv(size, out, 2, 3, shared_weights=True),
]
sized = pytest.mark.parametrize("make", SIZED, ids=lambda make: type(make(1, 1)).__name__)


@sized
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


def test_sparse_features_that_are_cached():
    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN) * (torch.rand(NODES, F_IN) < 0.3)
    layer = SGConv(F_IN, 4, 2, cached=True)
    out = layer(x.to_sparse_csr(), edge_index)
    torch.testing.assert_close(out, layer(x.to_sparse_csr(), edge_index))
    layer._cached_x = None
    torch.testing.assert_close(layer(x, edge_index), out)


@sized
def test_size_taken_from_the_first_input(make: Any):
    edge_index, _ = edges_of("plain")
    x = torch.randn(NODES, F_IN)
    layer, known = make(-1, 4), make(F_IN, 4)
    again, lazy = copy.deepcopy(layer), layer.state_dict()
    make(-1, 4).load_state_dict(lazy)
    out = layer(x, edge_index)
    known.load_state_dict(layer.state_dict())
    torch.testing.assert_close(known(x, edge_index), out)
    again.load_state_dict(layer.state_dict())
    torch.testing.assert_close(again(x, edge_index), out)


@pytest.mark.parametrize(
    "layer",
    [
        SGConv(F_IN, 4),
        TAGConv(F_IN, 4),
        APPNP(2, 0.1, dropout=0.5),
        ChebConv(F_IN, 4, 3),
        ResGatedGraphConv(F_IN, 4, edge_dim=3),
        pna(towers=2, edge_dim=3),
        NNConv(F_IN, 4, mlp(3, 4 * F_IN)),
        LGConv(),
        ARMAConv(F_IN, 4, 2),
        AGNNConv(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_runs_fused(layer: MessagePassing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    edge_index, _ = edges_of("plain")
    edges = torch.rand(edge_index.size(1), 3)
    layer(torch.randn(NODES, F_IN), Graph(edge_index, NODES, edge_attr=edges))
    assert "fused" in plan.explain(layer)
    assert "gather" not in plan.explain(layer)


@pytest.mark.compiles
@pytest.mark.parametrize(
    "layer",
    [ChebConv(F_IN, 4, 3), APPNP(2, 0.1), pna(towers=2, edge_dim=3), NNConv(F_IN, 4, mlp(3, 24))],
    ids=lambda layer: type(layer).__name__,
)
def test_compiled_without_a_break(layer: MessagePassing):
    graph = Graph(EDGES, NODES, edge_attr=ATTR)
    expected = layer(X, graph)
    found = torch.compile(layer, fullgraph=True, backend="aot_eager")(X, graph)
    torch.testing.assert_close(found, expected)


# ---------------------------------------------------------------------- layers one by one


@pytest.mark.parametrize(
    "layer", [SGConv(F_IN, 4, 2, cached=True), APPNP(3, 0.1, cached=True)], ids=str
)
def test_cached_keeps_what_the_first_call_found(layer: MessagePassing):
    edge_index, weight = edges_of("plain")[0], torch.rand(40)
    x = torch.randn(NODES, F_IN)
    first = layer(x, edge_index, weight)
    assert torch.equal(layer(x, edge_index, 2 * weight + 1), first)
    torch.manual_seed(1)
    layer.reset_parameters()
    anew = layer(x, edge_index, weight.flip(0))
    assert not torch.equal(anew, first)
    torch.testing.assert_close(layer(x, edge_index, weight), anew)


def test_gcn2_keeps_the_first_coefficients():
    layer, (x, x_0), (edge_index, _) = gcn2(cached=True), two_features(NODES), edges_of("plain")
    weight = torch.rand(40, dtype=torch.float64)
    first = layer(x, x_0, edge_index, weight)
    assert torch.equal(layer(x, x_0, edge_index, weight.flip(0)), first)


def test_appnp_leaves_edges_out_and_keeps_the_mean():
    edge_index, _ = edges_of("plain")
    torch.manual_seed(0)
    layer, x = APPNP(1, 0.2, dropout=0.5), torch.rand(NODES, 3) + 0.5
    kept = layer.eval()(x, edge_index)
    layer.train()
    several = torch.stack([layer(x, edge_index) for _ in range(600)])
    assert several.std(0).min() > 0
    torch.testing.assert_close(several.mean(0), kept, rtol=0.1, atol=0.0)
    layer = APPNP(2, 0.2, dropout=1.0, normalize=False)
    torch.testing.assert_close(layer(x, edge_index), 0.2 * x)


def test_cheb_takes_the_largest_eigenvalue_of_every_graph():
    from torch_geometric.nn import ChebConv as Reference

    edge_index, _ = edges_of("plain")
    both = torch.cat([edge_index, edge_index + NODES], dim=1)
    x, batch = torch.cat(two_features(NODES)), torch.arange(2).repeat_interleave(NODES)
    largest = torch.tensor([1.7, 2.4], dtype=x.dtype)
    for kind in ("sym", "rw", None):
        theirs, ours = (m(F_IN, 4, 4, kind).double() for m in (Reference, ChebConv))
        ours.load_state_dict(theirs.state_dict())
        expected = theirs(x, both, None, batch, largest)
        torch.testing.assert_close(ours(x, both, None, batch, largest), expected)
        graph = Graph.batch([Graph(edge_index, NODES), Graph(edge_index, NODES)])
        torch.testing.assert_close(ours(x, graph, lambda_max=largest), expected)
        one = theirs(x, both, lambda_max=largest[0])
        torch.testing.assert_close(ours(x, both, lambda_max=1.7), one)


def test_cheb_without_edges_and_normalization():
    layer, x = ChebConv(F_IN, 4, 2, None), torch.randn(NODES, F_IN)
    expected = layer.lins[0](x) - layer.lins[1](x)  # L = 0
    out = layer(x, torch.empty(2, 0, dtype=torch.int64))
    torch.testing.assert_close(out, expected + layer.bias)


def test_pna_gives_a_node_without_neighbours_its_own_part_only():
    layer = pna()
    x = torch.randn(3, F_IN)
    out = layer(x, torch.tensor([[0], [1]]))
    own = torch.cat([x, torch.zeros(3, 20 * F_IN)], -1)
    torch.testing.assert_close(out[[0, 2]], layer.lin(layer.post_nns[0](own))[[0, 2]])


def test_pna_counts_degrees():
    graphs = [
        Graph(torch.tensor([[0, 1, 2, 0], [1, 2, 1, 1]]), 4),
        Graph(torch.ones(2, 1).long(), 2),
    ]
    assert PNAConv.get_degree_histogram(graphs).tolist() == [3, 2, 0, 1]


def test_pna_starts_from_the_means_of_degrees():
    state = pna(train_norm=True).state_dict()
    assert state["aggr_module.avg_deg_lin"].item() == pytest.approx(13 / 8)
    logs = torch.arange(1, 5).log() @ HISTOGRAM.float() / 8
    assert state["aggr_module.avg_deg_log"].item() == pytest.approx(logs.item())


def test_nn_conv_with_a_message_of_its_own():
    class Doubled(NNConv):
        def message(self, x_j: Tensor, edge_attr: Tensor) -> Tensor:  # type: ignore[override]
            matrix = self.nn(edge_attr).view(-1, self.in_channels_l, self.out_channels)
            return 2 * (x_j.unsqueeze(1) @ matrix).squeeze(1)

    edge_index, _ = edges_of("plain")
    options = {"bias": False, "root_weight": False}
    layer = NNConv(F_IN, 4, mlp(3, 4 * F_IN), **options)
    double = Doubled(F_IN, 4, layer.nn, **options)
    layer.nn.load_state_dict(double.nn.state_dict())
    x, attr = torch.randn(NODES, F_IN), torch.randn(40, 3)
    torch.testing.assert_close(double(x, edge_index, attr), 2 * layer(x, edge_index, attr))


def test_an_edge_mask_leaves_edges_out():
    edge_index, _ = edges_of("plain")
    x, kept = torch.randn(NODES, F_IN), torch.arange(40) < 25
    layers = [SGConv(F_IN, 4, 2), TAGConv(F_IN, 4, normalize=False), NNConv(F_IN, 4, mlp(1, 24))]
    for layer in layers[1:]:
        whole = layer(x, Graph(edge_index[:, kept], NODES, edge_attr=torch.ones(25, 1)))
        layer.edge_mask = kept.float()
        masked = layer(x, Graph(edge_index, NODES, edge_attr=torch.ones(40, 1)))
        torch.testing.assert_close(masked, whole)
    layers[0].edge_mask = torch.zeros(40)  # of the edges that were passed, not of self-loops
    d = 1 / (torch.bincount(edge_index[1], minlength=NODES) + 1)
    torch.testing.assert_close(layers[0](x, edge_index), layers[0].lin(d[:, None] ** 2 * x))


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: SGConv(F_IN, 4)((X, X), EDGES), "x: expected one set of nodes"),
        (lambda: SGConv(7, 4)(X, EDGES), "x: expected 7 features"),
        (lambda: SGConv(F_IN, 4)(X, EDGES, torch.ones(3)), "edge_weight: expected shape"),
        (lambda: TAGConv(7, 4)(X, EDGES), "x: expected 7 features"),
        (lambda: TAGConv(F_IN, 4, normalize=False)(X, EDGES, ATTR), "edge_weight: expected shape"),
        (lambda: APPNP(2, 0.1)(X[:3], Graph(EDGES, NODES)), "x: expected 12"),
        (lambda: APPNP(2, 0.1)(X, Graph(EDGES, (NODES, 13))), "one set of nodes"),
        (lambda: GCN2Conv(F_IN, 0.1, theta=0.5), "theta, layer: expected both"),
        (lambda: GCN2Conv(F_IN, 0.1)(X, X[:3], EDGES), r"x_0: expected shape \(12, 6\)"),
        (lambda: ChebConv(F_IN, 4, 0), "K: expected at least 1"),
        (lambda: ChebConv(F_IN, 4, 2, "row"), "normalization: expected one of"),
        (lambda: ChebConv(F_IN, 4, 2)(X, EDGES, torch.ones(3)), "edge_weight: expected shape"),
        (
            lambda: ChebConv(F_IN, 4, 2)(X, EDGES, lambda_max=torch.ones(2)),
            r"batch: expected shape \(12,\), as lambda_max has 2 entries, got None",
        ),
        (lambda: ResGatedGraphConv(-1, 4, edge_dim=3), "in_channels: -1"),
        (lambda: ResGatedGraphConv(F_IN, 4)((X, None), EDGES), "x: expected features of the dest"),
        (lambda: ResGatedGraphConv(F_IN, 4)(X, EDGES, ATTR), "edge_attr: expected None"),
        (lambda: ResGatedGraphConv(F_IN, 4, edge_dim=3)(X, EDGES), "edge_attr: expected features"),
        (
            lambda: ResGatedGraphConv(F_IN, 4, edge_dim=2)(X, EDGES, ATTR),
            r"edge_attr: expected shape \(40, 2\)",
        ),
        (lambda: ResGatedGraphConv(7, 4, edge_dim=3)(X, EDGES, ATTR), "x: expected 7 features"),
        (lambda: pna(towers=3), "out_channels: expected a multiple of towers=3"),
        (lambda: pna(towers=4, divide_input=True), "in_channels: expected a multiple of towers=4"),
        (lambda: PNAConv(-1, 4, ["sum"], ["identity"], HISTOGRAM), "in_channels: expected"),
        (lambda: PNAConv(F_IN, 4, ["sum"], ["log"], HISTOGRAM), "scalers: expected some of"),
        (lambda: PNAConv(F_IN, 4, ["much"], ["identity"], HISTOGRAM), "aggr: expected one of"),
        (lambda: PNAConv(F_IN, 4, ["sum"], ["identity"], torch.tensor([5])), "deg: expected"),
        (lambda: pna()(torch.ones(NODES, 3), EDGES), "x: expected 6 features"),
        (lambda: pna()(X, EDGES, ATTR), "edge_attr: expected None"),
        (lambda: pna(edge_dim=3)(X, EDGES), "edge_attr: expected features"),
        (lambda: pna(edge_dim=2)(X, EDGES, ATTR), r"edge_attr: expected shape \(40, 2\)"),
        (lambda: NNConv(-1, 4, mlp(3, 24)), "in_channels: expected"),
        (lambda: NNConv(F_IN, 4, mlp(3, 24))(X, EDGES), "edge_attr: expected features"),
        (lambda: NNConv(F_IN, 4, mlp(3, 24))(X, EDGES, ATTR[:5]), "edge_attr: expected 40 rows"),
        (lambda: NNConv(7, 4, mlp(3, 28))(X, EDGES, ATTR), r"x: expected shape \[nodes, 7\]"),
        (lambda: NNConv(F_IN, 4, mlp(3, 20))(X, EDGES, ATTR), "nn: expected"),
        (lambda: ARMAConv(7, 4)(X, EDGES), r"x: expected shape \[nodes, 7\]"),
        (lambda: LGConv()((X, X), EDGES), "x: expected one set of nodes"),
        (lambda: AGNNConv()((X, X), EDGES), "x: expected one set of nodes"),
    ],
)
def test_bad_input_is_named(call: Callable[[], Any], text: str):
    with pytest.raises(ValueError, match=text):
        call()


def test_what_is_cached_belongs_to_as_many_nodes():
    layer = SGConv(F_IN, 4, cached=True)
    layer(X, EDGES)
    with pytest.raises(ValueError, match="x: expected 12 nodes, as at the first call"):
        layer(X[:5], EDGES)


def test_the_activation_of_pna_is_a_module():
    with pytest.raises(TypeError, match="act: expected a name or a module"):
        pna(pre_layers=2, act=torch.relu)
