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


def recommendation_hits(
    k: int, scores: Tensor, wanted: Tensor, known: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Which of the `k` items recommended to every user are wanted.

    Users who want nothing are left out. What a user knows is never recommended, so that where
    fewer than `k` items are left the places after them are no hits. Of equal scores those come
    first that :func:`torch.topk` puts first.

    Args:
        k: How many are recommended.
        scores: ``[users, items]``.
        wanted: ``[users, items]`` bool.
        known: ``[users, items]`` bool; None: nothing. Their scores are not looked at.

    Returns:
        ``[n, k]`` bool, the best place first; and ``[n]`` how many items each wants.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    known = torch.zeros_like(wanted) if known is None else known
    shape = tuple(scores.shape)
    for name, table in (("wanted", wanted), ("known", known)):
        if scores.dim() != 2 or table.shape != scores.shape or table.dtype != torch.bool:
            raise ValueError(
                f"scores, {name}: expected [users, items] and bool of that shape, got {shape} and "
                f"{table.dtype} {tuple(table.shape)}"
            )
    both = wanted & known
    if both.any():
        user, item = both.nonzero()[0].tolist()
        raise ValueError(f"wanted: expected items that are not known, got {item} of user {user}")
    count = wanted.sum(dim=1)
    asked = count > 0
    if not asked.all():
        scores, wanted, known, count = (each[asked] for each in (scores, wanted, known, count))
    # What is known is not wanted: scored below everything, it can fill a place but be no hit.
    left = scores.masked_fill(known, -torch.inf)
    # A sum costs less than a look at every number; what is infinite or no number shows in it.
    if not scores.sum().isfinite():
        check_finite("scores", left[~known])
    hit = wanted.gather(1, left.topk(min(k, shape[1]), dim=1).indices)
    return torch.nn.functional.pad(hit, (0, k - hit.size(1))), count


def recommendation_quality(hit: Tensor, count: Tensor) -> dict[str, float]:
    r"""Recall and NDCG of the k items recommended to every user, means over users.

    .. math::
        R = \frac{1}{w} \sum_{p=1}^k h_p, \quad
        N = \frac{\sum_{p=1}^k h_p / \log_2(p + 1)}{\sum_{p=1}^{\min(k, w)} 1 / \log_2(p + 1)}

    for a user of whose w wanted items the p-th recommended one is one, :math:`h_p = 1`, or is none
    (He et al. 2020, section 4.1; Järvelin and Kekäläinen 2002). Recall can be below 1 at best,
    where a user wants more than k.

    Args:
        hit, count: As of :func:`recommendation_hits`.

    Returns:
        "recall@k" and "ndcg@k".
    """
    if hit.dim() != 2 or hit.size(1) == 0 or count.shape != hit.shape[:1]:
        raise ValueError(
            f"hit, count: expected [n, k] and [n], got {tuple(hit.shape)} and {tuple(count.shape)}"
        )
    if len(hit) == 0:
        raise ValueError("count: expected a user who wants something, got none")
    if (hit.sum(dim=1) > count).any() or (count < 1).any():
        raise ValueError("count: expected at least 1 and no fewer than hits, got fewer")
    k = hit.size(1)
    right = hit.double()
    discount = 1 / torch.arange(2, k + 2, dtype=torch.double, device=hit.device).log2()
    ideal = discount.cumsum(0)[count.clamp(max=k) - 1]
    return {
        f"recall@{k}": (right.sum(dim=1) / count).mean().item(),
        f"ndcg@{k}": ((right * discount).sum(dim=1) / ideal).mean().item(),
    }
