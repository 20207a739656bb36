"""Metrics by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from graphkit.metrics._inputs import as_columns, check_binary, check_finite
from graphkit.metrics.classification import accuracy, f1, f1_macro
from graphkit.metrics.ranking import (
    average_precision,
    hits_at,
    mean_reciprocal_rank,
    recommendation_hits,
    recommendation_quality,
    roc_auc,
)
from graphkit.metrics.regression import mae, rmse


@dataclass(frozen=True)
class Metric:
    """A metric with its name and direction.

    Attributes:
        name: What it is found by in :data:`METRICS`.
        score: ``score(prediction, target)``: of raw outputs, that is logits ``[n, C]`` of classes
            and ``[n, T]`` else, and the targets.
        higher_is_better: Whether a higher score is a better one.
    """

    name: str
    score: Callable[[Tensor, Tensor], float]
    higher_is_better: bool = True


def _hits(k: int, prediction: Tensor, target: Tensor) -> float:
    scores, truth = as_columns(prediction.flatten(), target.flatten())
    check_binary(truth)
    return hits_at(k, scores[truth == 1], scores[truth == 0])


def _mrr(prediction: Tensor, target: Tensor) -> float:
    """Rows ``[n, 1 + m]`` of one link and its negatives; or ``[n]``, negatives shared by all."""
    if target.dim() == 1 or target.size(1) == 1:
        scores, truth = as_columns(prediction.flatten(), target.flatten())
        check_binary(truth)
        return mean_reciprocal_rank(scores[truth == 1], scores[truth == 0])
    scores, truth = as_columns(prediction, target)
    check_binary(truth)
    if not (truth.sum(dim=1) == 1).all():
        raise ValueError("target: expected one link in every row, got rows with none or several")
    negative = scores[truth == 0].view(len(scores), -1)
    return mean_reciprocal_rank(scores[truth == 1], negative)


def _recall(k: int, prediction: Tensor, target: Tensor) -> float:
    """Rows of users, columns of items; what is known to a user is scored minus infinity."""
    known = prediction == -torch.inf
    check_finite("prediction", prediction.masked_fill(known, 0))
    check_binary(target)
    found = recommendation_hits(k, prediction, target == 1, known)
    return recommendation_quality(*found)[f"recall@{k}"]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy),
        Metric("f1", f1),
        Metric("f1_macro", f1_macro),
        Metric("roc_auc", roc_auc),
        Metric("ap", average_precision),
        Metric("mrr", _mrr),
        *(Metric(f"hits@{k}", partial(_hits, k)) for k in (10, 20, 50, 100)),
        Metric("recall@20", partial(_recall, 20)),
        Metric("rmse", rmse, higher_is_better=False),
        Metric("mae", mae, higher_is_better=False),
    )
}
"""All metrics by name. "f1" is micro-averaged; of "hits@K" and "mrr" the target says which scores
are links (1) and which are negatives (0); of "recall@20" users are rows and items columns."""
