"""Several aggregations at once, and aggregations by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine.plan import Reduction
from graphkit.nn.aggr.attention import AttentionalAggregation
from graphkit.nn.aggr.base import Aggregation
from graphkit.nn.aggr.basic import (
    MaxAggregation,
    MeanAggregation,
    MinAggregation,
    MulAggregation,
    PowerMeanAggregation,
    SoftmaxAggregation,
    StdAggregation,
    SumAggregation,
    VarAggregation,
)
from graphkit.nn.aggr.lstm import LSTMAggregation
from graphkit.nn.aggr.quantile import MedianAggregation, QuantileAggregation
from graphkit.nn.aggr.set2set import Set2Set


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
    "mul": MulAggregation,
    "var": VarAggregation,
    "std": StdAggregation,
    "softmax": SoftmaxAggregation,
    "powermean": PowerMeanAggregation,
    "median": MedianAggregation,
    "quantile": QuantileAggregation,
    "lstm": LSTMAggregation,
    "attentional": AttentionalAggregation,
    "set2set": Set2Set,
}


def aggregation(aggr: str | Sequence[str | nn.Module] | nn.Module, **kwargs) -> nn.Module:
    """The module for a name, a list of names or a module.

    Names may be written as "sum", "Sum" or "SumAggregation", "power_mean" or "PowerMean".

    Raises:
        ValueError: for a name that is not known.
    """
    if isinstance(aggr, nn.Module):
        return aggr
    if isinstance(aggr, (list, tuple)):
        return MultiAggregation(aggr, **kwargs)
    name = str(aggr).lower().replace("_", "").removesuffix("aggregation")
    if name not in _BY_NAME:
        raise ValueError(
            f"aggr: expected one of {sorted(_BY_NAME)}, a list or a module; got {aggr!r}"
        )
    return _BY_NAME[name](**kwargs)
