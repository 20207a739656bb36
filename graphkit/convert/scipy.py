"""From and to SciPy's sparse matrices: the entry in row u and column v is an edge u -> v."""

from __future__ import annotations

from typing import Any

import torch

from graphkit._foreign import is_scipy, join_sizes, read_scipy
from graphkit.convert._columns import to_array
from graphkit.graph import Graph


def from_scipy(matrix: Any) -> Graph:
    """A Graph of a sparse adjacency matrix or array of SciPy, of any format.

    *Rows are sources*, as NetworkX writes its adjacency matrices; a matrix whose rows are
    destinations, as PyG's ``adj_t``, is passed as ``matrix.T``. Every stored entry is an edge, in
    the order of ``matrix.tocoo()``: an explicit zero is one too, and entries at the same place
    are parallel edges. A matrix that is not square gives a bipartite graph.

    The values become `edge_weight`, floating-point ones in torch's default dtype. A matrix of
    bools only says which edges there are.
    """
    if not is_scipy(matrix):
        raise TypeError(
            f"matrix: expected a sparse matrix or array of SciPy, got {type(matrix).__name__}"
        )
    edges, values = read_scipy(matrix)
    return Graph(edges.edge_index, join_sizes(edges, None), edge_weight=values)


def to_scipy(graph: Graph) -> Any:
    """The adjacency matrix ``[sources, destinations]`` of a graph or batch, a `coo_array`.

    Its entries are the edges in their order, parallel ones at the same place (SciPy's other
    formats add them up), with `edge_weight` as values, or ones in torch's default dtype. Other
    attributes are left out, as a matrix has no place for them.

    Raises:
        ValueError: There is more than one weight for an edge.
    """
    from scipy.sparse import coo_array

    weight = graph.edge_weight
    if weight is None:
        weight = torch.ones(graph.num_edges)
    elif weight.numel() != graph.num_edges:
        raise ValueError(
            f"edge_weight: expected one number for each of {graph.num_edges} edges, "
            f"got shape {list(weight.shape)}"
        )
    rows, columns = to_array(graph.edge_index)
    values = to_array(weight.view(-1))
    return coo_array((values, (rows, columns)), shape=(graph.num_src, graph.num_dst))
