"""Sampled batches, in this process or in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from graphkit.sampling._seeds import Seed, check_number, derive, generator_of, seed_of
from graphkit.sampling._source import check_graph, check_nodes
from graphkit.sampling.neighbour import NeighborSampler

T = TypeVar("T")


class _Draws(Dataset):
    """A sampler as a data set whose items are drawn: item (members, seed) is a batch."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def __getitem__(self, item: tuple[Tensor, int]) -> Any:
        return self.sampler.draw(*item)


class _Order(Sampler):
    """What the batches of one epoch after the other are drawn for, and with which seeds."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return self.loader._plan()

    def __len__(self) -> int:
        return len(self.loader)


class Loader(Generic[T]):
    """Batches of what a sampler draws; one pass over it is an epoch.

    What the batches hold depends on `seed` and the number of the epoch alone, not on the number of
    workers or threads. Worker processes are started at the first batch and kept from epoch to
    epoch; the graph is shared with them, not copied. They serve one pass at a time.

    Attributes:
        epoch: number of the next pass over the loader; set it to go on from there.

    Args:
        sampler: has ``draw(members, seed)``, whose results have ``finish()``.
        members: ``[n]`` what is to be drawn for.
        batch_size: members for each batch; the last batch may have fewer.
        shuffle: take the members in a new order in every epoch.
        seed: of all that is drawn.
        num_workers: processes that draw; 0 draws in this one.
        start_method: how workers are started, "fork", "spawn" or "forkserver"; None is Python's
            choice.
    """

    def __init__(
        self,
        sampler: Any,
        members: Tensor,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: Seed = 0,
        num_workers: int = 0,
        start_method: str | None = None,
    ) -> None:
        self.batch_size = check_number("batch_size", batch_size, 1)
        self.num_workers = check_number("num_workers", num_workers, 0)
        self.sampler, self.members, self.shuffle = sampler, members, shuffle
        self.seed, self.epoch = seed_of(seed), 0
        self._batches: DataLoader = DataLoader(
            _Draws(sampler),
            batch_size=None,
            sampler=_Order(self),
            num_workers=num_workers,
            collate_fn=_as_it_is,
            multiprocessing_context=start_method if num_workers else None,
            persistent_workers=num_workers > 0,
            generator=generator_of(self.seed),  # or it would draw from torch's own in every epoch
        )

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.members.numel() // self.batch_size)

    def __iter__(self) -> Iterator[T]:
        for drawn in self._batches:
            yield drawn.finish()

    def _plan(self) -> Iterator[tuple[Tensor, int]]:
        seed = derive(self.seed, self.epoch)
        self.epoch += 1
        members = self.members
        if self.shuffle:
            members = members[torch.randperm(members.numel(), generator=generator_of(seed))]
        for number, part in enumerate(members.split(self.batch_size)):
            yield part, derive(seed, number)


def _as_it_is(batch: Any) -> Any:
    return batch


class NeighborLoader(Loader[Any]):
    """Batches of nodes with sampled neighbours: :class:`Blocks`, or Graphs in form "subgraph".

    Args:
        graph, fanouts, replace, weight_attr, flow, form: see :class:`NeighborSampler`.
        batch_size: nodes for each batch; the last batch may have fewer.
        input_nodes: mask ``[num_nodes]`` or distinct numbers of the nodes that batches are drawn
            for; None means all.
        shuffle: take the nodes in a new order in every epoch.
        seed, num_workers, start_method: see :class:`Loader`.
    """

    def __init__(
        self,
        graph: Any,
        fanouts: Sequence[int],
        batch_size: int = 1,
        input_nodes: Tensor | None = None,
        shuffle: bool = False,
        seed: Seed = 0,
        num_workers: int = 0,
        replace: bool = False,
        weight_attr: str | None = None,
        flow: str = "source_to_target",
        form: str = "blocks",
        start_method: str | None = None,
    ) -> None:
        graph = check_graph(graph)
        super().__init__(
            NeighborSampler(graph, fanouts, replace, weight_attr, flow, form),
            check_nodes("input_nodes", input_nodes, graph.num_nodes),
            batch_size, shuffle, seed, num_workers, start_method,
        )  # fmt: skip
