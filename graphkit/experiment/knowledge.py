"""Completion of knowledge graphs as experiments."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.data.knowledge import triples_of
from graphkit.experiment.run import Experiment, Outcome, Trained
from graphkit.metrics import ranking_quality
from graphkit.nn import ComplEx, DistMult, KnowledgeModel, RGCNDistMult, RotatE, TransE
from graphkit.tasks import KnowledgeTask, Phases
from graphkit.tasks.knowledge import Questions
from graphkit.train import Epoch, Fit

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
}


class KnowledgeExperiment(Experiment):
    """A model of triples, trained on those that are known and tested on those that are missing.

    The score is the filtered MRR over both sides; hits at 1, 3 and 10 are further ones. See
    :class:`~graphkit.tasks.KnowledgeTask`.
    """

    def __init__(self, dataset: Dataset, model: str, *, level: Any = None, **options: Any) -> None:
        if level not in (None, "edge"):
            raise ValueError(f"task: expected 'link' for {model}, got {level!r}")
        super().__init__(dataset, model, level="edge", **options)

    def _prepare(self, graph: Any) -> Any:
        return graph if self.device.type == "cpu" else graph.to(self.device)

    def _task(self) -> KnowledgeTask:
        triples_of(self.dataset)  # says what is none
        s = self.settings
        if s["optimizer"] not in _OPTIMIZERS:
            raise ValueError(
                f"optimizer: expected one of {', '.join(_OPTIMIZERS)}; got {s['optimizer']!r}"
            )
        names = ("training", "negatives", "margin", "temperature", "validated")
        return KnowledgeTask(**{name: s[name] for name in names})

    def _optimizer(self, groups: list[dict], lr: float) -> torch.optim.Optimizer:
        return _OPTIMIZERS[self.settings["optimizer"]](groups, lr=lr)

    def build(self, seed: int) -> KnowledgeModel:
        triples = triples_of(self.dataset)
        sizes = triples.num_entities, triples.num_relations, self.settings["hidden"]
        return _BUILD[self.recipe.name](sizes, SimpleNamespace(**self.settings)).to(self.device)

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        torch.manual_seed(seed)
        task = self.task
        assert isinstance(task, KnowledgeTask)
        phases = task.phases(self.dataset, seed, **self.settings)
        model = self.build(seed)
        fitted = self.fit(model, phases, on_epoch)
        found = ranking_quality(task.ranks(model, phases.test))
        return Trained(seed, model, fitted, found.pop("mrr"), found)

    def fit(self, model: nn.Module, phases: Phases, on_epoch: Any = None) -> Fit:
        weight = self.settings.get("n3", 0.0)
        if not weight:
            return super().fit(model, phases, on_epoch)
        assert isinstance(model, DistMult | ComplEx)
        known = triples_of(self.dataset).train.to(self.device)

        def loss(batch: Questions) -> Tensor:
            penalty = model.cubes(*known[:, batch.triples]).mean()
            return self.task.loss(*phases.train.predict(model, batch)) + weight * penalty

        return self.minimise(model, phases.train.batches, loss, phases.val, on_epoch)

    def outcome(self) -> Outcome:
        outcome = super().outcome()
        outcome.task = "link"
        return outcome


Sizes = tuple[int, int, int]


def _transe(sizes: Sizes, s: SimpleNamespace) -> TransE:
    return TransE(*sizes, p_norm=s.p_norm, normalize=s.normalize)


def _rotate(sizes: Sizes, s: SimpleNamespace) -> RotatE:
    return RotatE(*sizes, margin=0.0, p_norm=s.p_norm)  # the task has a margin


def _rgcn(sizes: Sizes, s: SimpleNamespace) -> RGCNDistMult:
    return RGCNDistMult(*sizes, s.layers, s.num_bases, s.num_blocks, s.dropout)


_BUILD: dict[str, Callable[[Sizes, SimpleNamespace], KnowledgeModel]] = {
    "complex": lambda sizes, s: ComplEx(*sizes),
    "distmult": lambda sizes, s: DistMult(*sizes),
    "rgcn": _rgcn,
    "rotate": _rotate,
    "transe": _transe,
}
