"""Normalisation of node features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import ops


class BatchNorm(nn.Module):
    r"""Batch normalisation over all nodes, :class:`torch.nn.BatchNorm1d`. Ioffe & Szegedy 2015.

    Args:
        in_channels: number of features.
        eps, momentum, affine, track_running_stats: of :class:`torch.nn.BatchNorm1d`.
        allow_single_element: take the running statistics where there is one node only.
    """

    def __init__(
        self,
        in_channels: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        allow_single_element: bool = False,
    ) -> None:
        super().__init__()
        if allow_single_element and not track_running_stats:
            raise ValueError("allow_single_element: expected False where no statistics are tracked")
        self.in_channels = in_channels
        self.allow_single_element = allow_single_element
        self.module = nn.BatchNorm1d(in_channels, eps, momentum, affine, track_running_stats)

    def reset_running_stats(self) -> None:
        self.module.reset_running_stats()

    def reset_parameters(self) -> None:
        self.module.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        norm = self.module
        if self.allow_single_element and x.size(0) <= 1:
            return F.batch_norm(
                x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        return norm(x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.module.extra_repr()})"


class LayerNorm(nn.Module):
    r"""Layer normalisation, Ba et al. 2016, over whole graphs or single nodes.

    .. math::
        x'_i = \frac{x_i - \bar x}{\sigma + \epsilon} \gamma + \beta

    with mean and deviation over all features of all nodes of a graph (``mode="graph"``); or, with
    ``mode="node"``, :func:`torch.nn.functional.layer_norm`.

    Args:
        in_channels: number of features.
        eps: added to the deviation.
        affine: learn :math:`\gamma` and :math:`\beta`.
        mode: "graph" or "node".
    """

    def __init__(
        self, in_channels: int, eps: float = 1e-5, affine: bool = True, mode: str = "graph"
    ) -> None:
        super().__init__()
        if mode not in ("graph", "node"):
            raise ValueError(f"mode: expected 'graph' or 'node', got {mode!r}")
        self.in_channels = in_channels
        self.eps = eps
        self.mode = mode
        self.affine = affine
        self.weight = nn.Parameter(torch.ones(in_channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(in_channels)) if affine else None

    def reset_parameters(self) -> None:
        if self.weight is not None and self.bias is not None:
            nn.init.ones_(self.weight)
            nn.init.zeros_(self.bias)

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """``batch`` ``[N]`` is the graph of every node, ``batch_size`` the number of graphs."""
        if self.mode == "node":
            return F.layer_norm(x, (self.in_channels,), self.weight, self.bias, self.eps)
        if batch is None:
            x = x - x.mean()
            x = x / (x.std(unbiased=False) + self.eps)
        else:
            size = int(batch.max()) + 1 if batch_size is None else batch_size

            def mean(values: Tensor) -> Tensor:
                per_node = values.mean(-1, keepdim=True)
                return ops.segment_reduce(per_node, batch, None, size, 0, "mean")[batch]

            x = x - mean(x)
            x = x / (mean(x * x) + self.eps).sqrt()
        return x if self.weight is None or self.bias is None else x * self.weight + self.bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, affine={self.affine}, mode={self.mode})"
