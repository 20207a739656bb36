"""Simplified graph convolution of Wu et al."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.nn.conv.normalized import normalized
from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class SGConv(MessagePassing):
    r"""Simplified graph convolution, Wu et al. 2019, eq. 8.

    .. math::
        X' = S^K X \Theta + b, \quad S = \hat D^{-1/2} (A + I) \hat D^{-1/2}

    Where the output is narrower than the input, or the input is sparse, :math:`X \Theta` comes
    first.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        K: number of hops.
        cached: keep :math:`S^K X` of the first call and use it in all later ones, whatever graph
            and features they bring. It is dense: for sparse features with few outputs, mapping
            first is as fast.
        add_self_loops: whether :math:`S` has the :math:`I`.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]`` (dense or sparse), ``edge_weight`` ``[E]``; output ``[N, out]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        K: int = 1,
        cached: bool = False,
        add_self_loops: bool = True,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.K = K
        self.cached = cached
        self.add_self_loops = add_self_loops
        self.lin = Linear(in_channels, out_channels, bias=bias)
        self._cached_x: Tensor | None = None

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        self._cached_x = None

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        if self._cached_x is not None:
            return self.lin(self._known(x))
        graph, weight = normalized(
            self, x, edge_index, edge_weight, add_self_loops=self.add_self_loops
        )
        first = not self.cached and narrows(x, self.out_channels) and commutes(self, SGConv)
        if first:
            x = self.lin.multiply(x)
        elif x.layout != torch.strided:
            x = x.to_dense()  # a few hops away from everywhere, few zeros are left
        for _ in range(self.K):
            x = self.propagate(graph, x=x, edge_weight=weight)
        if self.cached:
            self._cached_x = x.detach()
        return self.lin.add_bias(x) if first else self.lin(x)

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        return edge_weight.view(-1, 1) * x_j

    def _known(self, x: Tensor) -> Tensor:
        assert self._cached_x is not None
        if x.size(0) != self._cached_x.size(0):
            raise ValueError(
                f"x: expected {self._cached_x.size(0)} nodes, as at the first call, which "
                f"cached=True keeps, got {x.size(0)}"
            )
        return self._cached_x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, K={self.K})"
