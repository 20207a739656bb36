"""fit: one loop for everything that has one loss."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from graphkit import resume

Score = float | tuple[float, ...]
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: mean loss of its steps, validation score, seconds of training."""

    number: int
    loss: float
    score: Score
    seconds: float


@dataclass(frozen=True)
class Fit:
    """What :func:`fit` returns.

    Attributes:
        history: Every epoch, in order, numbered from 1.
        best: The epoch that was selected.
        state: The model's state after that epoch, a copy.
    """

    history: list[Epoch]
    best: Epoch
    state: dict[str, Tensor]

    @property
    def seconds_per_epoch(self) -> float:
        """Median over the epochs, so that compiling kernels in the first does not count."""
        return statistics.median(epoch.seconds for epoch in self.history)


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    evaluate: Callable[[], Score] | None = None,
    *,
    epochs: int,
    patience: int | None = None,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_epoch: Callable[[Epoch], Any] | None = None,
) -> Fit:
    """Train, and keep the state with the best validation score.

    At the end the model holds that state and is in evaluation mode. Nothing here knows of a test
    set: evaluate on it afterwards, once.

    Args:
        model: What is trained.
        optimizer: Made for the model's parameters.
        batches: Gone through once in every epoch: a list of one graph, or an object that gives
            its batches anew each time.
        loss: Of one batch; called in training mode.
        evaluate: Validation score, higher is better; called in evaluation mode, without
            gradients. Tuples compare entry by entry: ``(accuracy, -loss)`` breaks ties by loss.
            Of equal scores the first counts. If it is not given, the score is minus the loss, and
            the last epoch counts as the best.
        epochs: How many at most, those of the checkpoint included.
        patience: Stop after so many epochs without a better score.
        schedule: Of the learning rate; moved on after every epoch.
        checkpoint: File that is written after every epoch, and from which training goes on if it
            is there: with one thread, and batches in an order drawn from torch's generator, to the
            same weights as without a break.
        on_epoch: Called after every epoch, for progress.

    Raises:
        FloatingPointError: The loss is no longer finite.
        ValueError: The checkpoint is damaged, or of another run.
    """
    if epochs < 1:
        raise ValueError(f"epochs: expected at least 1, got {epochs}")
    history: list[Epoch] = []
    best: Epoch | None = None
    state: dict[str, Tensor] = {}
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer}
    if schedule is not None:
        parts["schedule"] = schedule
    if checkpoint is not None and Path(checkpoint).exists():
        found = resume.load(checkpoint)
        resume.restore(parts, found["parts"], checkpoint)
        history, state = [Epoch(**row) for row in found["history"]], found["state"]
        best = history[found["best"] - 1]
        resume.set_random_state(found["random"])
    for number in range(len(history) + 1, epochs + 1):
        if patience is not None and best is not None and number - 1 - best.number >= patience:
            break
        start = time.perf_counter()
        mean_loss = train_epoch(model, optimizer, batches, loss, number)
        if schedule is not None:
            schedule.step()
        seconds = time.perf_counter() - start
        model.eval()
        with torch.no_grad():
            score = -mean_loss if evaluate is None else evaluate()
        epoch = Epoch(number, mean_loss, score, seconds)
        history.append(epoch)
        last = evaluate is None
        if best is None or last or score > best.score:  # type: ignore[operator]  # of one kind
            best = epoch
            state = {name: value.clone() for name, value in model.state_dict().items()}
        if checkpoint is not None:
            now = {
                "parts": {name: part.state_dict() for name, part in parts.items()},
                "history": [asdict(epoch) for epoch in history],
                "best": best.number,
                "state": state,
                "random": resume.random_state(),
            }
            resume.save(checkpoint, now)
        if on_epoch is not None:
            on_epoch(epoch)
    assert best is not None
    model.load_state_dict(state)
    model.eval()
    return Fit(history, best, state)


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    number: int,
) -> float:
    """One epoch of training, the `number`-th; its mean loss.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    model.train()
    losses: list[float] = []
    for batch in batches:
        optimizer.zero_grad()
        value = loss(batch)
        losses.append(value.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"loss is {losses[-1]} in epoch {number}")
        value.backward()
        optimizer.step()
    if not losses:
        raise ValueError("batches: expected at least one in every epoch, got none")
    return statistics.fmean(losses)
