"""How well scores order: ROC-AUC, average precision, and ranks of links among negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from graphkit.metrics._inputs import (
    check_binary,
    check_classes,
    check_finite,
    is_multiclass,
    labelled,
)


def roc_auc(prediction: Tensor, target: Tensor) -> float:
    """Chance that a positive scores above a negative; ties count half.

    Args:
        prediction: ``[n]`` or ``[n, T]`` scores of labels; or ``[n, 2]`` logits of two classes,
            of which the difference counts.
        target: Labels 0 and 1 in the shape of the scores, NaN where not known; or ``[n]`` classes.
            Of several labels it is the mean over those of which both a 0 and a 1 are known.

    Raises:
        ValueError: No column has both, there are more than two classes, or a score is NaN.
    """
    from sklearn.metrics import roc_auc_score

    return _mean_over_decided(prediction, target, roc_auc_score)


def average_precision(prediction: Tensor, target: Tensor) -> float:
    """AP = sum_k (R_k - R_{k-1}) P_k over all thresholds. Arguments as of :func:`roc_auc`."""
    from sklearn.metrics import average_precision_score

    return _mean_over_decided(prediction, target, average_precision_score)


def _mean_over_decided(prediction: Tensor, target: Tensor, score: Callable[..., float]) -> float:
    """Mean over the columns in which both labels occur, as the Open Graph Benchmark has it."""
    if is_multiclass(prediction, target):
        if prediction.size(1) > 2:
            raise ValueError(
                f"prediction: expected two classes to rank by, got {prediction.size(1)} columns"
            )
        check_classes(prediction, target)
        prediction = prediction[:, 1] - prediction[:, 0]
    scores: list[float] = []
    for out, truth in labelled(prediction, target):
        check_binary(truth)
        if (truth == 1).any() and (truth == 0).any():
            scores.append(float(score(truth.double().cpu(), out.detach().double().cpu())))
    if not scores:
        raise ValueError("target: expected a column with both labels, 0 and 1; got none")
    return sum(scores) / len(scores)


def hits_at(k: int, positive: Tensor, negative: Tensor) -> float:
    """Share of positives that score above the k-th best negative. Hu et al. 2020, section 5.

    With fewer than `k` negatives it is 1. A tie is no hit.

    Args:
        k: Place of the negative to beat, from 1.
        positive: ``[n]`` scores of links.
        negative: ``[m]`` scores of pairs that are none; all positives compete with the same.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    _check_scores(positive, negative, 1)
    if len(negative) < k:
        return 1.0
    return (positive > negative.topk(k).values[-1]).double().mean().item()


def mean_reciprocal_rank(positive: Tensor, negative: Tensor) -> float:
    """Mean of 1 / rank of every positive among its own negatives. Hu et al. 2020, section 5.

    Among equal scores the rank is the mean of the best and the worst it could be.

    Args:
        positive: ``[n]`` scores of links.
        negative: ``[n, m]`` scores, row i those that positive i competes with; or ``[m]``, the
            same for all.
    """
    _check_scores(positive, negative, negative.dim())
    # In sorted rows a rank is found by bisection, so nothing of size n x m is made for shared ones.
    ordered = negative.sort(dim=-1).values
    mine = positive if negative.dim() == 1 else positive.unsqueeze(1)
    below = torch.searchsorted(ordered, mine)
    not_above = torch.searchsorted(ordered, mine, right=True)
    rank = negative.size(-1) - (below + not_above).double() / 2 + 1
    return (1 / rank).mean().item()


def _check_scores(positive: Tensor, negative: Tensor, negative_dim: int) -> None:
    rows = negative_dim == 1 or len(negative) == len(positive)
    if positive.dim() != 1 or negative.dim() != negative_dim or negative_dim not in (1, 2):
        rows = False
    if not rows:
        raise ValueError(
            f"negative: expected scores [m] or a row for each of positive's [n], "
            f"got {tuple(negative.shape)} for {tuple(positive.shape)}"
        )
    check_finite("positive", positive)
    check_finite("negative", negative)


