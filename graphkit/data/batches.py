"""Many small graphs in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from graphkit.graph import Graph


class Batches:
    """Graphs in batches of `batch_size`, in a new order at every pass if they are shuffled.

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
        n, order = len(self.members), self.members
        if self.generator is not None:
            order = order[torch.randperm(n, generator=self.generator)]
        order = order.tolist()
        for start in range(0, n, self.batch_size):
            yield Graph.batch([self.graphs[i] for i in order[start : start + self.batch_size]])
