"""Readouts, one row per graph from the rows of its nodes; and graphs with fewer nodes."""

from graphkit.nn.pool.readout import (
    Readout,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
    global_min_pool,
)
from graphkit.nn.pool.sag import SAGPooling
from graphkit.nn.pool.top_k import TopKPooling

__all__ = [
    "Readout",
    "SAGPooling",
    "TopKPooling",
    "global_add_pool",
    "global_max_pool",
    "global_mean_pool",
    "global_min_pool",
]
