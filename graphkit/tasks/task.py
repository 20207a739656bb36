"""A task: loss, metric, head and selection rule in one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.data.dataset import Dataset, Kind, Level
from graphkit.metrics import METRICS, Metric

Predict = Callable[[nn.Module, Any], tuple[Tensor, Tensor]]
"""From a model and a batch to its predictions and the targets."""


class Phase:
    """Training, validation or test: batches, and how a model predicts on one of them.

    Args:
        batches: Gone through once in every epoch.
        predict: Gives predictions and targets for a batch.
    """

    def __init__(self, batches: Iterable[Any], predict: Predict) -> None:
        self.batches = batches
        self.predict = predict

    def all(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        """Predictions and targets of all batches, one after the other."""
        predictions, targets = zip(*(self.predict(model, b) for b in self.batches), strict=True)
        if len(predictions) == 1:
            return predictions[0], targets[0]
        return torch.cat(predictions), torch.cat(targets)


@dataclass(frozen=True)
class Phases:
    """The three phases of one run. Nothing but the end of a run looks at `test`."""

    train: Phase
    val: Phase
    test: Phase


class Task:
    """What is predicted, and how it is learnt and judged.

    Subclasses know what it is predicted on: :class:`NodeTask`, :class:`LinkTask`,
    :class:`GraphTask`.

    Args:
        kind: "multiclass", "multilabel", "regression" or "link"; see
            :class:`~graphkit.data.Dataset`.
        metric: Name of the metric, one of `graphkit.metrics.METRICS`.
        num_outputs: Classes, labels, targets; 1 for links.
    """

    level: Level
    selection = "best validation metric, then lowest validation loss, then earliest epoch"

    def __init__(self, kind: Kind, metric: str, num_outputs: int) -> None:
        if kind not in _LOSSES:
            raise ValueError(f"kind: expected one of {sorted(_LOSSES)}, got {kind!r}")
        if metric not in METRICS:
            raise ValueError(f"metric: expected one of {sorted(METRICS)}, got {metric!r}")
        self.kind: Kind = kind
        self.metric: Metric = METRICS[metric]
        self.num_outputs = num_outputs

    @classmethod
    def of(cls, dataset: Dataset) -> Task:
        """The task a data set was published for."""
        return cls(dataset.kind, dataset.metric, dataset.num_outputs)

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of classes; mean binary cross-entropy of the labels that are known, and
        of links; mean squared error of the targets that are known.

        Args:
            prediction: ``[n, num_outputs]`` (links: ``[n]``), logits where classes or labels are
                predicted.
            target: ``[n]`` classes; ``[n, num_outputs]`` else, NaN where not known.
        """
        return _LOSSES[self.kind](prediction, target)

    def score(self, prediction: Tensor, target: Tensor) -> float:
        """The metric."""
        return self.metric.score(prediction, target)

    def rank(self, score: float, loss: float) -> tuple[float, float]:
        """Orders epochs, the better ones higher: by metric, then by loss. See `selection`."""
        return (score if self.metric.higher_is_better else -score), -loss

    def evaluate(self, model: nn.Module, phase: Phase) -> tuple[float, float]:
        """Metric and loss of a phase, in evaluation mode and without gradients."""
        model.eval()
        with torch.no_grad():
            prediction, target = phase.all(model)
            return self.score(prediction, target), self.loss(prediction, target).item()

    def head(self, channels: int) -> nn.Module:
        """What turns the `channels` features of an encoder into predictions."""
        raise NotImplementedError

    def phases(self, dataset: Dataset, seed: int, **settings: Any) -> Phases:
        """The three phases of the run with a seed."""
        raise NotImplementedError


def _known(loss: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def over_known(prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(
                f"prediction: expected shape {tuple(target.shape)} as target has, "
                f"got {tuple(prediction.shape)}"
            )
        known = ~target.isnan()
        if not known.any():
            return 0.0 * prediction.sum()  # nothing to learn from, and no NaN
        return loss(prediction[known], target[known])

    return over_known


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiclass": F.cross_entropy,
    "multilabel": _known(F.binary_cross_entropy_with_logits),
    "regression": _known(F.mse_loss),
    "link": F.binary_cross_entropy_with_logits,
}
