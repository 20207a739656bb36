"""What a graph looks like, in numbers, and how far apart two sets of graphs are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from graphkit.graph import Graph, as_graph

Array = NDArray[Any]
_ROWS = 1024  # nodes whose distances to all others are held at a time


def graph_statistics(graph: Any) -> dict[str, float]:
    r"""The statistics by which NetGAN's graphs are compared (Bojchevski et al. 2018, section 4).

    With degrees :math:`d_v`, n nodes and m edges:

    - ``nodes``, ``edges``, ``max_degree``, ``components``, ``largest_component``;
    - ``assortativity``: the correlation of the degrees at the two ends of an edge;
    - ``triangles``, ``squares`` (cycles of four nodes), ``wedges`` :math:`\sum_v \binom{d_v}{2}`
      and ``claws`` :math:`\sum_v \binom{d_v}{3}`, as subgraphs that need not be induced;
    - ``power_law_exponent`` :math:`1 + n / \sum_v \ln (d_v / d_\min)`, over nodes that have an
      edge: the maximum of the likelihood of a continuous power law;
    - ``clustering``: 3 triangles / claws. The quotient by wedges is the usual one; theirs is this;
    - ``path_length``: the mean distance of two nodes of one component;
    - ``gini`` :math:`2 \sum_i i\, d_{(i)} / (n \sum_v d_v) - (n + 1) / n`, with degrees in
      ascending order;
    - ``edge_entropy`` :math:`-\tfrac{1}{\ln n} \sum_v \tfrac{d_v}{2m} \ln \tfrac{d_v}{2m}`.

    Args:
        graph: A Graph, or anything graph-like, undirected. Loops are left out, and edges given
            several times count once.

    Returns:
        Numbers by name. Where all degrees are the same, ``assortativity`` is 0 and
        ``power_law_exponent`` infinite. ``clustering`` is 0 where there are no claws.

    Raises:
        ValueError: The graph is directed, bipartite, or without edges.
    """
    from scipy.sparse.csgraph import connected_components

    adjacency = _adjacency("graph", graph)
    degree = _degrees(adjacency)
    n, ends = len(degree), degree.sum()
    if ends == 0:
        raise ValueError("graph: expected at least one edge, got none")
    count, component = connected_components(adjacency, directed=False)
    squared = adjacency @ adjacency
    triangles = int((squared * adjacency).sum()) // 6
    paths = squared.data  # of two steps, by pair; back to where they began among them
    pairs = (paths * (paths - 1)).sum() - (degree * (degree - 1)).sum()
    claws = (degree * (degree - 1) * (degree - 2)).sum() / 6
    met = degree[degree > 0]
    share = met / ends
    spread = np.log(met / met.min()).sum()
    numbers = {
        "nodes": n,
        "edges": ends // 2,
        "max_degree": degree.max(),
        "assortativity": _assortativity(adjacency, degree),
        "triangles": triangles,
        "squares": pairs // 8,
        "wedges": (degree * (degree - 1)).sum() // 2,
        "claws": claws,
        "power_law_exponent": 1 + len(met) / spread if spread > 0 else np.inf,
        "clustering": 3 * triangles / claws if claws else 0.0,
        "path_length": _path_length(adjacency),
        "components": count,
        "largest_component": np.bincount(component).max(),
        "gini": 2 * (np.arange(1, n + 1) * np.sort(degree)).sum() / (n * ends) - (n + 1) / n,
        "edge_entropy": -(share * np.log(share)).sum() / np.log(n),
    }
    return {name: float(value) for name, value in numbers.items()}


def edge_overlap(a: Any, b: Any) -> float:
    """The share of a's edges that b has, too (Bojchevski et al. 2018, section 3.2).

    Args:
        a, b: as for :func:`graph_statistics`, of the same nodes.
    """
    first, second = _adjacency("a", a), _adjacency("b", b)
    if first.shape != second.shape:
        raise ValueError(f"b: expected the {first.shape[0]} nodes of a, got {second.shape[0]}")
    if first.nnz == 0:
        raise ValueError("a: expected at least one edge, got none")
    return float((first * second).sum() / first.nnz)


def orbit_counts(graph: Any) -> torch.Tensor:
    """How often every node is in each of the 15 positions of connected induced subgraphs of up to
    four nodes, ``[N, 15]`` int64, numbered as by Pržulj 2007 and by ORCA (Hočevar & Demšar 2014).

    Orbit 0 is an edge. 1 and 2 are ends and middle of a path of three, 3 a triangle. 4 and 5 are
    ends and middles of a path of four, 6 and 7 leaves and centre of a claw, 8 a square. 9, 10 and
    11 are the tail, the two, and the one that holds the tail, of a triangle with a tail; 12 and 13
    the nodes of degree 2 and 3 of a square with one diagonal; 14 is a clique of four.

    Args:
        graph: as for :func:`graph_statistics`.
    """
    return torch.from_numpy(_orbits(_adjacency("graph", graph)))


def _orbits(a: Any) -> Array:
    d = _degrees(a)
    squared = a @ a
    shared = squared * a  # triangles on every edge
    triangles = _row_sums(shared) // 2
    walks = squared.copy()
    walks.setdiag(0)

    def around(values: Array) -> Array:
        """Sums over neighbours."""
        return a @ values

    # Products of sparse matrices count subgraphs whether induced or not. What of them lies within
    # denser ones is taken away, from the densest on.
    o14 = _cliques(a)
    o13 = _row_sums(shared * shared - shared) // 2 - 3 * o14
    o12 = _row_sums((a @ (shared - a)) * a) // 2 - 3 * o14
    o11 = triangles * (d - 2) - 2 * o13 - 3 * o14
    o10 = shared @ (d - 2) - 2 * o12 - 2 * o13 - 6 * o14
    o9 = around(triangles) - _row_sums(shared) - 2 * o12 - 3 * o14
    o8 = _row_sums(walks * walks - walks) // 2 - o12 - o13 - 3 * o14
    o7 = d * (d - 1) * (d - 2) // 6 - o11 - o13 - o14
    o6 = around((d - 1) * (d - 2) // 2) - o9 - o10 - 2 * o12 - o13 - 3 * o14
    dense = 2 * o8 + o10 + 6 * o14
    o5 = (d - 1) * around(d - 1) - 2 * triangles - dense - 2 * o11 - 2 * o12 - 4 * o13
    o4 = walks @ (d - 1) - 2 * triangles - dense - 2 * o9 - 4 * o12 - 2 * o13
    o2 = d * (d - 1) // 2 - triangles
    o1 = around(d - 1) - 2 * triangles
    orbits = d, o1, o2, triangles, o4, o5, o6, o7, o8, o9, o10, o11, o12, o13, o14
    return np.stack(orbits, axis=1)


# ------------------------------------------------------------------ sets of graphs


class _Description(NamedTuple):
    """What of a graph is compared: a histogram, or plain means, and how.

    Attributes:
        of: the description, of an adjacency matrix.
        width: of a bin, in units of what is described; None for what is no histogram.
        sigma: of the kernel.
    """

    of: Callable[[Any], Array]
    width: float | None
    sigma: float


def _degree_histogram(adjacency: Any) -> Array:
    return np.bincount(_degrees(adjacency)).astype(float)


def _clustering_histogram(adjacency: Any) -> Array:
    degree = _degrees(adjacency)
    triangles = _row_sums((adjacency @ adjacency) * adjacency) / 2
    coefficient = 2 * triangles / np.maximum(degree * (degree - 1), 1)
    return np.histogram(coefficient, bins=100, range=(0.0, 1.0))[0].astype(float)


def _spectrum_histogram(adjacency: Any) -> Array:
    from scipy.sparse.csgraph import laplacian

    matrix = laplacian(adjacency.astype(float), normed=True).toarray()
    values = np.linalg.eigvalsh(matrix).clip(0, 2)
    return np.histogram(values, bins=200, range=(0.0, 2.0))[0].astype(float)


def _mean_orbits(adjacency: Any) -> Array:
    return _orbits(adjacency).mean(axis=0)


_DESCRIPTIONS = {
    "degree": _Description(_degree_histogram, 1.0, 1.0),
    "clustering": _Description(_clustering_histogram, 0.01, 0.1),
    "orbits": _Description(_mean_orbits, None, 30.0),
    "spectrum": _Description(_spectrum_histogram, 0.01, 1.0),
}


def graph_mmd(
    ours: Sequence[Any],
    theirs: Sequence[Any],
    of: str,
    distance: str = "tv",
    sigma: float | None = None,
) -> float:
    r"""Squared maximum mean discrepancy between two sets of graphs.

    .. math::
        \frac{1}{n^2} \sum_{ij} k(x_i, x_j) + \frac{1}{m^2} \sum_{ij} k(y_i, y_j)
        - \frac{2}{nm} \sum_{ij} k(x_i, y_j), \quad k(x, y) = e^{-\delta(x, y)^2 / 2 \sigma^2}

    :math:`\delta` is the total variation of two histograms (Liao et al. 2019, GRAN), or the earth
    mover's distance between them (You et al. 2018, GraphRNN) in the units of what is described:
    for degrees one, for coefficients and eigenvalues their own. The means of orbit counts are
    compared by their Euclidean distance.

    Args:
        ours, theirs: graphs as for :func:`graph_statistics`.
        of: "degree"; "clustering", of the nodes' coefficients in 100 bins; "orbits", see
            :func:`orbit_counts`; or "spectrum", of the normalised Laplacian in 200 bins.
        distance: "tv" or "emd"; of no effect on orbits.
        sigma: 1 for degrees and spectra, 0.1 for clustering, 30 for orbits unless given, as GRAN
            has them.
    """
    from scipy.spatial.distance import cdist

    if of not in _DESCRIPTIONS:
        raise ValueError(f"of: expected one of {', '.join(_DESCRIPTIONS)}, got {of!r}")
    if distance not in ("tv", "emd"):
        raise ValueError(f"distance: expected tv or emd, got {distance!r}")
    described = _DESCRIPTIONS[of]
    sigma = described.sigma if sigma is None else sigma
    if not sigma > 0:
        raise ValueError(f"sigma: expected a positive number, got {sigma}")
    sets: list[list[Array]] = []
    for name, graphs in (("ours", ours), ("theirs", theirs)):
        if len(graphs) == 0:
            raise ValueError(f"{name}: expected at least one graph, got none")
        sets.append([described.of(_adjacency(name, graph)) for graph in graphs])
    longest = max(len(row) for rows in sets for row in rows)
    x, y = (np.stack([np.pad(row, (0, longest - len(row))) for row in rows]) for rows in sets)
    if described.width is None:
        metric, scale = "euclidean", 1.0
    else:
        x, y = (rows / rows.sum(axis=1, keepdims=True) for rows in (x, y))
        metric, scale = "cityblock", 0.5
        if distance == "emd":
            # In one dimension it is the area between the two distribution functions.
            x, y, scale = x.cumsum(axis=1), y.cumsum(axis=1), described.width

    def kernel(one: Array, other: Array) -> float:
        far = scale * cdist(one, other, metric)
        return float(np.exp(-np.square(far) / (2 * sigma**2)).mean())

    return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)


# ------------------------------------------------------------------ parts


def _adjacency(name: str, graph: Any) -> Any:
    """Of int64, symmetric, with an empty diagonal."""
    from scipy.sparse import csr_array

    graph = graph if isinstance(graph, Graph) else as_graph(graph)
    if graph.is_bipartite or not graph.is_undirected:
        raise ValueError(f"{name}: expected an undirected graph with one set of nodes")
    if graph.num_nodes == 0:
        raise ValueError(f"{name}: expected at least one node, got none")
    rows, columns = graph.edge_index.cpu().numpy()
    apart = rows != columns
    ones = np.ones(int(apart.sum()), dtype=np.int64)
    shape = graph.num_nodes, graph.num_nodes
    matrix = csr_array((ones, (rows[apart], columns[apart])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _row_sums(matrix: Any) -> Array:
    return np.asarray(matrix.sum(axis=1)).ravel()


def _degrees(adjacency: Any) -> Array:
    return np.diff(adjacency.indptr).astype(np.int64)


def _assortativity(adjacency: Any, degree: Array) -> float:
    rows, columns = adjacency.nonzero()
    one, other = degree[rows], degree[columns]
    return float(np.corrcoef(one, other)[0, 1]) if one.min() < one.max() else 0.0


def _path_length(adjacency: Any) -> float:
    from scipy.sparse.csgraph import shortest_path

    total, pairs = 0.0, 0
    for start in range(0, adjacency.shape[0], _ROWS):
        nodes = np.arange(start, min(start + _ROWS, adjacency.shape[0]))
        far = shortest_path(adjacency, "D", unweighted=True, indices=nodes)
        reached = np.isfinite(far) & (far > 0)
        total, pairs = total + far[reached].sum(), pairs + int(reached.sum())
    return total / pairs


def _cliques(adjacency: Any) -> Array:
    """Cliques of four nodes that every node is in."""
    from scipy.sparse import triu

    # From lower to higher degree, so that no row is long.
    order = np.argsort(_degrees(adjacency), kind="stable")
    later = triu(adjacency[order][:, order], 1, format="csr")
    i, j = later.nonzero()
    edge, k = (later[i] * later[j]).nonzero()
    i, j = i[edge], j[edge]
    triangle, last = (later[i] * later[j] * later[k]).nonzero()
    members = np.concatenate([i[triangle], j[triangle], k[triangle], last])
    counts = np.empty(len(order), dtype=np.int64)
    counts[order] = np.bincount(members, minlength=len(order))
    return counts
