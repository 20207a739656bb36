"""TransformerConv and GPSConv beyond what all layers are asked."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn import GCNConv, GINEConv, GPSConv, TransformerConv
from tests.nn.parity import F_EDGE, F_IN, NODES, edges_of, mlp

EDGES = edges_of("plain")[0]
X = torch.randn(NODES, F_IN, dtype=torch.float64)
BATCH = torch.tensor([0] * 5 + [2] * 1 + [3] * 6)  # graph 1 is empty


def within_graphs() -> Tensor:
    return EDGES[:, BATCH[EDGES[0]] == BATCH[EDGES[1]]]


# ---------------------------------------------------------------------- TransformerConv


@pytest.mark.parametrize("beta", [False, True])
def test_transformer_equals_its_formula(beta: bool):
    layer = TransformerConv(F_IN, 4, heads=2, beta=beta, edge_dim=F_EDGE).double()
    edge_attr = torch.randn(EDGES.size(1), F_EDGE, dtype=torch.float64)
    query, key, value = (
        lin(X).view(NODES, 2, 4) for lin in (layer.lin_query, layer.lin_key, layer.lin_value)
    )
    assert layer.lin_edge is not None
    edge = layer.lin_edge(edge_attr).view(-1, 2, 4)
    dense = torch.zeros(NODES, NODES, 2, 4, dtype=torch.float64)
    dense[EDGES[1], EDGES[0]] = edge
    there = torch.zeros(NODES, NODES, 1, dtype=torch.bool)
    there[EDGES[1], EDGES[0]] = True
    score = (query[:, None] * (key[None] + dense)).sum(-1) / 2
    alpha = score.masked_fill(~there, -torch.inf).softmax(1).nan_to_num()
    out = (alpha[..., None] * (value[None] + dense)).sum(1).flatten(1)
    skip = layer.lin_skip(X)
    if layer.lin_beta is None:
        expected = out + skip
    else:
        gate = torch.sigmoid(layer.lin_beta(torch.cat([out, skip, out - skip], -1)))
        expected = gate * skip + (1 - gate) * out
    torch.testing.assert_close(layer(X, EDGES, edge_attr), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("edge_dim", [None, F_EDGE])
def test_attention_weights_equal_pyg(edge_dim: int | None):
    import torch_geometric.nn

    theirs = torch_geometric.nn.TransformerConv(F_IN, 4, 2, dropout=0.5, edge_dim=edge_dim).double()
    ours = TransformerConv(F_IN, 4, heads=2, dropout=0.5, edge_dim=edge_dim).double()
    ours.load_state_dict(theirs.state_dict())
    edge_attr = None
    if edge_dim is not None:
        edge_attr = torch.randn(EDGES.size(1), edge_dim, dtype=torch.float64)
    _, (edges, alpha) = ours(X, EDGES, edge_attr, return_attention_weights=True)
    _, (_, expected) = theirs(X, EDGES, edge_attr, return_attention_weights=True)
    assert torch.equal(edges, EDGES)
    torch.testing.assert_close(alpha, expected)
    ours.eval()
    out, _ = ours(X, EDGES, edge_attr, return_attention_weights=True)
    torch.testing.assert_close(out, ours(X, EDGES, edge_attr))


def test_transformer_dropout_leaves_out_edges():
    layer = TransformerConv(F_IN, 4, heads=2, dropout=0.999, root_weight=False)
    x = X.float()
    assert (layer(x, EDGES) == 0).float().mean() > 0.5
    assert not (layer.eval()(x, EDGES) == 0).any()


def test_transformer_takes_sparse_features():
    layer = TransformerConv(-1, 4)
    x = X.float().relu()
    out = layer(x.to_sparse_coo(), EDGES)
    torch.testing.assert_close(out, layer(x, EDGES))


def test_no_gate_without_the_part_it_gates():
    layer = TransformerConv(F_IN, 4, beta=True, root_weight=False)
    assert layer.lin_beta is None


# ---------------------------------------------------------------------- GPSConv


def gps(**kwargs: Any) -> GPSConv:
    torch.manual_seed(2)
    options = {"heads": 2, "norm": "graph_norm", "act": "gelu", **kwargs}
    return GPSConv(F_IN, GCNConv(F_IN, F_IN), **options).double()


def test_gps_equals_its_formula():
    layer = gps(norm=None)
    assert layer.conv is not None
    q, k, v = (X @ layer.attn.in_proj_weight.t() + layer.attn.in_proj_bias).chunk(3, -1)
    heads = []
    for part in (slice(0, 3), slice(3, 6)):
        heads.append((q[:, part] @ k[:, part].t() / 3**0.5).softmax(-1) @ v[:, part])
    h = layer.conv(X, EDGES) + X + layer.attn.out_proj(torch.cat(heads, -1)) + X
    torch.testing.assert_close(layer(X, EDGES), h + layer.mlp(h))


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm", "graph_norm", None])
def test_gps_of_a_batch_equals_pyg(norm: str | None):
    import torch_geometric.nn

    torch.manual_seed(2)
    batch = BATCH.unique_consecutive(return_inverse=True)[1]  # theirs gives NaN gradients
    conv = torch_geometric.nn.GCNConv(F_IN, F_IN)
    theirs = torch_geometric.nn.GPSConv(F_IN, conv, 2, norm=norm, act="gelu").double()
    ours = gps(norm=norm)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    results = []
    for layer in (ours, theirs):
        x = X.clone().requires_grad_()
        out = layer(x, within_graphs(), batch)
        (out * torch.arange(NODES).view(-1, 1)).sin().sum().backward()
        results.append([out, x.grad, *(p.grad for p in layer.parameters())])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gps_keeps_the_graphs_of_a_batch_apart():
    layer = gps()
    graph = Graph(within_graphs(), NODES, batch=BATCH)
    out = layer(X, graph)
    torch.testing.assert_close(out, layer(X, within_graphs(), BATCH))
    parts = []
    for nodes in (slice(0, 5), slice(5, 6), slice(6, 12)):
        one = graph.subgraph(torch.arange(NODES)[nodes])
        parts.append(layer(X[nodes], one.edge_index))
    torch.testing.assert_close(out, torch.cat(parts))
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_gps_does_not_depend_on_the_order_of_nodes():
    layer = gps()
    perm = torch.randperm(NODES)
    out = layer(X[perm], Graph(EDGES, NODES).permute(perm))
    torch.testing.assert_close(out, layer(X, EDGES)[perm])


def test_gps_gradcheck():
    layer = gps()
    edge_index = within_graphs()

    def run(x: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(dict(layer.named_parameters()), parameters, strict=True))
        return torch.func.functional_call(layer, named, (x, edge_index, BATCH))

    values = [X, *layer.parameters()]
    leaves = [value.detach().clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


def test_gps_passes_on_what_the_conv_asks_for():
    edge_attr = torch.randn(EDGES.size(1), F_EDGE, dtype=torch.float64)
    conv = GINEConv(mlp(F_IN, F_IN), edge_dim=F_EDGE)
    layer = GPSConv(F_IN, conv, norm=None).double()
    h = layer(X, EDGES, edge_attr=edge_attr)
    assert not torch.allclose(h, layer(X, EDGES, edge_attr=edge_attr + 1))


def test_gps_without_nodes_or_edges():
    none = torch.empty(2, 0, dtype=torch.int64)
    assert gps()(X[:0], Graph(none, 0)).shape == (0, F_IN)
    alone = gps()(X, none)
    assert alone.isfinite().all()


def test_gps_in_evaluation_without_gradients():
    layer = gps(dropout=0.5).eval()
    expected = layer(X, within_graphs(), BATCH)
    with torch.inference_mode():
        found = layer(X, within_graphs(), BATCH)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(layer.train()(X, within_graphs(), BATCH), expected)


def test_gps_starts_anew_from_the_seed():
    layer = gps(norm="batch_norm")
    first = copy.deepcopy(layer.state_dict())
    torch.manual_seed(4)
    layer.reset_parameters()
    second = copy.deepcopy(layer.state_dict())
    torch.manual_seed(4)
    layer.reset_parameters()
    for name, value in layer.state_dict().items():
        assert torch.equal(value, second[name])
        constant = "norm" in name or name.endswith(("in_proj_bias", "out_proj.bias", "conv.bias"))
        assert constant or not torch.equal(value, first[name])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: TransformerConv(F_IN, 4)((X, None), EDGES), "x: expected features of the dest"),
        (lambda: TransformerConv(F_IN, 4)(X[None], EDGES), "x: expected shape"),
        (
            lambda: TransformerConv(F_IN, 4).double()(X, EDGES, torch.ones(40, 2)),
            "edge_attr: expected None",
        ),
        (
            lambda: TransformerConv(F_IN, 4, edge_dim=2).double()(X, EDGES),
            r"edge_attr: expected 40 rows \(edges\), got None",
        ),
        (
            lambda: TransformerConv(F_IN, 4, edge_dim=2).double()(X, EDGES, torch.ones(3, 2)),
            r"edge_attr: expected 40 rows \(edges\), got \(3, 2\)",
        ),
        (lambda: GPSConv(F_IN, None, attn_type="performer"), "attn_type: expected 'multihead'"),
        (lambda: GPSConv(F_IN, None, heads=4), "heads: expected a divisor of 6 channels, got 4"),
        (lambda: GPSConv(F_IN, nn.Identity())(X[:, :3], EDGES), "x: expected shape"),
        (lambda: gps()(X, EDGES, BATCH.flip(0)), "batch: expected graph numbers in ascending"),
        (lambda: gps()(X, EDGES, BATCH[1:]), "batch: expected shape"),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()
