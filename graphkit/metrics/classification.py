"""Accuracy and F1, of classes or of columns of labels."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit.metrics._inputs import (
    check_binary,
    check_classes,
    is_multiclass,
    labelled,
    mean_over_columns,
)


def accuracy(prediction: Tensor, target: Tensor) -> float:
    """Share of right answers.

    Args:
        prediction: ``[n, C]`` logits of classes, the highest counts; or ``[n, T]`` or ``[n]``
            logits of labels, those above 0 count as yes.
        target: ``[n]`` classes; or labels 0 and 1 in the shape of `prediction`, NaN where not
            known. Of several labels it is the mean of their accuracies.
    """
    if is_multiclass(prediction, target):
        check_classes(prediction, target)
        return (prediction.argmax(dim=1) == target).double().mean().item()
    return mean_over_columns(prediction, target, _share_right)


def _share_right(out: Tensor, truth: Tensor) -> Tensor:
    check_binary(truth)
    return ((out > 0) == (truth > 0)).double().mean()


def f1(prediction: Tensor, target: Tensor) -> float:
    """F1 = 2 TP / (2 TP + FP + FN), counted over all classes or labels together ("micro").

    Of classes it is the accuracy. Arguments as of :func:`accuracy`; what is not known is left
    out. 0 if there is neither a yes in the target nor in the prediction.
    """
    return _f1(prediction, target, "micro")


def f1_macro(prediction: Tensor, target: Tensor) -> float:
    """Mean of the F1 of every class or label ("macro"). Arguments as of :func:`accuracy`.

    Classes count that are in the target or were predicted; labels of which something is known.
    """
    return _f1(prediction, target, "macro")


def _f1(prediction: Tensor, target: Tensor, average: str) -> float:
    from sklearn.metrics import f1_score

    if is_multiclass(prediction, target):
        check_classes(prediction, target)
        found = prediction.argmax(dim=1)
        return float(f1_score(target.cpu(), found.cpu(), average=average, zero_division=0))
    columns = [(out > 0, truth) for out, truth in labelled(prediction, target) if len(truth)]
    if not columns:
        raise ValueError("target: expected a known value, got NaN throughout")
    for _, truth in columns:
        check_binary(truth)
    if average == "micro":
        columns = [
            (torch.cat([found for found, _ in columns]), torch.cat([truth for _, truth in columns]))
        ]
    scores = [
        float(f1_score(truth.bool().cpu(), found.cpu(), zero_division=0))
        for found, truth in columns
    ]
    return sum(scores) / len(scores)
