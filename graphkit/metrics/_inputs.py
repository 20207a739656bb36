"""Predictions and targets, checked and brought into one of two forms: classes or columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def check_finite(name: str, values: Tensor) -> None:
    """Raise for a value that no metric can rank or average: the model has diverged."""
    if values.numel() == 0:
        raise ValueError(f"{name}: expected at least one value, got shape {tuple(values.shape)}")
    if not values.isfinite().all():
        nan, bad = int(values.isnan().sum()), int((~values.isfinite()).sum())
        raise ValueError(
            f"{name}: expected finite numbers, got {nan} NaN and {bad - nan} infinite among "
            f"{values.numel()}"
        )


def is_multiclass(prediction: Tensor, target: Tensor) -> bool:
    """Whether `prediction` has a column for every class and `target` one class for every row."""
    return target.dim() == 1 and prediction.dim() == 2 and prediction.size(1) > 1


def check_classes(prediction: Tensor, target: Tensor) -> None:
    """``[n, C]`` outputs and ``[n]`` classes of 0 to C - 1."""
    check_finite("prediction", prediction)
    if len(prediction) != len(target):
        raise ValueError(
            f"target: expected a class for each of {len(prediction)} rows, got {len(target)}"
        )
    if target.is_floating_point():
        raise ValueError(
            f"target: expected integer classes for {prediction.size(1)} columns of prediction, "
            f"got {target.dtype}"
        )
    lowest, highest = int(target.min()), int(target.max())
    if lowest < 0 or highest >= prediction.size(1):
        raise ValueError(
            f"target: expected classes of 0 to {prediction.size(1) - 1}, "
            f"got {lowest if lowest < 0 else highest}"
        )


def as_columns(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as ``[n, T]``; ``[n]`` is one column."""
    check_finite("prediction", prediction)
    columns = prediction.unsqueeze(1) if prediction.dim() == 1 else prediction
    targets = target.unsqueeze(1) if target.dim() == 1 else target
    if columns.dim() != 2 or columns.shape != targets.shape:
        raise ValueError(
            f"target: expected the shape of prediction, {tuple(prediction.shape)}, "
            f"got {tuple(target.shape)}"
        )
    return columns, targets


def labelled(prediction: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Column by column, the rows whose target is known."""
    prediction, target = as_columns(prediction, target)
    for column, truth in zip(prediction.T, target.T, strict=True):
        known = ~truth.isnan()
        yield column[known], truth[known]


def mean_over_columns(
    prediction: Tensor, target: Tensor, score: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Mean of the scores of all columns in which a target is known."""
    scores = [score(out, truth) for out, truth in labelled(prediction, target) if len(truth)]
    if not scores:
        raise ValueError("target: expected a known value, got NaN throughout")
    return torch.stack(scores).mean().item()


def check_binary(truth: Tensor) -> None:
    """Raise if a known label is neither 0 nor 1."""
    odd = truth[(truth != 0) & (truth != 1)]
    if len(odd):
        raise ValueError(f"target: expected labels 0 and 1, got {odd[0].item()}")
