"""Models, their parts and their heads."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphkit.nn
from graphkit.graph import Graph
from graphkit.nn import (
    GAT,
    GCN,
    GIN,
    MLP,
    BasicGNN,
    BatchNorm,
    EdgeHead,
    GraphHead,
    GraphSAGE,
    JumpingKnowledge,
    LayerNorm,
    Linear,
    NodeHead,
    Predictor,
)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

EDGES = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 3]])
X = torch.randn(5, 4)
BATCH = torch.tensor([0, 0, 0, 1, 1])


def same(make: Any, *inputs: Any, **kwargs: Any) -> None:
    """PyG's module and ours give the same, from one state dict."""
    import torch_geometric.nn

    torch.manual_seed(0)
    theirs, ours = make(torch_geometric.nn), make(graphkit.nn)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        torch.testing.assert_close(ours(*inputs, **kwargs), theirs(*inputs, **kwargs))


@pytest.mark.parametrize("model", ["GCN", "GraphSAGE", "GIN", "GAT"])
@pytest.mark.parametrize("out", [None, 6])
@pytest.mark.parametrize("jk", [None, "last", "cat", "max", "lstm"])
@pytest.mark.parametrize("norm", [None, "batch_norm", "layer_norm"])
def test_equals_pyg(model: str, out: int | None, jk: str | None, norm: str | None):
    same(lambda m: getattr(m, model)(4, 8, 3, out, norm=norm, jk=jk, act="elu"), X, EDGES)


@pytest.mark.parametrize("act", ["relu", "LeakyReLU", "leaky_relu", "swish", None, torch.tanh])
@pytest.mark.parametrize("act_first", [False, True])
def test_activations(act: Any, act_first: bool):
    options = {"act": act, "act_first": act_first, "norm": "LayerNorm"}
    same(lambda m: m.GraphSAGE(4, 8, 2, **options), X, EDGES)


def test_norms_that_work_graph_by_graph():
    same(lambda m: m.GCN(4, 8, 2, norm="layer_norm", jk="last"), X, EDGES, batch=BATCH)
    given = {"batch": BATCH, "batch_size": 3}
    same(lambda m: m.GCN(4, 8, 2, norm="layer_norm", jk="last"), X, EDGES, **given)


@pytest.mark.parametrize("v2", [False, True])
def test_gat_divides_hidden_features_among_its_heads(v2: bool):
    model = GAT(4, 8, 3, 5, heads=4, v2=v2, dropout=0.1)
    assert [conv.concat for conv in model.convs] == [True, True, False]
    assert [conv.out_channels for conv in model.convs] == [2, 2, 5]
    assert model(X, EDGES).shape == (5, 5)
    with pytest.raises(ValueError, match="heads: expected a divisor of 8"):
        GAT(4, 8, 2, heads=3)


@pytest.mark.parametrize("cls", [GCN, GraphSAGE, GIN, GAT])
def test_size_taken_from_the_first_input(cls: type[BasicGNN]):
    model = cls(-1, 8, 2, 3)
    assert model(X, EDGES).shape == (5, 3)


def test_pairs_of_nodes():
    pair = (torch.randn(5, 4), torch.randn(6, 3))
    model = GraphSAGE((4, 3), 8, 1)
    assert model(pair, EDGES).shape == (6, 8)


def test_edge_inputs_reach_the_layers():
    weight, attr = torch.rand(5), torch.randn(5, 2)
    gcn, gat = GCN(4, 8, 2), GAT(4, 8, 2, edge_dim=2)
    assert not torch.equal(gcn(X, EDGES, weight), gcn(X, EDGES))
    assert not torch.equal(gat(X, EDGES, edge_attr=attr), gat(X, EDGES))
    assert torch.equal(gcn(X, EDGES, weight), gcn(X, Graph(EDGES, 5, edge_weight=weight)))


