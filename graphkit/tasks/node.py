"""Prediction on the nodes of one graph."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.graph import Graph
from graphkit.nn import Linear, NodeHead
from graphkit.tasks.task import Phase, Phases, Task


class NodeTask(Task):
    """Classes, labels or numbers of nodes, some of which are known. Transductive: messages pass
    along all edges, in training too, and the loss sees the training nodes alone."""

    level = "node"

    def head(self, channels: int) -> nn.Module:
        return NodeHead(Linear(channels, self.num_outputs))

    def phases(self, dataset: Dataset, seed: int, **settings: Any) -> Phases:
        graph, y = dataset.graph, dataset.y

        def phase(members: Tensor) -> Phase:
            target = y[members]

            def predict(model: nn.Module, whole: Graph) -> tuple[Tensor, Tensor]:
                return model(whole.x, whole)[members], target

            return Phase([graph], predict)

        return Phases(*map(phase, dataset.split(seed)))
