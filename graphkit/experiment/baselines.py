"""What keeps graph networks honest: methods that are fitted at once, as experiments like others."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset, Level
from graphkit.experiment.folds import FairProtocol, GINProtocol
from graphkit.experiment.run import Experiment
from graphkit.graph import Graph
from graphkit.nn import LabelPropagation
from graphkit.sampling import walk_embedding
from graphkit.tasks import Phase, Phases, heuristics
from graphkit.tasks.subtrees import SubtreeKernel
from graphkit.train import Epoch, Fit

Settings = SimpleNamespace


class Baseline(nn.Module):
    """A method without weights.

    Attributes:
        candidates: How many settings of it validation chooses from.
    """

    candidates = 1

    def learn(self, train: Phase) -> None:
        """Look at what is known in training."""

    def choose(self, candidate: int) -> None:
        """Predict by the candidate of this number, from 0, from now on."""


class _Spread(Baseline):
    """Nodes by the labels of others."""

    def __init__(self, s: Settings, outputs: int) -> None:
        super().__init__()
        self.layers, self.alphas, self.outputs = s.layers, s.alphas, outputs
        self.candidates = len(s.alphas)

    def learn(self, train: Phase) -> None:
        graph, members, target = _known(train)
        self.start = torch.zeros(graph.num_nodes, self.outputs, device=target.device)
        self.start[members, target] = 1

    def choose(self, candidate: int) -> None:
        self.spread = LabelPropagation(self.layers, self.alphas[candidate])

    def forward(self, x: Any, graph: Graph) -> Tensor:
        return self.spread(self.start, graph)


class _Walks(Baseline):
    """Vectors of nodes from random walks: their classes by logistic regression, links by inner
    products."""

    def __init__(self, s: Settings, outputs: int) -> None:
        super().__init__()
        names = ("channels", "walks", "length", "window", "p", "q")
        self.options = {name: getattr(s, name) for name in names}
        self._embedded: tuple[Graph, Tensor] | None = None

    def embed(self, graph: Graph) -> Tensor:
        if self._embedded is None or self._embedded[0] is not graph:
            channels = min(self.options["channels"], graph.num_nodes - 1)
            options = self.options | {"channels": channels}
            found = walk_embedding(graph.to("cpu"), **options).to(graph.device)
            self._embedded = graph, found
        return self._embedded[1]


class _WalkLinks(_Walks):
    def forward(self, x: Any, graph: Graph, pairs: Tensor) -> Tensor:
        first, second = (self.embed(graph)[ends] for ends in pairs)
        return (first * second).sum(dim=1)


class _WalkNodes(_Walks):
    def __init__(self, s: Settings, outputs: int) -> None:
        super().__init__(s, outputs)
        self.strengths, self.outputs = s.strengths, outputs
        self.candidates = len(s.strengths)

    def learn(self, train: Phase) -> None:
        graph, self.members, self.target = _known(train)
        self.rows = self.embed(graph).cpu().numpy()

    def choose(self, candidate: int) -> None:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=self.strengths[candidate], max_iter=1000)
        members = self.members.cpu().numpy()
        model.fit(self.rows[members], self.target.cpu().numpy())
        found = torch.full((len(self.rows), self.outputs), -1e9)
        found[:, torch.from_numpy(model.classes_)] = torch.from_numpy(
            model.predict_log_proba(self.rows)
        ).float()
        self.scores = found.to(self.target.device)

    def forward(self, x: Any, graph: Graph) -> Tensor:
        return self.scores


class _Shared(Baseline):
    """Links by the neighbours that both ends have."""

    def __init__(self, score: Callable[[Graph, Tensor], Tensor]) -> None:
        super().__init__()
        self.score = score

    def forward(self, x: Any, graph: Graph, pairs: Tensor) -> Tensor:
        return self.score(graph, pairs)


class _Subtrees(Baseline):
    """Graphs by a support vector machine on the kernel of their subtrees."""

    def __init__(self, s: Settings, outputs: int) -> None:
        super().__init__()
        self.edges, self.outputs = s.edges, outputs
        self.pairs = list(itertools.product(s.rounds, s.strengths))
        self.candidates = len(self.pairs)

    def learn(self, train: Phase) -> None:
        graphs = Graph.batch(list(train.batches))
        self.target = graphs.y.cpu().numpy()
        self.kernel = SubtreeKernel(graphs, max(t for t, _ in self.pairs), edges=self.edges)
        self.between = self.kernel(graphs)

    def choose(self, candidate: int) -> None:
        from sklearn.svm import SVC

        self.rounds, strength = self.pairs[candidate]
        self.machine = SVC(C=strength, kernel="precomputed")
        self.machine.fit(self.between[self.rounds], self.target)

    def forward(self, x: Any, graph: Graph, of: Any) -> Tensor:
        far = torch.from_numpy(self.machine.decision_function(self.kernel(graph)[self.rounds]))
        if far.dim() == 1:  # two classes: positive is the second
            far = torch.stack([-far, far], dim=1)
        found = far.new_full((len(far), self.outputs), -1e9)
        found[:, torch.from_numpy(self.machine.classes_)] = far
        return found.float().to(graph.device)


def _known(train: Phase) -> tuple[Graph, Tensor, Tensor]:
    """The graph, the nodes whose targets training sees, and these."""
    (graph,) = train.batches
    members, target = train.predict(_Numbers(), graph)
    return graph, members, target


class _Numbers(nn.Module):
    """Predicts of every node its number."""

    def forward(self, x: Any, graph: Graph) -> Tensor:
        return torch.arange(graph.num_nodes, device=graph.device)


Make = Callable[[Settings, int], Baseline]

METHODS: dict[str, dict[Level, Make]] = {
    "label-propagation": {"node": _Spread},
    "deepwalk": {"node": _WalkNodes, "edge": _WalkLinks},
    "node2vec": {"node": _WalkNodes, "edge": _WalkLinks},
    "common-neighbours": {"edge": lambda *_: _Shared(heuristics.common_neighbours)},
    "adamic-adar": {"edge": lambda *_: _Shared(heuristics.adamic_adar)},
    "resource-allocation": {"edge": lambda *_: _Shared(heuristics.resource_allocation)},
    "wl": {"graph": _Subtrees},
}
"""By name and by what they predict on."""


class _Fitted(Experiment):
    """An experiment whose "epochs" are the settings that validation chooses from."""

    def __init__(self, dataset: Dataset, model: str, *, level: Any = None, **options: Any) -> None:
        levels = METHODS[model]
        if level is None and dataset.level == "node" and "node" not in levels and "edge" in levels:
            level = "edge"
        if (level or dataset.level) not in levels:
            wanted = " or ".join(repr("link" if name == "edge" else name) for name in levels)
            got = "link" if level == "edge" else level or dataset.level
            raise ValueError(f"task: expected {wanted} for {model}, got {got!r}")
        super().__init__(dataset, model, level=level, **options)
        if self.task.kind not in ("multiclass", "link"):
            raise ValueError(
                f"dataset: expected classes to predict for {model}, got {dataset.name}, which is "
                f"of {self.task.kind}"
            )

    @property
    def epochs(self) -> int:
        model = self.build(0)
        assert isinstance(model, Baseline)
        return model.candidates

    def _prepare(self, graph: Any) -> Any:
        return graph if self.device.type == "cpu" else graph.to(self.device)

    def build(self, seed: int) -> nn.Module:
        make = METHODS[self.recipe.name][self.level]
        return make(SimpleNamespace(**self.settings), self.task.num_outputs)

    def fit(self, model: nn.Module, phases: Phases, on_epoch: Any = None) -> Fit:
        assert isinstance(model, Baseline)
        model.learn(phases.train)
        history: list[Epoch] = []
        for number in range(1, model.candidates + 1):
            start = time.perf_counter()
            model.choose(number - 1)
            score, loss = self.task.evaluate(model, phases.val)
            rank = self.task.rank(score, loss)
            history.append(Epoch(number, loss, rank, time.perf_counter() - start))
            if on_epoch is not None:
                on_epoch(history[-1])
        best = max(history, key=lambda epoch: epoch.score)  # of equal ones the first
        model.choose(best.number - 1)
        return Fit(history, best, {})


class BaselineExperiment(_Fitted):
    """A method that is fitted at once, on the data set's split."""


class BaselineGIN(_Fitted, GINProtocol):
    """The same in the protocol of Xu et al. 2019."""


class BaselineFair(_Fitted, FairProtocol):
    """The same in the protocol of Errica et al. 2020."""


BASELINES: dict[str, type[Experiment]] = {
    experiment.protocol: experiment
    for experiment in (BaselineExperiment, BaselineGIN, BaselineFair)
}
"""By protocol."""
