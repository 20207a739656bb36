"""Recommendation: which further items does a user take?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.data.interactions import Interactions, interactions_of
from graphkit.data.negatives import UnlinkedTargets
from graphkit.graph import Graph
from graphkit.metrics import recommendation_hits, recommendation_quality
from graphkit.nn import LightGCN
from graphkit.tasks.task import Phase, Phases, Task

_ROWS = 512  # users that are recommended to at a time


class Recommender(Protocol):
    """A model that gives vectors, whose inner products score users with items."""

    def get_embedding(self, edge_index: Any, /) -> Tensor:
        """``[N, k]`` of users, then of items."""
        ...


class Popularity(nn.Module):
    """Every item as often as it was taken, the same for all users; nothing is learnt.

    Args:
        num_users: How many of the nodes are users.
    """

    def __init__(self, num_users: int) -> None:
        super().__init__()
        if num_users < 1:
            raise ValueError(f"num_users: expected at least 1, got {num_users}")
        self.num_users = num_users

    def get_embedding(self, edge_index: Graph) -> Tensor:
        """``[N, 1]``: 1 for users, the number of users that took it for items."""
        taken = edge_index.edge_index[1].bincount(minlength=edge_index.num_nodes)
        taken[: self.num_users] = 1
        return taken.float().unsqueeze(1)


class Choices(NamedTuple):
    """A batch: ``[B]`` users, an item that each took, and one that it did not, each from 0."""

    user: Tensor
    taken: Tensor
    other: Tensor


class Asked(NamedTuple):
    """A phase that is judged: ``[2, n]`` pairs to be found, those that are known, and the graph."""

    wanted: Tensor
    known: Tensor
    graph: Graph


class RecommendationTask(Task):
    r"""Items that a user takes besides those that are known, ranked among all others.

    A tenth of the training pairs is for validation, drawn by the seed, and in no graph. In
    validation items of training are not recommended, in the test neither they nor those of
    validation. The metric is recall at 20: the share of the wanted items among the 20 recommended
    ones, the mean over users who want any.

    Training is Bayesian personalised ranking (Rendle et al. 2009; He et al. 2020, eq. 15),

    .. math::
        -\frac{1}{|B|} \sum_{(u, i) \in B} \ln \sigma(s_{ui} - s_{uj})
        + \frac{\lambda}{2 |B|} \sum_{(u, i) \in B}
        \lVert x_u^{(0)} \rVert^2 + \lVert x_i^{(0)} \rVert^2 + \lVert x_j^{(0)} \rVert^2

    with one item j for every pair, drawn anew among those that u did not take in training. As in
    the authors' code the penalty is on the embeddings of the batch, as they are before any layer,
    and halved.

    Args:
        penalty: :math:`\lambda`.
    """

    level = "edge"
    selection = "best validation recall@20, then highest NDCG@20, then earliest epoch"

    def __init__(self, *, penalty: float = 1e-4) -> None:
        super().__init__("link", "recall@20", 1)
        if penalty < 0:
            raise ValueError(f"penalty: expected at least 0, got {penalty}")
        self.penalty = penalty

    @classmethod
    def of(cls, dataset: Dataset) -> RecommendationTask:
        interactions_of(dataset)  # says what is none
        return cls()

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """As above.

        Args:
            prediction: ``[B, 2]`` scores of the item that a user took, and of the other.
            target: ``[B]`` squared lengths of the embeddings of user and items, added up.
        """
        gain = prediction[:, 0] - prediction[:, 1]
        return F.softplus(-gain).mean() + self.penalty / 2 * target.mean()

    def score(self, prediction: Tensor, target: Tensor) -> float:
        """Recall; arguments as of :func:`~graphkit.metrics.recommendation_quality`, at 20."""
        return recommendation_quality(prediction, target)["recall@20"]

    def evaluate(self, model: nn.Module, phase: Phase) -> tuple[float, float]:
        """Recall and minus NDCG, at 20."""
        found = self.quality(model, phase)
        return found["recall@20"], -found["ndcg@20"]

    def quality(self, model: nn.Module, phase: Phase) -> dict[str, float]:
        """ "recall@20" and "ndcg@20" of validation or test."""
        model.eval()
        with torch.no_grad():
            return recommendation_quality(*phase.all(model))

    def phases(
        self, dataset: Dataset, seed: int, *, batch_size: int = 4096, **settings: Any
    ) -> Phases:
        """`batch_size` is that of training pairs in a step."""
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        pairs = interactions_of(dataset).to(dataset.graph.edge_index.device)
        chosen = dataset.split(seed)
        device = pairs.train.device
        train, val = (pairs.train[:, part.to(device)] for part in (chosen.train, chosen.val))
        graph = pairs.graph(train)  # of nothing that is to be found
        judged = [Asked(val, train, graph), Asked(pairs.test, pairs.train, graph)]

        def learn(model: nn.Module, batch: Choices) -> tuple[Tensor, Tensor]:
            assert isinstance(model, LightGCN)
            user, items = batch.user, torch.stack([batch.taken, batch.other])
            items = items + pairs.num_users
            ends = torch.stack([user.repeat(2), items.flatten()])
            scores = model(graph, ends).view(2, -1).T
            start = model.embedding(torch.cat([user.unsqueeze(0), items]))
            return scores, start.square().sum(dim=(0, 2))

        def rank(model: nn.Module, batch: Asked) -> tuple[Tensor, Tensor]:
            return _recommend(cast(Recommender, model), batch, pairs)

        draws = _Draws(pairs, train, batch_size, seed)
        return Phases(Phase(draws, learn), *(Phase([asked], rank) for asked in judged))


def _recommend(model: Recommender, asked: Asked, pairs: Interactions) -> tuple[Tensor, Tensor]:
    """Which of the 20 best are wanted, and how many are, of users who want any."""
    # Under autocast scores would have so few digits that many are equal.
    with torch.autocast(asked.wanted.device.type, enabled=False):
        users, items = model.get_embedding(asked.graph).split([pairs.num_users, pairs.num_items])
        found: list[tuple[Tensor, Tensor]] = []
        for part in asked.wanted[0].unique().split(_ROWS):
            tables = (_table(each, part, pairs) for each in (asked.wanted, asked.known))
            found.append(recommendation_hits(20, users[part] @ items.T, *tables))
    hits, counts = zip(*found, strict=True)
    return torch.cat(hits), torch.cat(counts)


def _table(of: Tensor, users: Tensor, pairs: Interactions) -> Tensor:
    """``[len(users), items]`` bool; `users` are in order."""
    row = torch.searchsorted(users, of[0]).clamp_(max=len(users) - 1)
    mine = users[row] == of[0]
    table = torch.zeros(len(users), pairs.num_items, dtype=torch.bool, device=users.device)
    table[row[mine], of[1][mine]] = True
    return table


class _Draws:
    """The pairs of an epoch, in a new order, each with an item that its user did not take."""

    def __init__(self, pairs: Interactions, train: Tensor, batch_size: int, seed: int) -> None:
        self.train, self.batch_size = train, batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.others = UnlinkedTargets(train, pairs.num_users, pairs.num_items)
        taken = train[0].bincount(minlength=pairs.num_users)
        if int(taken.max()) == pairs.num_items:
            raise ValueError(
                f"dataset: expected users with an item that they did not take in training, got "
                f"{int(taken.argmax())}, who took all {pairs.num_items}"
            )

    def __iter__(self) -> Iterator[Choices]:
        order = torch.randperm(self.train.size(1), generator=self.generator)
        for part in order.to(self.train.device).split(self.batch_size):
            user, item = self.train[:, part]
            yield Choices(user, item, self.others.draw(user, 1, self.generator).view(-1))
