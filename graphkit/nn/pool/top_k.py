"""Top-k pooling of Gao & Ji."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from graphkit.nn.pool.select import Pooled, SelectTopK, pool_nodes


class TopKPooling(nn.Module):
    r"""Keeps the nodes that score highest on a learnt direction, Gao & Ji 2019, "Graph U-Nets",
    eq. 2; Cangea et al. 2018.

    .. math::
        y = \sigma\Big(\frac{X p}{\lVert p \rVert}\Big), \quad I = \mathrm{top}_k(y), \quad
        X' = (X \odot y)_I, \quad A' = A_{I, I}

    with :math:`k` a part of the nodes of every graph. With ``min_score`` instead, Knyazev et al.
    2019:

    .. math::
        y = \mathrm{softmax}(X p), \quad I = \{i : y_i > \tilde\alpha\}

    and in any case the best node of a graph. Features are multiplied by their scores, which is how
    the direction gets a gradient.

    Args:
        in_channels: size of the input features.
        ratio: part of the nodes to keep, rounded up; from 1 on, their number.
        min_score: :math:`\tilde\alpha`; ``ratio`` then has no effect.
        multiplier: of the features that stay, as scores are small where there are many nodes.
        nonlinearity: :math:`\sigma`, a name or a callable.
    """

    def __init__(
        self,
        in_channels: int,
        ratio: float = 0.5,
        min_score: float | None = None,
        multiplier: float = 1.0,
        nonlinearity: str | Callable[[Tensor], Tensor] = "tanh",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.ratio = ratio
        self.min_score = min_score
        self.multiplier = multiplier
        self.select = SelectTopK(in_channels, ratio, min_score, nonlinearity)

    def reset_parameters(self) -> None:
        self.select.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Any,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        attn: Tensor | None = None,
    ) -> Pooled:
        """``(x, edge_index, edge_attr, batch, perm, score)`` of the nodes that stay.

        Args:
            x: ``[N, in_channels]``.
            edge_index: ``[2, E]``, which is answered in kind; or a Graph or anything graph-like,
                for which a Graph comes back in its place.
            edge_attr: ``[E, ...]``; None: as the Graph says.
            batch: ``[N]`` graph of every node; None: as the Graph says, else one graph.
            attn: ``[N, in_channels]`` what is looked at in the place of ``x``.
        """
        of = x if attn is None else attn
        of = of.unsqueeze(-1) if of.dim() == 1 else of
        return pool_nodes(self.select, of, x, edge_index, edge_attr, batch, self.multiplier)

    def __repr__(self) -> str:
        limit = f"ratio={self.ratio}" if self.min_score is None else f"min_score={self.min_score}"
        return f"{type(self).__name__}({self.in_channels}, {limit}, multiplier={self.multiplier})"