@pytest.mark.parametrize("cls", [GCN, GraphSAGE, GIN, GAT])
def test_reset_parameters_draws_anew_from_the_seed(cls: type[BasicGNN]):
    model = cls(4, 8, 2, norm="batch_norm", jk="lstm")
    outs = []
    for _ in range(2):
        torch.manual_seed(1)
        model.reset_parameters()
        outs.append(model.eval()(X, EDGES))
    assert torch.equal(*outs)


def test_a_model_must_name_its_layer():
    with pytest.raises(NotImplementedError, match="must define init_conv"):
        BasicGNN(4, 8, 2)


# ---------------------------------------------------------------------- MLP, norms, knowledge


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm", None])
@pytest.mark.parametrize("act_first", [False, True])
@pytest.mark.parametrize("plain_last", [False, True])
def test_mlp_equals_pyg(norm: str | None, act_first: bool, plain_last: bool):
    options = {"norm": norm, "act_first": act_first, "plain_last": plain_last}
    same(lambda m: m.MLP([4, 8, 8, 3], **options), X)
    given = {"in_channels": 4, "hidden_channels": 8, "out_channels": 3, "num_layers": 3}
    same(lambda m: m.MLP(**given, **options), X)
    same(lambda m: m.MLP([4, 8, 3], bias=[False, True], **options), X)


def test_mlp_embeddings_and_dropout():
    mlp = MLP([4, 8, 3], dropout=0.5)
    assert mlp.dropout == [0.5, 0.0]
    assert (mlp.in_channels, mlp.out_channels, mlp.num_layers) == (4, 3, 2)
    out, emb = mlp(X, return_emb=True)
    assert (out.shape, emb.shape) == ((5, 3), (5, 8))
    assert (emb == 0).any()
    assert mlp(X, return_emb=False)[1] is None
    torch.manual_seed(1)
    mlp.reset_parameters()
    first = mlp.eval()(X)
    torch.manual_seed(1)
    mlp.reset_parameters()
    assert torch.equal(mlp(X), first)


@pytest.mark.parametrize("mode", ["cat", "max", "lstm"])
def test_jumping_knowledge_equals_pyg(mode: str):
    xs = [torch.randn(5, 4) for _ in range(3)]
    same(lambda m: m.JumpingKnowledge(mode, 4, 3), xs)


