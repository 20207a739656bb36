"""Pairs of nodes without an edge, as many as are asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.engine.cpu.sample.linked import linked_of
from graphkit.graph import Graph
from graphkit.sampling._seeds import Seed, check_number, seed_of
from graphkit.sampling._source import check_graph


def negative_sampling(
    edge_index: Any,
    num_nodes: int | None = None,
    num_neg_samples: int | None = None,
    force_undirected: bool = False,
    seed: Seed = None,
) -> Tensor:
    """Different pairs of different nodes without an edge, every such pair as likely.

    None is drawn in vain, so the number asked for is what comes, on dense graphs too. What lookup
    needs is kept with the graph.

    Args:
        edge_index: a Graph, or anything graph-like, on the CPU.
        num_nodes: number of nodes, if the graph does not tell.
        num_neg_samples: number of pairs; default is the number of edges.
        force_undirected: pairs that no edge joins in either direction, each given in both: the
            number must be even.
        seed: of all that is drawn.

    Returns:
        ``[2, num_neg_samples]``.

    Raises:
        ValueError: There are not as many.
    """
    graph = _graph_of(edge_index, num_nodes)
    default = num_neg_samples is None
    count = graph.num_edges if default else check_number("num_neg_samples", num_neg_samples, 0)
    if force_undirected and count % 2:
        if not default:
            raise ValueError(
                f"num_neg_samples: expected an even number with force_undirected, got {count}"
            )
        count -= 1
    linked = linked_of(graph, ordered=force_undirected)
    available = linked.unlinked * (2 if force_undirected else 1)
    if count > available:
        raise ValueError(
            f"num_neg_samples: expected at most the {available} pairs without an edge, got {count}"
        )
    if not force_undirected:
        return linked.sample(count, seed_of(seed))
    half = linked.sample(count // 2, seed_of(seed))
    return torch.cat([half, half.flip(0)], dim=1)


def structured_negative_sampling(
    edge_index: Any, num_nodes: int | None = None, seed: Seed = None
) -> tuple[Tensor, Tensor, Tensor]:
    """For every edge (i, j) a node k other than i, to which i has no edge, each as likely.

    Args:
        edge_index: a Graph, or anything graph-like, on the CPU.
        num_nodes: number of nodes, if the graph does not tell.
        seed: of all that is drawn.

    Returns:
        ``[E]`` each: i, j and k.

    Raises:
        ValueError: A node that has edges has one to every other node.
    """
    graph = _graph_of(edge_index, num_nodes)
    i, j = graph.edge_index.clone()
    k = linked_of(graph).targets(i, seed_of(seed))
    full = (k < 0).nonzero().view(-1)
    if full.numel():
        node = int(i[full[0]])
        raise ValueError(f"edge_index: expected nodes not linked to all others, got node {node}")
    return i, j, k


def _graph_of(edge_index: Any, num_nodes: int | None) -> Graph:
    if isinstance(edge_index, Tensor) and num_nodes is not None:
        return check_graph(Graph(edge_index, num_nodes))
    return check_graph(edge_index)
