"""Aggregations feature by feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.engine.plan import Reduction
from graphkit.nn.aggr.base import Aggregation, groups_of


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


class MulAggregation(Aggregation):
    r"""Product :math:`\prod_j x_j`."""

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        rows = x.movedim(dim, 0)
        groups = groups_of(rows, index, ptr, dim_size)
        wide = groups.edge_index[1].view(-1, *[1] * (rows.dim() - 1)).expand_as(rows)
        out = rows.new_zeros(groups.num_dst, *rows.shape[1:])
        return out.scatter_reduce(0, wide, rows, "prod", include_self=False).movedim(0, dim)


class VarAggregation(Aggregation):
    r"""Variance :math:`\frac{1}{n} \sum_j (x_j - \bar x)^2`."""

    reduce = "var"


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


class PowerMeanAggregation(Aggregation):
    r"""Power mean :math:`\big(\frac{1}{n} \sum_j x_j^p\big)^{1/p}` by feature.

    Li et al. 2020, "DeeperGCN", eq. 6: :math:`p = 1` is the mean, and the larger :math:`p`, the
    closer it comes to the maximum. Entries, and the mean of their powers, are first clamped, as
    powers are made for positive numbers; with a fixed :math:`p = 1` they are not.

    Args:
        p: the power, its start value if learnt.
        learn: make ``p`` a parameter.
        channels: one power for each of so many features (needs ``learn``).
        clamp_min, clamp_max: the bounds; None is none.
    """

    def __init__(
        self,
        p: float = 1.0,
        learn: bool = False,
        channels: int = 1,
        clamp_min: float | None = 1e-4,
        clamp_max: float | None = 100.0,
    ) -> None:
        super().__init__()
        if channels != 1 and not learn:
            raise ValueError(f"channels={channels} needs learn=True: a fixed p is one number")
        if p == 0:
            raise ValueError(f"p: expected a number other than 0, got {p}")
        self._init_p, self.learn, self.channels = p, learn, channels
        self.min_value, self.max_value = clamp_min, clamp_max
        self.p = nn.Parameter(torch.full((channels,), float(p))) if learn else p

    def reset_parameters(self) -> None:
        if isinstance(self.p, Tensor):
            nn.init.constant_(self.p, self._init_p)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        def mean(values: Tensor) -> Tensor:
            return ops.segment_reduce(values, index, ptr, dim_size, dim, "mean")

        if not self.learn and self.p == 1:
            return mean(x)
        # An empty group would come out as the lower bound, or have no derivative.
        filled = mean(torch.ones_like(x)) > 0
        out = torch.where(filled, self._clamp(mean(self._clamp(x) ** self.p)), 1.0)
        return torch.where(filled, out ** (1.0 / self.p), 0.0)

    def _clamp(self, x: Tensor) -> Tensor:
        if self.min_value is None and self.max_value is None:
            return x
        return x.clamp(self.min_value, self.max_value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(learn={self.learn})"
