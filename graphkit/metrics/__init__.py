"""How good predictions are, of classes, ranks, numbers, links and communities; and how good what
is made: pictures, sounds, graphs, molecules."""

from graphkit.metrics.audio import si_sdr
from graphkit.metrics.classification import accuracy, f1, f1_macro
from graphkit.metrics.communities import (
    adjusted_rand_index,
    clustering_quality,
    matched_accuracy,
    modularity,
    normalized_mutual_information,
)
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
from graphkit.metrics.molecules import (
    descriptor_distance,
    internal_diversity,
    log_p,
    molecule_quality,
    novelty,
    penalized_log_p,
    qed,
    solubility,
    synthesizability,
    synthetic_accessibility,
    uniqueness,
    validity,
)
from graphkit.metrics.ranking import (
    average_precision,
    hits_at,
    mean_reciprocal_rank,
    ranking_quality,
    recall_at,
    recommendation_hits,
    recommendation_quality,
    roc_auc,
    target_ranks,
)
from graphkit.metrics.registry import METRICS, Metric
from graphkit.metrics.regression import mae, rmse

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "adjusted_rand_index",
    "average_precision",
    "class_entropy",
    "clustering_quality",
    "descriptor_distance",
    "edge_overlap",
    "f1",
    "f1_macro",
    "frechet_distance",
    "graph_mmd",
    "graph_statistics",
    "hits_at",
    "image_quality",
    "inception_score",
    "internal_diversity",
    "kernel_distance",
    "log_p",
    "mae",
    "matched_accuracy",
    "mean_reciprocal_rank",
    "modularity",
    "molecule_quality",
    "normalized_mutual_information",
    "novelty",
    "orbit_counts",
    "penalized_log_p",
    "precision_recall",
    "psnr",
    "qed",
    "ranking_quality",
    "recall_at",
    "recommendation_hits",
    "recommendation_quality",
    "rmse",
    "roc_auc",
    "si_sdr",
    "solubility",
    "ssim",
    "synthesizability",
    "synthetic_accessibility",
    "target_ranks",
    "uniqueness",
    "validity",
]
