"""Cross-validation on small sets of graphs: the protocols of Xu et al. 2019 and Errica et al. 2020.

Their numbers are not comparable. The first has no test set: it reports the held-out folds at the
epoch that is best on them. The second chooses settings and epoch inside every training fold.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from graphkit.data import Split
from graphkit.experiment.run import Experiment, Outcome, Trained
from graphkit.tasks import Phases
from graphkit.train import Epoch, Fit


class _Folds(Experiment):
    """An experiment whose "seeds" are the folds of its data set."""

    def run(self, seeds: Sequence[int], **progress: Any) -> Outcome:
        splits = self.dataset.splits
        if callable(splits) or not all(0 <= fold < len(splits) for fold in seeds):
            count = "none" if callable(splits) else len(splits)
            raise ValueError(
                f"protocol: {self.protocol!r} takes folds for seeds, and {self.dataset.name} has "
                f"{count}; got {list(seeds)}"
            )
        return super().run(seeds, **progress)

    def _fitted(
        self, split: Split, fold: int, seed: int, on_epoch: Any
    ) -> tuple[nn.Module, Fit, Phases]:
        """A model that was trained on a split, not necessarily the fold's own."""
        torch.manual_seed(seed)
        phases = self.task.phases(replace(self.dataset, splits=[split]), seed, **self.settings)
        model = self.build(fold)
        return model, self.fit(model, phases, on_epoch), phases


class GINProtocol(_Folds):
    """Ten folds without a validation part; the epoch is the best of their mean held-out curve.

    Xu et al. 2019, section 7. Optimistic, as the held-out folds choose the epoch. The "seeds" of
    the outcome are the folds.
    """

    protocol = "gin"
    selection = "no test set: the epoch with the best mean over the held-out folds"

    def run(
        self,
        seeds: Sequence[int],
        *,
        on_seed: Callable[[Trained, float], Any] | None = None,
        **progress: Any,
    ) -> Outcome:
        curves: list[list[float]] = []

        def keep(trained: Trained, best: float) -> None:
            curves.append(self.curve(trained))
            if on_seed is not None:
                on_seed(trained, best)

        outcome = super().run(seeds, on_seed=keep, **progress)
        outcome.values = at_one_epoch(curves)
        return outcome

    def curve(self, trained: Trained) -> list[float]:
        """What the held-out fold scored after every epoch."""
        return [self.in_unit(_metric(epoch)) for epoch in trained.fit.history]

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        """Train on all but the held-out fold, which stands in the place of validation."""
        split = self.dataset.split(seed)
        merged = split._replace(train=torch.cat([split.train, split.val]), val=split.test)
        model, fitted, _ = self._fitted(merged, seed, seed, on_epoch)
        return Trained(seed, model, fitted, _metric(fitted.best))


def at_one_epoch(curves: Sequence[Sequence[float]]) -> list[float]:
    """Of every fold's curve the score at the epoch where their mean is highest."""
    means = [statistics.fmean(scores) for scores in zip(*curves, strict=True)]
    return [curve[means.index(max(means))] for curve in curves]


class FairProtocol(_Folds):
    """Ten folds; settings and epoch are chosen by validation inside every training fold.

    Errica et al. 2020, section 4: for every fold each setting of a grid is trained once and judged
    by validation; the best is trained three times, from other start values, and the mean of its
    three test scores counts. The "seeds" of the outcome are the folds.

    Args:
        grid: Names of settings, and the values each may take; default is the recipe's.
        **kwargs: Of :class:`Experiment`.
    """

    protocol = "fair"
    selection = "settings and epoch by validation inside every training fold; mean of 3 runs"
    repeats = 3

    def __init__(
        self, *args: Any, grid: dict[str, Sequence[Any]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        searched = self.recipe.grid if grid is None else grid
        unknown = set(searched) - set(self.settings)
        if unknown:
            raise ValueError(f"grid: expected names of settings, got {sorted(unknown)}")
        # A setting that was asked for is not searched for.
        asked = kwargs.get("settings") or {}
        self.grid = {name: values for name, values in searched.items() if name not in asked}

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        """Choose the settings for a fold, and train with them three times.

        Returns:
            The last run, with the mean of the test scores of all.
        """
        self._choose(seed, on_epoch)
        runs = [self._once(seed, repeat, on_epoch) for repeat in range(1, self.repeats + 1)]
        return replace(runs[-1], score=statistics.fmean(run.score for run in runs))

    def _choose(self, fold: int, on_epoch: Any) -> None:
        """Take the settings that validation on this fold likes best; of equal ones the first."""
        before, found = self.settings, []
        for values in itertools.product(*self.grid.values()):
            self.settings = {**before, **dict(zip(self.grid, values, strict=True))}
            fitted = self._fitted(self.dataset.split(fold), fold, 100 * fold, on_epoch)[1]
            found.append((fitted.best.score, self.settings))
        self.settings = max(found, key=lambda pair: pair[0])[1]

    def _once(self, fold: int, repeat: int, on_epoch: Any) -> Trained:
        split = self.dataset.split(fold)
        model, fitted, phases = self._fitted(split, fold, 100 * fold + repeat, on_epoch)
        return Trained(fold, model, fitted, self.task.evaluate(model, phases.test)[0])


def _metric(epoch: Epoch) -> float:
    assert isinstance(epoch.score, tuple)
    return epoch.score[0]


PROTOCOLS: dict[str, type[Experiment]] = {
    protocol.protocol: protocol for protocol in (Experiment, GINProtocol, FairProtocol)
}
"""By name."""
