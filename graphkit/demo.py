"""The demo: a node, an edge and a graph model, trained on data that installed packages bring.

Every task is read from top to bottom in its `train`: data, split, model, loss, selection by
validation, and one look at the test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphkit import plot
from graphkit.data import (
    Batches,
    digits_neighbours,
    digits_pixels,
    les_miserables,
    split_at_random,
    split_links,
    split_per_class,
)
from graphkit.graph import Graph
from graphkit.nn import GCN, GIN, MLP, EdgeHead, GraphHead, GraphSAGE, Predictor
from graphkit.report import Result
from graphkit.train import Epoch, Fit, fit

OnEpoch = Callable[[Epoch], Any]


@dataclass(frozen=True)
class Outcome:
    """What one seed gave: how training went, the metric on the test, what the picture shows."""

    seed: int
    fit: Fit
    test: float
    shown: dict[str, Any]
    baseline: float | None = None


class Task(ABC):
    """One row of the table."""

    name: ClassVar[str]
    data: ClassVar[str]
    model: ClassVar[str]
    metric: ClassVar[str]
    baseline: ClassVar[str | None] = None
    epochs: int

    @abstractmethod
    def train(self, seed: int, on_epoch: OnEpoch) -> Outcome:
        """Train and test once. The test is looked at once, with the selected model."""

    @abstractmethod
    def draw(self, outcomes: Sequence[Outcome], file: Path) -> None:
        """The task's picture."""

    def results(self, outcomes: Sequence[Outcome]) -> list[Result]:
        """The task's row, and that of its baseline if it has one."""
        seeds = [outcome.seed for outcome in outcomes]
        row = Result(
            self.name,
            self.data,
            self.model,
            self.metric,
            seeds,
            [outcome.test for outcome in outcomes],
            [outcome.fit.seconds_per_epoch for outcome in outcomes],
            [
                {"best_epoch": outcome.fit.best.number, "validation": _first(outcome.fit.best)}
                for outcome in outcomes
            ],
        )
        if self.baseline is None:
            return [row]
        values = [outcome.baseline for outcome in outcomes if outcome.baseline is not None]
        return [row, Result(self.name, self.data, self.baseline, self.metric, seeds, values)]


class NodeTask(Task):
    """Which digit is it? 10 labels per class, and a graph of similar images."""

    name = "node"
    data = "digits, k-NN"
    model = "GCN"
    metric = "accuracy"
    epochs = 100

    def __init__(self) -> None:
        self.graph = digits_neighbours(k=8)

    def train(self, seed: int, on_epoch: OnEpoch) -> Outcome:
        torch.manual_seed(seed)
        graph, y = self.graph, self.graph.y
        split = split_per_class(y, train=10, val=20, seed=seed)
        model = GCN(64, 64, num_layers=2, out_channels=10, dropout=0.5)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)

        def loss(graph: Graph) -> Tensor:
            return F.cross_entropy(model(graph.x, graph)[split.train], y[split.train])

        def evaluate() -> tuple[float, float]:
            return _score(model(graph.x, graph)[split.val], y[split.val])

        done = fit(model, optimizer, [graph], loss, evaluate, epochs=self.epochs, on_epoch=on_epoch)
        with torch.no_grad():
            out = model(graph.x, graph)
        wrong = torch.zeros(len(y), dtype=torch.bool)
        wrong[split.test] = out[split.test].argmax(dim=1) != y[split.test]
        shown = {"out": out.numpy(), "wrong": wrong.numpy()}
        return Outcome(seed, done, _score(out[split.test], y[split.test])[0], shown)

    def draw(self, outcomes: Sequence[Outcome], file: Path) -> None:
        first = outcomes[0]
        plot.embedding(
            file,
            first.shown["out"],
            self.graph.y.numpy(),
            first.shown["wrong"],
            title="Digits in a graph of their nearest neighbours",
            subtitle=f"Output of a GCN that saw 10 labels per class, by t-SNE. "
            f"Test accuracy {first.test:.3f}, seed {first.seed}",
        )


class LinkPredictor(nn.Module):
    """GraphSAGE on nodes of which nothing is known: each learns what features it starts with."""

    def __init__(self, num_nodes: int, channels: int) -> None:
        super().__init__()
        self.start = nn.Embedding(num_nodes, channels)
        encoder = GraphSAGE(channels, channels, num_layers=2, dropout=0.3)
        self.rest = Predictor(encoder, EdgeHead(MLP([channels, channels, 1], norm=None)))

    def forward(self, graph: Graph, pairs: Tensor) -> Tensor:
        return self.rest(self.start.weight, graph, pairs).squeeze(1)


