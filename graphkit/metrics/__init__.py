"""How good predictions are: of classes, of ranks, of numbers, of links, of communities."""

from graphkit.metrics.audio import si_sdr
from graphkit.metrics.classification import accuracy, f1, f1_macro
from graphkit.metrics.communities import modularity, normalized_mutual_information
from graphkit.metrics.ranking import (
    average_precision,
    hits_at,
    mean_reciprocal_rank,
    recall_at,
    roc_auc,
)
from graphkit.metrics.registry import METRICS, Metric
from graphkit.metrics.regression import mae, rmse

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "average_precision",
    "f1",
    "f1_macro",
    "hits_at",
    "mae",
    "mean_reciprocal_rank",
    "modularity",
    "normalized_mutual_information",
    "recall_at",
    "rmse",
    "roc_auc",
    "si_sdr",
]
