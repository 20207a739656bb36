"""Attributes of V, E and U: tensors or lists with one row for each node, edge or graph."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Kind = Literal["node", "edge", "graph"]
"""What an attribute belongs to: V, E or U."""

STANDARD: dict[str, Kind] = {
    "x": "node",
    "pos": "node",
    "edge_attr": "edge",
    "edge_weight": "edge",
    "edge_type": "edge",
    "u": "graph",
}


def count_rows(value: Any) -> int | None:
    """Number of rows; None for what has none."""
    if isinstance(value, Tensor):
        return value.size(0) if value.dim() else None
    return len(value) if isinstance(value, list) else None


def take(value: Any, index: Tensor) -> Any:
    """The rows of `value` at `index`."""
    if isinstance(value, list):
        return [value[i] for i in index.tolist()]
    if value.layout == torch.sparse_csr:
        return value.to_sparse_coo().index_select(0, index).to_sparse_csr()
    return value.index_select(0, index)


def concat(name: str, values: list[Any]) -> Any:
    """All rows of all `values`, which are tensors or lists; `name` is for the error."""
    if len({isinstance(value, list) for value in values}) > 1:
        raise ValueError(f"{name}: cannot join tensors with lists")
    if isinstance(values[0], list):
        return [row for value in values for row in value]
    try:
        if values[0].layout == torch.sparse_csr:
            return torch.cat([value.to_sparse_coo() for value in values]).to_sparse_csr()
        return torch.cat(values)
    except RuntimeError as error:
        raise ValueError(f"{name}: cannot join the tensors of these graphs: {error}") from error


def split(value: Any, sizes: list[int]) -> list[Any]:
    """The reverse of `concat`."""
    if isinstance(value, Tensor) and value.layout == torch.strided:
        # Copies: a view is pickled, and so sent to other processes, with all it is a view of.
        return [part.clone() for part in value.split(sizes)]
    parts, start = [], 0
    for size in sizes:
        if isinstance(value, list):
            parts.append(value[start : start + size])
        else:
            parts.append(take(value, torch.arange(start, start + size, device=value.device)))
        start += size
    return parts


def join_graph_rows(values: list[Any], batched: list[bool]) -> Any:
    """One attribute of U of a batch, from those of its members.

    Members that are batches (`batched`) have one row per graph already. Those of the others
    become one tensor where all are tensors of one row, or of no dimension, and one shape; else a
    list.
    """
    parts: list[Any] = [
        value if has_rows else _as_rows(value)
        for value, has_rows in zip(values, batched, strict=True)
    ]
    first = parts[0]
    if all(
        _is_tensor(part) and part.shape[1:] == first.shape[1:] and part.dtype == first.dtype
        for part in parts
    ):
        return torch.cat(parts)
    return [row for part in parts for row in (part.split(1) if _is_tensor(part) else part)]


def split_graph_rows(value: Any, num_graphs: int) -> list[Any]:
    """The reverse of `join_graph_rows`, for members that are no batches."""
    return split(value, [1] * num_graphs) if _is_tensor(value) else list(value)


def move(value: Any, device: torch.device) -> Any:
    """`value` with all tensors in it on `device`."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [move(row, device) for row in value]
    if isinstance(value, tuple):
        return tuple(move(end, device) for end in value)
    return value


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _as_rows(value: Any) -> Any:
    """The attribute of one graph, as that of a batch of one."""
    if isinstance(value, Tensor) and value.dim() == 0:
        return value.view(1)
    return value if isinstance(value, Tensor) and value.size(0) == 1 else [value]
