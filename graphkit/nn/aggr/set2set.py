"""Set2Set of Vinyals, Bengio & Kudlur."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.nn.aggr.base import Aggregation, groups_of


class Set2Set(Aggregation):
    r"""Attention that an LSTM directs, in several steps; Vinyals et al. 2016, eqs. 3-7.

    .. math::
        q_t &= \mathrm{LSTM}(q^*_{t-1}), \quad \alpha_{j,t} = \mathrm{softmax}_j(x_j^\top q_t) \\
        q^*_t &= q_t \,\Vert\, \textstyle\sum_j \alpha_{j,t}\, x_j

    Args:
        in_channels: size of the input features; the output has twice as many.
        processing_steps: number of steps.
        **kwargs: of :class:`torch.nn.LSTM`.
    """

    def __init__(self, in_channels: int, processing_steps: int, **kwargs: Any) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = 2 * in_channels
        self.processing_steps = processing_steps
        self.lstm = nn.LSTM(self.out_channels, in_channels, **kwargs)

    def reset_parameters(self) -> None:
        self.lstm.reset_parameters()

    def get_out_channels(self, in_channels: int) -> int:
        return self.out_channels

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        if x.dim() != 2 or dim not in (0, -2) or x.size(1) != self.in_channels:
            raise ValueError(
                f"x: expected shape [entries, {self.in_channels}], got {tuple(x.shape)}"
            )
        groups = groups_of(x, index, ptr, dim_size)
        num, group = groups.num_dst, groups.edge_index[1]
        q_star, state = x.new_zeros(num, self.out_channels), None
        for _ in range(self.processing_steps):
            q, state = self.lstm(q_star.unsqueeze(0), state)
            q = q.squeeze(0)
            score = (x * q.index_select(0, group)).sum(-1, keepdim=True)
            alpha = ops.segment_softmax(score, index, ptr, num)
            r = ops.segment_reduce(alpha * x, index, ptr, num, 0, "sum")
            q_star = torch.cat([q, r], dim=-1)
        # The LSTM has something to say of an empty group as well.
        return q_star * (groups.by_destination.degree > 0).unsqueeze(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"
