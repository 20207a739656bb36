"""Errors of predicted numbers. Targets that are not known (NaN) are left out."""

from __future__ import annotations

from torch import Tensor

from graphkit.metrics._inputs import mean_over_columns


def rmse(prediction: Tensor, target: Tensor) -> float:
    """Root mean square error; of several columns the mean of theirs.

    Args:
        prediction: ``[n, T]`` or ``[n]``.
        target: The same shape, NaN where not known.
    """
    return mean_over_columns(prediction, target, _rmse)


def mae(prediction: Tensor, target: Tensor) -> float:
    """Mean absolute error; of several columns the mean of theirs. Arguments as of :func:`rmse`."""
    return mean_over_columns(prediction, target, _mae)


def _rmse(out: Tensor, truth: Tensor) -> Tensor:
    return (out - truth).double().square().mean().sqrt()


def _mae(out: Tensor, truth: Tensor) -> Tensor:
    return (out - truth).double().abs().mean()
