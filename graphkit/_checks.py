"""Checks of what a Graph is made from. Every error names the argument, what was expected of it
and what came."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkit._attributes import Kind, count_rows

_ENDS = ("sources", "destinations")


def check_edge_index(edge_index: Any) -> Tensor:
    """An owned int64 copy of `edge_index`; type, dtype and shape are checked, the range is not."""
    edge_index = check_shape(edge_index)
    with torch.inference_mode(False):
        return edge_index.detach().to(torch.int64, memory_format=torch.contiguous_format, copy=True)


def check_shape(edge_index: Any) -> Tensor:
    """`edge_index` as a tensor; type, dtype and shape are checked."""
    if hasattr(edge_index, "as_tensor"):
        edge_index = edge_index.as_tensor()  # PyG's EdgeIndex is a wrapper without own memory
    if not isinstance(edge_index, Tensor):
        raise TypeError(
            "edge_index: expected a tensor of shape [2, num_edges], "
            f"got {type(edge_index).__name__}"
        )
    if edge_index.layout != torch.strided:
        raise TypeError(f"edge_index: expected a dense tensor, got one of {edge_index.layout}")
    if edge_index.dtype not in (torch.int64, torch.int32):
        raise TypeError(
            f"edge_index: expected dtype int64 (or int32), got {_dtype(edge_index.dtype)}"
        )
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        shape = list(edge_index.shape)
        hint = "; did you mean edge_index.t()?" if shape[1:] == [2] else ""
        raise ValueError(f"edge_index: expected shape [2, num_edges], got {shape}{hint}")
    return edge_index


def check_range(edge_index: Tensor, num_src: int, num_dst: int, given: str) -> None:
    """Raise unless every edge joins nodes that exist; `given` says in words how many do."""
    if edge_index.numel() == 0 or edge_index.is_meta:
        return
    # Not aminmax: along a dimension it wakes all threads, be there ever so few edges.
    low, high = torch.stack([edge_index.amin(1), edge_index.amax(1)]).tolist()
    for row, size in enumerate((num_src, num_dst)):
        if low[row] < 0:
            raise ValueError(
                f"edge_index: node {low[row]} in row {row} ({_ENDS[row]}) is negative; "
                "nodes are numbered from 0"
            )
        if high[row] >= size:
            raise ValueError(
                f"edge_index: node {high[row]} in row {row} ({_ENDS[row]}) "
                f"is out of range for {given}"
            )


def check_sizes(num_nodes: Any) -> tuple[int, int, bool]:
    """`num_nodes` as (number of sources, number of destinations, is it bipartite)."""
    pair = isinstance(num_nodes, (tuple, list))
    sizes = tuple(num_nodes) if pair else (num_nodes, num_nodes)
    try:
        if len(sizes) != 2 or any(isinstance(size, bool) for size in sizes):
            raise TypeError
        num_src, num_dst = (operator.index(size) for size in sizes)
    except TypeError:
        raise TypeError(
            f"num_nodes: expected a number or a pair (sources, destinations), got {num_nodes!r}"
        ) from None
    if num_src < 0 or num_dst < 0:
        raise ValueError(f"num_nodes: expected no negative number, got {num_nodes!r}")
    return num_src, num_dst, pair


def find_sizes(
    edge_index: Tensor, num_nodes: Any, nodes: Mapping[str, Any], ptr: Any
) -> tuple[tuple[int, int, bool], str]:
    """(sources, destinations, bipartite), and in words where they are from if not given."""
    if num_nodes is not None:
        return check_sizes(num_nodes), ""
    for name, value in nodes.items():
        if isinstance(value, tuple):
            sizes = tuple(count_rows(end) for end in value)
            if None not in sizes:
                return check_sizes(sizes), f" (the rows of {name})"
        elif (rows := count_rows(value)) is not None:
            return check_sizes(rows), f" (the rows of {name})"
    if isinstance(ptr, Tensor) and ptr.numel():
        return check_sizes(int(ptr[-1])), " (the end of ptr)"
    return check_sizes(int(edge_index.max()) + 1 if edge_index.numel() else 0), ""


def check_rows(name: str, value: Any, expected: int, why: str) -> None:
    """Raise unless `value` is a tensor or list of `expected` rows; `why` says what they are."""
    if not isinstance(value, (Tensor, list)):
        raise TypeError(f"{name}: expected a tensor or a list, got {type(value).__name__}")
    rows = count_rows(value)
    if rows != expected:
        got = "a tensor without dimensions" if rows is None else str(rows)
        raise ValueError(f"{name}: expected {expected} rows ({why}), got {got}")


class Members(NamedTuple):
    """How many of each a graph or batch has."""

    num_src: int
    num_dst: int
    num_edges: int
    num_graphs: int


def check_node_rows(name: str, value: Any, members: Members, bipartite: bool) -> None:
    """Raise unless `value` is an attribute of all nodes; for a bipartite graph, a pair."""
    if not bipartite:
        check_rows(name, value, members.num_dst, f"num_nodes={members.num_dst}")
        return
    for rows, size, what in zip(
        check_pair(name, value), members[:2], Members._fields, strict=False
    ):
        if rows is not None:
            check_rows(name, rows, size, f"{what}={size}")


def check_pair(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(
            f"{name}: expected a pair (sources, destinations) on a bipartite graph, "
            f"got {describe(value)}"
        )
    return value


def find_kind(name: str, value: Any, members: Members, bipartite: bool) -> Kind:
    """Whether targets `y` belong to V, E or U, by their number of rows."""
    if name != "y":
        raise ValueError(
            f"{name}: new on this Graph; say whose it is with node_attrs, edge_attrs or graph_attrs"
        )
    if bipartite and isinstance(value, tuple):
        return "node"
    rows = 1 if isinstance(value, Tensor) and value.dim() == 0 else count_rows(value)
    sizes: dict[Kind, int] = {"edge": members.num_edges, "graph": members.num_graphs}
    if not bipartite:
        sizes["node"] = members.num_dst
    fits: list[Kind] = [kind for kind, size in sizes.items() if size == rows]
    if len(fits) == 1:
        return fits[0]
    spelled = ", ".join(f"{size} ({kind})" for kind, size in sizes.items())
    came = f"{rows} rows, which fit {' and '.join(fits)}" if fits else f"{rows} rows"
    raise ValueError(
        f"{name}: expected a number of rows that tells whose it is, {spelled}, got {came}; "
        "say it with node_attrs, edge_attrs or graph_attrs"
    )


def check_edge_type(value: Any) -> None:
    if not isinstance(value, Tensor) or value.dim() != 1 or value.dtype != torch.int64:
        raise TypeError(f"edge_type: expected int64 of one dimension, got {describe(value)}")
    if value.numel() and not value.is_meta and int(value.min()) < 0:
        raise ValueError(f"edge_type: expected types numbered from 0, got {int(value.min())}")


def batch_to_ptr(batch: Any) -> Tensor:
    """The pointers that say the same as the graph number of every node."""
    if not isinstance(batch, Tensor) or batch.dim() != 1 or batch.dtype != torch.int64:
        raise TypeError(f"batch: expected int64 of one dimension, got {describe(batch)}")
    if batch.numel() and (int(batch[0]) < 0 or bool((batch.diff() < 0).any())):
        raise ValueError("batch: expected graph numbers from 0 in ascending order")
    count = torch.bincount(batch)
    return torch.cat([count.new_zeros(1), count.cumsum(0)])


def check_ptr(ptr: Any, num_src: int, num_dst: int, bipartite: bool) -> tuple[Tensor, Tensor]:
    """The pointers of sources and of destinations, owned."""
    if bipartite != isinstance(ptr, tuple) or (bipartite and len(ptr) != 2):
        expected = "a pair (sources, destinations)" if bipartite else "a tensor"
        raise TypeError(f"ptr: expected {expected}, got {describe(ptr)}")
    if not bipartite:
        own = _check_pointers(ptr, num_dst)
        return own, own
    source, destination = _check_pointers(ptr[0], num_src), _check_pointers(ptr[1], num_dst)
    if source.numel() != destination.numel():
        lengths = source.numel(), destination.numel()
        raise ValueError(f"ptr: expected a pair of equal lengths, got lengths {lengths}")
    return source, destination


def _check_pointers(ptr: Any, size: int) -> Tensor:
    if not isinstance(ptr, Tensor) or ptr.dim() != 1 or ptr.dtype != torch.int64:
        raise TypeError(f"ptr: expected int64 of one dimension, got {describe(ptr)}")
    ends = ptr[[0, -1]].tolist() if ptr.numel() else []
    if ends != [0, size] or bool((ptr.diff() < 0).any()):
        raise ValueError(f"ptr: expected ascending numbers from 0 to {size}, got {ptr.tolist()}")
    with torch.inference_mode(False):
        return ptr.clone()


def check_index(name: str, index: Any, size: int, distinct: bool) -> Tensor:
    """`index`, a mask of `size` or numbers below it, as numbers."""
    if not isinstance(index, Tensor) or index.dim() != 1:
        raise TypeError(f"{name}: expected a mask or an index tensor, got {describe(index)}")
    if index.dtype == torch.bool:
        if index.numel() != size:
            raise ValueError(f"{name}: expected a mask of length {size}, got {index.numel()}")
        return index.nonzero().view(-1)
    if index.dtype != torch.int64:
        raise TypeError(f"{name}: expected dtype bool or int64, got {_dtype(index.dtype)}")
    if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
        worst = int(index.min()) if int(index.min()) < 0 else int(index.max())
        raise ValueError(f"{name}: expected numbers from 0 to {size - 1}, got {worst}")
    if distinct and torch.bincount(index, minlength=1).max() > 1:
        raise ValueError(f"{name}: expected every number once, got some more than once")
    return index


def describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{_dtype(value.dtype)} {list(value.shape)}"
    return type(value).__name__


def spell_sizes(num_src: int, num_dst: int, bipartite: bool) -> str:
    return f"({num_src}, {num_dst})" if bipartite else str(num_dst)


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
