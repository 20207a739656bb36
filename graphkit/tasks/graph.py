"""Prediction on whole graphs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.batches import Batches
from graphkit.data.dataset import Dataset
from graphkit.graph import Graph
from graphkit.nn import GraphHead, Linear
from graphkit.tasks.task import Phase, Phases, Task


class GraphTask(Task):
    """Classes, labels or numbers of graphs, learnt in batches."""

    level = "graph"

    def head(self, channels: int) -> nn.Module:
        return GraphHead(Linear(channels, self.num_outputs))

    def phases(
        self, dataset: Dataset, seed: int, *, batch_size: int = 32, **settings: Any
    ) -> Phases:
        split = dataset.split(seed)
        generator = torch.Generator().manual_seed(seed)

        def phase(members: Tensor, order: torch.Generator | None, size: int) -> Phase:
            return Phase(Batches(dataset.graphs, size, order, members), _predict)

        return Phases(
            phase(split.train, generator, batch_size),
            phase(split.val, None, max(batch_size, 256)),
            phase(split.test, None, max(batch_size, 256)),
        )


def _predict(model: nn.Module, batch: Graph) -> tuple[Tensor, Tensor]:
    return model(batch.x, batch, batch), batch.y
