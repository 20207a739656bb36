"""Link prediction: which nodes are joined that are not seen to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.data.links import LinkSplit, split_links
from graphkit.graph import Graph
from graphkit.nn import EdgeHead
from graphkit.tasks.task import Phase, Phases, Task


class LinkTask(Task):
    """Links of an undirected graph against pairs that are not linked, scored by inner products.

    Both directions of a link are on one side of the split. In training some links, drawn anew in
    every epoch, are taken out of the graph and predicted from the rest, so that no message passes
    along a link that is to be found; in validation and test messages pass along all training
    links.

    Args:
        metric: A metric of links: "roc_auc", "ap", "hits@20".
        val, test: Shares of the links, where the data set has no published parts; the defaults
            are those of Kipf & Welling 2016.
    """

    level = "edge"

    def __init__(self, metric: str = "roc_auc", val: float = 0.05, test: float = 0.10) -> None:
        super().__init__("link", metric, 1)
        self.val, self.test = val, test
        train = 100 * (1 - val - test)
        self.split = f"{train:g}/{100 * val:g}/{100 * test:g} % of the links by seed"

    @classmethod
    def of(cls, dataset: Dataset) -> LinkTask:
        """Of a data set made for it with its own metric and links; of another with the defaults."""
        if dataset.kind != "link":
            return cls()
        task = cls(dataset.metric)
        task.split = dataset.split_name
        return task

    def head(self, channels: int) -> nn.Module:
        return EdgeHead()

    def split_of(self, dataset: Dataset, seed: int) -> LinkSplit:
        """The links of a run's parts: published ones, or drawn with the seed."""
        split = dataset.further.get("links")
        if split is None:
            return split_links(dataset.graph, self.val, self.test, seed=seed)
        if not isinstance(split, LinkSplit):
            raise ValueError(
                f"dataset: expected links against pairs that are not linked, got {dataset.name}, "
                "whose links are ranked among targets of their own"
            )
        return split

    def phases(
        self, dataset: Dataset, seed: int, *, supervised: float = 0.5, **settings: Any
    ) -> Phases:
        """`supervised` is the share of the training links that an epoch predicts."""
        split = self.split_of(dataset, seed)
        x = dataset.graph.x
        generator = torch.Generator().manual_seed(seed)

        def predict(model: nn.Module, batch: tuple[Graph, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            graph, linked, unlinked = batch
            prediction = model(x, graph, torch.cat([linked, unlinked], dim=1))
            target = torch.zeros_like(prediction)
            target[: linked.size(1)] = 1.0
            return prediction, target

        return Phases(
            Phase(_Draws(split, supervised, generator), predict),
            Phase([(split.graph, split.val, split.val_negative)], predict),
            Phase([(split.graph, split.test, split.test_negative)], predict),
        )


class _Draws:
    """One batch an epoch, drawn anew."""

    def __init__(self, split: LinkSplit, supervised: float, generator: torch.Generator) -> None:
        self.split, self.supervised, self.generator = split, supervised, generator

    def __iter__(self) -> Iterator[tuple[Graph, Tensor, Tensor]]:
        yield self.split.draw(self.supervised, self.generator)
