"""Clusters: parts of a graph with few edges between them, and batches of some parts each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.engine.cpu.sample import partition as kernels
from graphkit.engine.cpu.sample.frontier import Rows
from graphkit.graph import Graph
from graphkit.sampling._seeds import Seed, check_number, generator_of, seed_of
from graphkit.sampling._source import Source, SubgraphDrawn, check_graph
from graphkit.sampling.loader import Loader

_SLACK = 1.05
_PASSES = 10


def partition(graph: Any, num_parts: int, seed: Seed = 0) -> Tensor:
    r"""The part of every node, in balanced parts that few edges leave.

    Nodes stream by in breadth-first order, and each joins the part :math:`P` with the most of
    :math:`|N(v) \cap P| (1 - |P| / c)`, where the capacity :math:`c` is 5 % above the mean: linear
    deterministic greedy, Stanton & Kliot 2012. Further passes give each node a new choice:
    restreaming, Nishimura & Ugander 2013. Not as good as METIS, which Cluster-GCN takes, but a
    matter of seconds for millions of edges, and without another package.

    Args:
        graph: a Graph, or anything graph-like, on the CPU. The direction of edges does not count.
        num_parts: number of parts, at most as many as nodes.
        seed: of the nodes that the searches begin at.

    Returns:
        ``[num_nodes]`` int64, from 0 to ``num_parts - 1``.
    """
    graph = check_graph(graph)
    n, num_parts = graph.num_nodes, check_number("num_parts", num_parts, 1)
    if num_parts > max(n, 1):
        raise ValueError(f"num_parts: expected at most the {n} nodes, got {num_parts}")
    sides = [t.numpy() for a in (graph.by_source, graph.by_destination) for t in (a.rowptr, a.col)]
    starts = torch.randperm(n, generator=generator_of(seed_of(seed))).numpy()
    order = np.empty(n, np.int64)
    kernels.breadth_first(*sides, starts, order)
    part, size = np.full(n, -1, np.int64), np.zeros(num_parts, np.int64)
    capacity = -int(-_SLACK * n // num_parts)
    for _ in range(_PASSES):
        if not kernels.stream(*sides, order, capacity, part, size):
            break
    return torch.from_numpy(part)


class _Clusters:
    """Subgraphs of some parts each."""

    def __init__(self, graph: Graph, part: Tensor) -> None:
        self._source = Source.of(graph, Rows.of(graph.by_destination))
        self._frontiers = self._source.frontiers()
        self._nodes = part.argsort(stable=True)
        self._sizes = part.bincount().tolist()

    @torch.inference_mode(False)
    def draw(self, parts: Tensor, seed: int) -> SubgraphDrawn:
        pieces = self._nodes.split(self._sizes)
        nodes = torch.cat([pieces[part] for part in parts.tolist()])
        with self._frontiers.borrow() as frontier:
            frontier.start(nodes)
            drawn = frontier.induced(self._source.rows)
        return SubgraphDrawn.of(self._source, nodes, drawn)


class ClusterLoader(Loader[Graph]):
    """Subgraphs of some clusters each, with all edges among their nodes; Chiang et al. 2019.

    Args:
        graph: a Graph, or anything graph-like, on the CPU.
        parts: number of parts for :func:`partition`, or ``[num_nodes]`` the part of every node.
        batch_size: parts for each batch (q in the paper's algorithm 1).
        shuffle: join parts at random, in every epoch others.
        seed, num_workers, start_method: see :class:`Loader`.
    """

    def __init__(
        self,
        graph: Any,
        parts: int | Tensor,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: Seed = 0,
        num_workers: int = 0,
        start_method: str | None = None,
    ) -> None:
        graph, seed = check_graph(graph), seed_of(seed)
        if not isinstance(parts, Tensor):
            parts = partition(graph, parts, seed)
        elif parts.dtype != torch.int64 or parts.shape != (graph.num_nodes,):
            raise ValueError(
                f"parts: expected int64 [{graph.num_nodes}], got {parts.dtype} {list(parts.shape)}"
            )
        elif parts.numel() and int(parts.min()) < 0:
            raise ValueError(f"parts: expected parts numbered from 0, got {int(parts.min())}")
        count = int(parts.max()) + 1 if parts.numel() else 0
        self.part = parts
        super().__init__(
            _Clusters(graph, parts), torch.arange(count), batch_size, shuffle,
            seed, num_workers, start_method,
        )  # fmt: skip
