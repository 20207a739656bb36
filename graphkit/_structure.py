"""Connectivity: the edges of a graph and what follows from them alone.

Layers need the same few things again and again (edges sorted by destination and by source,
degrees, normalising coefficients). They are computed on demand, once, and kept here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from graphkit._memory import IdentityMemory

T = TypeVar("T")

LONG_ROW = 256
_MAX_CHUNKS = 64
_SMALL_WORK = 2**15


@dataclass(frozen=True, eq=False)
class Adjacency:
    """Edges sorted by the node at one end, which is called the row (CSR).

    The slots ``rowptr[i] .. rowptr[i + 1]`` hold the edges of row ``i``, in the order they have
    in ``edge_index``. All tensors are owned, checked copies and not to be written to. They are
    int32 if the numbers of edges and nodes are below 2**31, else int64.
    """

    rowptr: Tensor
    """``[num_rows + 1]`` first slot of every row."""
    col: Tensor
    """``[E]`` node at the other end."""
    edge: Tensor
    """``[E]`` number of the edge, its column in ``edge_index``."""
    slot: Tensor
    """``[E]`` where the same edge stands in the order by destination."""
    num_rows: int
    num_cols: int

    @property
    def num_edges(self) -> int:
        return self.col.numel()

    @property
    def degree(self) -> Tensor:
        """``[num_rows]`` number of edges in every row, in the dtype of ``rowptr``."""
        return self.rowptr.diff() if torch.compiler.is_compiling() else self._degree

    @cached_property
    def _degree(self) -> Tensor:
        return build_apart(self.rowptr.diff)

    @cached_property
    def max_degree(self) -> int:
        return int(self.degree.max()) if self.num_rows else 0

    @cached_property
    def long_rows(self) -> Tensor:
        """``[E // (LONG_ROW + 1)]`` the rows of most edges, whose number nobody has to wait for.

        All rows with more than ``LONG_ROW`` edges are among them.
        """
        count = min(self.num_rows, self.num_edges // (LONG_ROW + 1))
        return build_apart(lambda: self.degree.topk(count).indices)

    @cached_property
    def chunks(self) -> Tensor:
        """``[K + 1]`` row boundaries, int64, that cut the rows into K runs of about equal work.

        The work of a row is its number of edges + 2. K does not depend on the number of threads,
        so neither does anything summed up chunk by chunk.
        """
        return build_apart(self._cut)

    def _cut(self) -> Tensor:
        work = self.num_edges + 2 * self.num_rows
        count = min(_MAX_CHUNKS, self.num_rows) if work > _SMALL_WORK else 1
        if count <= 1:
            return torch.tensor([0, self.num_rows], device=self.rowptr.device)
        steps = torch.arange(self.num_rows + 1, device=self.rowptr.device)
        done = self.rowptr + 2 * steps
        return torch.searchsorted(done, steps[: count + 1] * work // count)


class Address(NamedTuple):
    """What an operator is given of a graph: enough to find its connectivity again.

    A compiled program keeps no Python object, but the tensor it was called with is the same one in
    every call. See :mod:`graphkit._compiled`.
    """

    edge_index: Tensor
    num_src: int
    num_dst: int
    looped: bool = False  # with exactly one loop on every node
    turned: bool = False  # all edges turned round, after that


class Connectivity:
    """Checked edges, their orders, and a memory for whatever else follows from them.

    While torch compiles or exports, edges are symbols: nothing is kept then, and orders come from
    operators, which look into the memory when the compiled program runs.

    Args:
        edge_index: ``[2, E]`` int64, sources in row 0; owned, in range.
        num_src, num_dst: Number of nodes an edge may start from, and end in.
        bipartite: Whether sources and destinations are two sets.
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
        self._edges = edge_index
        self.num_src = num_src
        self.num_dst = num_dst
        self.bipartite = bipartite
        self._turned = False
        self._memo: dict[Hashable, Any] = {}
        if undirected is not None:
            self._memo["undirected"] = undirected
        self.address = Address(edge_index, num_src, num_dst)
        if not torch.compiler.is_compiling() and owner(edge_index) is None:
            _owners.put(edge_index, None, weakref.ref(self))

    @property
    def edge_index(self) -> Tensor:
        return self._edges

    @property
    def num_edges(self) -> int:
        return self._edges.size(1)

    @property
    def device(self) -> torch.device:
        return self.address.edge_index.device

    @property
    def places(self) -> Tensor:
        """``[2, num_edges]`` where the edge of every row of an edge attribute starts and ends."""
        return self._edges

    @cached_property
    def node_sets(self) -> tuple[Tensor, Tensor]:
        """``[num_src, 0]`` and ``[num_dst, 0]``: tensors that tell the sizes, and nothing else."""
        device = self.edge_index.device
        return torch.empty(self.num_src, 0, device=device), torch.empty(
            self.num_dst, 0, device=device
        )

    def memo(self, key: Hashable, build: Callable[[], T]) -> T:
        """The value kept under `key`, built at first use.

        Two threads that both find it missing both build it, and both get the one stored first.
        """
        if torch.compiler.is_compiling():
            return build()
        key = (self._turned, key)
        found = self._memo.get(key)
        if found is None:
            found = self._memo.setdefault(key, build_apart(build))
        return found

    def reverse(self) -> Connectivity:
        """The same edges turned round. Both share one memory, so nothing is sorted twice."""
        turned = object.__new__(Connectivity)
        turned._edges = self.memo("reverse", lambda: self.edge_index.flip(0))
        turned.num_src, turned.num_dst = self.num_dst, self.num_src
        turned.bipartite = self.bipartite
        turned._turned = not self._turned
        turned._memo = self._memo
        turned.address = self.address._replace(turned=not self.address.turned)
        return turned

    @property
    def undirected(self) -> bool:
        """Whether every edge j -> i has its opposite i -> j, as often as itself."""
        if self.known_undirected is None:
            self._memo["undirected"] = self._is_symmetric()
        return self._memo["undirected"]

    @property
    def known_undirected(self) -> bool | None:
        """`undirected` if that was given or found out, else None."""
        return self._memo.get("undirected")

    def _is_symmetric(self) -> bool:
        if self.bipartite:
            return False
        source, destination = self.edge_index
        there = (source * self.num_src + destination).sort().values
        back = (destination * self.num_src + source).sort().values
        return torch.equal(there, back)

    # --- orders -----------------------------------------------------------------------------

    @property
    def by_destination(self) -> Adjacency:
        if torch.compiler.is_compiling():
            return self._copied_order(1)
        return self.memo("by_destination", self._by_destination)

    @property
    def by_source(self) -> Adjacency:
        if torch.compiler.is_compiling():
            return self._copied_order(0)
        return self.memo("by_source", self._by_source)

    def _copied_order(self, end: int) -> Adjacency:
        sizes = (self.num_src, self.num_dst)
        rowptr, col, edge, slot = torch.ops.graphkit.order(*self.address, end)
        return Adjacency(rowptr, col, edge, slot, sizes[end], sizes[1 - end])

    def by_destination_and(self, label: Tensor, num_labels: int) -> Adjacency:
        """Edges sorted by destination and label, in row ``destination * num_labels + label``."""
        memory = self.memo("labels", IdentityMemory[Adjacency])
        found = memory.get(label, num_labels)
        if found is None:
            found = build_apart(lambda: self._by_destination_and(label, num_labels))
            memory.put(label, num_labels, found)
        return found

    def _by_destination(self) -> Adjacency:
        return replace(self._sorted(end=1), slot=self._count)

    def _by_source(self) -> Adjacency:
        return self._with_slots(self._sorted(end=0))

    def _by_destination_and(self, label: Tensor, num_labels: int) -> Adjacency:
        source, destination = self.edge_index
        num_rows = self.num_dst * num_labels
        rows = destination * num_labels + label
        return self._with_slots(_sort(rows, source, num_rows, self.num_src))

    def _with_slots(self, order: Adjacency) -> Adjacency:
        slot = torch.empty_like(self._count)
        slot[self.by_destination.edge.long()] = self._count
        return replace(order, slot=slot.index_select(0, order.edge).to(order.edge.dtype))

    def _sorted(self, end: int) -> Adjacency:
        """Edges sorted by one end. The same order serves this direction and the reverse."""
        key = ("sorted", 1 - end if self._turned else end)
        if key not in self._memo:
            sizes = (self.num_src, self.num_dst)
            rows, cols = self.edge_index[end], self.edge_index[1 - end]
            order = build_apart(lambda: _sort(rows, cols, sizes[end], sizes[1 - end]))
            self._memo.setdefault(key, order)
        return self._memo[key]

    @property
    def _count(self) -> Tensor:
        return self.memo("count", self._arange)

    def _arange(self) -> Tensor:
        dtype = _index_dtype(self.edge_index.size(1), self.num_src, self.num_dst)
        return torch.arange(self.edge_index.size(1), dtype=dtype, device=self.edge_index.device)

    # --- moving -----------------------------------------------------------------------------

    def to(self, device: torch.device) -> Connectivity:
        edges = self.edge_index.to(device)
        sizes = (self.num_src, self.num_dst)
        return Connectivity(edges, *sizes, self.bipartite, self.known_undirected)

    def __getstate__(self) -> dict[str, Any]:
        """All but the memory, which is large and sooner rebuilt than read."""
        return {
            "edge_index": self.edge_index,
            "num_src": self.num_src,
            "num_dst": self.num_dst,
            "bipartite": self.bipartite,
            "undirected": self.known_undirected,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


# The connectivity that an edge_index belongs to.
_owners: IdentityMemory[weakref.ref[Connectivity]] = IdentityMemory()


def owner(edge_index: Tensor) -> Connectivity | None:
    """The connectivity that holds this very tensor."""
    found = _owners.get(edge_index, None)
    return None if found is None else found()


def _sort(rows: Tensor, cols: Tensor, num_rows: int, num_cols: int) -> Adjacency:
    """Sort edges by `rows`, equal ones in their old order. The slots are for the caller to set.

    Kernels trust the result blindly, so it is checked here, on what was copied: the edges may
    have been written to since the Graph was made.
    """
    dtype = _index_dtype(rows.numel(), num_rows, num_cols)
    order = rows.to(dtype).sort(stable=True).indices  # int32 sorts twice as fast as int64
    col = cols.to(dtype).index_select(0, order)
    count = torch.bincount(rows, minlength=num_rows)
    low, high = (int(end) for end in col.aminmax()) if col.numel() else (0, -1)
    if count.numel() != num_rows or low < 0 or high >= num_cols:
        raise RuntimeError("the edge_index of a Graph was written to; make a new Graph instead")
    rowptr = torch.zeros(num_rows + 1, dtype=dtype, device=rows.device)
    rowptr[1:] = count.cumsum(0)
    edge = order.to(dtype)
    return Adjacency(rowptr, col, edge, edge, num_rows, num_cols)


def _index_dtype(*counts: int) -> torch.dtype:
    return torch.int32 if max(counts) < 2**31 else torch.int64


def build_apart(build: Callable[[], T]) -> T:
    """Build outside inference mode and the transforms of torch.func.

    What is made in the one can never be saved for a backward pass, what is made in the others ends
    with them.
    """
    with torch.inference_mode(False):
        if not torch._C._are_functorch_transforms_active():
            return build()
        with torch._C._DisableFuncTorch():
            return build()
