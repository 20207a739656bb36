"""One data set, one model, several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset, Level
from graphkit.data.features import identity_features, normalize_features
from graphkit.experiment import models
from graphkit.experiment.recipes import Published, Recipe, recipe_of
from graphkit.graph import Graph
from graphkit.nn import MLP, Dropout, GraphHead, NodeHead, Predictor
from graphkit.tasks import EdgeTask, GraphTask, LinkTask, NodeTask, Phase, Phases, SceneTask, Task
from graphkit.train import Epoch, Fit, fit


@dataclass
class Outcome:
    """What an experiment gave. Scores that are shares are in per cent.

    Attributes:
        protocol: "split": every seed trains on the data set's split, and tests once, on the epoch
            that validation selected. "gin", "fair": see `graphkit.experiment.folds`.
        seeds, values: The seeds that were finished, and the test score of each.
        complete: Whether all that were asked for were finished.
        further: Other metrics' test scores, of every seed, and what was published of them.
    """

    dataset: str
    split: str
    task: str
    model: str
    metric: str
    unit: str
    protocol: str
    selection: str
    settings: dict[str, Any]
    published: Published | None
    parameters: int = 0
    seeds: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    seconds_per_epoch: float | None = None
    complete: bool = False
    further: dict[str, list[float]] = field(default_factory=dict)
    published_further: dict[str, Published | None] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Trained:
    """One run: its model, in the state that was selected, and how it got there."""

    seed: int
    model: nn.Module
    fit: Fit
    score: float
    further: dict[str, float] = field(default_factory=dict)


class Experiment:
    """A data set, a model and a protocol, ready to run.

    Args:
        dataset: The data set.
        model: Name of a recipe.
        level: What to predict on: that of the data set, or "edge" for the links of its graph.
        epochs: How many at most, if not the recipe's own.
        settings: What else shall differ from the recipe.
        device: Where to train.

    Raises:
        ValueError: The model, a setting or the task does not fit.
    """

    protocol = "split"
    selection = ""  # the task's

    def __init__(
        self,
        dataset: Dataset,
        model: str,
        *,
        level: Level | None = None,
        epochs: int | None = None,
        settings: dict[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.level: Level = level or dataset.level
        if self.level != dataset.level and (self.level, dataset.level) != ("edge", "node"):
            raise ValueError(
                f"task: expected {dataset.level!r}{_or_links(dataset)} for {dataset.name}, "
                f"got {self.level!r}"
            )
        self.recipe: Recipe = recipe_of(model)
        changes = dict(settings or {}) | ({} if epochs is None else {"epochs": epochs})
        x = dataset.graphs[0].x
        atoms = x is not None and not x.is_floating_point()
        groups = ["molecules", dataset.name] if atoms else [dataset.name]
        self.settings = self.recipe.settings(groups, self.level, changes)
        if self.settings.get("identity") and len(dataset.graphs) > 1:
            raise ValueError(
                f"identity: expected false, as {dataset.name} has {len(dataset.graphs)} graphs "
                "whose nodes are not the same, got true"
            )
        self.device = torch.device(device)
        # Graphs that are made when they are asked for stay so, if nothing is to be changed.
        first = dataset.graphs[0]
        self.dataset = dataset if self._prepare(first) is first else dataset.map(self._prepare)
        self.task = self._task()
        self.build(0)  # what does not fit is said now

    @property
    def epochs(self) -> int:
        """How many a run has at most."""
        return self.settings["epochs"]

    def _prepare(self, graph: Any) -> Any:
        if graph.x is None or self.settings["identity"]:  # a vector for every node is learnt
            graph = graph.replace(x=identity_features(graph.num_nodes))
        elif self.settings["normalize"] and graph.x.is_floating_point():
            graph = normalize_features(graph)
        if graph.edge_attr is not None and not self._reads_edges and self.level != "edge":
            graph = graph.replace(edge_attr=None)
        if self.settings["undirected"] and not graph.is_undirected:
            graph = graph.to_undirected()
        return graph if self.device.type == "cpu" else graph.to(self.device)

    @property
    def _reads_edges(self) -> bool:
        return self.settings["edges"] and self.recipe.name in models.READ_EDGES

    def _task(self) -> Task:
        if self.level == "edge":
            if self.dataset.level == "node" or self.dataset.kind == "link":
                return LinkTask.of(self.dataset)
            several = len(self.dataset.graphs) > 1
            return SceneTask.of(self.dataset) if several else EdgeTask.of(self.dataset)
        return (NodeTask if self.level == "node" else GraphTask).of(self.dataset)

    def run(
        self,
        seeds: Sequence[int],
        *,
        on_epoch: Callable[[int, Epoch], Any] | None = None,
        on_seed: Callable[[Trained, float], Any] | None = None,
    ) -> Outcome:
        """Train and test with every seed.

        Args:
            seeds: One seed, one result.
            on_epoch: Called with the seed after every epoch.
            on_seed: Called with every finished run and its score.

        Returns:
            The outcome; of an experiment that is interrupted (Ctrl-C), what was finished.
        """
        outcome = self.outcome()
        seconds: list[float] = []
        try:
            for seed in seeds:
                done = self.train(seed, lambda epoch, seed=seed: on_epoch and on_epoch(seed, epoch))
                outcome.parameters = count_parameters(done.model)
                seconds.append(done.fit.seconds_per_epoch)
                outcome.seconds_per_epoch = statistics.fmean(seconds)
                outcome.seeds.append(seed)
                outcome.values.append(self.in_unit(done.score))
                for name, score in done.further.items():
                    outcome.further.setdefault(name, []).append(self.in_unit(score))
                if on_seed is not None:
                    on_seed(done, outcome.values[-1])
        except KeyboardInterrupt:
            return outcome
        outcome.complete = True
        return outcome

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        """Train with one seed, select an epoch by validation, and test it, once."""
        torch.manual_seed(seed)
        phases = self.task.phases(self.dataset, seed, **self.settings)
        model = self.build(seed)
        fitted = self.fit(model, phases, on_epoch)
        score, _ = self.task.evaluate(model, phases.test)
        return Trained(seed, model, fitted, score)

    def fit(self, model: nn.Module, phases: Phases, on_epoch: Any = None) -> Fit:
        return self.minimise(
            model,
            phases.train.batches,
            lambda batch: self.task.loss(*phases.train.predict(model, batch)),
            phases.val,
            on_epoch,
        )

    def minimise(
        self,
        model: nn.Module,
        batches: Iterable[Any],
        loss: Callable[[Any], Tensor],
        val: Phase,
        on_epoch: Callable[[Epoch], Any] | None = None,
    ) -> Fit:
        """Train on a loss as the settings say, and select an epoch by validation."""
        s = self.settings
        optimizer = self._optimizer(parameter_groups(model, s["weight_decay"]), s["lr"])
        schedule = None
        if s["halve_every"]:
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, s["halve_every"], gamma=0.5)
        return fit(
            model,
            optimizer,
            batches,
            loss,
            lambda: self.task.rank(*self.task.evaluate(model, val)),
            epochs=s["epochs"],
            patience=s["patience"],
            schedule=schedule,
            on_epoch=on_epoch,
        )

    def _optimizer(self, groups: list[dict], lr: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(groups, lr=lr, fused=True)

    def build(self, seed: int) -> nn.Module:
        """A fresh model; its start values come from torch's generator."""
        if self.recipe.kind != "network":
            raise ValueError(
                f"model: expected one that is trained on targets, got {self.recipe.name!r}; "
                "experiment_of makes its experiment"
            )
        s, graph = SimpleNamespace(**self.settings), self.dataset.graphs[0]
        edges: Any = _sizes("edge_attr", graph.edge_attr) or 0
        if isinstance(self.task, EdgeTask):
            edges = self.task.message_features if self._reads_edges else 0
        outputs = {"node": self.task.num_outputs, "edge": getattr(s, "code", 0)}
        interface = models.Interface(
            features=_sizes("x", graph.x),
            edges=edges,
            outputs=outputs.get(self.level, s.hidden),
            plain_last=self.level != "graph",
            degrees=cache(lambda: models.degrees_of(self._training_graphs(seed))),
        )
        encoder = models.build(self.recipe.name, interface, s)
        if self.level == "node":
            head = NodeHead(nn.Identity())
        elif self.level == "edge":
            head = self.task.head(interface.outputs)
        else:
            sizes = [interface.outputs] * s.head_layers + [self.task.num_outputs]
            head = GraphHead(nn.Sequential(Dropout(s.dropout), MLP(sizes, norm=None)), s.pool)
        return Predictor(encoder, head).to(self.device)

    def _training_graphs(self, seed: int) -> Sequence[Graph]:
        graphs = self.dataset.graphs
        if len(graphs) == 1:
            return graphs
        return [graphs[i] for i in self.dataset.split(seed).train.tolist()]

    def outcome(self) -> Outcome:
        """An outcome without values yet."""
        return Outcome(
            dataset=self.dataset.name,
            split=self.task.split if isinstance(self.task, LinkTask) else self.dataset.split_name,
            task="link" if isinstance(self.task, LinkTask) else self.level,
            model=self.recipe.name,
            metric=self.task.metric.name,
            unit="%" if self._is_share else "",
            protocol=self.protocol,
            selection=self.selection or self.task.selection,
            settings=self.settings,
            published=self.recipe.published(self.dataset.name, self.level, self.protocol),
        )

    @property
    def _is_share(self) -> bool:
        return self.task.metric.higher_is_better

    def in_unit(self, score: float) -> float:
        """A score as it is reported."""
        return round(100 * score, 8) if self._is_share else score


