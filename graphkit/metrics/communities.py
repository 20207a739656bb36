"""How good a partition of a graph is: by its edges alone, and against labels."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit.graph import Graph
from graphkit.metrics._inputs import check_finite


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

    _check_partitions(a, b)
    return float(normalized_mutual_info_score(a.cpu(), b.cpu()))


def adjusted_rand_index(a: Tensor, b: Tensor) -> float:
    """ARI: the share of pairs of nodes that both partitions part, or do not part, set off against
    chance (Hubert & Arabie 1985): 1 for the same partition, 0 on average for random ones.

    Args:
        a, b: ``[N]`` community or label of every node.
    """
    from sklearn.metrics import adjusted_rand_score

    _check_partitions(a, b)
    return float(adjusted_rand_score(a.cpu(), b.cpu()))


def matched_accuracy(a: Tensor, b: Tensor) -> float:
    r"""The accuracy of clusters whose names are chosen for the best:
    :math:`\max_\pi \tfrac1N \sum_i [\pi(a_i) = b_i]` over all one-to-one maps :math:`\pi`, found by
    the Hungarian method (Kuhn 1955).

    Args:
        a, b: ``[N]`` community or label of every node. A cluster without a label of its own, where
            there are more of one than of the other, is wrong throughout.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    _check_partitions(a, b)
    together = contingency_matrix(a.cpu(), b.cpu())
    return float(together[linear_sum_assignment(together, maximize=True)].sum() / len(a))


def clustering_quality(codes: Tensor, labels: Tensor, *, seed: int) -> dict[str, float]:
    """How well k-means finds the labels in codes, with as many clusters as there are labels.

    Args:
        codes: ``[N, k]`` of the nodes.
        labels: ``[N]``.
        seed: of k-means' ten starts, of which it keeps the tightest clusters.

    Returns:
        `accuracy` (:func:`matched_accuracy`), `nmi` (:func:`normalized_mutual_information`) and
        `ari` (:func:`adjusted_rand_index`).
    """
    from sklearn.cluster import KMeans

    if codes.dim() != 2 or labels.shape != codes.shape[:1]:
        raise ValueError(
            f"codes: expected shape [N, k] for the {len(labels)} labels, got {list(codes.shape)}"
        )
    check_finite("codes", codes)
    k_means = KMeans(len(labels.unique()), n_init=10, random_state=seed)
    found = torch.from_numpy(k_means.fit_predict(codes.detach().cpu().numpy()))
    labels = labels.cpu()
    return {
        "accuracy": matched_accuracy(found, labels),
        "nmi": normalized_mutual_information(found, labels),
        "ari": adjusted_rand_index(found, labels),
    }


def _check_partitions(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.dim() != 1 or len(a) == 0:
        raise ValueError(
            f"b: expected the shape [N] of a, {tuple(a.shape)}, not empty, got {tuple(b.shape)}"
        )
