"""From and to pandas: a frame of edges, and a frame of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit._attributes import take
from graphkit._extras import require
from graphkit._foreign import is_instance
from graphkit._undirected import match_opposites
from graphkit.convert._columns import (
    OUR_WEIGHT,
    THEIR_WEIGHT,
    in_both_directions,
    is_symmetric,
    to_array,
    to_column,
    to_list,
)
from graphkit.graph import Graph


def from_pandas(
    edges: Any,
    nodes: Any = None,
    *,
    source: str = "source",
    target: str = "target",
    node: str | None = None,
    undirected: bool = False,
) -> Graph:
    """A Graph of an edge list and, if there is one, a frame that describes the nodes.

    Nodes may be called anything hashable. They are numbered in the order of `nodes`, or without
    it as they turn up, row by row, and their names are kept as `node_names`. Columns of numbers
    become tensors (floating-point ones of torch's default dtype), others lists. The column
    ``weight`` of `edges` becomes `edge_weight`; its index is not kept.

    Args:
        edges: A row for each edge, with columns `source` and `target`; the others become
            attributes of edges.
        nodes: A row for each node, those without edges too; the columns become attributes of
            nodes. A pair (of sources, of targets), in which None stands for names alone, gives a
            bipartite graph, whose two sides may share names.
        source, target: Columns of `edges` with the names of the ends.
        node: Column of `nodes` with their names; the index if not given.
        undirected: Whether a row stands for both directions. These follow each other; a loop is
            there once.

    Raises:
        TypeError, ValueError: Names the argument or column, what was expected and what came.
    """
    bipartite = isinstance(nodes, tuple)
    if bipartite and len(nodes) != 2:
        raise ValueError(f"nodes: expected a pair (of sources, of targets), got {len(nodes)}")
    if bipartite and undirected:
        raise ValueError("undirected: expected False for a bipartite graph, got True")
    ends = [_read_names("edges", edges, column) for column in (source, target)]
    if bipartite:
        sides = [_read_nodes(f, node, names) for f, names in zip(nodes, ends, strict=True)]
    else:
        sides = [_read_nodes(nodes, node, chain.from_iterable(zip(*ends, strict=True)))] * 2
    edge_index = torch.stack(
        [
            _number(column, names, side["node_names"])
            for column, names, side in zip((source, target), ends, sides, strict=True)
        ]
    )
    attrs = _read_columns(edges, without=(source, target))
    if isinstance(attrs.get(THEIR_WEIGHT), Tensor) and OUR_WEIGHT not in attrs:
        attrs[OUR_WEIGHT] = attrs.pop(THEIR_WEIGHT)
    if undirected:
        edge_index, row = in_both_directions(edge_index)
        attrs = {name: take(value, row) for name, value in attrs.items()}
    sizes = [len(side["node_names"]) for side in sides]
    return Graph(
        edge_index,
        (sizes[0], sizes[1]) if bipartite else sizes[1],
        undirected=undirected or None,
        node_attrs=_pair(*sides) if bipartite else sides[0],
        edge_attrs=attrs,
    )


def _pair(sources: dict[str, Any], destinations: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys([*sources, *destinations])
    return {name: (sources.get(name), destinations.get(name)) for name in names}


def _read_nodes(frame: Any, node: str | None, ends: Iterable[Any]) -> dict[str, Any]:
    """Attributes of nodes, `node_names` among them; without a frame, those at the ends of edges."""
    if frame is None:
        return {"node_names": list(dict.fromkeys(ends))}
    names = _read_names("nodes", frame, node)
    if len(set(names)) < len(names):
        seen: set[Any] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise ValueError(f"nodes: expected every name once, got {twice!r} more than once")
    return {**_read_columns(frame, without=(node,)), "node_names": names}


def _read_names(argument: str, frame: Any, column: str | None) -> list[Any]:
    """The names in a column, or in the index."""
    if not is_instance(frame, "pandas", "DataFrame"):
        raise TypeError(f"{argument}: expected a DataFrame of pandas, got {type(frame).__name__}")
    columns = [str(name) for name in frame.columns]
    if len(set(columns)) < len(columns):
        raise ValueError(f"{argument}: expected every column once, got {columns}")
    if column is not None and column not in frame.columns:
        raise ValueError(f"{argument}: expected a column {column!r}, got {list(frame.columns)}")
    names = frame.index.to_series() if column is None else frame[column]
    missing = names.isna()
    if missing.any():
        what, row = "the index" if column is None else f"column {column!r}", int(missing.argmax())
        raise ValueError(f"{argument}: expected a name in every row of {what}, got none in {row}")
    return names.tolist()


def _number(column: str, ends: list[Any], names: list[Any]) -> Tensor:
    """The numbers of the nodes with these names."""
    numbers = {name: number for number, name in enumerate(names)}
    try:
        return torch.tensor([numbers[name] for name in ends], dtype=torch.int64)
    except KeyError as error:
        name = error.args[0]
        raise ValueError(
            f"{column}: expected names that are in nodes, got {name!r} in row {ends.index(name)}"
        ) from None


def _read_columns(frame: Any, without: tuple[str | None, ...]) -> dict[str, Any]:
    """Attributes by the names of their columns, which may be numbers in pandas."""
    return {
        str(name): _read_column(column) for name, column in frame.items() if name not in without
    }


def _read_column(column: Any) -> Tensor | list[Any]:
    dtype = column.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "bif":
        return to_column(column.tolist())
    if dtype.kind == "f":
        return torch.from_numpy(column.to_numpy(np.float64, copy=True)).to(
            torch.get_default_dtype()
        )
    return torch.from_numpy(column.to_numpy(copy=True))


def to_pandas(
    graph: Graph, *, source: str = "source", target: str = "target", undirected: bool = False
) -> tuple[Any, Any]:
    """Two DataFrames, of the edges and of the nodes, with all attributes of both.

    ``from_pandas(*to_pandas(graph))`` is the graph again. Nodes are called as `node_names` says,
    else by their numbers, and that is the index of their frame; of a bipartite graph there is a
    pair of such frames. Rows of tensors become lists, `edge_weight` becomes ``weight``. Attributes
    of the graph as a whole are left out, as frames have no place for them.

    Args:
        graph: What to convert; no batch.
        source, target: Columns for the names of the ends.
        undirected: Write one row for the two directions of an edge: the one that comes first.

    Raises:
        ValueError: It is a batch; or, with `undirected`, not every edge has its opposite with the
            same attributes.
    """
    pandas = require("pandas", extra="pandas", what="making a DataFrame")
    if graph.is_batch:
        raise ValueError("graph: expected one graph, got a batch; convert those of graph.unbatch()")
    number = torch.arange(graph.num_edges, device=graph.device)
    if undirected:
        if not is_symmetric(graph):
            raise ValueError(
                "undirected: expected False, as not every edge has its opposite with the same "
                "attributes"
            )
        there, back = match_opposites(graph.edge_index, graph.num_nodes)
        number = there[there <= back].sort().values
    sides = _sides(graph)
    columns = {name: _to_cells(take(value, number)) for name, value in graph.edge_attrs.items()}
    if OUR_WEIGHT in columns and THEIR_WEIGHT not in columns:
        columns[THEIR_WEIGHT] = columns.pop(OUR_WEIGHT)
    for name in (source, target):
        if name in columns:
            raise ValueError(f"source, target: expected names of no attribute, got {name!r}")
    ends = {
        column: [side["node_names"][k] for k in numbers]
        for column, numbers, side in zip(
            (source, target), graph.edge_index[:, number].tolist(), sides, strict=True
        )
    }
    frames = [_to_frame(pandas, side) for side in sides]
    return pandas.DataFrame({**ends, **columns}), tuple(frames) if graph.is_bipartite else frames[1]


def _sides(graph: Graph) -> list[dict[str, Any]]:
    """Attributes of sources and of destinations, each with `node_names`."""
    sides = []
    for end, size in enumerate((graph.num_src, graph.num_dst)):
        attrs = dict(graph.node_attrs)
        if graph.is_bipartite:
            attrs = {name: pair[end] for name, pair in attrs.items() if pair[end] is not None}
        sides.append({"node_names": list(range(size)), **attrs})
    return sides


def _to_frame(pandas: Any, side: dict[str, Any]) -> Any:
    names = pandas.Index(side["node_names"], tupleize_cols=False, name="node")
    columns = {name: _to_cells(value) for name, value in side.items() if name != "node_names"}
    return pandas.DataFrame(columns, index=names)


def _to_cells(value: Any) -> Any:
    return to_array(value) if isinstance(value, Tensor) and value.dim() == 1 else to_list(value)
