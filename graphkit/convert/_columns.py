"""Attributes as columns of plain values, as NetworkX and pandas know them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit._attributes import take
from graphkit._undirected import match_opposites
from graphkit.graph import Graph

# Others know weights by this name, graphkit's layers by the other.
THEIR_WEIGHT, OUR_WEIGHT = "weight", "edge_weight"


def to_column(values: list[Any]) -> Tensor | list[Any]:
    """A tensor of values that are numbers, or arrays of numbers of one shape; else the list."""
    if any(isinstance(value, Tensor) for value in values):
        alike = {(getattr(v, "shape", None), getattr(v, "dtype", None)) for v in values}
        return torch.stack(values) if len(alike) == 1 else values
    try:
        array = np.array(values)
    except ValueError:  # rows of several lengths
        return values
    if array.dtype.kind == "f":
        if all(isinstance(value, int) for value in values):
            return values  # beyond int64, where NumPy rounds
        return torch.from_numpy(array).to(torch.get_default_dtype())
    return torch.from_numpy(array) if array.dtype.kind in "bi" else values


def to_list(value: Any) -> list[Any]:
    """The reverse of `to_column`."""
    return value.to_dense().tolist() if isinstance(value, Tensor) else value


def to_array(value: Tensor) -> np.ndarray[Any, Any]:
    """A copy in NumPy."""
    value = value.detach().cpu().to_dense()
    if value.dtype == torch.bfloat16:
        value = value.float()  # which NumPy does not have; this holds all of its numbers
    return value.numpy().copy()


def in_both_directions(ends: Tensor) -> tuple[Tensor, Tensor]:
    """Every edge followed by its opposite, a loop once.

    Args:
        ends: ``[2, E]``.

    Returns:
        The edges ``[2, E']``, and of each the number it had before, ``[E']``.
    """
    number = torch.arange(ends.size(1))
    number = number.repeat_interleave(2 - (ends[0] == ends[1]).long())
    second = torch.zeros_like(number, dtype=torch.bool)
    second[1:] = number[1:] == number[:-1]
    both = ends[:, number]
    return torch.where(second, both.flip(0), both), number


def is_symmetric(graph: Graph) -> bool:
    """Whether every edge has its opposite, with the same attributes."""
    if not graph.is_undirected:
        return False
    there, back = match_opposites(graph.edge_index, graph.num_nodes)
    return all(
        _is_same(take(value, there), take(value, back)) for value in graph.edge_attrs.values()
    )


def _is_same(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor):
        both_nan = (value != value) & (other != other)
        return bool(((value == other) | both_nan).all())
    return value == other
