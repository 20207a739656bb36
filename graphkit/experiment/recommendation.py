"""Recommendation as experiments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from graphkit.data.dataset import Dataset
from graphkit.data.interactions import interactions_of
from graphkit.experiment.run import Experiment, Outcome, Trained
from graphkit.nn import LightGCN
from graphkit.tasks import Phases, Popularity, RecommendationTask
from graphkit.train import Epoch, Fit


class RecommendationExperiment(Experiment):
    """A model of users and items, trained on pairs that are known and tested on those to be found.

    The score is recall at 20; NDCG at 20 is a further one. See
    :class:`~graphkit.tasks.RecommendationTask`.
    """

    def __init__(self, dataset: Dataset, model: str, *, level: Any = None, **options: Any) -> None:
        if level not in (None, "edge"):
            raise ValueError(f"task: expected 'link' for {model}, got {level!r}")
        super().__init__(dataset, model, level="edge", **options)

    @property
    def epochs(self) -> int:
        return self.settings.get("epochs", 1)  # where nothing is learnt

    def _prepare(self, graph: Any) -> Any:
        return graph if self.device.type == "cpu" else graph.to(self.device)

    def _task(self) -> RecommendationTask:
        interactions_of(self.dataset)  # says what is none
        names = self.settings.keys() & {"penalty"}
        return RecommendationTask(**{name: self.settings[name] for name in names})

    def build(self, seed: int) -> nn.Module:
        pairs = interactions_of(self.dataset)
        if self.recipe.name == "popularity":
            return Popularity(pairs.num_users)
        s = self.settings
        model = LightGCN(pairs.num_users + pairs.num_items, s["hidden"], s["layers"])
        nn.init.normal_(model.embedding.weight, std=s["start"])
        return model.to(self.device)

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        torch.manual_seed(seed)
        task = self.task
        assert isinstance(task, RecommendationTask)
        phases = task.phases(self.dataset, seed, **self.settings)
        model = self.build(seed)
        fitted = self.fit(model, phases, on_epoch)
        found = task.quality(model, phases.test)
        return Trained(seed, model, fitted, found.pop("recall@20"), found)

    def fit(self, model: nn.Module, phases: Phases, on_epoch: Any = None) -> Fit:
        if not isinstance(model, Popularity):
            return super().fit(model, phases, on_epoch)
        score, loss = self.task.evaluate(model, phases.val)
        only = Epoch(1, 0.0, self.task.rank(score, loss), 0.0)
        if on_epoch is not None:
            on_epoch(only)
        return Fit([only], only, {})

    def outcome(self) -> Outcome:
        outcome = super().outcome()
        outcome.task = "link"
        return outcome
