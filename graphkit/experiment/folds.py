"""Cross-validation on small sets of graphs: the protocols of Xu et al. 2019 and Errica et al. 2020.

Their numbers are not comparable. The first has no test set: it reports the held-out folds at the
epoch that is best on them. The second chooses settings and epoch inside every training fold.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch

from graphkit.experiment.run import Experiment, Outcome, Trained, count_parameters
from graphkit.tasks import Phases
from graphkit.train import Epoch, Fit


class GINProtocol(Experiment):
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
        on_epoch: Callable[[int, Epoch], Any] | None = None,
        on_seed: Callable[[Trained, float], Any] | None = None,
    ) -> Outcome:
        outcome = self._folds_only(seeds)
        curves: list[list[float]] = []
        seconds: list[float] = []
        try:
            for fold in seeds:
                torch.manual_seed(fold)
                model = self.build(fold)
                fitted = self.fit(
                    model,
                    self._phases(fold),
                    lambda epoch, fold=fold: on_epoch and on_epoch(fold, epoch),
                )
                curves.append([_metric(epoch) for epoch in fitted.history])
                seconds.append(fitted.seconds_per_epoch)
                outcome.parameters = count_parameters(model)
                outcome.seeds.append(fold)
                if on_seed is not None:
                    best = max(curves[-1])
                    on_seed(Trained(fold, model, fitted, best), self.in_unit(best))
            outcome.complete = True
        except KeyboardInterrupt:
            pass
        if curves:
            means = [statistics.fmean(scores) for scores in zip(*curves, strict=True)]
            chosen = means.index(max(means))
            outcome.values = [self.in_unit(curve[chosen]) for curve in curves]
            outcome.seconds_per_epoch = statistics.fmean(seconds)
        return outcome

    def _phases(self, fold: int) -> Phases:
        """All but the held-out fold for training; the latter in the place of validation."""
        split = self.dataset.split(fold)
        merged = split._replace(train=torch.cat([split.train, split.val]), val=split.test)
        return self._phases_of(merged, fold)


class FairProtocol(Experiment):
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
        self.grid = self.recipe.grid if grid is None else grid
        unknown = set(self.grid) - set(self.settings)
        if unknown:
            raise ValueError(f"grid: expected names of settings, got {sorted(unknown)}")
        # A setting that was asked for is not searched for.
        asked = kwargs.get("settings") or {}
        self.grid = {name: values for name, values in self.grid.items() if name not in asked}

    def run(
        self,
        seeds: Sequence[int],
        *,
        on_epoch: Callable[[int, Epoch], Any] | None = None,
        on_seed: Callable[[Trained, float], Any] | None = None,
    ) -> Outcome:
        outcome = self._folds_only(seeds)
        seconds: list[float] = []
        try:
            for fold in seeds:
                progress = lambda epoch, fold=fold: on_epoch and on_epoch(fold, epoch)  # noqa: E731
                self._choose(fold, progress)
                runs = [self._once(fold, seed, progress) for seed in range(1, self.repeats + 1)]
                score = statistics.fmean(run.score for run in runs)
                seconds.append(statistics.fmean(run.fit.seconds_per_epoch for run in runs))
                outcome.seconds_per_epoch = statistics.fmean(seconds)
                outcome.parameters = count_parameters(runs[-1].model)
                outcome.seeds.append(fold)
                outcome.values.append(self.in_unit(score))
                if on_seed is not None:
                    on_seed(runs[-1], outcome.values[-1])
            outcome.complete = True
        except KeyboardInterrupt:
            pass
        return outcome

    def _choose(self, fold: int, on_epoch: Callable[[Epoch], Any]) -> None:
        """Set the settings that validation on this fold likes best; of equal ones the first."""
        best: tuple[Any, dict[str, Any]] | None = None
        for values in itertools.product(*self.grid.values()):
            changes = dict(zip(self.grid, values, strict=True))
            self._use(changes)
            found = self._fitted(fold, 0, on_epoch)[1].best.score
            if best is None or found > best[0]:
                best = found, changes
        if best is not None:
            self._use(best[1])

    def _use(self, changes: dict[str, Any]) -> None:
        self.settings = {**self.settings, **changes}
        self.task = self._task()

    def _once(self, fold: int, seed: int, on_epoch: Callable[[Epoch], Any]) -> Trained:
        model, fitted, phases = self._fitted(fold, seed, on_epoch)
        return Trained(fold, model, fitted, self.task.evaluate(model, phases.test)[0])

    def _fitted(self, fold: int, seed: int, on_epoch: Any) -> tuple[Any, Fit, Phases]:
        torch.manual_seed(100 * fold + seed)
        phases = self._phases_of(self.dataset.split(fold), 100 * fold + seed)
        model = self.build(fold)
        return model, self.fit(model, phases, on_epoch), phases


def _metric(epoch: Epoch) -> float:
    assert isinstance(epoch.score, tuple)
    return epoch.score[0]


PROTOCOLS: dict[str, type[Experiment]] = {
    protocol.protocol: protocol for protocol in (Experiment, GINProtocol, FairProtocol)
}
"""By name."""
