"""Self-attention graph pooling of Lee, Lee & Kang."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from graphkit.nn.conv.graph_conv import GraphConv
from graphkit.nn.inits import reset
from graphkit.nn.pool.select import Pooled, SelectTopK, pool_nodes


class SAGPooling(nn.Module):
    r"""Keeps the nodes that a graph layer scores highest, Lee et al. 2019, eqs. 3-5.

    .. math::
        y = \sigma\big(\mathrm{GNN}(X, A)\big), \quad I = \mathrm{top}_k(y), \quad
        X' = (X \odot y)_I, \quad A' = A_{I, I}

    or with ``min_score`` those where :math:`\mathrm{softmax}(\mathrm{GNN}(X, A))` is above it. As
    :class:`TopKPooling`, but the score of a node depends on its neighbours.

    Args:
        in_channels: size of the input features.
        ratio: part of the nodes of every graph to keep, rounded up; from 1 on, their number.
        GNN: class of the layer, called as ``GNN(in_channels, 1, **kwargs)``.
        min_score: the least score; ``ratio`` then has no effect.
        multiplier: of the features that stay.
        nonlinearity: :math:`\sigma`, a name or a callable.
        **kwargs: of the layer.
    """

    def __init__(
        self,
        in_channels: int,
        ratio: float = 0.5,
        GNN: Callable[..., nn.Module] = GraphConv,
        min_score: float | None = None,
        multiplier: float = 1.0,
        nonlinearity: str | Callable[[Tensor], Tensor] = "tanh",
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.ratio = ratio
        self.min_score = min_score
        self.multiplier = multiplier
        self.gnn = GNN(in_channels, 1, **kwargs)
        self.select = SelectTopK(1, ratio, min_score, nonlinearity)

    def reset_parameters(self) -> None:
        reset(self.gnn)
        self.select.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Any,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        attn: Tensor | None = None,
    ) -> Pooled:
        """``(x, edge_index, edge_attr, batch, perm, score)`` of the nodes that stay; arguments as
        in :class:`TopKPooling`."""
        of = x if attn is None else attn
        of = self.gnn(of.unsqueeze(-1) if of.dim() == 1 else of, edge_index)
        return pool_nodes(self.select, of, x, edge_index, edge_attr, batch, self.multiplier)

    def __repr__(self) -> str:
        limit = f"ratio={self.ratio}" if self.min_score is None else f"min_score={self.min_score}"
        return (
            f"{type(self).__name__}({type(self.gnn).__name__}, {self.in_channels}, {limit}, "
            f"multiplier={self.multiplier})"
        )
