"""Permutation-invariant aggregations: what a node makes of the messages it receives.

Every aggregation is a module called as ``aggr(x, index, ptr=None, dim_size=None, dim=-2)``: the
entries of ``x`` along ``dim`` are grouped by ``index`` (or by the row pointers ``ptr``) and each
group becomes one row of the result. A group without entries gives 0.
"""

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
from graphkit.nn.aggr.multi import MultiAggregation, aggregation
from graphkit.nn.aggr.quantile import MedianAggregation, QuantileAggregation
from graphkit.nn.aggr.set2set import Set2Set

__all__ = [
    "Aggregation",
    "AttentionalAggregation",
    "LSTMAggregation",
    "MaxAggregation",
    "MeanAggregation",
    "MedianAggregation",
    "MinAggregation",
    "MulAggregation",
    "MultiAggregation",
    "PowerMeanAggregation",
    "QuantileAggregation",
    "Set2Set",
    "SoftmaxAggregation",
    "StdAggregation",
    "SumAggregation",
    "VarAggregation",
    "aggregation",
]
