"""Permutation-invariant aggregations: what a node makes of the messages it receives.

Every aggregation is a module called as ``aggr(x, index, ptr=None, dim_size=None, dim=-2)``: the
entries of ``x`` along ``dim`` are grouped by ``index`` (or by the row pointers ``ptr``) and each
group becomes one row of the result. A group without entries gives 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.engine.plan import Reduction


class Aggregation(nn.Module):
    """Base class; ``reduce`` names the reduction in the engine, or is None for one of its own."""

    reduce: str | None = None

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        if self.reduce is None:
            raise NotImplementedError(f"{type(self).__name__} must define forward or reduce")
        return ops.segment_reduce(x, index, ptr, dim_size, dim, self.reduce)

    def reductions(self) -> list[Reduction] | None:
        """This aggregation in the engine's terms, or None if it is one of its own."""
        if self.reduce is None or type(self).forward is not Aggregation.forward:
            return None
        return [Reduction(self.reduce)]

    def reset_parameters(self) -> None:
        """Nothing to learn by default."""

    def get_out_channels(self, in_channels: int) -> int:
        """Number of features that come out for so many going in."""
        return in_channels

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


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


class MultiAggregation(Aggregation):
    """Several aggregations of the same messages, concatenated along the last dimension.

    Args:
        aggrs: names or modules.
        aggrs_kwargs: arguments of every one.
        mode: "cat", the one way of combining there is.
    """

    def __init__(
        self,
        aggrs: Sequence[str | nn.Module],
        aggrs_kwargs: Sequence[dict[str, Any]] | None = None,
        mode: str = "cat",
    ) -> None:
        super().__init__()
        if mode != "cat":
            raise ValueError(f"mode: expected 'cat', got {mode!r}")
        if not isinstance(aggrs, (list, tuple)) or not aggrs:
            raise ValueError(f"aggrs: expected a list of aggregations with an entry, got {aggrs!r}")
        kwargs = aggrs_kwargs or [{}] * len(aggrs)
        if len(kwargs) != len(aggrs):
            raise ValueError(f"aggrs_kwargs: expected {len(aggrs)} entries, got {len(kwargs)}")
        self.aggrs = nn.ModuleList(
            aggregation(aggr, **options) for aggr, options in zip(aggrs, kwargs, strict=True)
        )

    def reset_parameters(self) -> None:
        for aggr in self.aggrs:
            if hasattr(aggr, "reset_parameters"):
                aggr.reset_parameters()  # type: ignore[operator]

    def reductions(self) -> list[Reduction] | None:
        every = [a.reductions() if isinstance(a, Aggregation) else None for a in self.aggrs]
        return None if None in every else [one for some in every for one in some or []]

    def get_out_channels(self, in_channels: int) -> int:
        return sum(aggr.get_out_channels(in_channels) for aggr in self.aggrs)  # type: ignore

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        return torch.cat(
            [aggr(x, index, ptr=ptr, dim_size=dim_size, dim=dim) for aggr in self.aggrs], dim=-1
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.aggrs))})"


_BY_NAME: dict[str, type[Aggregation]] = {
    "add": SumAggregation,
    "sum": SumAggregation,
    "mean": MeanAggregation,
    "max": MaxAggregation,
    "min": MinAggregation,
    "std": StdAggregation,
    "softmax": SoftmaxAggregation,
}


def aggregation(aggr: str | Sequence[str | nn.Module] | nn.Module, **kwargs) -> nn.Module:
    """The module for a name, a list of names or a module.

    Names may be written as "sum", "Sum" or "SumAggregation".

    Raises:
        ValueError: for a name that is not known.
    """
    if isinstance(aggr, nn.Module):
        return aggr
    if isinstance(aggr, (list, tuple)):
        return MultiAggregation(aggr, **kwargs)
    name = str(aggr).lower().removesuffix("aggregation")
    if name not in _BY_NAME:
        raise ValueError(
            f"aggr: expected one of {sorted(_BY_NAME)}, a list or a module; got {aggr!r}"
        )
    return _BY_NAME[name](**kwargs)
