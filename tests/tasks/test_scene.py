"""Relations in scenes: learnt, pruned and counted."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.data import digit_scenes
from graphkit.graph import Graph
from graphkit.nn import MLP, MessagePassing
from graphkit.tasks import SceneTask, prune, relation_f1, relation_recall


def logits(*probabilities: list[float]) -> Tensor:
    return torch.tensor(probabilities).log()


SCENE = Graph(torch.tensor([[0, 0, 1, 2], [1, 2, 0, 1]]), 3)
PREDICTION = logits([0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3])
TRUTH = torch.tensor([1, 0, 1, 2])


def test_pruning_leaves_what_was_found():
    found = prune(SCENE, PREDICTION)
    assert found.edge_index.tolist() == [[0, 1], [1, 0]]
    assert found.relation.tolist() == [1, 2]
    assert found.score.tolist() == pytest.approx([0.6, 0.5])
    assert prune(SCENE, PREDICTION, threshold=0.3).num_edges == 3
    assert prune(SCENE, PREDICTION, none=1).edge_index.tolist() == [[0, 1], [2, 0]]
    assert found.num_nodes == 3


def test_f1_counts_relations_alone():
    # Found: 1 (right), 2 (wrong). There: 1, 1, 2.
    assert relation_f1(PREDICTION, TRUTH) == pytest.approx(2 * 1 / (2 + 3))
    assert relation_f1(PREDICTION, torch.zeros(4, dtype=torch.long), threshold=0.9) == 0


def test_recall_counts_the_surest_of_every_scene():
    scene = torch.tensor([0, 0, 0, 0])
    # Candidates in order: 0.6 right, 0.5 wrong, then three of 0.3, two of them right.
    assert relation_recall(1, PREDICTION, TRUTH, scene) == pytest.approx(1 / 3)
    assert relation_recall(2, PREDICTION, TRUTH, scene) == pytest.approx(1 / 3)
    assert relation_recall(8, PREDICTION, TRUTH, scene) == 1
    two = torch.tensor([0, 0, 1, 1])
    assert relation_recall(4, PREDICTION, TRUTH, two) == 1


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"prediction: expected logits \[4, relations\]"):
        prune(SCENE, PREDICTION[:3])
    with pytest.raises(ValueError, match="none: expected a column of prediction, got 3"):
        prune(SCENE, PREDICTION, none=3)


class Relate(MessagePassing):
    """What is most outstanding among an object's relations to all others."""

    def __init__(self, channels: int) -> None:
        super().__init__(aggr="max")
        self.to_message = MLP([2 * channels + 3, channels, channels], norm=None)
        self.to_node = MLP([2 * channels, channels, channels], norm=None)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        found = self.propagate(graph, x=x, edge_attr=graph.edge_attr)
        return x + self.to_node(torch.cat([x, found], dim=1))

    def message(self, x_i: Tensor, x_j: Tensor, edge_attr: Tensor) -> Tensor:
        return self.to_message(torch.cat([x_i, x_j, edge_attr], dim=-1))


class Objects(nn.Module):
    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.first = MLP([66, 64, 64], plain_last=False)
        self.rest = nn.ModuleList(Relate(64) for _ in range(num_layers))

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        h = self.first(x)
        for layer in self.rest:
            h = layer(h, graph)
        return h


@pytest.mark.slow
def test_who_is_nearest_is_seen_by_passing_messages(train: Callable[..., Any]):
    """The same head, with and without a look at the rest of the scene."""
    dataset = digit_scenes()
    task = SceneTask.of(dataset)
    scores = []
    for layers in (0, 2):
        model, phases = train(task, dataset, lambda n=layers: Objects(n), 64, epochs=20, lr=0.005)
        with torch.no_grad():
            prediction, y = phases.test.all(model)
        scenes = Graph.batch([dataset.graphs[k] for k in dataset.split().test.tolist()])
        recall = relation_recall(10, prediction, y, scenes.edge_batch)
        scores.append((relation_f1(prediction, y), recall))
    (f1_without, recall_without), (f1, recall) = scores
    assert f1 > f1_without + 0.05
    assert recall > recall_without + 0.05
    assert f1 > 0.75
