"""The nodes of a batch, numbered in the order in which they turn up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphkit._structure import Adjacency
from graphkit.engine.cpu.sample import neighbours

_NOTHING, _NO_SUMS = np.empty(0, np.int64), np.empty(0, np.float64)
_READS_PER_ROW = 4


@dataclass(eq=False)
class Rows:
    """The edges to draw from, row by row; what workers share.

    Attributes:
        rowptr, col, edge: as in `Adjacency`.
        weight: ``[E]`` float64 in slot order, or None: all edges are as likely.
        available: ``[num_rows]`` number of edges of positive weight, if there are weights.
        sums: ``[E]`` running sums of the weights of every row, to draw with replacement.
    """

    rowptr: Tensor
    col: Tensor
    edge: Tensor
    weight: Tensor | None = None
    available: Tensor | None = None
    sums: Tensor | None = None

    @classmethod
    def of(cls, adjacency: Adjacency, weight: Tensor | None = None, replace: bool = False) -> Rows:
        """Rows of an adjacency. ``weight`` is ``[E]``, finite, none below zero, in edge order."""
        plain = cls(adjacency.rowptr, adjacency.col, adjacency.edge)
        if weight is None:
            return plain
        plain.weight = weight.detach().double().index_select(0, adjacency.edge)
        plain.available = torch.empty(adjacency.num_rows, dtype=torch.int64)
        rowptr, weights = plain.rowptr.numpy(), plain.weight.numpy()
        neighbours.available(rowptr, weights, plain.available.numpy())
        if replace:
            plain.sums = torch.empty_like(plain.weight)
            neighbours.accumulate(rowptr, weights, plain.sums.numpy())
        return plain

    @property
    def num_rows(self) -> int:
        return self.rowptr.numel() - 1


class Drawn(NamedTuple):
    """Edges into the nodes ``first .. first + n`` of a frontier, sorted by these.

    Attributes:
        ptr: ``[n + 1]`` int64, where the edges of each begin.
        col: ``[k]`` number of the node at the other end, in the dtype of the graph's `Adjacency`.
        edge_index: ``[2, k]`` int64: `col`, and the number of the node that it was drawn for.
        edge: ``[k]`` int64, number of the edge in the graph.
    """

    ptr: Tensor
    col: Tensor
    edge_index: Tensor
    edge: Tensor


class Frontier:
    """Numbers for the nodes of one batch after another, without clearing up in between.

    Node v has the number ``mark[v] - base`` if that is not negative: raising `base` forgets all.
    """

    def __init__(self, num_nodes: int, dtype: torch.dtype) -> None:
        index = np.dtype(str(dtype).removeprefix("torch."))
        self._mark = np.full(num_nodes, -1, np.int32 if num_nodes < 2**30 else np.int64)
        self._nodes = np.empty(num_nodes + 1, index)
        self._base = 0
        self.size = 0

    def start(self, seeds: Tensor) -> int:
        """Forget all nodes and number the seeds, which must be in range.

        Returns the place of the first seed that was there before, or -1.
        """
        self._base += self.size
        if self._base > np.iinfo(self._mark.dtype).max - 2 * self._mark.size:
            self._mark.fill(-1)
            self._base = 0
        self.size = min(seeds.numel(), self._mark.size)  # also forgets what a failure leaves
        return neighbours.enter(seeds.numpy(), self._mark, self._base, self._nodes)

    @property
    def nodes(self) -> Tensor:
        """``[size]`` int64, the node of every number. A copy."""
        return torch.from_numpy(self._nodes[: self.size].astype(np.int64))

    def draw(self, rows: Rows, first: int, fanout: int, replace: bool, seed: int) -> Drawn:
        """Draw edges for the nodes from number ``first`` on, and number the nodes they lead to.

        Args:
            fanout: how many for each, or fewer if it has not as many; -1 takes all.
            replace: draw with replacement, for which weighted `rows` must have sums.
        """
        index = rows.rowptr.numpy(), rows.col.numpy(), rows.edge.numpy()
        available = _NOTHING if rows.available is None else rows.available.numpy()
        known = self.size
        count = known - first
        ptr = torch.empty(count + 1, dtype=torch.int64)
        total = neighbours.count(
            index[0], available, self._nodes, first, known, fanout, replace, ptr.numpy()
        )
        drawn = Drawn(
            ptr,
            torch.empty(total, dtype=rows.col.dtype),
            torch.empty(2, total, dtype=torch.int64),
            torch.empty(total, dtype=torch.int64),
        )
        picked, (numbers, for_whom), edges = (t.numpy() for t in drawn[1:])
        replace = replace and fanout > 0
        batch = self._nodes, first, ptr.numpy(), replace, np.uint64(seed), picked, edges, for_whom
        work = total + _READS_PER_ROW * count
        if rows.weight is None:
            neighbours.pick(count, work, *index, *batch)
        else:
            largest = int(ptr.diff().max()) if count else 0
            sums = _NO_SUMS if rows.sums is None else rows.sums.numpy()
            weights = rows.weight.numpy(), sums, available, largest
            neighbours.pick_weighted(count, work, *index, *weights, *batch)
        self.size = neighbours.number(picked, self._mark, self._base, self._nodes, known, numbers)
        return drawn

    def induced(self, rows: Rows) -> Drawn:
        """All edges among the nodes numbered so far."""
        arrays = (
            rows.rowptr.numpy(), rows.col.numpy(), rows.edge.numpy(),
            self._nodes, self.size, self._mark, self._base,
        )  # fmt: skip
        ptr = torch.empty(self.size + 1, dtype=torch.int64)
        total = neighbours.count_induced(*arrays, ptr.numpy())
        edge_index = torch.empty(2, total, dtype=torch.int64)
        edge = torch.empty(total, dtype=torch.int64)
        neighbours.induced(*arrays, edge.numpy(), *edge_index.numpy())
        return Drawn(ptr, edge_index[0].to(rows.col.dtype), edge_index, edge)


class Frontiers:
    """Frontiers for the nodes of one graph, one for each thread that needs one at a time."""

    def __init__(self, num_nodes: int, dtype: torch.dtype) -> None:
        self._size = num_nodes, dtype
        self._free: list[Frontier] = []

    @contextmanager
    def borrow(self) -> Iterator[Frontier]:
        try:
            frontier = self._free.pop()
        except IndexError:
            frontier = Frontier(*self._size)
        yield frontier
        self._free.append(frontier)  # not after an interruption, which may leave it half-numbered

    def __reduce__(self) -> tuple:
        return Frontiers, self._size
