"""Label propagation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.nn.conv.normalized import normalized
from graphkit.nn.message_passing import MessagePassing


class LabelPropagation(MessagePassing):
    r"""Labels that spread along the edges, from nodes where they are known. Zhou et al. 2003,
    "Learning with local and global consistency", section 2.

    .. math::
        Y^{(l)} = \alpha D^{-1/2} A D^{-1/2} Y^{(l-1)} + (1 - \alpha) Y^{(0)}

    with the known labels one-hot in :math:`Y^{(0)}` and 0 elsewhere. Nothing is learnt, and no
    feature is looked at: what a model of both has to beat.

    Args:
        num_layers: how often they spread.
        alpha: share of what comes from neighbours.

    Shapes:
        ``y`` ``[N]`` int64 classes, or ``[N, F]`` floating point; ``mask`` ``[N]`` bool, or indices
        of the known nodes, None: all; ``edge_weight`` ``[E]``, which takes the place of
        :math:`D^{-1/2} A D^{-1/2}`; output ``[N, C]`` or ``[N, F]``.
    """

    def __init__(self, num_layers: int, alpha: float) -> None:
        super().__init__(aggr="add")
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha: expected a share of 0 to 1, got {alpha}")
        self.num_layers, self.alpha = num_layers, alpha

    @torch.no_grad()
    def forward(
        self,
        y: Tensor,
        edge_index: Any,
        mask: Tensor | None = None,
        edge_weight: Tensor | None = None,
        post_step: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """``post_step`` is applied after every spread; None keeps values between 0 and 1."""
        if y.dtype == torch.long and (y.dim() == 1 or y.size(1) == 1):
            y = F.one_hot(y.view(-1)).to(torch.get_default_dtype())
        start = y
        if mask is not None:
            start = torch.zeros_like(y)
            start[mask] = y[mask]
        by_degree = edge_weight is None
        graph, weight = normalized(self, start, edge_index, edge_weight, normalize=by_degree)
        found, kept = start, (1 - self.alpha) * start
        for _ in range(self.num_layers):
            found = self.alpha * self.propagate(graph, x=found, edge_weight=weight) + kept
            found = found.clamp(0, 1) if post_step is None else post_step(found)
        return found

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_layers={self.num_layers}, alpha={self.alpha})"
