"""Graphs of a batch as dense tensors, padded to the size of the largest."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkit.graph import Graph, as_graph


def to_dense_batch(
    x: Tensor,
    batch: Tensor | Graph | None = None,
    fill_value: float = 0.0,
    max_num_nodes: int | None = None,
    batch_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The nodes of every graph in a row of their own.

    Args:
        x: ``[N, ...]`` features of the nodes.
        batch: ``[N]`` number of the graph a node belongs to, ascending; a batched Graph; or None:
            one graph.
        fill_value: what fills the rows of smaller graphs.
        max_num_nodes: length of a row, else that of the largest graph; further nodes are left out.
        batch_size: number of graphs, if ``batch`` does not tell.

    Returns:
        ``[graphs, max_num_nodes, ...]``, and the mask ``[graphs, max_num_nodes]`` of what stands
        for a node.
    """
    nodes = _Places.of(batch, x.size(0), x.device, max_num_nodes, batch_size)
    at = nodes.graph, nodes.place
    if nodes.overflow:
        kept = (nodes.place < nodes.width).nonzero().view(-1)
        x, at = x[kept], (nodes.graph[kept], nodes.place[kept])
    shape = (nodes.num_graphs, nodes.width)
    mask = torch.zeros(shape, dtype=torch.bool, device=x.device)
    mask[at] = True
    return x.new_full((*shape, *x.shape[1:]), fill_value).index_put(at, x), mask


def to_dense_adj(
    edge_index: Any,
    batch: Tensor | None = None,
    edge_attr: Tensor | None = None,
    max_num_nodes: int | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """The adjacency matrix of every graph, ``adj[g, j, i]`` for the edge j -> i.

    Args:
        edge_index: ``[2, E]``, or a Graph or anything graph-like, which may tell ``edge_attr`` (or
            else ``edge_weight``) as well, and ``batch`` if it is one.
        batch: ``[N]`` number of the graph a node belongs to, ascending; or None: one graph.
        edge_attr: ``[E, ...]`` entries, default 1. Those of several edges between the same nodes
            are added.
        max_num_nodes: rows of a matrix, else the size of the largest graph; the edges of further
            nodes are left out.
        batch_size: number of graphs, if ``batch`` does not tell.

    Returns:
        ``[graphs, max_num_nodes, max_num_nodes, ...]``.
    """
    graph = as_graph(edge_index, None if batch is None else batch.numel())
    if graph.is_bipartite:
        raise ValueError("edge_index: expected one set of nodes, got a bipartite graph")
    of = graph if batch is None else batch
    nodes = _Places.of(of, graph.num_nodes, graph.device, max_num_nodes, batch_size)
    ones = torch.ones(graph.num_edges, device=graph.device)
    for own in (graph.edge_attr, graph.edge_weight, ones):
        edge_attr = own if edge_attr is None else edge_attr
    assert edge_attr is not None
    row, across = nodes.graph[graph.edge_index]
    if not torch.equal(row, across):
        raise ValueError("batch: expected the two ends of every edge in one graph")
    at = row, *nodes.place[graph.edge_index]
    if nodes.overflow:
        kept = ((at[1] < nodes.width) & (at[2] < nodes.width)).nonzero().view(-1)
        edge_attr, at = edge_attr[kept], tuple(index[kept] for index in at)
    shape = (nodes.num_graphs, nodes.width, nodes.width, *edge_attr.shape[1:])
    return edge_attr.new_zeros(shape).index_put(at, edge_attr, accumulate=True)


class _Places(NamedTuple):
    """Where the nodes of a batch stand."""

    graph: Tensor  # [N]
    place: Tensor  # [N] within its graph
    num_graphs: int
    width: int
    overflow: bool  # whether some place is beyond the width

    @classmethod
    def of(
        cls,
        batch: Tensor | Graph | None,
        num_nodes: int,
        device: torch.device,
        width: int | None,
        num_graphs: int | None,
    ) -> _Places:
        if isinstance(batch, Graph):
            batch, num_graphs = batch.batch, batch.num_graphs
        elif batch is None:
            batch, num_graphs = torch.zeros(num_nodes, dtype=torch.int64, device=device), 1
        if batch.shape != (num_nodes,):
            raise ValueError(
                f"batch: expected shape ({num_nodes},), one graph per node, "
                f"got {tuple(batch.shape)}"
            )
        if bool((batch.diff() < 0).any()):
            raise ValueError("batch: expected graph numbers in ascending order")
        count = torch.bincount(batch, minlength=num_graphs or 0)
        if num_graphs is not None and count.numel() > num_graphs:
            raise ValueError(f"batch: expected numbers below {num_graphs}, got {int(batch[-1])}")
        first = count.cumsum(0) - count
        place = torch.arange(num_nodes, device=device) - first[batch]
        largest = int(count.max()) if count.numel() else 0
        width = largest if width is None else width
        return cls(batch, place, count.numel(), width, largest > width)
