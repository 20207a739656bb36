"""Which pairs of nodes have an edge, in a form that finds those that have none."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphkit.engine.cpu.sample import pairs
from graphkit.graph import Graph

_READS = 16  # of one bisection


class Linked:
    """Linked pairs row by row; a node counts as linked to itself.

    Args:
        edge_index: ``[2, E]`` checked edges, in any number.
        num_nodes: number of nodes.
        ordered: whether a pair and its reverse are one, which is written with a < b.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int, ordered: bool) -> None:
        self._ordered = ordered
        a, b = edge_index
        if ordered:
            a, b = torch.minimum(a, b), torch.maximum(a, b)
        kept = a != b
        nodes = torch.arange(num_nodes)
        key = a[kept] * num_nodes + b[kept]
        if not ordered:
            key = torch.cat([key, nodes * (num_nodes + 1)])
        key = key.unique()
        count = (key // max(num_nodes, 1)).bincount(minlength=num_nodes)
        self._col = key % max(num_nodes, 1)
        self._ptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
        choices = (num_nodes - 1 - nodes if ordered else num_nodes) - count
        self._before = torch.cat([count.new_zeros(1), choices.cumsum(0)])

    @property
    def unlinked(self) -> int:
        """Number of pairs of different nodes that have no edge."""
        return int(self._before[-1])

    def sample(self, count: int, seed: int) -> Tensor:
        """``[2, count]`` different unlinked pairs, of which there must be as many."""
        places = torch.empty(count, dtype=torch.int64)
        bits = max(2 * count - 1, 1).bit_length()
        table = np.full(1 << bits, -1, np.int64)
        pairs.distinct(self.unlinked, np.uint64(seed), table, 64 - bits, places.numpy())
        found = torch.empty(2, count, dtype=torch.int64)
        pairs.unlinked(
            count, count * _READS, *self._arrays, self._ordered, places.numpy(), found.numpy()
        )
        return found

    def targets(self, sources: Tensor, seed: int) -> Tensor:
        """For every source a node it has no edge to, or -1; not for ordered pairs."""
        found = torch.empty_like(sources)
        pairs.targets(
            sources.numel(), sources.numel() * _READS, *self._arrays, np.uint64(seed),
            sources.numpy(), found.numpy(),
        )  # fmt: skip
        return found

    @property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._before.numpy(), self._ptr.numpy(), self._col.numpy()


def linked_of(graph: Graph, ordered: bool = False) -> Linked:
    """The linked pairs of a graph on the CPU, which keeps them."""
    return graph.cached(
        ("linked", ordered), lambda: Linked(graph.edge_index, graph.num_nodes, ordered)
    )
