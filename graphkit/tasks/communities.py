"""Communities: a partition of the nodes that has more edges inside than chance would give."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn import Linear
from graphkit.nn.inits import reset


def soft_modularity(assignment: Tensor, graph: Graph, edge_weight: Tensor | None = None) -> Tensor:
    r"""Modularity of a soft partition, Tsitsulin et al. 2023, eq. 4:

    .. math:: Q = \frac{1}{2m} \mathrm{tr}\Big(C^\top \big(A - \frac{d d^\top}{2m}\big) C\Big)

    Of one-hot rows it is :func:`graphkit.metrics.modularity`.

    Args:
        assignment: C, ``[N, K]``, rows that add up to 1.
        graph: An undirected Graph, each edge in both directions.
        edge_weight: ``[E]`` entries of A; all 1 if not given.
    """
    source, destination = graph.edge_index
    if edge_weight is None:
        edge_weight = assignment.new_ones(graph.num_edges)
    total = edge_weight.sum()
    degree = assignment.new_zeros(graph.num_nodes).index_add(0, source, edge_weight)
    together = (assignment[source] * assignment[destination]).sum(dim=1)
    expected = degree @ assignment / total
    return (edge_weight * together).sum() / total - expected.square().sum()


def collapse(assignment: Tensor) -> Tensor:
    r"""How uneven the communities are, Tsitsulin et al. 2023, eq. 5:

    .. math:: \frac{\sqrt{K}}{N} \Big\| \sum_i C_i \Big\| - 1

    0 if all are of one size, :math:`\sqrt{K} - 1` if all nodes are in one.

    Args:
        assignment: C, ``[N, K]``, rows that add up to 1.
    """
    n, k = assignment.shape
    return assignment.sum(dim=0).norm() * k**0.5 / n - 1


class DMoN(nn.Module):
    r"""Deep modularity network: an encoder and a soft assignment to `k` communities.

    .. math:: C = \mathrm{softmax}(\mathrm{dropout}(\mathrm{encode}(x, A)) W + b), \quad
        \mathrm{loss} = -Q(C) + \lambda\, \mathrm{collapse}(C)

    Tsitsulin, Palowitch, Perozzi & Müller 2023, "Graph Clustering with Graph Neural Networks",
    section 4. It learns from edges and features alone; no label is looked at.

    Args:
        encoder: module called as ``encoder(x, graph)``.
        channels: size of the features it gives.
        k: number of communities at most.
        regularization: :math:`\lambda`. The paper has 1.
        dropout: probability of leaving a feature out before the assignment. The paper has 0.5.
    """

    def __init__(
        self,
        encoder: nn.Module,
        channels: int,
        k: int,
        *,
        regularization: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if k < 2:
            raise ValueError(f"k: expected at least 2 communities, got {k}")
        self.encoder = encoder
        self.assign = Linear(channels, k)
        self.regularization = regularization
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        reset(self.encoder)
        self.assign.reset_parameters()

    def forward(self, x: Tensor, graph: Any) -> Tensor:
        """C, ``[N, k]``."""
        return self.assign(self.dropout(self.encoder(x, graph))).softmax(dim=1)

    def loss(self, assignment: Tensor, graph: Graph, edge_weight: Tensor | None = None) -> Tensor:
        """What to minimise."""
        quality = soft_modularity(assignment, graph, edge_weight)
        return self.regularization * collapse(assignment) - quality


def louvain(graph: Graph, *, seed: int, edge_weight: Tensor | None = None) -> Tensor:
    """``[N]`` communities by greedy modularity, Blondel et al. 2008: the baseline without a model.

    Args:
        graph: An undirected Graph.
        seed: The order in which nodes are looked at.
        edge_weight: ``[E]``; all 1 if not given.
    """
    import networkx

    weight = torch.ones(graph.num_edges) if edge_weight is None else edge_weight
    network = networkx.Graph()
    network.add_nodes_from(range(graph.num_nodes))
    ends = graph.edge_index.T.tolist()
    network.add_weighted_edges_from((*e, w) for e, w in zip(ends, weight.tolist(), strict=True))
    community = torch.empty(graph.num_nodes, dtype=torch.long)
    found = networkx.community.louvain_communities(network, seed=seed)
    for number, members in enumerate(found):
        community[list(members)] = number
    return community
