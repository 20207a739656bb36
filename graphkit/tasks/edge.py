"""Prediction on the edges that a graph has: their class, labels or numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.data.dataset import Dataset, Kind
from graphkit.data.links import pair_numbers
from graphkit.graph import Graph
from graphkit.nn import MLP
from graphkit.nn.inits import reset
from graphkit.tasks.task import Phase, Phases, Task


class EndsHead(nn.Module):
    """Prediction on an edge from both ends and its own features: ``predict([h_i, h_j, e])``.

    Without a direction the ends are told apart by nothing: ``predict([h_i + h_j, |h_i - h_j|,
    e])``.

    Args:
        predict: a module or any callable on rows.
        directed: whether an edge i -> j differs from j -> i.
    """

    def __init__(self, predict: Callable[[Tensor], Tensor], directed: bool = True) -> None:
        super().__init__()
        self.predict = predict
        self.directed = directed

    def reset_parameters(self) -> None:
        reset(self.predict)

    def forward(
        self, h: Tensor, edge_label_index: Tensor, edge_attr: Tensor | None = None
    ) -> Tensor:
        """``[P, out]``; `edge_label_index` ``[2, P]`` edges, `edge_attr` ``[P, F]`` of them."""
        a, b = h[edge_label_index[0]], h[edge_label_index[1]]
        parts = [a, b] if self.directed else [a + b, (a - b).abs()]
        if edge_attr is not None:
            parts.append(edge_attr)
        return self.predict(torch.cat(parts, dim=-1))


class Edges(NamedTuple):
    """One batch: what messages pass along, and the edges to predict."""

    graph: Graph
    ends: Tensor
    edge_attr: Tensor | None
    y: Tensor


class EdgeTask(Task):
    """Classes, labels or numbers of existing edges, some of which are known.

    Messages pass along training edges alone and carry what is known of them, their targets too
    (``[edge_attr, targets]``). In training some of these edges, drawn anew in every epoch, are
    taken out of the graph and predicted from the rest, so that no edge is told its own target. In
    validation and test messages pass along all training edges.

    Edges of a directed graph carry messages both ways; a last column of their features is 1 along
    the edge and -1 against it.

    Args:
        kind, metric, num_outputs: as of :class:`Task`.
        edge_features: columns of `edge_attr` that every edge has; 0 if there is none.
        directed: whether an edge i -> j differs from j -> i.
    """

    level = "edge"

    def __init__(
        self,
        kind: Kind,
        metric: str,
        num_outputs: int,
        *,
        edge_features: int = 0,
        directed: bool = True,
    ) -> None:
        super().__init__(kind, metric, num_outputs)
        self.edge_features = edge_features
        self.directed = directed

    @classmethod
    def of(cls, dataset: Dataset) -> EdgeTask:
        return cls(
            dataset.kind,
            dataset.metric,
            dataset.num_outputs,
            edge_features=dataset.num_edge_features,
            directed=not dataset.graph.is_undirected,
        )

    @property
    def message_features(self) -> int:
        """Columns of `edge_attr` on the graph that an encoder is given."""
        return self.edge_features + self.num_outputs + self.directed

    def head(self, channels: int) -> nn.Module:
        sizes = [2 * channels + self.edge_features, channels, self.num_outputs]
        return EndsHead(MLP(sizes, norm=None), self.directed)

    def phases(
        self, dataset: Dataset, seed: int, *, supervised: float = 0.5, **settings: Any
    ) -> Phases:
        """`supervised` is the share of the training edges that an epoch predicts."""
        graph, split = dataset.graph, dataset.split(seed)
        if not 0 < supervised < 1:
            raise ValueError(f"supervised: expected a share between 0 and 1, got {supervised}")

        def predict(model: nn.Module, edges: Edges) -> tuple[Tensor, Tensor]:
            return model(graph.x, edges.graph, edges.ends, edges.edge_attr), edges.y

        def phase(members: Tensor) -> Phase:
            return Phase([self._edges(graph, split.train, members)], predict)

        draws = _Draws(self, graph, split.train, supervised, seed)
        return Phases(Phase(draws, predict), phase(split.val), phase(split.test))

    def _edges(self, graph: Graph, known: Tensor, wanted: Tensor) -> Edges:
        """Predict `wanted` edges while messages pass along `known` ones."""
        ends, attr = graph.edge_index, graph.edge_attr
        told = [self._as_features(graph.y[known])]
        if attr is not None:
            told.insert(0, attr[known])
        messages, features = ends[:, known], torch.cat(told, dim=1)
        if self.directed:
            way = torch.ones(len(features), 1, dtype=features.dtype, device=features.device)
            messages = torch.cat([messages, messages.flip(0)], dim=1)
            features = torch.cat([torch.cat([features, sign * way], dim=1) for sign in (1, -1)])
        return Edges(
            # Both directions are there: of a directed graph just made, of another as they were.
            Graph(messages, graph.num_nodes, edge_attr=features, undirected=True),
            ends[:, wanted],
            None if attr is None else attr[wanted],
            graph.y[wanted],
        )

    def _as_features(self, y: Tensor) -> Tensor:
        if self.kind == "multiclass":
            return F.one_hot(y, self.num_outputs).float()
        return y.nan_to_num()


class _Draws:
    """One batch an epoch: some training edges, drawn anew, are predicted from the others."""

    def __init__(
        self, task: EdgeTask, graph: Graph, train: Tensor, supervised: float, seed: int
    ) -> None:
        self.task, self.graph, self.train, self.supervised = task, graph, train, supervised
        # Edges that join the same nodes are taken out together.
        self.pair = pair_numbers(graph)[train].unique(return_inverse=True)[1].cpu()
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[Edges]:
        share = torch.rand(int(self.pair.max()) + 1, generator=self.generator)
        out = (share < self.supervised)[self.pair]
        yield self.task._edges(self.graph, self.train[~out], self.train[out])
