"""Scene graphs: which relation every object of a scene has to every other, or none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.batches import Batches
from graphkit.data.dataset import Dataset
from graphkit.graph import Graph
from graphkit.metrics import recall_at
from graphkit.nn import MLP
from graphkit.tasks.edge import EndsHead
from graphkit.tasks.task import Phase, Phases, Task


class SceneTask(Task):
    """Relations between the objects of many scenes, "none" among them.

    Every scene is a graph whose objects are nodes, each joined to every other; messages pass along
    all these edges, which are there whatever the relations are. Scenes are split, not edges, so
    what is to be predicted is never seen in training. :func:`prune` leaves what was found.

    Args:
        kind, metric, num_outputs: as of :class:`Task`.
        edge_features: columns of `edge_attr`; 0 if there is none.
    """

    level = "edge"

    def __init__(self, kind: Any, metric: str, num_outputs: int, *, edge_features: int = 0) -> None:
        super().__init__(kind, metric, num_outputs)
        self.edge_features = edge_features

    @classmethod
    def of(cls, dataset: Dataset) -> SceneTask:
        return cls(
            dataset.kind,
            dataset.metric,
            dataset.num_outputs,
            edge_features=dataset.num_edge_features,
        )

    def head(self, channels: int) -> nn.Module:
        sizes = [2 * channels + self.edge_features, channels, self.num_outputs]
        return EndsHead(MLP(sizes, norm=None))

    def phases(
        self, dataset: Dataset, seed: int, *, batch_size: int = 32, **settings: Any
    ) -> Phases:
        split = dataset.split(seed)
        generator = torch.Generator().manual_seed(seed)

        def phase(members: Tensor, order: torch.Generator | None) -> Phase:
            graphs = [dataset.graphs[i] for i in members.tolist()]
            return Phase(Batches(graphs, batch_size, order), _predict)

        return Phases(
            phase(split.train, generator), phase(split.val, None), phase(split.test, None)
        )


def _predict(model: nn.Module, batch: Graph) -> tuple[Tensor, Tensor]:
    return model(batch.x, batch, batch.edge_index, batch.edge_attr), batch.y


def prune(graph: Graph, prediction: Tensor, *, none: int = 0, threshold: float = 0.5) -> Graph:
    """The graph with the edges alone on which a relation was found.

    An edge stays if the most probable relation but `none` has a probability of at least
    `threshold`. It is numbered in the edge attribute `relation`; `score` is its probability.

    Args:
        graph: A scene, or a batch of scenes.
        prediction: ``[E, R]`` logits of relations.
        none: The number that stands for no relation.
        threshold: 0.5 and more leaves at most what is more probable than anything else.
    """
    if prediction.dim() != 2 or len(prediction) != graph.num_edges:
        raise ValueError(
            f"prediction: expected logits [{graph.num_edges}, relations], "
            f"got shape {tuple(prediction.shape)}"
        )
    if not 0 <= none < prediction.size(1):
        raise ValueError(f"none: expected a column of prediction, got {none}")
    score, relation = _best(prediction, none)
    found = graph.replace(edge_attrs={"relation": relation, "score": score})
    return found.edge_subgraph(score >= threshold)


def relation_f1(prediction: Tensor, y: Tensor, *, none: int = 0, threshold: float = 0.5) -> float:
    """F1 of the relations that :func:`prune` leaves, against those that are there.

    A relation is found if its edge is left and bears its number; `none` counts on neither side.

    Args:
        prediction: ``[E, R]`` logits.
        y: ``[E]`` true relations.
        none, threshold: As of :func:`prune`.
    """
    score, relation = _best(prediction, none)
    kept = score >= threshold
    right = (kept & (relation == y)).sum()
    both = kept.sum() + (y != none).sum()
    return (2 * right / both).item() if both else 0.0


def relation_recall(
    k: int, prediction: Tensor, y: Tensor, scene: Tensor, *, none: int = 0
) -> float:
    """Recall@k: share of a scene's relations among its `k` most probable ones, mean over scenes.

    Every relation but `none` on every edge is a candidate, so that one pair may have several. Lu
    et al. 2016, section 4.1.

    Args:
        k: How many candidates of every scene count.
        prediction: ``[E, R]`` logits.
        y: ``[E]`` true relations.
        scene: ``[E]`` scene of every edge: `edge_batch` of a batch.
        none: The number that stands for no relation.
    """
    relations = torch.arange(prediction.size(1), device=prediction.device)
    relations = relations[relations != none]
    score = prediction.detach().softmax(dim=1)[:, relations]
    right = y[:, None] == relations
    group = scene[:, None].expand_as(score)
    return recall_at(k, score.flatten(), right.flatten(), group.flatten())


def _best(prediction: Tensor, none: int) -> tuple[Tensor, Tensor]:
    """The most probable relation but `none` on every edge: its probability and number."""
    probability = prediction.detach().softmax(dim=1)
    probability[:, none] = -1.0
    score, relation = probability.max(dim=1)
    return score, relation
