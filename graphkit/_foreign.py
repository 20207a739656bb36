"""Graphs in the forms of other libraries, read as edges. Nothing here imports those libraries:
an object of theirs can only come from where they are imported already."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

Size = int | tuple[int | None, int | None] | None
"""Number of nodes, or (sources, destinations); None is for what is not known."""

# What DGL's data sets and functions call these; with the underscore, what it writes itself.
DGL_NODE_NAMES = {"feat": "x", "label": "y", "_ID": "node_id", "_TYPE": "node_type"}
DGL_EDGE_NAMES = {
    "feat": "edge_attr",
    "weight": "edge_weight",
    "_ID": "edge_id",
    "_TYPE": "edge_type",
}

SPARSE_LAYOUTS = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc)


class Edges(NamedTuple):
    """What an object says about its edges; a size that it does not say is None."""

    edge_index: Tensor
    size: tuple[int | None, int | None] = (None, None)
    undirected: bool | None = None


def is_instance(value: Any, module: str, name: str) -> bool:
    """Whether `value` is a `module.name`, without importing `module`."""
    loaded = sys.modules.get(module)
    cls = getattr(loaded, name, None)
    return isinstance(cls, type) and isinstance(value, cls)


def is_sparse(value: Any) -> bool:
    """Whether `value` is a sparse adjacency matrix, of torch or of torch_sparse."""
    if isinstance(value, Tensor):
        return value.layout in SPARSE_LAYOUTS
    return is_instance(value, "torch_sparse", "SparseTensor")


def is_pyg_data(value: Any) -> bool:
    return is_instance(value, "torch_geometric.data", "Data")


def is_scipy(value: Any) -> bool:
    """Whether `value` is a sparse matrix or array of SciPy."""
    return any(is_instance(value, "scipy.sparse", name) for name in ("sparray", "spmatrix"))


def is_dgl(value: Any) -> bool:
    return is_instance(value, "dgl", "DGLGraph")


def read_edges(value: Any) -> Edges:
    """The edges of a dense or sparse tensor, an `EdgeIndex` or a `SparseTensor`."""
    if is_instance(value, "torch_geometric", "EdgeIndex"):
        return Edges(value.as_tensor(), value.sparse_size(), value.is_undirected or None)
    if not is_sparse(value):
        return Edges(value)
    if not isinstance(value, Tensor):
        rows, cols, _ = value.coo()
        num_dst, num_src = value.sparse_sizes()
        return Edges(torch.stack([cols, rows]), (num_src, num_dst))
    if value.dim() - value.dense_dim() != 2:
        raise ValueError(f"edge_index: expected a matrix, got a {value.layout} of {value.shape}")
    num_dst, num_src = value.shape[:2]
    if value.layout == torch.sparse_coo:
        rows, cols = value.coalesce().indices()
    elif value.layout == torch.sparse_csr:
        cols, rows = value.col_indices(), _spread(value.crow_indices())
    else:
        rows, cols = value.row_indices(), _spread(value.ccol_indices())
    return Edges(torch.stack([cols, rows]), (num_src, num_dst))


def join_sizes(edges: Edges, size: Size) -> int | tuple[int, int] | None:
    """Number of nodes, or (sources, destinations), from what the edges and the caller say."""
    given = (size, size) if size is None or isinstance(size, int) else size
    for own, other in zip(edges.size, given, strict=True):
        if own is not None and other is not None and own != other:
            raise ValueError(f"size: expected {edges.size} as edge_index says, got {size}")
    num_src, num_dst = (
        other if own is None else own for own, other in zip(edges.size, given, strict=True)
    )
    if num_src == num_dst:
        return num_src
    highest = edges.edge_index.amax(1).tolist() if edges.edge_index.numel() else [-1, -1]
    num_src = highest[0] + 1 if num_src is None else num_src
    num_dst = highest[1] + 1 if num_dst is None else num_dst
    return num_src if num_src == num_dst else (num_src, num_dst)


def read_values(value: Any) -> Tensor | None:
    """The values of a sparse adjacency matrix, in the order of `read_edges`."""
    if not isinstance(value, Tensor):
        return value.coo()[2]
    return (value.coalesce() if value.layout == torch.sparse_coo else value).values()


def read_scipy(matrix: Any) -> tuple[Edges, Tensor | None]:
    """The stored entries of a SciPy matrix as edges from row to column, and their values.

    Floating-point values get torch's default dtype. Bools only say which edges there are.
    """
    if matrix.ndim != 2:
        raise ValueError(f"matrix: expected two dimensions, got shape {matrix.shape}")
    entries = matrix.tocoo()
    if matrix.format == "bsr":
        entries.eliminate_zeros()  # its blocks are dense: what fills them up was never an entry
    ends = np.stack([entries.row, entries.col]).astype(np.int64, copy=False)
    edges = Edges(torch.from_numpy(ends), matrix.shape)
    if entries.data.dtype == np.bool_:
        return edges, None
    try:
        values = torch.from_numpy(entries.data.copy())  # the matrix may change later
    except TypeError:
        raise TypeError(
            f"matrix: expected values of a type torch knows, got {entries.data.dtype}"
        ) from None
    return edges, values.to(torch.get_default_dtype()) if values.is_floating_point() else values


def read_dgl(graph: Any) -> tuple[Tensor, int | tuple[int, int]]:
    """The edges of a DGL graph by number, and its number of nodes, or (sources, destinations)."""
    if len(graph.canonical_etypes) != 1:
        raise ValueError(
            "graph: expected one kind of edges, got a DGL graph with "
            f"{len(graph.canonical_etypes)} relations {graph.canonical_etypes}; take one of them, "
            "graph[relation], or dgl.to_homogeneous(graph)"
        )
    edge_index = torch.stack(graph.edges(order="eid"))
    if has_two_sides(graph):
        return edge_index, (graph.num_src_nodes(), graph.num_dst_nodes())
    return edge_index, graph.num_nodes()


def has_two_sides(graph: Any) -> bool:
    """Whether a DGL graph of one relation joins two sets of nodes; a sampled block does too."""
    source, _, destination = graph.canonical_etypes[0]
    return graph.is_block or source != destination


def read_dgl_edge_attrs(graph: Any) -> dict[str, Tensor]:
    """What a DGL graph holds on its edges, by the names it has on a Graph."""
    attrs = rename(graph.edata, DGL_EDGE_NAMES)
    if "edge_type" in attrs:
        attrs["edge_type"] = attrs["edge_type"].long()  # DGL writes its own in the dtype of ids
    return attrs


def rename(attrs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Attributes under other names, where those are still free."""
    return {
        name if names.get(name, name) in attrs else names[name]: value
        for name, value in attrs.items()
    }


def _spread(pointers: Tensor) -> Tensor:
    """[0, 2, 3] -> [0, 0, 1]: the row of every slot."""
    rows = torch.arange(pointers.numel() - 1, dtype=pointers.dtype, device=pointers.device)
    return rows.repeat_interleave(pointers.diff())
