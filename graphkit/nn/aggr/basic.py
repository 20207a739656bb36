"""Aggregations feature by feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.engine.plan import Reduction
from graphkit.nn.aggr.base import Aggregation


class SumAggregation(Aggregation):
    r"""Sum :math:`\sum_j x_j`."""

    reduce = "sum"


class MeanAggregation(Aggregation):
    r"""Mean :math:`\frac{1}{n} \sum_j x_j`."""

    reduce = "mean"


class MaxAggregation(Aggregation):
    r"""Maximum by feature. Of equal entries the first wins, and takes the whole gradient."""

    reduce = "max"


class MinAggregation(Aggregation):
    r"""Minimum by feature. Of equal entries the first wins, and takes the whole gradient."""

    reduce = "min"


class StdAggregation(Aggregation):
    r"""Standard deviation :math:`\sqrt{\frac{1}{n} \sum_j (x_j - \bar x)^2}`; a variance below
    :math:`10^{-5}` counts as 0, where the root has no usable derivative."""

    reduce = "std"


class SoftmaxAggregation(Aggregation):
    r"""Softmax-weighted sum :math:`\sum_j \mathrm{softmax}_j(t\, x_j)\, x_j` by feature.

    Li et al. 2020, "DeeperGCN", eq. 5.

    Args:
        t: inverse temperature, its start value if learnt.
        learn: make ``t`` a parameter.
        channels: one temperature for each of so many features (needs ``learn``).
    """

    def __init__(self, t: float = 1.0, learn: bool = False, channels: int = 1) -> None:
        super().__init__()
        if channels != 1 and not learn:
            raise ValueError(f"channels={channels} needs learn=True: a fixed t is one number")
        self._init_t, self.learn, self.channels = t, learn, channels
        self.t = nn.Parameter(torch.full((channels,), float(t))) if learn else t

    def reductions(self) -> list[Reduction] | None:
        own = type(self).forward is not SoftmaxAggregation.forward
        return None if own else [Reduction("softmax", self.t)]

    def reset_parameters(self) -> None:
        if isinstance(self.t, Tensor):
            nn.init.constant_(self.t, self._init_t)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        alpha = ops.segment_softmax(x * self.t, index, ptr, dim_size, dim)
        return ops.segment_reduce(x * alpha, index, ptr, dim_size, dim, "sum")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(learn={self.learn})"
