"""From and to PyTorch Geometric's `Data` and `Batch`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit._attributes import STANDARD, Kind, concat
from graphkit._foreign import Edges, is_instance, is_pyg_data, read_edges, read_values
from graphkit.graph import Graph

_STRUCTURE = ("edge_index", "adj_t", "num_nodes", "batch", "ptr")


def from_pyg(data: Any, kinds: Mapping[str, Kind] | None = None) -> Graph:
    """A Graph of a PyG `Data` or `Batch`, with all its attributes.

    Whether an attribute belongs to V, E or U is decided as PyG does, by its number of rows and,
    where a graph has as many nodes as edges, by "edge" in its name. `x`, `pos`, `edge_attr`,
    `edge_weight`, `edge_type` and `u` are what their names say. The vectors that PyG adds to a
    batch for `follow_batch` are left out, as they follow from the rest.

    Args:
        data: A `Data` with `edge_index`, with `adj_t` or without edges; or a `Batch`. A `Data`
            that has a vector `batch` becomes a batch too.
        kinds: "node", "edge" or "graph" for attributes about which PyG would be wrong, as about
            a target of the graph where the graph has one node.
    """
    if not is_pyg_data(data):
        raise TypeError(f"data: expected a Data or Batch of PyG, got {type(data).__name__}")
    is_batch = is_instance(data, "torch_geometric.data", "Batch") and data.ptr is not None
    kinds = {**STANDARD, **(kinds or {})}
    attrs: dict[Kind, dict[str, Any]] = {"node": {}, "edge": {}, "graph": {}}
    edges, weights = _read_edges(data)
    attrs["edge"].update(weights)
    for name, kind, value in _read_batch(data, kinds) if is_batch else _read_data(data, kinds):
        attrs[kind][name] = value
    return Graph(
        edges.edge_index,
        data.num_nodes,
        batch=None if is_batch else data.batch,
        ptr=data.ptr if is_batch else None,
        undirected=edges.undirected,
        node_attrs=attrs["node"],
        edge_attrs=attrs["edge"],
        graph_attrs=attrs["graph"],
    )


def _read_edges(data: Any) -> tuple[Edges, dict[str, Tensor]]:
    """The edges, and the attributes that come with them in a sparse adjacency matrix."""
    if data.edge_index is not None:
        return read_edges(data.edge_index), {}
    matrix = data.get("adj_t")
    if matrix is None:
        device = next((v.device for _, v in data if isinstance(v, Tensor)), None)
        return Edges(torch.empty((2, 0), dtype=torch.int64, device=device)), {}
    values = read_values(matrix)
    if values is None:
        return read_edges(matrix), {}
    return read_edges(matrix), {"edge_weight" if values.dim() == 1 else "edge_attr": values}


def _read_data(data: Any, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Kind, Any]]:
    for name, value in data:
        if name not in _STRUCTURE and value is not None:
            kind = kinds.get(name) or _guess_kind(data, name, value)
            yield name, kind, value if kind == "graph" else _as_rows(value)


def _guess_kind(data: Any, name: str, value: Any) -> Kind:
    """What PyG takes an attribute to belong to; U, unless it has a row per node or per edge."""
    if not _has_rows(data, name, value):
        return "graph"
    if data.is_node_attr(name):
        return "node"
    return "edge" if data.is_edge_attr(name) else "graph"


def _has_rows(data: Any, name: str, value: Any) -> bool:
    """Whether PyG joins values of this attribute along their first dimension."""
    if isinstance(value, (Tensor, np.ndarray)) and value.ndim:
        dim = data.__cat_dim__(name, value)
        return isinstance(dim, int) and dim % value.ndim == 0
    return isinstance(value, (list, tuple))


def _as_rows(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return list(value) if isinstance(value, tuple) else value


def _read_batch(batch: Any, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Kind, Any]]:
    """Attributes whose rows PyG has laid one graph after the other as they are, others (numbers
    of nodes, which it has shifted; lists; graphs of several rows) graph by graph."""
    starts, shifts = batch._slice_dict, batch._inc_dict
    layouts: dict[Kind, Tensor | None] = {
        "node": batch.ptr.cpu(),
        "edge": starts.get("edge_index"),
        "graph": torch.arange(batch.num_graphs + 1),
    }
    examples: list[Any] = []
    for name, value in batch:
        if name in _STRUCTURE or _is_follower(name, starts):
            continue
        kind = kinds.get(name)
        if name not in starts:  # set on the batch as a whole
            kind = kind or _guess_kind(batch, name, value)
            yield name, kind, _as_rows(value)
            continue
        shift = shifts.get(name)
        if isinstance(value, Tensor) and _has_rows(batch, name, value) and not _is_shift(shift):
            fits: list[Kind] = [k for k in layouts if _is_same(starts[name], layouts[k])]
            if kind is None and fits:
                kind = _choose(name, fits)
            if kind in fits:
                yield name, kind, value
                continue
        examples = examples or batch.to_data_list()
        guesses: set[Kind] = {
            kind or _guess_kind(example, name, example[name]) for example in examples
        }
        kind = guesses.pop() if len(guesses) == 1 else "graph"
        rows = [example[name] for example in examples]
        yield name, kind, rows if kind == "graph" else concat(name, [_as_rows(r) for r in rows])


def _choose(name: str, fits: list[Kind]) -> Kind:
    """What PyG decides for if rows may belong to nodes, edges or graphs alike."""
    if "edge" in fits and ("node" not in fits or "edge" in name):
        return "edge"
    return fits[0]


def _is_follower(name: str, starts: Mapping[str, Any]) -> bool:
    """Whether PyG added an attribute because of `follow_batch`."""
    followed = name.removesuffix("_batch").removesuffix("_ptr")
    return name not in starts and followed != name and followed in starts


def _is_shift(shift: Any) -> bool:
    return isinstance(shift, Tensor) and bool(shift.any())


def _is_same(starts: Any, layout: Tensor | None) -> bool:
    return isinstance(starts, Tensor) and layout is not None and torch.equal(starts, layout)


def to_pyg(graph: Graph) -> Any:
    """A PyG `Data` of a graph, a `Batch` of a batch, with all attributes.

    What PyG has no place for is lost: that the graph is known to be undirected.

    Raises:
        ValueError: The graph is bipartite; a `Data` has one set of nodes.
    """
    from torch_geometric.data import Batch, Data

    if graph.is_bipartite:
        raise ValueError("graph: expected one set of nodes, as PyG's Data has, got a bipartite")
    if graph.is_batch:
        return Batch.from_data_list([to_pyg(member) for member in graph.unbatch()])
    data = Data(edge_index=graph.edge_index.clone())
    for attrs in (graph.node_attrs, graph.edge_attrs, graph.graph_attrs):
        for name, value in attrs.items():
            data[name] = value
    if graph.x is None and graph.pos is None:
        data.num_nodes = graph.num_nodes
    return data
