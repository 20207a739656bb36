"""Normalisation of node features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

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
            x = x - _own_mean(x.mean(-1, keepdim=True), batch, batch_size)
            var = _own_mean((x * x).mean(-1, keepdim=True), batch, batch_size)
            x = x / (var + self.eps).sqrt()
        return x if self.weight is None or self.bias is None else x * self.weight + self.bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, affine={self.affine}, mode={self.mode})"


class GraphNorm(nn.Module):
    r"""Normalisation of every feature within its graph, Cai et al. 2021, section 4.

    .. math::
        x'_i = \frac{x_i - \alpha \odot \bar x}{\sqrt{\hat\sigma^2 + \epsilon}} \odot \gamma
        + \beta, \quad \hat\sigma^2 = \frac{1}{n} \sum_i (x_i - \alpha \odot \bar x)^2

    with the mean over the :math:`n` nodes of the graph. The learnt :math:`\alpha` says how much of
    it goes: where all neighbourhoods are alike, as in regular graphs, it is all there is to know.

    Args:
        in_channels: number of features.
        eps: added to the variance.
    """

    def __init__(self, in_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(in_channels))
        self.bias = nn.Parameter(torch.zeros(in_channels))
        self.mean_scale = nn.Parameter(torch.ones(in_channels))

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.mean_scale)

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """``batch`` ``[N]`` is the graph of every node, ``batch_size`` the number of graphs."""
        x = x - self.mean_scale * _own_mean(x, batch, batch_size)
        var = _own_mean(x * x, batch, batch_size)
        return self.weight * x / (var + self.eps).sqrt() + self.bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels})"


class PairNorm(nn.Module):
    r"""Keeps the distances between the nodes of a graph, Zhao & Akoglu 2020, eqs. 10 and 11.

    .. math::
        x'_i = s\, \frac{x^c_i}{\sqrt{\frac{1}{n} \sum_j \lVert x^c_j \rVert^2 + \epsilon}},
        \quad x^c_i = x_i - \bar x

    so that the mean squared distance of two nodes is the same after every layer, and deep models
    do not smooth all nodes into one. As "pair_norm" in a model :math:`s` is 1 unless
    ``norm_kwargs`` says otherwise.

    Args:
        scale: :math:`s`.
        scale_individually: bring every node to length :math:`s` instead.
        eps: keeps the denominator from 0.
    """

    def __init__(
        self, scale: float = 1.0, scale_individually: bool = False, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.scale = scale
        self.scale_individually = scale_individually
        self.eps = eps

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """``batch`` ``[N]`` is the graph of every node, ``batch_size`` the number of graphs."""
        x = x - _own_mean(x, batch, batch_size)
        if self.scale_individually:
            return self.scale * x / (self.eps + x.norm(dim=-1, keepdim=True))
        squared = _own_mean((x * x).sum(-1, keepdim=True), batch, batch_size)
        return self.scale * x / (self.eps + squared).sqrt()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class InstanceNorm(_InstanceNorm):
    r"""Normalisation of every feature within its graph, Ulyanov et al. 2016.

    .. math::
        x'_i = \frac{x_i - \bar x}{\sqrt{\sigma^2 + \epsilon}} \odot \gamma + \beta

    with mean and variance over the nodes of the graph.

    Args:
        in_channels: number of features.
        eps: added to the variance.
        momentum: weight of a new batch in the running statistics.
        affine: learn :math:`\gamma` and :math:`\beta`.
        track_running_stats: keep the mean statistics of the graphs seen in training, and use
            them in evaluation.
    """

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        in_channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        super().__init__(in_channels, eps, momentum, affine, track_running_stats)

    def forward(  # type: ignore[override]
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """``batch`` ``[N]`` is the graph of every node, ``batch_size`` the number of graphs."""
        if self.running_mean is not None and self.running_var is not None and not self.training:
            x = (x - self.running_mean) / (self.running_var + self.eps).sqrt()
        else:
            mean = _mean(x, batch, batch_size)
            x = x - _spread(mean, batch)
            var = _mean(x * x, batch, batch_size)
            x = x / _spread((var + self.eps).sqrt(), batch)
            self._track(mean.detach(), var.detach(), batch, len(x))
        return x * self.weight + self.bias if self.affine else x

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, batch: Tensor | None, num_nodes: int) -> None:
        if self.running_mean is None or self.running_var is None or not self.training:
            return
        count = torch.tensor([num_nodes], device=mean.device)
        if batch is not None:
            count = torch.bincount(batch, minlength=len(mean))
        count = count.to(mean.dtype).unsqueeze(-1)
        unbiased = var * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean.mean(0), self.momentum or 0.0)
        self.running_var.lerp_(unbiased.mean(0), self.momentum or 0.0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_features})"


def _mean(values: Tensor, batch: Tensor | None, batch_size: int | None) -> Tensor:
    """The mean over the nodes of every graph, ``[graphs, F]``."""
    if batch is None:
        return values.sum(0, keepdim=True) / max(len(values), 1)
    return ops.segment_reduce(values, batch, None, batch_size, 0, "mean")


def _spread(values: Tensor, batch: Tensor | None) -> Tensor:
    """Every node's row among one row per graph."""
    return values if batch is None else values.index_select(0, batch)


def _own_mean(values: Tensor, batch: Tensor | None, batch_size: int | None) -> Tensor:
    """For every node the mean over its graph."""
    return _spread(_mean(values, batch, batch_size), batch)
