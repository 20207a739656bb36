"""Readouts that reduce the nodes of every graph by feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.graph import Graph
from graphkit.nn.aggr import aggregation
from graphkit.nn.inits import reset


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


class Readout(nn.Module):
    """Any aggregation over the nodes of every graph.

    ``Readout("median")``, ``Readout(["mean", "max"])``, or one that learns:
    ``Readout(Set2Set(64, 3))``, ``Readout(AttentionalAggregation(nn.Linear(64, 1)))``.

    Args:
        aggr: a name, a list of names, or a module of :mod:`graphkit.nn.aggr`.
        **kwargs: of the aggregation.
    """

    def __init__(
        self, aggr: str | Sequence[str | nn.Module] | nn.Module = "mean", **kwargs: Any
    ) -> None:
        super().__init__()
        self.aggr = aggregation(aggr, **kwargs)

    def reset_parameters(self) -> None:
        reset(self.aggr)

    def forward(
        self, x: Tensor, batch: Tensor | Graph | None = None, size: int | None = None
    ) -> Tensor:
        """``[size, F]``; arguments as in :func:`global_add_pool`."""
        graph, size = _graphs(x, -2, batch, size)
        return self.aggr(x, graph, dim_size=size, dim=-2)


def _pool(x: Tensor, batch: Tensor | Graph | None, size: int | None, reduce: str) -> Tensor:
    dim = -1 if x.dim() == 1 else -2
    graph, size = _graphs(x, dim, batch, size)
    out = ops.segment_reduce(x, graph, None, size, dim, reduce)
    return out.squeeze(dim) if batch is None and x.dim() > 2 else out


def _graphs(
    x: Tensor, dim: int, batch: Tensor | Graph | None, size: int | None
) -> tuple[Tensor, int]:
    """The graph of every node, and the number of graphs."""
    if isinstance(batch, Graph):
        batch, size = batch.batch, batch.num_graphs
    elif batch is None:
        return torch.zeros(x.size(dim), dtype=torch.long, device=x.device), 1
    if batch.shape != (x.size(dim),):
        raise ValueError(
            f"batch: expected shape ({x.size(dim)},), one graph per node, got {tuple(batch.shape)}"
        )
    if size is None:
        size = int(batch.max()) + 1 if batch.numel() else 0
    return batch, size
