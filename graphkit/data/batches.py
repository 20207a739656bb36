"""Many small graphs, or rows of tensors, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from graphkit.graph import Graph, pack_graphs


class Batches:
    """Graphs in batches of `batch_size`, in a new order at every pass if they are shuffled.

    Graphs in a list are joined once, on their device, and batches picked from there. Other
    sequences, which may make their graphs when they are asked for, are asked in every pass.

    Args:
        graphs: The graphs.
        batch_size: Graphs in a batch; the last one may hold fewer.
        generator: What the order is drawn with. None keeps the order given.
        members: Numbers of the graphs to take, if not all; they may be made when asked for.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        batch_size: int,
        generator: torch.Generator | None = None,
        members: Tensor | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        self.graphs, self.batch_size, self.generator = graphs, batch_size, generator
        self.members = torch.arange(len(graphs)) if members is None else members

    def __len__(self) -> int:
        return -(-len(self.members) // self.batch_size)

    def __iter__(self) -> Iterator[Graph]:
        n, pick = len(self.members), self._pick
        order = torch.arange(n)
        if self.generator is not None:
            order = torch.randperm(n, generator=self.generator)
        for places in order.split(self.batch_size):
            yield pick(places)

    @cached_property
    def _pick(self) -> Callable[[Tensor], Graph]:
        """The batch of the members at some places."""
        if isinstance(self.graphs, list):
            packed = pack_graphs([self.graphs[i] for i in self.members.tolist()])
            if packed is not None:
                return packed
        return lambda places: Graph.batch([self.graphs[i] for i in self.members[places].tolist()])


class Samples:
    """Rows of tensors in batches of `batch_size`, in a new order at every pass.

    The order is drawn from torch's generator: ``torch.manual_seed`` fixes it, and a checkpoint that
    holds where that stands brings it back.

    Args:
        *tensors: of as many rows each, such as images and their labels.
        batch_size: rows in a batch; the last one may hold fewer.
    """

    def __init__(self, *tensors: Tensor, batch_size: int = 128) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        if not tensors or tensors[0].dim() == 0 or len(tensors[0]) == 0:
            raise ValueError("tensors: expected at least one row, got none")
        rows = [len(tensor) for tensor in tensors]
        if len(set(rows)) > 1:
            raise ValueError(f"tensors: expected as many rows in each, got {rows}")
        self.tensors, self.batch_size = tensors, batch_size

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for rows in torch.randperm(len(self.tensors[0])).split(self.batch_size):
            yield tuple(tensor[rows.to(tensor.device)] for tensor in self.tensors)
