"""Readouts that reduce the nodes of every graph by feature."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit.engine import ops
from graphkit.graph import Graph


def global_add_pool(x: Tensor, batch: Tensor | Graph | None, size: int | None = None) -> Tensor:
    r"""Sum over the nodes of every graph, :math:`r_g = \sum_{i \in V_g} x_i`.

    Args:
        x: ``[N, F]`` features of the nodes (or ``[N]``, or with further leading dimensions).
        batch: ``[N]`` number of the graph a node belongs to, a batched Graph, or None: one graph.
        size: number of graphs, if ``batch`` does not tell.

    Returns:
        ``[size, F]``; a graph without nodes gets 0. Where ``x`` has leading dimensions and
        ``batch`` is None, they are taken for the graphs: ``[B, N, F]`` gives ``[B, F]``.
    """
    return _pool(x, batch, size, "sum")


def global_mean_pool(x: Tensor, batch: Tensor | Graph | None, size: int | None = None) -> Tensor:
    """Mean over the nodes of every graph; arguments as in :func:`global_add_pool`."""
    return _pool(x, batch, size, "mean")


def global_max_pool(x: Tensor, batch: Tensor | Graph | None, size: int | None = None) -> Tensor:
    """Maximum over the nodes of every graph; arguments as in :func:`global_add_pool`."""
    return _pool(x, batch, size, "max")


def global_min_pool(x: Tensor, batch: Tensor | Graph | None, size: int | None = None) -> Tensor:
    """Minimum over the nodes of every graph; arguments as in :func:`global_add_pool`."""
    return _pool(x, batch, size, "min")


def _pool(x: Tensor, batch: Tensor | Graph | None, size: int | None, reduce: str) -> Tensor:
    dim = -1 if x.dim() == 1 else -2
    if isinstance(batch, Graph):
        batch, size = batch.batch, batch.num_graphs
    elif batch is None:
        one = torch.zeros(x.size(dim), dtype=torch.long, device=x.device)
        out = ops.segment_reduce(x, one, None, 1, dim, reduce)
        return out.squeeze(dim) if x.dim() > 2 else out
    if batch.shape != (x.size(dim),):
        raise ValueError(
            f"batch: expected shape ({x.size(dim)},), one graph per node, got {tuple(batch.shape)}"
        )
    if size is None:
        size = int(batch.max()) + 1 if batch.numel() else 0
    return ops.segment_reduce(x, batch, None, size, dim, reduce)
