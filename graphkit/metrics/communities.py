"""How good a partition of a graph is: by its edges alone, and against labels."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit.graph import Graph


def modularity(graph: Graph, community: Tensor, edge_weight: Tensor | None = None) -> float:
    """Q = sum_c (w_c / 2m - (d_c / 2m)^2), Newman & Girvan 2004; weighted, Newman 2004.

    w_c is the weight of all entries of the adjacency matrix inside community c, d_c the degree of
    its nodes, and 2m the weight of the whole matrix. Of 1 at most; 0 if all are in one community.

    Args:
        graph: An undirected Graph, each edge in both directions.
        community: ``[N]`` int64 community of every node.
        edge_weight: ``[E]``; all 1 if not given.
    """
    if not graph.is_undirected or graph.is_bipartite:
        raise ValueError("graph: expected an undirected graph with one set of nodes")
    if community.shape != (graph.num_nodes,):
        raise ValueError(
            f"community: expected one for each of {graph.num_nodes} nodes, "
            f"got shape {tuple(community.shape)}"
        )
    if graph.num_edges == 0:
        raise ValueError("graph: expected at least one edge, got none")
    number = community.unique(return_inverse=True)[1]
    source, destination = number[graph.edge_index]
    ones = torch.ones(graph.num_edges, dtype=torch.double, device=graph.device)
    weight = ones if edge_weight is None else edge_weight.double()
    zeros = weight.new_zeros(int(number.max()) + 1)
    inside = zeros.index_add(0, source, weight * (source == destination))
    degree = zeros.index_add(0, source, weight)
    total = weight.sum()
    return (inside / total - (degree / total).square()).sum().item()


def normalized_mutual_information(a: Tensor, b: Tensor) -> float:
    """NMI = I(a, b) / ((H(a) + H(b)) / 2): 1 for the same partition, near 0 for unrelated ones.

    Args:
        a, b: ``[N]`` community or label of every node.
    """
    from sklearn.metrics import normalized_mutual_info_score

    if a.shape != b.shape or a.dim() != 1:
        raise ValueError(f"b: expected the shape [N] of a, {tuple(a.shape)}, got {tuple(b.shape)}")
    return float(normalized_mutual_info_score(a.cpu(), b.cpu()))
