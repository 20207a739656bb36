"""How good predictions are, of classes, ranks, numbers, links and communities; and how good what
is made: pictures, sounds, graphs."""

from graphkit.metrics.audio import si_sdr
from graphkit.metrics.classification import accuracy, f1, f1_macro
from graphkit.metrics.communities import modularity, normalized_mutual_information
from graphkit.metrics.graphs import edge_overlap, graph_mmd, graph_statistics, orbit_counts
from graphkit.metrics.images import (
    class_entropy,
    frechet_distance,
    image_quality,
    inception_score,
    kernel_distance,
    precision_recall,
    psnr,
    ssim,
)
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
    "class_entropy",
    "edge_overlap",
    "f1",
    "f1_macro",
    "frechet_distance",
    "graph_mmd",
    "graph_statistics",
    "hits_at",
    "image_quality",
    "inception_score",
    "kernel_distance",
    "mae",
    "mean_reciprocal_rank",
    "modularity",
    "normalized_mutual_information",
    "orbit_counts",
    "precision_recall",
    "psnr",
    "recall_at",
    "rmse",
    "roc_auc",
    "si_sdr",
    "ssim",
]