class EdgeTask(Task):
    """Who else meets? A fifth of all links is hidden for the test, a tenth for validation."""

    name = "edge"
    data = "Les Misérables"
    model = "GraphSAGE"
    metric = "ROC-AUC"
    baseline = "common neighbours"
    epochs = 300

    def __init__(self) -> None:
        self.graph = les_miserables()

    def train(self, seed: int, on_epoch: OnEpoch) -> Outcome:
        torch.manual_seed(seed)
        draws = torch.Generator().manual_seed(seed)
        split = split_links(self.graph, val=0.1, test=0.2, negatives=10, seed=seed)
        model = LinkPredictor(self.graph.num_nodes, channels=64)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1e-3)

        def loss(_: None) -> Tensor:
            graph, positive, negative = split.draw(supervised=0.3, generator=draws)
            logits = model(graph, torch.cat([positive, negative], dim=1))
            truth = torch.zeros(len(logits))
            truth[: positive.size(1)] = 1
            return F.binary_cross_entropy_with_logits(logits, truth)

        def scores(links: Tensor, negative: Tensor) -> plot.Roc:
            pairs = torch.cat([links, negative], dim=1)
            return plot.Roc(_truth(links, negative), model(split.graph, pairs).numpy())

        def evaluate() -> float:
            return scores(split.val, split.val_negative).area

        done = fit(model, optimizer, [None], loss, evaluate, epochs=self.epochs, on_epoch=on_epoch)
        with torch.no_grad():
            found = scores(split.test, split.test_negative)
        common = common_neighbours(split.graph, torch.cat([split.test, split.test_negative], dim=1))
        plain = plot.Roc(found.truth, common.numpy())
        shown = {"model": found, "baseline": plain}
        return Outcome(seed, done, found.area, shown, baseline=plain.area)

    def draw(self, outcomes: Sequence[Outcome], file: Path) -> None:
        plot.roc(
            file,
            [outcome.shown["model"] for outcome in outcomes],
            baseline=[outcome.shown["baseline"] for outcome in outcomes],
            names=(self.model, "common neighbours"),
            title="Hidden links of “Les Misérables”",
            subtitle="A fifth of the links, never seen in training, against unlinked pairs. "
            "Faint: single seeds",
        )


class GraphTask(Task):
    """Which digit is it? Every image is a graph of its pixels, joined to the 8 around them."""

    name = "graph"
    data = "digits, pixels"
    model = "GIN"
    metric = "accuracy"
    epochs = 30

    def __init__(self) -> None:
        self.graphs = digits_pixels()

    def train(self, seed: int, on_epoch: OnEpoch) -> Outcome:
        torch.manual_seed(seed)
        order = torch.Generator().manual_seed(seed)
        split = split_at_random(len(self.graphs), train=1100, val=300, seed=seed)
        train, val, test = ([self.graphs[i] for i in part.tolist()] for part in split)
        batches, validation = Batches(train, batch_size=64, generator=order), Graph.batch(val)
        encoder = GIN(3, 32, num_layers=3, norm="batch_norm")
        model = Predictor(encoder, GraphHead(MLP([32, 32, 10], norm=None), pool="sum"))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs)

        def loss(batch: Graph) -> Tensor:
            return F.cross_entropy(model(batch.x, batch, batch), batch.y)

        def evaluate() -> tuple[float, float]:
            return _score(model(validation.x, validation, validation), validation.y)

        done = fit(
            model,
            optimizer,
            batches,
            loss,
            evaluate,
            epochs=self.epochs,
            schedule=schedule,
            on_epoch=on_epoch,
        )
        testing = Graph.batch(test)
        with torch.no_grad():
            out = model(testing.x, testing, testing)
        shown = {"graphs": test, "predicted": out.argmax(dim=1).numpy()}
        return Outcome(seed, done, _score(out, testing.y)[0], shown)

    def draw(self, outcomes: Sequence[Outcome], file: Path) -> None:
        first = outcomes[0]
        wrong = round((1 - first.test) * len(first.shown["graphs"]))
        plot.pixel_graphs(
            file,
            first.shown["graphs"],
            first.shown["predicted"],
            title="Digits as graphs of pixels, and what a GIN takes them for",
            subtitle=f"Two rows of right answers, then {min(wrong, 8)} of the {wrong} wrong ones "
            f"among {len(first.shown['graphs'])} test graphs, seed {first.seed}",
        )


TASKS: tuple[type[Task], ...] = (NodeTask, EdgeTask, GraphTask)


def common_neighbours(graph: Graph, pairs: Tensor) -> Tensor:
    """How many nodes are linked to both ends of every pair: the simplest link predictor."""
    linked = torch.zeros(graph.num_nodes, graph.num_nodes)
    linked[graph.edge_index[0], graph.edge_index[1]] = 1
    return (linked[pairs[0]] * linked[pairs[1]]).sum(dim=1)


def _score(out: Tensor, y: Tensor) -> tuple[float, float]:
    """Accuracy, ties broken by the lower cross-entropy."""
    accuracy = (out.argmax(dim=1) == y).float().mean().item()
    return accuracy, -F.cross_entropy(out, y).item()


def _first(epoch: Epoch) -> float:
    return epoch.score[0] if isinstance(epoch.score, tuple) else epoch.score


def _truth(links: Tensor, negative: Tensor) -> np.ndarray[Any, Any]:
    return np.repeat([1, 0], [links.size(1), negative.size(1)])
