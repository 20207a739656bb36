"""Personalised propagation of neural predictions, of Gasteiger et al."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from graphkit.graph import Graph, SelfLoops
from graphkit.nn.conv.normalized import normalized
from graphkit.nn.message_passing import MessagePassing


class APPNP(MessagePassing):
    r"""Approximate personalised PageRank of predictions, Gasteiger et al. 2019, eq. 4.

    .. math::
        Z^{(0)} = X, \quad Z^{(k)} = (1 - \alpha)\, S Z^{(k-1)} + \alpha X, \quad X' = Z^{(K)},
        \quad S = \hat D^{-1/2} (A + I) \hat D^{-1/2}

    Args:
        K: number of steps :math:`K`.
        alpha: probability :math:`\alpha` of going back to the start.
        dropout: probability of leaving an edge out of a step while training.
        cached: keep the coefficients of the first call and use them in all later ones. Only a
            weighted graph gains from it; without weights they are kept with the graph anyway.
        add_self_loops: whether :math:`S` has the :math:`I`.
        normalize: compute :math:`S`; else it is :math:`A` with the edges' weights as they are.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, F]``, ``edge_weight`` ``[E]``; output ``[N, F]``.
    """

    def __init__(
        self,
        K: int,
        alpha: float,
        dropout: float = 0.0,
        cached: bool = False,
        add_self_loops: bool = True,
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.K = K
        self.alpha = alpha
        self.dropout = dropout
        self.cached = cached
        self.add_self_loops = add_self_loops
        self.normalize = normalize
        self._cached_edge_index: tuple[Graph | SelfLoops, Tensor] | None = None

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self._cached_edge_index = None

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        graph, weight = self._coefficients(x, edge_index, edge_weight)
        teleport = self.alpha * x
        for _ in range(self.K):
            x = self.propagate(graph, x=x, edge_weight=weight) + teleport
        return x

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        weight = F.dropout(edge_weight, self.dropout, self.training)
        return (1 - self.alpha) * weight.view(-1, 1) * x_j

    def _coefficients(
        self, x: Tensor, edge_index: Any, edge_weight: Tensor | None
    ) -> tuple[Graph | SelfLoops, Tensor]:
        if self._cached_edge_index is not None:
            return self._cached_edge_index
        graph, weight = normalized(
            self,
            x,
            edge_index,
            edge_weight,
            add_self_loops=self.add_self_loops,
            normalize=self.normalize,
        )
        if weight is None:
            assert isinstance(graph, Graph)
            weight = x.new_ones(graph.num_edges)  # for dropout to act on
        if self.cached:
            self._cached_edge_index = graph, weight
        return graph, weight

    def __repr__(self) -> str:
        return f"{type(self).__name__}(K={self.K}, alpha={self.alpha})"
