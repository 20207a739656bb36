"""Which nodes of every graph stay, and the graphs they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.graph import Graph, as_graph
from graphkit.nn.inits import uniform
from graphkit.nn.resolver import activation_of

_TOLERANCE = 1e-7  # below the best score of a graph, so that its best node stays in any case


class Pooled(NamedTuple):
    """The nodes that stay.

    Attributes:
        x: ``[K, F]`` their features.
        edge_index: the edges among them, ``[2, E']``; or, where a Graph was given, that Graph
            with the nodes, edges and attributes that stay, and these features as its ``x``.
        edge_attr: features of these edges, or None.
        batch: ``[K]`` graph of every node.
        perm: ``[K]`` what its number was before; graph after graph.
        score: ``[K]`` its score.
    """

    x: Tensor
    edge_index: Any
    edge_attr: Tensor | None
    batch: Tensor
    perm: Tensor
    score: Tensor


class SelectTopK(nn.Module):
    """The nodes with the highest scores :math:`x_i^\\top p`; arguments as in :class:`TopKPooling`.

    Of equal scores the first node is the higher one.
    """

    def __init__(
        self,
        in_channels: int,
        ratio: float = 0.5,
        min_score: float | None = None,
        act: str | Callable[[Tensor], Tensor] | None = "tanh",
    ) -> None:
        super().__init__()
        if min_score is None and ratio <= 0:
            raise ValueError(f"ratio: expected a number above 0, got {ratio}")
        self.in_channels = in_channels
        self.ratio = ratio
        self.min_score = min_score
        self.act = activation_of(act)
        self.weight = nn.Parameter(torch.empty(1, in_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        uniform(self.weight, self.in_channels**-0.5)

    def forward(self, x: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of the nodes, graph after graph, and their scores."""
        if x.dim() != 2 or x.size(1) != self.in_channels:
            raise ValueError(f"x: expected shape [nodes, {self.in_channels}], got {tuple(x.shape)}")
        score = (x * self.weight).sum(-1)
        if self.min_score is not None:
            score = ops.segment_softmax(score, batch)
            perm = _above(score.detach(), batch, self.min_score)
        else:
            score = score / self.weight.norm()
            score = score if self.act is None else self.act(score)
            perm = _highest(score.detach(), batch, self.ratio)
        return perm, score[perm]

    def __repr__(self) -> str:
        given = {"ratio": self.ratio} if self.min_score is None else {"min_score": self.min_score}
        limit = ", ".join(f"{name}={value}" for name, value in given.items())
        return f"{type(self).__name__}({self.in_channels}, {limit})"


def pool_nodes(
    select: SelectTopK,
    of: Tensor,
    x: Tensor,
    edge_index: Any,
    edge_attr: Tensor | None,
    batch: Tensor | None,
    multiplier: float,
) -> Pooled:
    """What `select` leaves of a graph when it looks at `of`, its features multiplied by score."""
    graph = as_graph(edge_index, None if isinstance(edge_index, Graph) else len(x))
    if graph.is_bipartite or len(x) != graph.num_nodes:
        raise ValueError(
            f"x: expected the features of {graph.num_nodes} nodes of one set, got {tuple(x.shape)}"
        )
    if edge_attr is not None:
        graph = graph.replace(edge_attr=edge_attr)
    batch = graph.batch if batch is None else batch
    if batch.shape != (len(x),):
        raise ValueError(
            f"batch: expected shape ({len(x)},), one graph per node, got {tuple(batch.shape)}"
        )
    perm, score = select(of, batch)
    x = multiplier * x[perm] * score.unsqueeze(-1)
    kept = graph.subgraph(perm)
    given_tensor = isinstance(edge_index, Tensor) and edge_index.layout == torch.strided
    edges = kept.edge_index if given_tensor else kept.replace(x=x)
    return Pooled(x, edges, kept.edge_attr, batch[perm], perm, score)


def _highest(score: Tensor, batch: Tensor, ratio: float) -> Tensor:
    """As many nodes of every graph as `ratio` says, from the highest score down."""
    count = torch.bincount(batch)
    if ratio >= 1:
        most = torch.full_like(count, int(ratio))
    else:
        most = (ratio * count.to(score.dtype)).ceil().long()
    by_score = score.sort(descending=True, stable=True).indices
    order = by_score[batch[by_score].sort(stable=True).indices]
    graph = batch[order]
    place = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[graph]
    return order[place < most[graph]]


def _above(score: Tensor, batch: Tensor, min_score: float) -> Tensor:
    """The nodes with a higher score, and of every graph the best."""
    best = ops.segment_reduce(score, batch, None, None, 0, "max")[batch]
    return (score > (best - _TOLERANCE).clamp(max=min_score)).nonzero().view(-1)
