"""Attributes of a graph: what is known about rows of tensors (or lists) on V, E and U."""

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


def check_rows(name: str, value: Any, expected: int, why: str) -> None:
    """Raise unless `value` is a tensor or list of `expected` rows; `why` says where they are from."""
    if not isinstance(value, (Tensor, list)):
        raise TypeError(f"{name}: expected a tensor or a list, got {type(value).__name__}")
    rows = count_rows(value)
    if rows != expected:
        got = "a 0-dimensional tensor" if rows is None else f"{rows}"
        raise ValueError(f"{name}: expected {expected} rows ({why}), got {got}")


def take(value: Any, index: Tensor) -> Any:
    """The rows of `value` at `index`."""
    if isinstance(value, list):
        return [value[i] for i in index.tolist()]
    if value.layout == torch.sparse_csr:
        return value.to_sparse_coo().index_select(0, index).to_sparse_csr()
    return value.index_select(0, index)


def concat(values: list[Any]) -> Any:
    """All rows of all `values`, which are tensors or lists."""
    if isinstance(values[0], list):
        return [row for value in values for row in value]
    if values[0].layout == torch.sparse_csr:
        return torch.cat([value.to_sparse_coo() for value in values]).to_sparse_csr()
    return torch.cat(values)


def split(value: Any, sizes: list[int]) -> list[Any]:
    """The reverse of `concat`. Dense tensors are split into views."""
    if isinstance(value, Tensor) and value.layout == torch.strided:
        return list(value.split(sizes))
    parts, start = [], 0
    for size in sizes:
        if isinstance(value, list):
            parts.append(value[start : start + size])
        else:
            parts.append(take(value, torch.arange(start, start + size, device=value.device)))
        start += size
    return parts


def move(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [move(row, device) for row in value]
    if isinstance(value, tuple):
        return tuple(move(end, device) for end in value)
    return value
