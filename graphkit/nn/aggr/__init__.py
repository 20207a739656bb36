"""Permutation-invariant aggregations: what a node makes of the messages it receives.

Every aggregation is a module called as ``aggr(x, index, ptr=None, dim_size=None, dim=-2)``: the
entries of ``x`` along ``dim`` are grouped by ``index`` (or by the row pointers ``ptr``) and each
group becomes one row of the result. A group without entries gives 0.
"""

from graphkit.nn.aggr.base import Aggregation
from graphkit.nn.aggr.basic import (
    MaxAggregation,
    MeanAggregation,
    MinAggregation,
    SoftmaxAggregation,
    StdAggregation,
    SumAggregation,
)
from graphkit.nn.aggr.multi import MultiAggregation, aggregation

__all__ = [
    "Aggregation",
    "MaxAggregation",
    "MeanAggregation",
    "MinAggregation",
    "MultiAggregation",
    "SoftmaxAggregation",
    "StdAggregation",
    "SumAggregation",
    "aggregation",
]
