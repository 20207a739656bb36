"""Exactly one loop on every node, as graph convolution and graph attention want it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphkit._checks import check_rows
from graphkit._structure import Connectivity


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

    def extend(self, value: Tensor, fill: float | Tensor, keep: bool) -> Tensor:
        """An edge attribute of the old edges, for the new ones.

        Args:
            value: ``[E, ...]`` attribute of the old edges.
            fill: What a loop gets: a number, a row ``[...]``, or ``[num_loops, ...]``.
            keep: Whether a loop that was there before keeps its own value instead.
        """
        check_rows("value", value, self.num_old, f"num_edges={self.num_old}")
        shape = (self.num_loops, *value.shape[1:])
        if isinstance(fill, Tensor):
            loops = fill.to(value.dtype).expand(shape)
        else:
            loops = value.new_full(shape, fill)
        if keep and self.node.numel():
            loops = loops.index_copy(0, self.node, value.index_select(0, self.loop))
        if self.kept.numel() < value.size(0):
            value = value.index_select(0, self.kept)
        return torch.cat([value, loops])
