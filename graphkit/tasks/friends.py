"""Recommendation of friends: of all whom somebody might know, who comes first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.data.links import LinkSplit, split_links
from graphkit.data.negatives import UnlinkedTargets
from graphkit.graph import Graph
from graphkit.tasks.link import LinkTask
from graphkit.tasks.task import Phase, Phases


class FriendTask(LinkTask):
    """Links of a social network, each ranked among others that its node might have.

    Trained as :class:`LinkTask` is. In validation and test every hidden link (a, b) competes with
    pairs (a, c) for `candidates` nodes c that a is linked to in no part of the split, drawn once.

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

    def phases(self, dataset: Dataset, seed: int, **settings: Any) -> Phases:
        training = super().phases(dataset, seed, **settings).train
        split = split_links(dataset.graph, self.val, self.test, seed=seed)
        val, test = (pairs for pairs in self.ranked(split, dataset.graph, seed))

        def predict(model: nn.Module, pairs: Tensor) -> tuple[Tensor, Tensor]:
            scores = model(dataset.graph.x, split.graph, pairs.flatten(1)).view(pairs.shape[1:])
            target = torch.zeros_like(scores)
            target[:, 0] = 1.0
            return scores, target

        return Phases(training, Phase([val], predict), Phase([test], predict))

    def ranked(self, split: LinkSplit, graph: Graph, seed: int) -> tuple[Tensor, Tensor]:
        """Pairs of validation and of test, ``[2, n, 1 + candidates]``: a link, then its rivals.

        Args:
            split: A split of the links of `graph`.
            graph: All links, so that no rival is a link after all.
            seed: One seed, one draw.
        """
        generator = torch.Generator().manual_seed(seed)
        unlinked = UnlinkedTargets(graph.edge_index, graph.num_nodes)

        def rank(links: Tensor) -> Tensor:
            # Either end may be the one who looks for friends.
            turned = torch.rand(links.size(1), generator=generator) < 0.5
            links = torch.where(turned, links.flip(0), links)
            rivals = unlinked.draw(links[0], self.candidates, generator)
            targets = torch.cat([links[1].unsqueeze(1), rivals], dim=1)
            return torch.stack([links[0].unsqueeze(1).expand_as(targets), targets])

        return rank(split.val), rank(split.test)