def target_ranks(scores: Tensor, target: Tensor, known: Tensor | None = None) -> Tensor:
    """``[n]`` float64 the rank of every row's target among all columns, from 1.

    Among equal scores it is the mean of the best and the worst it could be, so that a model which
    scores all alike gains nothing. With `known` the rank is filtered (Bordes et al. 2013, section
    4): other answers that are right, too, do not count as rivals.

    Args:
        scores: ``[n, m]``.
        target: ``[n]`` int64 column of every row.
        known: ``[2, K]`` int64 rows and columns of right answers; whether the targets are among
            them, or any of them twice, makes no difference.
    """
    check_finite("scores", scores)
    if scores.dim() != 2 or target.dtype != torch.long or target.shape != scores.shape[:1]:
        raise ValueError(
            f"scores, target: expected [n, m] and int64 [n], got {tuple(scores.shape)} and "
            f"{target.dtype} {tuple(target.shape)}"
        )
    lowest, highest = int(target.min()), int(target.max())
    if lowest < 0 or highest >= scores.size(1):
        raise ValueError(
            f"target: expected columns of 0 to {scores.size(1) - 1}, "
            f"got {lowest if lowest < 0 else highest}"
        )
    mine = scores.gather(1, target.unsqueeze(1))
    # Every other column counts 1 above the target's score, 1/2 beside it; the target itself 1/2.
    halves = (scores > mine).sum(dim=1) + (scores >= mine).sum(dim=1)
    if known is not None:
        cells = (known[0] * scores.size(1) + known[1]).unique()
        row, column = cells // scores.size(1), cells % scores.size(1)
        rival = column != target[row]
        row, column = row[rival], column[rival]
        right, own = scores[row, column], mine[row, 0]
        halves.index_add_(0, row, -((right > own).long() + (right >= own).long()))
    return (halves.double() + 1) / 2


def ranking_quality(ranks: Tensor, ks: Sequence[int] = (1, 3, 10)) -> dict[str, float]:
    """Mean reciprocal rank "mrr", and "hits@k", the share of ranks of at most k.

    Args:
        ranks: ``[n]`` as of :func:`target_ranks`.
        ks: What to count hits at.
    """
    check_finite("ranks", ranks)
    if (ranks < 1).any():
        raise ValueError(f"ranks: expected at least 1, got {ranks.min().item():g}")
    found = {"mrr": (1 / ranks.double()).mean().item()}
    return found | {f"hits@{k}": (ranks <= k).double().mean().item() for k in ks}


def recall_at(k: int, prediction: Tensor, target: Tensor, group: Tensor) -> float:
    """Share of true pairs among the `k` best of every group; the mean over groups that have any.

    For relations in scenes: a group is a scene, and only its `k` surest relations are shown.

    Args:
        k: How many of every group count.
        prediction: ``[n]`` scores.
        target: ``[n]``, whether right.
        group: ``[n]`` int64 group of every entry.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    check_finite("prediction", prediction)
    if not prediction.shape == target.shape == group.shape or prediction.dim() != 1:
        raise ValueError(
            f"target, group: expected the shape [n] of prediction, {tuple(prediction.shape)}, "
            f"got {tuple(target.shape)} and {tuple(group.shape)}"
        )
    order = prediction.argsort(descending=True, stable=True)
    order = order[group[order].argsort(stable=True)]
    counts = group.unique(return_counts=True)[1]
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    among = torch.arange(len(order), device=order.device) - first < k
    right = target[order].bool()
    of_group = torch.arange(len(counts), device=order.device).repeat_interleave(counts)
    total = torch.zeros(len(counts), device=order.device).index_add_(0, of_group, right.float())
    found = torch.zeros_like(total).index_add_(0, of_group, (right & among).float())
    if not (total > 0).any():
        raise ValueError("target: expected a true pair, got none")
    return (found[total > 0] / total[total > 0]).double().mean().item()
