"""GCNII of Chen et al."""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.nn.conv.normalized import Weighted, normalized
from graphkit.nn.inits import glorot
from graphkit.nn.message_passing import MessagePassing


class GCN2Conv(MessagePassing):
    r"""Graph convolution with initial residual and identity mapping, Chen et al. 2020, eq. 5.

    .. math::
        X' = \big((1 - \alpha)\, S X + \alpha X_0\big)\big((1 - \beta) I + \beta \Theta_1\big),
        \quad S = \hat D^{-1/2} (A + I) \hat D^{-1/2}, \quad
        \beta = \log(\theta / \ell + 1)

    With ``shared_weights=False`` :math:`X_0` has a :math:`\Theta_2` of its own, which makes it
    GCNII* (their eq. 7).

    Args:
        channels: size of the features.
        alpha: share :math:`\alpha` of the initial features.
        theta, layer: :math:`\theta` and the layer's number :math:`\ell`, from 1. Without them
            :math:`\beta = 1`.
        shared_weights: one :math:`\Theta` for both terms.
        cached: keep the coefficients of the first call and use them in all later ones. Only a
            weighted graph gains from it; without weights they are kept with the graph anyway.
        add_self_loops: whether :math:`S` has the :math:`I`.
        normalize: compute :math:`S`; else it is :math:`A` with the edges' weights as they are.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, F]``, ``x_0`` ``[N, F]`` (further rows are left out), ``edge_weight`` ``[E]``;
        output ``[N, F]``.
    """

    def __init__(
        self,
        channels: int,
        alpha: float,
        theta: float | None = None,
        layer: int | None = None,
        shared_weights: bool = True,
        cached: bool = False,
        add_self_loops: bool = True,
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        if (theta is None) != (layer is None):
            raise ValueError(f"theta, layer: expected both or neither, got {theta} and {layer}")
        self.channels = channels
        self.alpha = alpha
        self.beta = 1.0 if theta is None or layer is None else log(theta / layer + 1)
        self.cached = cached
        self.add_self_loops = add_self_loops
        self.normalize = normalize
        self.weight1 = nn.Parameter(torch.empty(channels, channels))
        self.weight2 = None if shared_weights else nn.Parameter(torch.empty(channels, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        glorot(self.weight1)
        glorot(self.weight2)
        self._cached_edge_index: Weighted | None = None

    def forward(
        self, x: Tensor, x_0: Tensor, edge_index: Any, edge_weight: Tensor | None = None
    ) -> Tensor:
        graph, weight = self._coefficients(x, edge_index, edge_weight)
        x = self.propagate(graph, x=x, edge_weight=weight)
        x_0 = self._initial(x_0, x.size(0))
        if self.weight2 is None:
            return torch.add(x, x_0, alpha=self.alpha) @ self._map(self.weight1)
        return x @ self._map(self.weight1) + x_0 @ (self.alpha * self._map(self.weight2))

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        share = 1 - self.alpha
        return share * x_j if edge_weight is None else share * edge_weight.view(-1, 1) * x_j

    def _map(self, weight: Tensor) -> Tensor:
        r""":math:`(1 - \beta) I + \beta \Theta`, before it meets the rows, which are many."""
        identity = torch.eye(self.channels, dtype=weight.dtype, device=weight.device)
        return torch.lerp(identity, weight, self.beta)

    def _initial(self, x_0: Tensor, count: int) -> Tensor:
        if x_0.dim() != 2 or x_0.size(0) < count or x_0.size(1) != self.channels:
            raise ValueError(
                f"x_0: expected shape ({count}, {self.channels}), got {tuple(x_0.shape)}"
            )
        return x_0 if x_0.size(0) == count else x_0[:count]

    def _coefficients(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None) -> Weighted:
        found = self._cached_edge_index
        if found is None:
            found = normalized(
                self,
                x,
                edge_index,
                edge_weight,
                add_self_loops=self.add_self_loops,
                normalize=self.normalize,
            )
        if self.cached:
            self._cached_edge_index = found
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, alpha={self.alpha}, beta={self.beta})"
