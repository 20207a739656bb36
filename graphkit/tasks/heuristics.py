"""Who might be linked, by counting common neighbours: baselines for every link predictor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.graph import Graph


def common_neighbours(graph: Graph, pairs: Tensor) -> Tensor:
    """``[n]`` how many nodes are linked to both ends of every pair.

    Args:
        graph: An undirected Graph; edges given several times count once.
        pairs: ``[2, n]``.
    """
    links = _links(graph)
    return _over_common(links, links, pairs)


def adamic_adar(graph: Graph, pairs: Tensor) -> Tensor:
    r"""``[n]`` common neighbours of every pair, those with few links counting more.

    .. math:: s_{ab} = \sum_{c \in N(a) \cap N(b)} \frac{1}{\log |N(c)|}

    Adamic & Adar 2003. A common neighbour has two links at least.

    Args:
        graph: An undirected Graph; edges given several times count once.
        pairs: ``[2, n]``.
    """
    return _weighed(graph, pairs, np.log)


def resource_allocation(graph: Graph, pairs: Tensor) -> Tensor:
    r"""``[n]`` common neighbours of every pair, each giving what it has in equal parts.

    .. math:: s_{ab} = \sum_{c \in N(a) \cap N(b)} \frac{1}{|N(c)|}

    Zhou et al. 2009.

    Args:
        graph: An undirected Graph; edges given several times count once.
        pairs: ``[2, n]``.
    """
    return _weighed(graph, pairs, lambda degree: degree)


def _weighed(graph: Graph, pairs: Tensor, cost: Callable[[Any], Any]) -> Tensor:
    """Common neighbours, which have two links at least, each over a cost of its degree."""
    from scipy.sparse import diags_array

    links = _links(graph)
    degree = np.asarray(links.sum(axis=0)).ravel()
    weight = np.zeros_like(degree)
    weight[degree > 1] = 1 / cost(degree[degree > 1])
    return _over_common(links, links @ diags_array(weight), pairs)


def _links(graph: Graph) -> Any:
    """The adjacency matrix, 1 where there is a link."""
    from scipy.sparse import csr_array

    if graph.is_bipartite or not graph.is_undirected:
        raise ValueError("graph: expected an undirected graph with one set of nodes")
    ends, n = graph.edge_index, graph.num_nodes

    def build() -> Any:
        source, destination = ends.cpu().numpy()
        links = csr_array((np.ones(len(source)), (source, destination)), shape=(n, n))
        links.data[:] = 1  # duplicates have been added up
        return links

    return graph.cached("links", build)


def _over_common(links: Any, weighted: Any, pairs: Tensor, chunk: int = 1 << 16) -> Tensor:
    """Sum of weights over the common neighbours of every pair, some pairs at a time."""
    scores = [
        np.asarray((links[a] * weighted[b]).sum(axis=1)).ravel()
        for a, b in (part.cpu().numpy() for part in pairs.split(chunk, dim=1))
    ]
    return torch.from_numpy(np.concatenate(scores)).to(pairs.device, torch.get_default_dtype())
