"""From and to NetworkX: an edge u -> v has source u and destination v."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphkit._attributes import take
from graphkit.convert._columns import (
    OUR_WEIGHT,
    THEIR_WEIGHT,
    is_symmetric,
    to_column,
    to_list,
)
from graphkit.graph import Graph


def from_networkx(
    graph: Any,
    node_attrs: Sequence[str] | None = None,
    edge_attrs: Sequence[str] | None = None,
    graph_attrs: Sequence[str] | None = None,
) -> Graph:
    """A Graph of a NetworkX Graph, DiGraph, MultiGraph or MultiDiGraph.

    Numbers, and lists or arrays of numbers of one shape, become tensors (floating-point ones of
    torch's default dtype), other attributes lists. The edge attribute ``weight`` becomes
    `edge_weight`. Nodes are numbered in NetworkX's order, and their names are kept as node
    attribute `node_names`; the keys of a multigraph as edge attribute `edge_keys`. An
    undirected graph gets every edge in both directions, which follow each other, a loop once.

    Args:
        graph: What to convert.
        node_attrs, edge_attrs, graph_attrs: Names of the attributes to take; all if not given.

    Raises:
        ValueError: An attribute is missing on some node or edge.
    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise TypeError(f"graph: expected one of NetworkX, got {type(graph).__name__}")
    names = list(graph.nodes)
    number = {name: place for place, name in enumerate(names)}
    node_data = [graph.nodes[name] for name in names]
    multi, undirected = graph.is_multigraph(), not graph.is_directed()
    ends: list[tuple[int, int]] = []
    edge_data: list[dict[str, Any]] = []
    edge_keys: list[Any] = []
    for u, v, *key, data in _list_edges(graph, multi):
        twice = undirected and u != v
        ends += [(number[u], number[v]), (number[v], number[u])][: 1 + twice]
        edge_data += [data] * (1 + twice)
        edge_keys += key * (1 + twice)
    edge_columns = _columns("edge", edge_data, edge_attrs)
    if isinstance(edge_columns.get(THEIR_WEIGHT), Tensor) and OUR_WEIGHT not in edge_columns:
        edge_columns[OUR_WEIGHT] = edge_columns.pop(THEIR_WEIGHT)
    if multi:
        edge_columns["edge_keys"] = edge_keys
    return Graph(
        torch.tensor(ends, dtype=torch.int64).view(-1, 2).t(),
        len(names),
        undirected=undirected or None,
        node_attrs={**_columns("node", node_data, node_attrs), "node_names": names},
        edge_attrs=edge_columns,
        graph_attrs=_choose("graph", graph.graph, graph_attrs),
    )


def _list_edges(graph: Any, multi: bool) -> Any:
    return graph.edges(keys=True, data=True) if multi else graph.edges(data=True)


def _columns(
    kind: str, rows: list[dict[str, Any]], names: Sequence[str] | None
) -> dict[str, Tensor | list[Any]]:
    """Attributes by name, from the dictionaries of all nodes or edges."""
    if names is None:
        names = list(dict.fromkeys(name for row in rows for name in row))
    chosen = [_choose(f"{kind} {place}", row, names) for place, row in enumerate(rows)]
    return {name: to_column([row[name] for row in chosen]) for name in names}


def _choose(owner: str, attrs: dict[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    names = list(attrs) if names is None else names
    missing = [name for name in names if name not in attrs]
    if missing:
        raise ValueError(
            f"{missing[0]}: expected it everywhere, but {owner} lacks it; name the attributes to "
            "take in node_attrs, edge_attrs or graph_attrs"
        )
    return {name: attrs[name] for name in names}


def to_networkx(
    graph: Graph, *, directed: bool | None = None, multigraph: bool | None = None
) -> Any:
    """A NetworkX graph with all attributes; tensors on nodes and edges become numbers and lists.

    Nodes are called as `node_names` says, else by their numbers; `edge_weight` becomes
    ``weight``, `edge_keys` the keys of a multigraph.

    Args:
        graph: What to convert; no batch, not bipartite.
        directed: Whether edges have a direction. If not given, they have unless every edge has
            its opposite with the same attributes.
        multigraph: Whether nodes may be joined by several edges; if not given, where they are,
            or where there are `edge_keys`.

    Raises:
        ValueError: The graph cannot be such a graph without losing edges.
    """
    import networkx as nx

    if graph.is_batch:
        raise ValueError("graph: expected one graph, got a batch; convert those of graph.unbatch()")
    if graph.is_bipartite:
        raise ValueError("graph: expected one set of nodes, got a bipartite graph")
    symmetric = is_symmetric(graph)
    if directed is None:
        directed = not symmetric
    elif not directed and not symmetric:
        raise ValueError(
            "directed: expected True, as not every edge has its opposite with the same attributes"
        )
    names = graph.node_attrs.get("node_names", list(range(graph.num_nodes)))
    if len(set(names)) < len(names):
        raise ValueError("node_names: expected every name once, got some more than once")
    source, destination = graph.edge_index
    kept = torch.arange(graph.num_edges, device=graph.device)
    if not directed:
        kept = kept[source <= destination]
    number = source[kept] * graph.num_nodes + destination[kept]
    parallel = number.unique().numel() < number.numel()
    columns = {name: to_list(take(value, kept)) for name, value in graph.edge_attrs.items()}
    keys = columns.pop("edge_keys", None)
    if multigraph is None:
        multigraph = parallel or keys is not None
    elif parallel and not multigraph:
        raise ValueError("multigraph: expected True, as some nodes are joined by several edges")
    if OUR_WEIGHT in columns and THEIR_WEIGHT not in columns:
        columns[THEIR_WEIGHT] = columns.pop(OUR_WEIGHT)

    kinds = {
        (False, False): nx.Graph,
        (True, False): nx.DiGraph,
        (False, True): nx.MultiGraph,
        (True, True): nx.MultiDiGraph,
    }
    result = kinds[directed, multigraph]()
    result.graph.update(graph.graph_attrs)
    nodes = {
        name: to_list(value) for name, value in graph.node_attrs.items() if name != "node_names"
    }
    result.add_nodes_from(zip(names, _rows(nodes, len(names)), strict=True))
    sources, destinations = ([names[k] for k in end] for end in graph.edge_index[:, kept].tolist())
    ends = (
        [sources, destinations] if keys is None or not multigraph else [sources, destinations, keys]
    )
    result.add_edges_from(zip(*ends, _rows(columns, len(sources)), strict=True))
    return result


def _rows(columns: dict[str, list[Any]], count: int) -> list[dict[str, Any]]:
    """[{name: value}] of every node or edge."""
    return [{name: column[place] for name, column in columns.items()} for place in range(count)]
