"""Which path a layer takes."""

from __future__ import annotations


def propagate(layer, graph, values, edge_mask):
    return None
