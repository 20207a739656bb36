"""Signs of links as experiments: friendly or hostile, from the signs of other links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.experiment.run import Experiment, Outcome, Trained
from graphkit.graph import Graph
from graphkit.metrics import METRICS
from graphkit.nn import Linear, SignedGCN
from graphkit.tasks import Phase
from graphkit.train import Epoch

_FURTHER = "f1_macro"


@dataclass(frozen=True)
class Signs:
    """Links whose signs are known, ``[2, n]`` each."""

    friendly: Tensor
    hostile: Tensor
    num_nodes: int

    @classmethod
    def of(cls, graph: Graph, members: Tensor) -> Signs:
        """Of some edges; class 1 is friendly."""
        ends, friendly = graph.edge_index[:, members], graph.y[members] == 1
        return cls(ends[:, friendly], ends[:, ~friendly], graph.num_nodes)


class SignModel(nn.Module):
    """:class:`~graphkit.nn.SignedGCN` on the known links, asked for the signs of others.

    Messages pass along known links in both directions. The features are spectral: they follow
    from the known links.
    """

    def __init__(self, known: Signs, s: SimpleNamespace) -> None:
        super().__init__()
        self.known = known
        self.network = SignedGCN(s.features, s.hidden, s.layers, lamb=s.lamb)
        both = (torch.cat([e, e.flip(0)], dim=1) for e in (known.friendly, known.hostile))
        self.graphs = [Graph(edges, known.num_nodes) for edges in both]
        self.x: Tensor | None = None

    def encode(self) -> Tensor:
        if self.x is None:
            self.x = self.network.create_spectral_features(
                self.known.friendly, self.known.hostile, self.known.num_nodes
            )
        return self.network(self.x, *self.graphs)

    def loss(self) -> Tensor:
        return self.network.loss(self.encode(), self.known.friendly, self.known.hostile)

    def forward(self, ends: Tensor) -> Tensor:
        """``[P, 2]`` logits of hostile and friendly."""
        return self.network.discriminate(self.encode(), ends)[:, [1, 0]]


class DegreeModel(nn.Module):
    """Logistic regression on how many known links of either sign both ends give and get.

    The counts of a known link leave the link itself out. They enter as :math:`\\log(1 + n)`.
    """

    def __init__(self, known: Signs, s: SimpleNamespace) -> None:
        super().__init__()
        self.known = known
        self.lin = Linear(8, 2)
        given = [
            torch.bincount(ends, minlength=known.num_nodes).float()
            for links in (known.friendly, known.hostile)
            for ends in links
        ]
        # Columns: friendly given, friendly got, hostile given, hostile got.
        self.counts = torch.stack(given, dim=1)

    def loss(self) -> Tensor:
        losses = []
        for sign, links in enumerate((self.known.hostile, self.known.friendly)):
            column = 2 - 2 * sign
            source, target = self.counts[links[0]], self.counts[links[1]]
            source[:, column] -= 1
            target[:, column + 1] -= 1
            losses.append(-self._logits(source, target).log_softmax(dim=1)[:, sign])
        return torch.cat(losses).mean()

    def forward(self, ends: Tensor) -> Tensor:
        """``[P, 2]`` logits of hostile and friendly."""
        return self._logits(self.counts[ends[0]], self.counts[ends[1]])

    def _logits(self, source: Tensor, target: Tensor) -> Tensor:
        return self.lin(torch.cat([source, target], dim=1).log1p())


class SignExperiment(Experiment):
    """Whether links are friendly, from the signs of the training links (Derr et al. 2018).

    Every epoch is one step on the model's own loss, on all training links; validation selects the
    epoch. Links are directed, as the data set's are; the area under the ROC curve is reported, and
    the macro-F1 besides.
    """

    def __init__(self, dataset: Dataset, model: str, **options: Any) -> None:
        if (dataset.level, dataset.kind, dataset.num_outputs) != ("edge", "multiclass", 2):
            raise ValueError(
                f"dataset: expected one whose edges have two classes for {model}, got "
                f"{dataset.name}: {dataset.level}, {dataset.kind}, {dataset.num_outputs} outputs"
            )
        super().__init__(dataset, model, **options)

    def build(self, seed: int) -> SignModel | DegreeModel:
        s = SimpleNamespace(**self.settings)
        known = Signs.of(self.dataset.graph, self.dataset.split(seed).train)
        kind = DegreeModel if self.recipe.layers["kind"] == "degrees" else SignModel
        return kind(known, s).to(self.device)

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        torch.manual_seed(seed)
        model, graph, split = self.build(seed), self.dataset.graph, self.dataset.split(seed)

        def predict(model: nn.Module, members: Tensor) -> tuple[Tensor, Tensor]:
            return model(graph.edge_index[:, members]), graph.y[members]

        val, test = Phase([split.val], predict), Phase([split.test], predict)
        fitted = self.minimise(model, [model], lambda model: model.loss(), val, on_epoch)
        with torch.no_grad():
            found = test.all(model)
        further = {_FURTHER: METRICS[_FURTHER].score(*found)}
        return Trained(seed, model, fitted, self.task.score(*found), further)

    def outcome(self) -> Outcome:
        outcome = super().outcome()
        found = self.recipe.published(self.dataset.name, "edge", self.protocol, _FURTHER)
        outcome.published_further = {_FURTHER: found}
        return outcome
