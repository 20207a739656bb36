"""From and to DGL's graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from graphkit._attributes import STANDARD
from graphkit._extras import require
from graphkit._foreign import (
    DGL_EDGE_NAMES,
    DGL_NODE_NAMES,
    has_two_sides,
    is_dgl,
    read_dgl,
    read_dgl_edge_attrs,
    rename,
)
from graphkit.graph import Graph

# The relation of a graph whose maker gave none.
_PLAIN = ("_N", "_E", "_N")
_TWO_SIDES = ("source", "to", "destination")


def from_dgl(graph: Any) -> Graph:
    """A Graph of a DGL graph, a batch of them, or a sampled block, with all attributes.

    A heterograph of one relation between two types of nodes becomes a bipartite Graph. Edges
    keep DGL's numbers. What DGL's data sets and functions call ``feat``, ``label``, ``weight``,
    ``_ID`` and ``_TYPE`` is `x`, `y` and `node_id`, `node_type` on nodes, and `edge_attr`,
    `edge_weight`, `edge_id` and `edge_type` on edges, unless that name is in use there. Any other
    name that nodes and edges share gets ``edata_`` before it on edges. The names of types that are
    not DGL's defaults are kept as `relation` (source, edge, destination).

    A batch of one graph is that graph, as DGL does not tell the two apart.

    Raises:
        ValueError: The graph has several relations.
    """
    if not is_dgl(graph):
        raise TypeError(f"graph: expected a DGL graph, got {type(graph).__name__}")
    edge_index, num_nodes = read_dgl(graph)
    two_sides = has_two_sides(graph)
    nodes: dict[str, Any] = rename(graph.srcdata, DGL_NODE_NAMES)
    if two_sides:
        destinations = rename(graph.dstdata, DGL_NODE_NAMES)
        names = dict.fromkeys([*nodes, *destinations])
        nodes = {name: (nodes.get(name), destinations.get(name)) for name in names}
    edges = {
        f"edata_{name}" if _is_taken(name, nodes) else name: value
        for name, value in read_dgl_edge_attrs(graph).items()
    }
    relation, count = graph.canonical_etypes[0], graph.batch_size
    # The two sides of a block may have one name, which tells nothing then.
    default = relation in (_PLAIN, _TWO_SIDES) or (two_sides and relation[0] == relation[2])
    ptr, kept = None, relation
    if count != 1:
        sources, destinations = (_ptr(graph.batch_num_nodes(end)) for end in relation[::2])
        ptr, kept = (sources, destinations) if two_sides else destinations, [relation] * count
    return Graph(
        edge_index,
        num_nodes,
        ptr=ptr,
        node_attrs=nodes,
        edge_attrs=edges,
        graph_attrs={} if default else {"relation": kept},
    )


def _is_taken(name: str, nodes: Mapping[str, Any]) -> bool:
    """Whether a name on edges belongs to nodes on a Graph, where a name stands for one thing."""
    return name in nodes or STANDARD.get(name, "edge") != "edge"


def _ptr(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).long()


def to_dgl(graph: Graph) -> Any:
    """A DGL graph with all tensors on nodes and edges; of a batch, a batched one.

    A bipartite Graph becomes a heterograph of the types that `relation` names, or else of
    "source", "to" and "destination". Names are changed back as :func:`from_dgl` changes them, so
    `x` becomes ``feat``; sparse tensors become dense. Of a batch the edges follow each other graph
    by graph. What DGL has no place for is left out: lists, and attributes of the graph as a whole
    but `relation`.
    """
    dgl = require("dgl", extra="dgl", what="making a DGL graph")
    if graph.is_batch:
        if graph.num_graphs == 0:
            raise ValueError("graph: expected a batch of at least one graph, got one of none")
        return dgl.batch([to_dgl(member) for member in graph.unbatch()])
    given = graph.graph_attrs.get("relation", _TWO_SIDES if graph.is_bipartite else _PLAIN)
    sizes = {given[0]: graph.num_src, given[2]: graph.num_dst}
    result = dgl.heterograph({given: tuple(graph.edge_index)}, sizes)
    nodes = graph.node_attrs
    if graph.is_bipartite:
        for end, frame in enumerate((result.srcdata, result.dstdata)):
            side = {name: value[end] for name, value in nodes.items()}
            frame.update(_tensors(side, DGL_NODE_NAMES))
    else:
        result.ndata.update(_tensors(nodes, DGL_NODE_NAMES))
    edges = {_without_prefix(name, nodes): value for name, value in graph.edge_attrs.items()}
    result.edata.update(_tensors(edges, DGL_EDGE_NAMES))
    return result


def _without_prefix(name: str, nodes: Mapping[str, Any]) -> str:
    plain = name.removeprefix("edata_")
    return plain if _is_taken(plain, nodes) else name


def _tensors(attrs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Those that DGL can hold, by its own names."""
    back = {ours: theirs for theirs, ours in names.items()}
    held = {name: value for name, value in attrs.items() if isinstance(value, Tensor)}
    return {name: value.to_dense() for name, value in rename(held, back).items()}
