"""Recommendation of friends: of all whom somebody might know, who comes first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.data.links import LinkSplit, split_links
from graphkit.data.negatives import UnlinkedTargets
from graphkit.graph import Graph
from graphkit.nn import MLP
from graphkit.nn.inits import reset
from graphkit.tasks.heuristics import adamic_adar, common_neighbours
from graphkit.tasks.link import LinkTask
from graphkit.tasks.task import Phase, Phases


class FriendModel(nn.Module):
    r"""Scores pairs by what an encoder says of both, and by whom they both know:

    .. math:: s_{ab} = \mathrm{MLP}([h_a \odot h_b,\, \log(1 + \mathrm{CN}_{ab}),\,
        \mathrm{AA}_{ab}])

    An encoder alone sees how a and b are placed, not which neighbours they share (Zhang & Chen
    2018, "Link Prediction Based on Graph Neural Networks"); here it is told their number and their
    :func:`adamic_adar`, on the graph that messages pass along.

    Args:
        encoder: module called as ``encoder(x, graph)``.
        channels: size of the features it gives.
    """

    def __init__(self, encoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.predict = MLP([channels + 2, channels, 1], norm=None)

    def reset_parameters(self) -> None:
        reset(self.encoder)
        self.predict.reset_parameters()

    def forward(self, x: Tensor, graph: Graph, pairs: Tensor) -> Tensor:
        """``[P]`` scores of ``pairs`` ``[2, P]``."""
        h = self.encoder(x, graph)
        common = common_neighbours(graph, pairs).log1p()
        shared = torch.stack([common, adamic_adar(graph, pairs)], dim=1)
        return self.predict(torch.cat([h[pairs[0]] * h[pairs[1]], shared], dim=1)).squeeze(1)


class FriendTask(LinkTask):
    """Links of a social network, each ranked among others that its node might have.

    In training some links, drawn anew in every epoch, are taken out of the graph and predicted
    from the rest, each against one node that its own node has no training link to. In validation
    and test every hidden link (a, b) competes with pairs (a, c) for `candidates` nodes c that a is
    linked to in no part of the split, drawn once.

    Args:
        metric: "mrr", each link among its own candidates; or "hits@K", all links against all
            candidates, as the Open Graph Benchmark has it.
        val, test: Shares of the links.
        candidates: How many nodes every hidden link competes with.
    """

    def __init__(
        self, metric: str = "mrr", val: float = 0.05, test: float = 0.10, candidates: int = 100
    ) -> None:
        super().__init__(metric, val, test)
        if candidates < 1:
            raise ValueError(f"candidates: expected at least 1, got {candidates}")
        self.candidates = candidates

    def phases(
        self, dataset: Dataset, seed: int, *, supervised: float = 0.5, **settings: Any
    ) -> Phases:
        """`supervised` is the share of the training links that an epoch predicts."""
        split = split_links(dataset.graph, self.val, self.test, seed=seed)
        val, test = self.ranked(split, dataset.graph, seed)

        def predict(model: nn.Module, batch: tuple[Graph, Tensor]) -> tuple[Tensor, Tensor]:
            graph, pairs = batch
            scores = model(dataset.graph.x, graph, pairs.flatten(1)).view(pairs.shape[1:])
            target = torch.zeros_like(scores)
            target[:, 0] = 1.0
            return scores, target

        return Phases(
            Phase(_Draws(split, supervised, seed), predict),
            Phase([(split.graph, val)], predict),
            Phase([(split.graph, test)], predict),
        )

    def ranked(self, split: LinkSplit, graph: Graph, seed: int) -> tuple[Tensor, Tensor]:
        """Pairs of validation and of test, ``[2, n, 1 + candidates]``: a link, then its rivals.

        Args:
            split: A split of the links of `graph`.
            graph: All links, so that no rival is a link after all.
            seed: One seed, one draw.
        """
        generator = torch.Generator().manual_seed(seed)
        unlinked = UnlinkedTargets(graph.edge_index, graph.num_nodes)
        val, test = (
            _with_rivals(links, unlinked, self.candidates, generator)
            for links in (split.val, split.test)
        )
        return val, test


class _Draws:
    """One batch an epoch: what messages pass along, and links with one rival each."""

    def __init__(self, split: LinkSplit, supervised: float, seed: int) -> None:
        self.split, self.supervised = split, supervised
        self.generator = torch.Generator().manual_seed(seed)
        # A held-out link may be a rival, as in use: sparing those would tell where they are.
        self.unlinked = UnlinkedTargets(split.graph.edge_index, split.graph.num_nodes)

    def __iter__(self) -> Iterator[tuple[Graph, Tensor]]:
        graph, links, _ = self.split.draw(self.supervised, self.generator)
        yield graph, _with_rivals(links, self.unlinked, 1, self.generator)


def _with_rivals(
    links: Tensor, unlinked: UnlinkedTargets, count: int, generator: torch.Generator
) -> Tensor:
    """``[2, n, 1 + count]`` every link (a, b), then pairs (a, c) that are none."""
    # Either end may be the one who looks for friends.
    turned = torch.rand(links.size(1), generator=generator) < 0.5
    source, target = torch.where(turned, links.flip(0), links)
    rivals = unlinked.draw(source, count, generator)
    targets = torch.cat([target.unsqueeze(1), rivals], dim=1)
    return torch.stack([source.unsqueeze(1).expand_as(targets), targets])
