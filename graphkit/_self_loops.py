"""Exactly one loop on every node, as graph convolution and graph attention want it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from graphkit._checks import check_rows
from graphkit._structure import Connectivity, build_apart


@dataclass(frozen=True, eq=False)
class LoopedEdges:
    """The edges of a graph that are no loops, in their order, then the loop of node 0, 1, ...

    On a bipartite graph node k is taken to be the same among sources and destinations, as in a
    sampled block, and the loops are those of the nodes in both.
    """

    connectivity: Connectivity
    kept: Tensor
    """``[K]`` numbers of the edges that are no loops."""
    node: Tensor
    """Nodes that had a loop before."""
    loop: Tensor
    """Number of that loop; where a node had several, of the last."""
    num_old: int
    """Number of edges before."""

    @classmethod
    def of(cls, old: Connectivity) -> LoopedEdges:
        source, destination = old.edge_index
        is_loop = source == destination
        kept = (~is_loop).nonzero().view(-1)
        loops = is_loop.nonzero().view(-1)
        size = min(old.num_src, old.num_dst)
        last = loops.new_full((size,), -1)
        last.scatter_reduce_(0, source[loops], loops, "amax")
        node = (last >= 0).nonzero().view(-1)
        every = torch.arange(size, device=source.device).expand(2, -1)
        edge_index = torch.cat([old.edge_index.index_select(1, kept), every], dim=1)
        sizes = old.num_src, old.num_dst
        looped = Connectivity(edge_index, *sizes, old.bipartite, old.known_undirected)
        return cls(looped, kept, node, last[node], old.edge_index.size(1))

    @property
    def num_loops(self) -> int:
        return min(self.connectivity.num_src, self.connectivity.num_dst)

    @cached_property
    def own_loop(self) -> Tensor:
        """``[num_loops]`` the loop a node had before, -1 where it had none."""
        none = (self.num_loops,), -1
        return build_apart(lambda: self.node.new_full(*none).index_copy(0, self.node, self.loop))

    @cached_property
    def taken(self) -> Tensor | None:
        """The places of :class:`Looped` that hold an edge; None if all do."""
        if self.kept.numel() == self.num_old:
            return None

        def build() -> Tensor:
            loops = torch.arange(self.num_loops, device=self.kept.device)
            return torch.cat([self.kept, self.num_old + loops])

        return build_apart(build)

    def extend(self, value: Tensor, fill: float | Tensor, keep: bool) -> Tensor:
        """An edge attribute of the old edges, for the new ones.

        Args:
            value: ``[E, ...]`` attribute of the old edges.
            fill: What a loop gets: a number, a row ``[...]``, or ``[num_loops, ...]``.
            keep: Whether a loop that was there before keeps its own value instead.
        """
        check_rows("value", value, self.num_old, f"num_edges={self.num_old}")
        loops = _fill(value, fill, self.num_loops)
        if keep and self.node.numel():
            loops = loops.index_copy(0, self.node, value.index_select(0, self.loop))
        if self.kept.numel() < value.size(0):
            value = value.index_select(0, self.kept)
        return torch.cat([value, loops])


class Looped(Connectivity):
    """The same for a compiler, which does not know how many edges are loops.

    Attributes of its edges have a place for every old edge and one for every loop; the place of an
    old edge that is a loop stays vacant, and no operator reads it. ``num_edges`` counts places.
    """

    def __init__(self, old: Connectivity) -> None:
        self._old = old
        self.num_src, self.num_dst, self.bipartite = old.num_src, old.num_dst, old.bipartite
        self._turned, self._memo = False, {}
        self.address = old.address._replace(looped=True)

    @property
    def num_loops(self) -> int:
        return min(self.num_src, self.num_dst)

    @property
    def num_edges(self) -> int:
        return self._old.num_edges + self.num_loops

    @property
    def places(self) -> Tensor:
        old = self._old.edge_index
        return torch.cat([old, torch.arange(self.num_loops, device=old.device).expand(2, -1)], 1)

    @property
    def edge_index(self) -> Tensor:
        return self.written_out()[0].edge_index

    def written_out(self) -> tuple[Connectivity, Tensor]:
        """The edges without vacant places, and the places that are not vacant.

        For what has to hold the edges one by one. Their number is a symbol that nothing else is
        known of, and they are sorted in every call.
        """
        taken = torch.ops.graphkit.taken(*self.address)
        edges = self.places.index_select(1, taken)
        return Connectivity(edges, self.num_src, self.num_dst, self.bipartite), taken

    def reverse(self) -> Connectivity:
        return Looped(self._old.reverse())

    def extend(self, value: Tensor, fill: float | Tensor, keep: bool) -> Tensor:
        # Text with the number in it would make it a constant of the program.
        check_rows("value", value, self._old.num_edges, "as the graph has edges")
        loops = _fill(value, fill, self.num_loops)
        if keep and value.size(0):
            own = torch.ops.graphkit.own_loop(*self.address)
            old = value.index_select(0, own.clamp(min=0))
            loops = torch.where((own >= 0).view(-1, *[1] * (value.dim() - 1)), old, loops)
        return torch.cat([value, loops])


def _fill(value: Tensor, fill: float | Tensor, num_loops: int) -> Tensor:
    shape = (num_loops, *value.shape[1:])
    if isinstance(fill, Tensor):
        return fill.to(value.dtype).expand(shape)
    return value.new_full(shape, fill)