def parameter_groups(model: nn.Module, weight_decay: float | dict[str, float]) -> list[dict]:
    """Groups for an optimiser.

    Args:
        model: The model, or a `Predictor` of one.
        weight_decay: Of all parameters; or of those of the encoder whose names start so, none of
            the others.
    """
    if not isinstance(weight_decay, dict):
        return [{"params": list(model.parameters()), "weight_decay": weight_decay}]
    groups: dict[float, list[nn.Parameter]] = {}
    unused = set(weight_decay)
    for name, parameter in model.named_parameters():
        decay = 0.0
        for start, value in weight_decay.items():
            if f"{name}.".startswith(f"encoder.{start}."):
                decay = value
                unused.discard(start)
        groups.setdefault(decay, []).append(parameter)
    if unused:
        raise ValueError(f"weight_decay: no parameter's name starts with {sorted(unused)}")
    return [{"params": group, "weight_decay": decay} for decay, group in groups.items()]


def count_parameters(model: nn.Module) -> int:
    """Number of learnt numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def _or_links(dataset: Dataset) -> str:
    return " or 'edge' (its links)" if dataset.level == "node" else ""


def _sizes(name: str, value: Any) -> Any:
    """Columns of features; or the number of categories in each, where they hold categories."""
    if value is None:
        return None
    if value.is_floating_point():
        return value.size(-1) if value.dim() > 1 else 1
    from graphkit.convert.molecules import ATOM_FEATURES, BOND_FEATURES

    columns = [len(v) for v in (ATOM_FEATURES if name == "x" else BOND_FEATURES).values()]
    if len(columns) != value.size(-1):
        raise ValueError(
            f"dataset: expected {name} in floating point, or the {len(columns)} categories of a "
            f"molecule's, got {value.dtype} with {value.size(-1)} columns"
        )
    return columns
