"""Connectivity: the edges of a graph and everything derived from them alone.

The edges are checked once and owned, so nothing a caller does later to his own tensors reaches
them. What layers need again and again (edges sorted by destination and by source, degrees,
normalisation coefficients) is computed on demand and kept.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_ENDS = ("sources", "destinations")
_MAX_CHUNKS = 64
_SMALL_WORK = 2**15


@dataclass(frozen=True, eq=False)
class Adjacency:
    """Edges sorted by the node at one end, which is called the row (CSR).

    The slots ``rowptr[i] .. rowptr[i + 1]`` hold the edges of row ``i``, in the order they have
    in ``edge_index``. All tensors are owned copies and are never to be written to. They are
    int32 where every index fits, else int64.
    """

    rowptr: Tensor
    """[num_rows + 1] first slot of every row."""
    col: Tensor
    """[E] node at the other end."""
    edge: Tensor
    """[E] id of the edge, its column in ``edge_index``."""
    slot: Tensor
    """[E] where the same edge stands in the order by destination."""
    num_rows: int
    num_cols: int

    @property
    def num_edges(self) -> int:
        return self.col.numel()

    @cached_property
    def degree(self) -> Tensor:
        """[num_rows] number of edges in every row, of the dtype of ``rowptr``."""
        return _owned(self.rowptr.diff)

    @cached_property
    def max_degree(self) -> int:
        return int(self.degree.max()) if self.num_rows else 0

    @cached_property
    def chunks(self) -> Tensor:
        """[K + 1] row boundaries that cut the rows into K runs of about equal work.

        The work of a row is its number of edges + 2. K does not depend on the number of threads,
        so neither does any result that is summed up chunk by chunk.
        """
        return _owned(self._cut)

    def _cut(self) -> Tensor:
        work = self.num_edges + 2 * self.num_rows
        count = min(_MAX_CHUNKS, self.num_rows) if work > _SMALL_WORK else 1
        if count <= 1:
            return torch.tensor([0, self.num_rows], device=self.rowptr.device)
        steps = torch.arange(self.num_rows + 1, device=self.rowptr.device)
        done = self.rowptr + 2 * steps
        bounds = torch.searchsorted(done, steps[: count + 1] * work // count)
        bounds[-1] = self.num_rows
        return bounds


class Connectivity:
    """Checked edges, their two orders, and a memory for what else is derived from them.

    Args:
        edge_index: ``[2, E]`` int64, owned by this object; row 0 holds sources.
        num_src, num_dst: Numbers of nodes an edge may start from and end in.
        bipartite: Whether sources and destinations are two different sets.
        undirected: Whether every edge has its opposite; None if that is not known yet.
    """

    def __init__(
        self,
        edge_index: Tensor,
        num_src: int,
        num_dst: int,
        bipartite: bool = False,
        undirected: bool | None = None,
    ) -> None:
        self.edge_index = edge_index
        self.num_src = num_src
        self.num_dst = num_dst
        self.bipartite = bipartite
        self._turned = 0
        self._memo: dict[Hashable, Any] = {}
        if undirected is not None:
            self._memo["undirected"] = undirected

    @property
    def num_edges(self) -> int:
        return self.edge_index.size(1)

    def memo(self, key: Hashable, build: Callable[[], T]) -> T:
        """The value kept under `key`, built at first use.

        Two threads that both find it missing build it twice, and both get the one stored first.
        """
        key = (self._turned, key)
        found = self._memo.get(key)
        if found is None:
            found = self._memo.setdefault(key, _owned(build))
        return found

    def reverse(self) -> Connectivity:
        """The same edges turned round. Both share one memory, so nothing is sorted twice."""
        turned = object.__new__(Connectivity)
        turned.edge_index = self.memo("reverse", lambda: self.edge_index.flip(0))
        turned.num_src, turned.num_dst = self.num_dst, self.num_src
        turned.bipartite = self.bipartite
        turned._turned = 1 - self._turned
        turned._memo = self._memo
        return turned

    @property
    def by_destination(self) -> Adjacency:
        return self.memo("by_destination", self._by_destination)

    @property
    def by_source(self) -> Adjacency:
        return self.memo("by_source", self._by_source)

    def _by_destination(self) -> Adjacency:
        rowptr, col, edge = self._sorted(1)
        return Adjacency(rowptr, col, edge, self._count(), self.num_dst, self.num_src)

    def _by_source(self) -> Adjacency:
        rowptr, col, edge = self._sorted(0)
        place = torch.empty_like(edge)
        place[self.by_destination.edge.long()] = self._count()
        slot = place.index_select(0, edge)
        return Adjacency(rowptr, col, edge, slot, self.num_src, self.num_dst)

    def by_destination_and(self, label: Tensor, num_labels: int) -> Adjacency:
        """Edges sorted by destination and, within it, by a label; row ``i * num_labels + label``.

        Not kept: it hangs on `label`, which is no part of the connectivity.
        """
        rows = self.edge_index[1] * num_labels + label
        num_rows = self.num_dst * num_labels
        rowptr, col, edge = sort_edges(rows, self.edge_index[0], num_rows, self.num_src)
        place = torch.empty_like(edge)
        place[self.by_destination.edge.long()] = self._count().to(edge.dtype)
        return Adjacency(rowptr, col, edge, place[edge.long()], num_rows, self.num_src)

    def _sorted(self, end: int) -> tuple[Tensor, Tensor, Tensor]:
        sizes = (self.num_src, self.num_dst)
        absolute = end ^ self._turned  # one order serves both directions
        key = ("sorted", absolute)
        found = self._memo.get(key)
        if found is None:
            rows, cols = self.edge_index[end], self.edge_index[1 - end]
            order = _owned(lambda: sort_edges(rows, cols, sizes[end], sizes[1 - end]))
            found = self._memo.setdefault(key, order)
        return found

    def _count(self) -> Tensor:
        dtype = index_dtype(self.num_edges, self.num_src, self.num_dst)
        return self.memo(
            "count", lambda: torch.arange(self.num_edges, dtype=dtype, device=self.device)
        )

    @property
    def device(self) -> torch.device:
        return self.edge_index.device

    @property
    def undirected(self) -> bool:
        """Whether every edge j -> i has its opposite i -> j, as often as itself."""
        found = self._memo.get("undirected")
        if found is None:
            found = self._memo.setdefault("undirected", self._is_symmetric())
        return found

    @property
    def undirected_if_known(self) -> bool | None:
        return self._memo.get("undirected")

    def _is_symmetric(self) -> bool:
        if self.bipartite:
            return False
        source, destination = self.edge_index
        there = (source * self.num_src + destination).sort().values
        back = (destination * self.num_src + source).sort().values
        return torch.equal(there, back)

    def to(self, device: torch.device) -> Connectivity:
        return Connectivity(
            self.edge_index.to(device),
            self.num_src,
            self.num_dst,
            self.bipartite,
            self.undirected_if_known,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the memory: it is large, and quicker rebuilt than stored."""
        return {
            "edge_index": self.edge_index,
            "num_src": self.num_src,
            "num_dst": self.num_dst,
            "bipartite": self.bipartite,
            "undirected": self.undirected_if_known,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def index_dtype(*counts: int) -> torch.dtype:
    return torch.int32 if max(counts) < 2**31 else torch.int64


def sort_edges(
    rows: Tensor, cols: Tensor, num_rows: int, num_cols: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Sort edges by `rows`, keeping the order of equal rows: (rowptr, col, edge).

    The result is what kernels trust blindly, so it is the copy that is checked here, however the
    edges came to be out of range.
    """
    dtype = index_dtype(rows.numel(), num_rows, num_cols)
    # int32 keys sort in about half the time of int64 keys.
    order = rows.to(dtype).sort(stable=True).indices
    col = cols.to(dtype).index_select(0, order)
    count = torch.bincount(rows, minlength=num_rows)
    low, high = (int(end) for end in col.aminmax()) if col.numel() else (0, -1)
    if count.numel() != num_rows or low < 0 or high >= num_cols:
        raise RuntimeError("the edge_index of a Graph was changed in place; make a new Graph")
    rowptr = torch.zeros(num_rows + 1, dtype=dtype, device=rows.device)
    rowptr[1:] = count.cumsum(0)
    return rowptr, col, order.to(dtype)


def _owned(build: Callable[[], T]) -> T:
    """Build outside inference mode: its tensors could never be saved for a backward pass."""
    with torch.inference_mode(False):
        return build()


def check_sizes(num_nodes: Any, name: str = "num_nodes") -> tuple[int, int, bool]:
    """`num_nodes` as (number of sources, number of destinations, is it bipartite)."""
    pair = isinstance(num_nodes, (tuple, list))
    sizes = tuple(num_nodes) if pair else (num_nodes, num_nodes)
    try:
        if len(sizes) != 2 or any(isinstance(size, bool) for size in sizes):
            raise TypeError
        num_src, num_dst = (operator.index(size) for size in sizes)
    except TypeError:
        raise TypeError(
            f"{name}: expected a number or a pair (sources, destinations), got {num_nodes!r}"
        ) from None
    if num_src < 0 or num_dst < 0:
        raise ValueError(f"{name}: expected no negative number, got {num_nodes!r}")
    return num_src, num_dst, pair


def check_edge_index(edge_index: Any) -> Tensor:
    """An owned int64 copy of `edge_index`, its type, dtype and shape checked."""
    if not isinstance(edge_index, Tensor):
        raise TypeError(
            "edge_index: expected a tensor of shape [2, num_edges], "
            f"got {type(edge_index).__name__}"
        )
    if edge_index.layout != torch.strided:
        raise TypeError(f"edge_index: expected a dense tensor, got layout {edge_index.layout}")
    if edge_index.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"edge_index: expected dtype int64 (or int32), got {_dtype(edge_index)}")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        shape = list(edge_index.shape)
        hint = "; did you mean edge_index.t()?" if shape[1:] == [2] else ""
        raise ValueError(f"edge_index: expected shape [2, num_edges], got {shape}{hint}")
    return _owned(
        lambda: edge_index.as_subclass(Tensor)
        .detach()
        .to(torch.int64, memory_format=torch.contiguous_format, copy=True)
    )


def check_range(edge_index: Tensor, num_src: int, num_dst: int, given: str) -> None:
    """Raise unless every edge joins nodes that exist. `given` says in words how many there are."""
    if edge_index.numel() == 0 or edge_index.is_meta:
        return
    low, high = torch.stack(torch.aminmax(edge_index, dim=1)).tolist()
    for row, size in enumerate((num_src, num_dst)):
        if low[row] < 0:
            raise ValueError(
                f"edge_index: node {low[row]} in row {row} ({_ENDS[row]}) is negative; "
                "nodes are numbered from 0"
            )
        if high[row] >= size:
            raise ValueError(
                f"edge_index: node {high[row]} in row {row} ({_ENDS[row]}) "
                f"is out of range for {given}"
            )


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
