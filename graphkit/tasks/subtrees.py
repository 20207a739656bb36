"""Weisfeiler and Lehman's colours: graphs as counts of the trees around their nodes."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.graph import Graph


def colours(graph: Graph, rounds: int, *, edges: bool = True) -> list[np.ndarray]:
    r"""Colours of all nodes after 0, 1, ... rounds (Weisfeiler & Lehman 1968).

    .. math:: c_i^{(t+1)} = h\big(c_i^{(t)}, \{ (c_j^{(t)}, e_{ji}) : j \in N(i) \}\big)

    with multisets of neighbours and edges' features, from the nodes' own features on. Colours are
    64-bit hashes, so that equal trees have equal colours in any graph; that two that differ have
    the same one is about as likely as 1 in 10^19 for each pair.

    Args:
        graph: a Graph or a batch of graphs.
        rounds: how many.
        edges: whether the features of edges count.

    Returns:
        ``rounds + 1`` arrays ``[N]`` of uint64.
    """
    if rounds < 0:
        raise ValueError(f"rounds: expected at least 0, got {rounds}")
    source, destination = graph.edge_index.cpu().numpy()
    now = _rows(graph.x, graph.num_nodes)
    along = _rows(graph.edge_attr if edges else None, graph.num_edges)
    found = [now]
    for _ in range(rounds):
        heard = np.zeros_like(now)
        np.add.at(heard, destination, _mixed(now[source] + _mixed(along)))
        now = _mixed(_mixed(now) * np.uint64(3) + heard)
        found.append(now)
    return found


def _rows(values: Tensor | None, count: int) -> np.ndarray:
    """A number for every row of features, the same for equal rows."""
    if values is None:
        return np.zeros(count, dtype=np.uint64)
    table = values.detach().cpu()
    if table.layout != torch.strided:
        table = table.to_dense()
    bits = table.double().view(count, -1).numpy() + 0.0  # one zero
    bits = np.ascontiguousarray(bits).view(np.uint64)
    columns = _mixed(np.arange(1, bits.shape[1] + 1, dtype=np.uint64))
    return _mixed(_mixed(bits + columns).sum(axis=1, dtype=np.uint64))


def _mixed(values: np.ndarray) -> np.ndarray:
    """A hash of every 64-bit number (Steele et al. 2014, "Fast splittable pseudorandom number
    generators")."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


class SubtreeKernel:
    r"""Inner products of colour counts: the subtree kernel of Shervashidze et al. 2011, section 3.

    .. math::
        k(G, G') = \sum_{t=0}^{T} \langle \phi_t(G), \phi_t(G') \rangle, \quad
        \hat k(G, G') = \frac{k(G, G')}{\sqrt{k(G, G) \, k(G', G')}}

    where :math:`\phi_t` counts the colours after round t.

    Args:
        graphs: a batch of the graphs that others are compared with.
        rounds: T, the most that is asked for.
        edges: whether the features of edges count.
    """

    def __init__(self, graphs: Graph, rounds: int, *, edges: bool = True) -> None:
        self.rounds, self.edges = rounds, edges
        self._known = [np.unique(now) for now in colours(graphs, rounds, edges=edges)]
        self._counts, self._norms = self._count(graphs)

    def __call__(self, graphs: Graph) -> list[np.ndarray]:
        """``[B, A]`` of a batch with the graphs it was made with, after 0, 1, ... rounds."""
        counts, norms = self._count(graphs)
        shared = accumulate(
            (ours @ theirs.T).toarray() for ours, theirs in zip(counts, self._counts, strict=True)
        )
        rows, columns = (map(np.sqrt, accumulate(n)) for n in (norms, self._norms))
        parts = zip(shared, rows, columns, strict=True)
        return [each / (row[:, None] * column) for each, row, column in parts]

    def _count(self, graphs: Graph) -> tuple[list[Any], list[np.ndarray]]:
        """Counts of known colours, and the squared norm of the counts of all, by round."""
        from scipy.sparse import csr_array

        member = graphs.batch.cpu().numpy()
        counts, norms = [], []
        for known, now in zip(
            self._known, colours(graphs, self.rounds, edges=self.edges), strict=True
        ):
            place = np.searchsorted(known, now).clip(max=max(len(known) - 1, 0))
            shared = known[place] == now
            ones = np.ones(int(shared.sum()))
            size = (graphs.num_graphs, len(known))
            counts.append(csr_array((ones, (member[shared], place[shared])), shape=size))
            each, own = np.unique(now, return_inverse=True)
            everything = csr_array((np.ones(len(now)), (member, own)), (size[0], len(each)))
            norms.append(np.asarray(everything.power(2).sum(axis=1)).ravel())
        return counts, norms
