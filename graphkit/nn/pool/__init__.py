"""Readouts: one row per graph from the rows of its nodes."""

from graphkit.nn.pool.readout import (
    global_add_pool,
    global_max_pool,
    global_mean_pool,
    global_min_pool,
)

__all__ = ["global_add_pool", "global_max_pool", "global_mean_pool", "global_min_pool"]
