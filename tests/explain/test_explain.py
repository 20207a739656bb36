"""Explanations of predictions of which it is known what they rest on."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphkit.explain import (
    Explanation,
    Prediction,
    attention,
    fidelity,
    gnn_explainer,
    input_x_gradient,
    integrated_gradients,
    saliency,
)
from graphkit.graph import Graph
from graphkit.nn import GAT, GCN, EdgeHead, GATConv, GraphHead, MessagePassing, NodeHead, Predictor

METHODS = [gnn_explainer, saliency, input_x_gradient, integrated_gradients]

# Nodes 1 to 4 speak to node 0; what 1 and 3 say counts, 2 says the contrary, 4 nothing. Node 5
# speaks to 1, and 6 to itself, which node 0 does not hear in one step.
EDGES = torch.tensor([[1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 1, 6]])
X = torch.tensor([[0.0, 0.0], [2.0, 1.0], [-1.0, 5.0], [1.0, 0.0], [0.0, 3.0], [9.0, 9.0], [9, 9]])
GRAPH = Graph(EDGES, 7)


class Reader(MessagePassing):
    """Logits (0, sum of the neighbours' first feature)."""

    def forward(self, x, graph):
        return F.pad(self.propagate(graph, x=x)[:, :1], (1, 0))


def reading(**options):
    return Prediction(Reader(), X, GRAPH, index=0, **options)


class TestGradients:
    def test_saliency(self):
        explanation = saliency(reading())
        assert explanation.edge_mask.tolist() == [2, 1, 1, 0, 0, 0]
        assert explanation.feature_mask.tolist() == [[0, 0], *[[1, 0]] * 4, [0, 0], [0, 0]]
        assert explanation.node_mask.tolist() == [0, 1, 1, 1, 1, 0, 0]

    def test_input_x_gradient(self):
        explanation = input_x_gradient(reading())
        assert explanation.edge_mask.tolist() == [2, -1, 1, 0, 0, 0]
        assert explanation.node_mask.tolist() == [0, 2, -1, 1, 0, 0, 0]

    def test_integrated_gradients_are_complete(self):
        prediction = reading()
        explanation = integrated_gradients(prediction, steps=4)
        torch.testing.assert_close(explanation.edge_mask[:4], torch.tensor([1.0, -0.5, 0.5, 0]))
        total = explanation.edge_mask.sum() + explanation.feature_mask.sum()
        torch.testing.assert_close(total, prediction.output[0, 1])

    def test_integrated_gradients_of_a_deep_model_are_complete(self):
        model = GCN(2, 8, 2, out_channels=3, act="tanh")
        prediction = Prediction(model, X, GRAPH, index=0)
        explanation = integrated_gradients(prediction, steps=200)
        nothing = prediction.run(torch.zeros_like(X), torch.zeros(6))
        expected = prediction.score(prediction.output) - prediction.score(nothing)
        total = explanation.edge_mask.sum() + explanation.feature_mask.sum()
        torch.testing.assert_close(total, expected.detach(), atol=1e-3, rtol=1e-3)


class TestGNNExplainer:
    def test_finds_what_counts(self):
        explanation = gnn_explainer(reading(), feature_size=0.1)
        mask = explanation.edge_mask
        assert mask[0] > 0.9  # which alone suffices
        assert mask[1] < 0.1  # what speaks against it
        assert mask[3:].tolist() == [0, 0, 0]  # what it does not depend on
        features = explanation.feature_mask
        assert features[0] > 0.9 > 0.2 > features[1]
        assert ((mask >= 0) & (mask <= 1)).all()

    def test_repeatable(self):
        state = torch.get_rng_state()
        first, second = (gnn_explainer(reading(), epochs=3) for _ in range(2))
        assert torch.equal(first.edge_mask, second.edge_mask)
        assert not torch.equal(first.edge_mask, gnn_explainer(reading(), seed=1).edge_mask)
        assert torch.equal(torch.get_rng_state(), state)

    def test_directions_of_an_undirected_edge_count_alike(self):
        graph = GRAPH.to_undirected()
        mask = gnn_explainer(Prediction(Reader(), X, graph, index=0), epochs=20).edge_mask
        masks = dict(zip(map(tuple, graph.edge_index.t().tolist()), mask.tolist(), strict=True))
        assert all(masks[v, u] == value for (u, v), value in masks.items())
        assert masks[0, 1] > 0
        assert masks[1, 5] == 0

    @pytest.mark.parametrize(
        ("method", "option"), [(gnn_explainer, "epochs"), (integrated_gradients, "steps")]
    )
    def test_bad_options(self, method, option):
        with pytest.raises(ValueError, match=f"{option}: expected at least 1, got 0"):
            method(reading(), **{option: 0})


class TestAttention:
    def test_mean_of_heads_and_layers(self):
        conv = GATConv(2, 3, heads=2)
        nn.init.zeros_(conv.att_src)
        nn.init.zeros_(conv.att_dst)
        explanation = attention(Prediction(conv, X, GRAPH, index=0))
        # Node 0 attends to four neighbours and to itself alike.
        torch.testing.assert_close(explanation.edge_mask, torch.tensor([0.2] * 4 + [0, 0]))

    @pytest.mark.parametrize("self_loops", [True, False])
    def test_loops_find_their_places(self, self_loops):
        conv = GATConv(2, 3, heads=2, add_self_loops=self_loops)
        loops = Graph(torch.tensor([[0, 1, 1, 2], [0, 1, 0, 1]]), 3)
        x = torch.rand(3, 2)
        _, (edge_index, alpha) = conv(x, loops, return_attention_weights=True)
        mask = attention(Prediction(conv, x, loops)).edge_mask
        for number, edge in enumerate(loops.edge_index.t()):
            there = (edge_index == edge.view(2, 1)).all(0)
            torch.testing.assert_close(mask[number], alpha[there].mean())

    def test_model_is_as_before(self):
        torch.manual_seed(0)  # some starts leave units that nothing gets through
        model = GAT(2, 4, 2, out_channels=3, heads=2)
        before = model(X, GRAPH)
        explanation = attention(Prediction(model, X, GRAPH, index=0))
        assert (explanation.edge_mask[:5] > 0).all()
        assert torch.equal(model(X, GRAPH), before)

    def test_models_without(self):
        with pytest.raises(ValueError, match=r"model: expected layers that .* got GCNConv"):
            attention(Prediction(GCN(2, 3, 1), X, GRAPH))


class TestPrediction:
    @pytest.mark.parametrize("method", METHODS)
    def test_leaves_the_model_alone(self, method):
        model = GCN(2, 4, 2, out_channels=3, norm="batch_norm", dropout=0.5)
        model.norms[0].eval()
        state = {name: value.clone() for name, value in model.state_dict().items()}
        modes = [module.training for module in model.modules()]
        method(Prediction(model, X, GRAPH, index=0))
        assert [module.training for module in model.modules()] == modes
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(conv.edge_mask is None for conv in model.convs)

    @pytest.mark.parametrize("method", METHODS)
    def test_frozen_models(self, method):
        model = GCN(2, 4, 2, out_channels=3).requires_grad_(False)
        assert (method(Prediction(model, X, GRAPH, index=0)).edge_mask[:5] != 0).any()

    @pytest.mark.parametrize("method", METHODS)
    def test_edges(self, method):
        model = Predictor(GCN(2, 4, 1), EdgeHead())
        pairs = torch.tensor([[0, 6], [1, 6]])
        explanation = method(Prediction(model, X, GRAPH, pairs, index=0, kind="binary"))
        assert (explanation.edge_mask != 0).any()
        assert explanation.edge_mask[5] == 0  # of the other pair

    @pytest.mark.parametrize("method", METHODS)
    def test_graphs(self, method):
        batch = Graph.batch([GRAPH, GRAPH])
        model = Predictor(GCN(2, 4, 2), GraphHead(nn.Linear(4, 3)))
        x = torch.cat([X, X])
        explanation = method(Prediction(model, x, batch, batch, index=1))
        assert not explanation.edge_mask[:6].any()
        assert explanation.edge_mask[6:].any()

    @pytest.mark.parametrize("method", METHODS)
    def test_categories_get_no_feature_mask(self, method):
        class Embedded(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.conv = nn.Embedding(3, 4), GCN(4, 4, 1, out_channels=2)

            def forward(self, x, graph):
                return self.conv(self.embed(x), graph)

        x = torch.tensor([0, 1, 2, 0, 1, 2, 0])
        explanation = method(Prediction(Embedded(), x, GRAPH, index=0))
        assert explanation.feature_mask is None
        assert explanation.edge_mask.any()
        assert explanation.node_mask[6] == 0

    def test_several_rows_together(self):
        assert saliency(Prediction(Reader(), X, GRAPH)).edge_mask.tolist() == [2, 1, 1, 0, 9, 9]
        rows = torch.tensor([0, 6])
        several = saliency(Prediction(Reader(), X, GRAPH, index=rows))
        assert several.edge_mask.tolist() == [2, 1, 1, 0, 0, 9]

    def test_targets(self):
        assert reading().target.tolist() == [1]
        against = input_x_gradient(reading(target=0))
        assert not against.edge_mask.any()  # that logit is always 0

    def test_binary_targets(self):
        head = Predictor(Reader(), NodeHead(lambda h: h[:, 1]))
        yes = Prediction(head, X, GRAPH, index=0, kind="binary")
        no = Prediction(head, X, GRAPH, index=0, kind="binary", target=0)
        assert (yes.target.tolist(), no.target.tolist()) == ([[1]], [[0]])
        assert torch.equal(input_x_gradient(no).edge_mask, -input_x_gradient(yes).edge_mask)
        total = yes.probability(yes.output) + no.probability(no.output)
        torch.testing.assert_close(total, torch.ones(1))

    def test_whatever_describes_a_graph(self):
        import scipy.sparse as sp

        matrix = sp.coo_array((torch.ones(6), tuple(EDGES.numpy())), shape=(7, 7))
        for graph in (EDGES, matrix):
            explanation = saliency(Prediction(Reader(), X, graph, index=0))
            assert explanation.edge_mask.tolist() == [2, 1, 1, 0, 0, 0]

    def test_sparse_features(self):
        dense = saliency(Prediction(Reader(), X, GRAPH, index=0))
        sparse = saliency(Prediction(Reader(), X.to_sparse(), GRAPH, index=0))
        assert torch.equal(dense.edge_mask, sparse.edge_mask)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: reading(kind="classes"), "kind: expected one of multiclass, binary, regres"),
            (lambda: Prediction(nn.Linear(2, 2), X, GRAPH), "model: expected layers that pass"),
            (
                lambda: Prediction(Predictor(Reader(), NodeHead(lambda h: h[:, 1])), X, GRAPH),
                "kind: expected 'binary' or 'regression' for an output of one number",
            ),
            (lambda: reading(target=2), r"target: expected numbers from 0 to 1 of shape \[1\]"),
            (lambda: reading(target=torch.tensor([0, 1])), "target: expected numbers from 0 to 1"),
            (lambda: reading(kind="regression", target=1), "target: expected none for a regress"),
        ],
    )
    def test_bad_input(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()


class TestExplanation:
    def test_top(self):
        top = input_x_gradient(reading()).top(4)
        assert top.edge_mask.tolist() == [1, 0, 1, 0, 0, 0]  # nothing that does not support it
        assert top.sparsity == pytest.approx(4 / 6)
        assert saliency(reading()).top(2).edge_mask.tolist() == [1, 1, 0, 0, 0, 0]
        assert not saliency(reading()).top(0).edge_mask.any()
        with pytest.raises(ValueError, match="count: expected no negative number, got -1"):
            top.top(-1)

    def test_scores_are_no_mask(self):
        with pytest.raises(ValueError, match=r"edge_mask: expected factors from 0 to 1, .* to 2;"):
            saliency(reading()).sparsity  # noqa: B018

    def test_nodes_of_important_edges(self):
        explanation = Explanation(GRAPH, torch.tensor([0.1, 0.5, 0.2, 0, 0, 0]))
        torch.testing.assert_close(
            explanation.node_mask, torch.tensor([0.5, 0.1, 0.5, 0.2, 0, 0, 0])
        )

    def test_without_edges(self):
        empty = Graph(torch.empty(2, 0, dtype=torch.int64), 3)
        explanation = gnn_explainer(Prediction(GCN(2, 2, 1), X[:3], empty), epochs=2)
        assert explanation.edge_mask.shape == (0,)
        assert explanation.sparsity == 0
        assert explanation.node_mask.tolist() == [0, 0, 0]


class TestFidelity:
    """Logits (0, s): the probability of class 1 is the sigmoid of s, which is 2 for the graph."""

    def drop(self, to):
        return 1 / (1 + math.exp(-2)) - 1 / (1 + math.exp(-to))

    def test_what_supports_the_prediction(self):
        found = fidelity(reading(), Explanation(GRAPH, torch.tensor([1.0, 0, 1, 0, 0, 0])))
        assert found.plus == pytest.approx(self.drop(to=-1), abs=1e-6)
        assert found.minus == pytest.approx(self.drop(to=3), abs=1e-6)
        assert (found.plus_label, found.minus_label) == (1, 0)

    def test_what_does_not_matter(self):
        found = fidelity(reading(), Explanation(GRAPH, torch.tensor([0.0, 0, 0, 1, 1, 1])))
        assert found.plus == 0
        assert found.minus == pytest.approx(self.drop(to=0), abs=1e-6)
        assert (found.plus_label, found.minus_label) == (0, 1)  # of equal logits, class 0

    def test_features(self):
        everything = Explanation(GRAPH, torch.ones(6), torch.tensor([1.0, 0.0]))
        assert fidelity(reading(), everything).minus == 0
        nothing = Explanation(GRAPH, torch.ones(6), torch.tensor([0.0, 1.0]))
        assert fidelity(reading(), nothing).minus == pytest.approx(self.drop(to=0), abs=1e-6)

    def test_regression(self):
        head = Predictor(Reader(), NodeHead(lambda h: h[:, 1]))
        prediction = Prediction(head, X, GRAPH, index=0, kind="regression")
        found = fidelity(prediction, saliency(prediction).top(1))
        assert found == (2, 0, None, None)
        assert gnn_explainer(prediction, epochs=300).edge_mask[0] > 0.9

    def test_binary(self):
        head = Predictor(Reader(), NodeHead(lambda h: h[:, 1]))
        prediction = Prediction(head, X, GRAPH, index=0, kind="binary")
        found = fidelity(prediction, saliency(prediction).top(1))
        assert found.plus == pytest.approx(self.drop(to=0), abs=1e-6)
        assert found.minus == pytest.approx(0, abs=1e-6)

    def test_scores_are_no_mask(self):
        with pytest.raises(ValueError, match="edge_mask: expected factors from 0 to 1"):
            fidelity(reading(), saliency(reading()))
