"""Random walks, and the subgraphs that they cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.engine.cpu.sample import walks as kernels
from graphkit.engine.cpu.sample.frontier import Drawn, Rows
from graphkit.graph import Graph
from graphkit.sampling._seeds import Seed, check_number, derive, generator_of, seed_of
from graphkit.sampling._source import Source, SubgraphDrawn, check_graph, check_seeds
from graphkit.sampling.loader import Loader

_READS_PER_STEP = 3


def random_walk(
    graph: Any,
    start: Tensor,
    walk_length: int,
    p: float = 1.0,
    q: float = 1.0,
    seed: Seed = None,
) -> Tensor:
    """Walks that follow edges from source to destination.

    From a node v every edge is as likely, except that after a step from t to v an edge to x is
    weighted by 1/p if x is t, by 1 if there is an edge from t to x, and by 1/q else: node2vec,
    Grover & Leskovec 2016, section 3.2. A walk stays at a node that no edge leaves.

    Args:
        graph: a Graph, or anything graph-like, on the CPU.
        start: ``[n]`` first nodes, not necessarily distinct.
        walk_length: steps of each walk.
        p: high values keep a walk from going back.
        q: high values keep a walk near where it was before.
        seed: of all that is drawn.

    Returns:
        ``[n, walk_length + 1]`` nodes.
    """
    graph = check_graph(graph)
    start = check_seeds("start", start, graph.num_nodes)
    for name, value in (("p", p), ("q", q)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name}: expected a positive number, got {value}")
    walk_length = check_number("walk_length", walk_length, 0)
    order = graph.by_source
    if p == q == 1.0:
        return _walk(Rows.of(order), start, walk_length, seed_of(seed))
    col = graph.cached("sorted_columns", lambda: _sorted_columns(graph))
    walks = _from(start, walk_length)
    kernels.biased_walk(
        start.numel(), 2 * _READS_PER_STEP * walks.numel(), order.rowptr.numpy(), col.numpy(),
        float(p), float(q), np.uint64(seed_of(seed)), walks.numpy(),
    )  # fmt: skip
    return walks


def _walk(rows: Rows, start: Tensor, walk_length: int, seed: int) -> Tensor:
    walks = _from(start, walk_length)
    kernels.walk(
        start.numel(), _READS_PER_STEP * walks.numel(), rows.rowptr.numpy(), rows.col.numpy(),
        np.uint64(seed), walks.numpy(),
    )  # fmt: skip
    return walks


def _from(start: Tensor, walk_length: int) -> Tensor:
    walks = torch.empty(start.numel(), walk_length + 1, dtype=torch.int64)
    walks[:, 0] = start
    return walks


def _sorted_columns(graph: Graph) -> Tensor:
    """What `by_source.col` holds, each row sorted."""
    order = graph.by_source
    col = order.col.clone()
    kernels.sorted_rows(order.num_rows, order.num_edges, order.rowptr.numpy(), col.numpy())
    return col


class RandomWalkSampler:
    r"""Subgraphs of all nodes that some random walks meet; GraphSAINT, Zeng et al. 2020, alg. 2.

    A node that is met more often would count more than its share, and so would an edge. The
    subgraphs say by how much less to count them, ``node_norm`` and ``edge_norm``. With :math:`C_v`
    and :math:`C_{uv}` the number of subgraphs among :math:`N` that hold a node and an edge,

    .. math::
        \text{node\_norm}_v = \frac{N}{C_v |V|}, \qquad \text{edge\_norm}_{uv} = \frac{C_v}{C_{uv}}:

    the sum of losses weighted by the first estimates the mean loss (section 3.2, :math:`1 /
    (\lambda_v |V|)`), and messages weighted by the second keep every aggregation unbiased (eq. 2,
    :math:`1 / \alpha_{u,v}`). What no drawn subgraph held counts as held by one.

    Args:
        graph: a Graph, or anything graph-like, on the CPU.
        num_roots: walks for each subgraph, from nodes drawn at random.
        walk_length: steps of each walk.
        sample_coverage: how often, on average, a node is to be met by the subgraphs that are drawn
            first, to estimate the norms; 0 leaves them out.
        seed: of the subgraphs drawn first.
    """

    def __init__(
        self,
        graph: Any,
        num_roots: int,
        walk_length: int,
        sample_coverage: int = 50,
        seed: Seed = 0,
    ) -> None:
        graph = check_graph(graph)
        self.num_roots = check_number("num_roots", num_roots, 1)
        self.walk_length = check_number("walk_length", walk_length, 1)
        coverage = check_number("sample_coverage", sample_coverage, 0)
        if graph.num_nodes == 0:
            raise ValueError("graph: expected nodes to walk from, got none")
        self._steps = Rows.of(graph.by_source)
        self._source = Source.of(graph, Rows.of(graph.by_destination))
        self._frontiers = self._source.frontiers()
        if coverage:
            self._estimate_norms(graph, coverage, seed_of(seed))

    def sample(self, seed: Seed = None) -> Graph:
        """A subgraph with ``n_id``, ``e_id``, ``node_norm``, ``edge_norm``."""
        return self.draw(None, seed).finish()

    @torch.inference_mode(False)
    def draw(self, member: Any, seed: Seed = None) -> SubgraphDrawn:
        """What `sample` returns, as plain tensors that a worker process can send."""
        return SubgraphDrawn.of(self._source, *self._covered(seed_of(seed)))

    def _covered(self, seed: int) -> tuple[Tensor, Drawn]:
        """The nodes that walks meet, and all edges among them."""
        num_nodes = self._source.num_nodes
        roots = torch.randint(num_nodes, (self.num_roots,), generator=generator_of(seed))
        walks = _walk(self._steps, roots, self.walk_length, derive(seed, 1))
        with self._frontiers.borrow() as frontier:
            frontier.start(walks.view(-1).unique())
            return frontier.nodes, frontier.induced(self._source.rows)

    def _estimate_norms(self, graph: Graph, coverage: int, seed: int) -> None:
        node_count = torch.zeros(graph.num_nodes, dtype=torch.int64)
        edge_count = torch.zeros(graph.num_edges, dtype=torch.int64)
        number, met = 0, 0
        while met < coverage * graph.num_nodes:
            nodes, drawn = self._covered(derive(seed, number))
            node_count[nodes] += 1
            edge_count[drawn.edge] += 1
            number, met = number + 1, met + nodes.numel()
        nodes, edges = node_count.clamp(min=1), edge_count.clamp(min=1)
        self._source.node_attrs["node_norm"] = number / (nodes * float(graph.num_nodes))
        self._source.edge_attrs["edge_norm"] = nodes[graph.edge_index[1]] / edges


class RandomWalkLoader(Loader[Graph]):
    """Subgraphs of random walks, see :class:`RandomWalkSampler`; PyG: GraphSAINTRandomWalkSampler.

    Args:
        graph, walk_length, sample_coverage: see :class:`RandomWalkSampler`.
        batch_size: walks for each subgraph.
        num_steps: subgraphs for each epoch.
        seed, num_workers, start_method: see :class:`Loader`.
    """

    def __init__(
        self,
        graph: Any,
        batch_size: int,
        walk_length: int,
        num_steps: int = 1,
        sample_coverage: int = 50,
        seed: Seed = 0,
        num_workers: int = 0,
        start_method: str | None = None,
    ) -> None:
        seed = seed_of(seed)
        sampler = RandomWalkSampler(graph, batch_size, walk_length, sample_coverage, seed)
        steps = torch.arange(check_number("num_steps", num_steps, 1))
        super().__init__(sampler, steps, 1, False, seed, num_workers, start_method)
