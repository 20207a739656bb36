"""From a directed graph to an undirected one, and which edges are opposite to which."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit._attributes import concat, take
from graphkit._parts import Parts
from graphkit._structure import Connectivity

_REDUCTIONS = {"add": "sum", "sum": "sum", "mean": "mean", "min": "min", "max": "max"}


def to_undirected(parts: Parts, reduce: str) -> Parts:
    """Every edge in both directions, once, sorted by source; see `Graph.to_undirected`."""
    old = parts.connectivity
    if old.bipartite:
        raise ValueError("to_undirected: expected a graph with one set of nodes, got a bipartite")
    if reduce not in _REDUCTIONS:
        raise ValueError(f"reduce: expected one of {', '.join(_REDUCTIONS)}, got {reduce!r}")
    source, destination = torch.cat([old.edge_index, old.edge_index.flip(0)], dim=1)
    key = source * old.num_src + destination
    edge_type = parts.values.get("edge_type")
    if edge_type is not None and edge_type.numel():
        key = key * (int(edge_type.max()) + 1) + torch.cat([edge_type, edge_type])
    key, order = key.sort(stable=True)
    counts = key.unique_consecutive(return_counts=True)[1]
    first = order[counts.cumsum(0) - counts]
    values = {
        name: _merge(concat(name, [value, value]), order, first, counts, reduce)
        if parts.kinds[name] == "edge"
        else value
        for name, value in parts.values.items()
    }
    edge_index = torch.stack([source[first], destination[first]])
    connectivity = Connectivity(edge_index, old.num_src, old.num_dst, undirected=True)
    return Parts(connectivity, values, parts.kinds, parts.ptr)


def match_opposites(edge_index: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """Numbers of edges and, at the same places, of their opposites, where every edge has one.

    Of parallel edges the first is matched with the first, the second with the second.
    """
    source, destination = edge_index
    there = (source * num_nodes + destination).sort(stable=True).indices
    back = (destination * num_nodes + source).sort(stable=True).indices
    return there, back


def _merge(value: Any, order: Tensor, first: Tensor, counts: Tensor, reduce: str) -> Any:
    """One row for each run of equal edges: reduced where that makes sense, else the first."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
        return take(value, first)
    rows = take(value, order)
    return torch.segment_reduce(rows, _REDUCTIONS[reduce], lengths=counts, axis=0)
