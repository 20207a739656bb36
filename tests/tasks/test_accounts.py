"""Few labels among many accounts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.data import Dataset, check_split, load, longest_path
from graphkit.graph import Graph
from graphkit.nn import GCN, Dropout, Linear
from graphkit.tasks import NodeTask, few_labels


def test_a_few_of_each_class():
    dataset = few_labels(load("digits-knn"), 5, 10)
    split = dataset.split(2)
    check_split(split, 1797)
    assert dataset.y[split.train].bincount().tolist() == [5] * 10
    assert dataset.y[split.val].bincount().tolist() == [10] * 10
    assert dataset.split_name == "5/10 per class by seed"


def test_one_label_counts_as_two_classes():
    digits = load("digits-knn")
    y = (digits.y == 3).float().unsqueeze(1)
    graph = digits.graph.replace(node_attrs={"y": y})
    bots = replace(digits, kind="multilabel", num_outputs=1, graphs=[graph])
    split = few_labels(bots, 20, 30).split(0)
    assert [int(y[part].sum()) for part in split[:2]] == [20, 30]
    assert [len(part) for part in split[:2]] == [40, 60]
    y[7] = torch.nan
    with pytest.raises(ValueError, match="expected a label for every node of digits-knn, got NaN"):
        few_labels(replace(bots, graphs=[graph.replace(node_attrs={"y": y})]))


def test_what_has_no_classes():
    with pytest.raises(ValueError, match="nodes with classes or one label, got graph regression"):
        few_labels(longest_path(10))


class Profiles(nn.Module):
    """What profiles say, alone or averaged over friends."""

    def __init__(self, features: int, outputs: int, num_layers: int) -> None:
        super().__init__()
        self.first = nn.Sequential(Dropout(0.5), Linear(features, 32), nn.ReLU(), Dropout(0.5))
        self.rest = GCN(32, 32, num_layers, outputs, dropout=0.5) if num_layers else None
        self.alone = Linear(32, outputs)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        h = self.first(x)
        return self.alone(h) if self.rest is None else self.rest(h, graph)


@pytest.mark.slow
def test_kinds_of_pages_by_their_neighbours(
    real: Callable[[str], Dataset], train: Callable[..., Any]
):
    """20 labelled pages of each kind among 22,470: friends tell more than the profile."""
    dataset = few_labels(real("facebook"))

    class Bare(NodeTask):
        def head(self, channels: int) -> nn.Module:
            return nn.Identity()

    task = Bare.of(dataset)
    scores = []
    for layers in (0, 2):
        encoder = lambda n=layers: Profiles(dataset.num_features, 4, n)  # noqa: E731
        model, phases = train(task, dataset, encoder, 4, epochs=40, weight_decay=5e-4)
        scores.append(task.evaluate(model, phases.test)[0])
    alone, together = scores
    assert together > alone + 0.05
    assert together > 0.6
