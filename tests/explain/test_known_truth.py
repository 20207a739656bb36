"""Explanations of trained models against what is known to matter, and against chance."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from graphkit.explain import Explanation, Prediction, attention, fidelity, gnn_explainer, saliency
from graphkit.nn import GAT, GCN, GIN
from tests.explain.houses import houses


def train(model, graph, chosen, epochs, lr, decay=0.0):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=decay)
    for _ in range(epochs):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(graph.x, graph)[chosen], graph.y[chosen]).backward()
        optimizer.step()
    return model.eval()


def at_random(prediction):
    draw = torch.Generator().manual_seed(0)
    noise = torch.rand(prediction.graph.num_edges, generator=draw)
    return Explanation(prediction.graph, noise * prediction.edges_in_reach())


@pytest.mark.slow
class TestHouses:
    """A node of a house has its class because of the house: its edges are the explanation."""

    @pytest.fixture(scope="class")
    @classmethod
    def village(cls):
        torch.manual_seed(0)
        graph, house = houses(base=100, count=25)
        model = GIN(10, 20, 3, out_channels=4, norm="layer_norm")
        train(model, graph, slice(None), epochs=600, lr=0.005)
        right = model(graph.x, graph).argmax(1) == graph.y
        assert right.float().mean() > 0.85
        nodes = [node for node in range(100, graph.num_nodes, 8) if right[node]]
        return model, graph, house, nodes

    def area(self, village, method):
        model, graph, house, nodes = village
        areas = []
        for node in nodes:
            prediction = Prediction(model, graph.x, graph, index=node)
            reach = prediction.edges_in_reach()
            truth = house == (node - 100) // 5
            scores = method(prediction).edge_mask
            areas.append(roc_auc_score(truth[reach], scores[reach]))
        return sum(areas) / len(areas)

    def test_chance(self, village):
        assert 0.4 < self.area(village, at_random) < 0.6

    def test_gnn_explainer(self, village):
        assert self.area(village, gnn_explainer) > 0.75

    def test_saliency(self, village):
        assert self.area(village, saliency) > 0.75


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method"), [(GCN, saliency), (GCN, gnn_explainer), (GAT, attention)]
)
def test_cora(kind, method, data_root):
    """The few edges an explanation names keep a prediction better than as many at random."""
    from graphkit.data import load

    dataset = load("cora", folder=data_root, download=False)
    graph, split = dataset.graph, dataset.split()
    torch.manual_seed(0)
    model = kind(dataset.num_features, 16, 2, out_channels=7)
    train(model, graph, split.train, epochs=60, lr=0.01, decay=5e-4)
    drops = {}
    for name, explain in (("method", method), ("chance", at_random)):
        found = []
        for node in split.test[:6].tolist():
            prediction = Prediction(model, graph.x, graph, index=node)
            found.append(fidelity(prediction, explain(prediction).top(5)))
        drops[name] = [sum(column) / len(found) for column in zip(*found, strict=True)]
    assert drops["method"][0] > drops["chance"][0] + 0.1
    assert drops["method"][1] < drops["chance"][1] - 0.1
