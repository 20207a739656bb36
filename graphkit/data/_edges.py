"""Edges as raw files give them: in one direction or both, several times, with loops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def once_each(ends: np.ndarray, num_nodes: int, *, loops: bool = True) -> np.ndarray:
    """Which edges to take so that each is there once, sorted by source and destination.

    Args:
        ends: ``[2, E]`` sources and destinations.
        num_nodes: Number of nodes.
        loops: Whether loops stay.

    Returns:
        Numbers of the edges, of equal ones the first.
    """
    source, destination = ends.astype(np.int64)
    kept = np.arange(len(source)) if loops else np.flatnonzero(source != destination)
    _, first = np.unique(source[kept] * num_nodes + destination[kept], return_index=True)
    return kept[first]


def directed(ends: np.ndarray, num_nodes: int) -> Tensor:
    """Every edge once, as ``[2, E]`` int64; loops stay."""
    return _tensor(ends[:, once_each(ends, num_nodes)])


def both_ways(ends: np.ndarray, num_nodes: int) -> Tensor:
    """Every edge in both directions, each once, as ``[2, E]`` int64; loops are left out."""
    ends = np.concatenate([ends, ends[::-1]], axis=1)
    return _tensor(ends[:, once_each(ends, num_nodes, loops=False)])


def _tensor(ends: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(ends, dtype=np.int64))