def test_norms_equal_pyg():
    same(lambda m: m.BatchNorm(4), X)
    same(lambda m: m.LayerNorm(4), X)
    same(lambda m: m.LayerNorm(4), X, BATCH)
    same(lambda m: m.LayerNorm(4, affine=False), X, BATCH, 3)
    same(lambda m: m.LayerNorm(4, mode="node"), X, BATCH)
    alone = BatchNorm(4, allow_single_element=True)
    torch.testing.assert_close(alone(X[:1]), X[:1], rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------------- Linear


@pytest.mark.parametrize("weight", [None, "glorot", "uniform", "kaiming_uniform"])
@pytest.mark.parametrize("bias", [None, "zeros"])
def test_linear_starts_within_its_bound(weight: str | None, bias: str | None):
    lin = Linear(50, 30, weight_initializer=weight, bias_initializer=bias)
    bound = (6 / 80) ** 0.5 if weight == "glorot" else 50**-0.5
    assert 0.9 * bound < lin.weight.abs().max() <= bound
    assert (lin.bias == 0).all() == (bias == "zeros")
    same(lambda m: m.Linear(4, 3, weight_initializer=weight, bias_initializer=bias), X)


def test_linear_that_does_not_know_its_input_yet():
    lin, other = Linear(-1, 3), Linear(-1, 3)
    assert repr(lin) == "Linear(-1, 3, bias=True)"
    waiting = Linear(-1, 3).state_dict()
    out = lin(X)
    assert repr(lin) == "Linear(4, 3, bias=True)"
    other.load_state_dict(lin.state_dict())
    assert torch.equal(other(X), out)
    lin.load_state_dict(waiting)
    assert lin(torch.randn(2, 9)).shape == (2, 3)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks", "ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_linear_takes_sparse_features(layout: torch.layout):
    lin = Linear(4, 3)
    x = X * (X > 0)
    torch.testing.assert_close(lin(x.to_sparse(layout=layout)), lin(x))


# ---------------------------------------------------------------------- heads


def test_node_head():
    model = Predictor(GCN(4, 8, 2), NodeHead(Linear(8, 3)))
    out = model(X, EDGES)
    assert torch.equal(out, model.head(model.encode(X, EDGES)))
    assert out.shape == (5, 3)


def test_edge_head():
    pairs = torch.tensor([[0, 1, 4], [2, 3, 4]])
    model = Predictor(GAT(4, 8, 2), EdgeHead())
    h = model.encode(X, EDGES)
    torch.testing.assert_close(model(X, EDGES, pairs), (h[pairs[0]] * h[pairs[1]]).sum(-1))
    torch.testing.assert_close(model(X, EDGES, pairs.flip(0)), model(X, EDGES, pairs))
    learnt = Predictor(GAT(4, 8, 2), EdgeHead(MLP([8, 4, 1], norm=None)))
    assert learnt(X, EDGES, pairs).shape == (3, 1)


@pytest.mark.parametrize("pool", ["sum", "add", "mean", "max", "min"])
def test_graph_head(pool: str):
    model = Predictor(GIN(4, 8, 2), GraphHead(Linear(8, 3), pool)).eval()
    graph = Graph(EDGES, 5, batch=BATCH)
    out = model(X, EDGES, BATCH)
    assert out.shape == (2, 3)
    torch.testing.assert_close(model(X, graph, graph), out)
    first = model(X[:3], EDGES[:, :4])
    torch.testing.assert_close(out[:1], first)


def test_an_own_pool_and_edge_inputs():
    def first_node(h: Tensor, batch: Tensor, size: int | None) -> Tensor:
        return h[:1]

    model = Predictor(GCN(4, 8, 2), GraphHead(Linear(8, 3), first_node))
    weight = torch.rand(5)
    expected = model.head.predict(model.encoder(X, EDGES, weight)[:1])
    assert torch.equal(model(X, EDGES, BATCH, edge_weight=weight), expected)


def test_encoder_and_head_are_trained_apart():
    model = Predictor(GCN(4, 8, 2), NodeHead(Linear(8, 3)))
    model.encoder.requires_grad_(False)
    model(X, EDGES).sum().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.head.parameters())
    torch.manual_seed(2)
    model.reset_parameters()
    first = model(X, EDGES)
    torch.manual_seed(2)
    model.reset_parameters()
    assert torch.equal(model(X, EDGES), first)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: MLP([4]), "channel_list: expected sizes"),
        (lambda: MLP(4), "expected in_channels, hidden_channels"),
        (lambda: MLP([4, 3, 2], dropout=[0.1]), "dropout: expected one value for each of 2"),
        (lambda: MLP([4, 3, 2], bias=[True]), "bias: expected one value for each of 2"),
        (lambda: MLP([4, 3, 2], act="rely"), "act: expected one of .* got 'rely'"),
        (lambda: GCN(4, 8, 2, norm="norm_of_norms"), "norm: expected one of"),
        (lambda: JumpingKnowledge("sum"), "mode: expected 'cat'"),
        (lambda: JumpingKnowledge("lstm"), "channels, num_layers: expected numbers"),
        (lambda: LayerNorm(4, mode="edge"), "mode: expected 'graph'"),
        (
            lambda: BatchNorm(4, track_running_stats=False, allow_single_element=True),
            "allow_single_element: expected False",
        ),
        (lambda: Linear(4, 3, weight_initializer="ones"), "weight_initializer: expected"),
        (lambda: Linear(4, 3, bias_initializer="ones"), "bias_initializer: expected"),
        (lambda: GraphHead(nn.Identity(), "first"), "aggr: expected one of .* got .first."),
        (lambda: EdgeHead()(X, EDGES.t()), "edge_label_index: expected shape"),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()
