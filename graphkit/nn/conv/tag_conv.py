"""Topology adaptive graph convolution of Du et al."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.nn.conv.joint import joint
from graphkit.nn.conv.normalized import normalized
from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.inits import zeros
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class TAGConv(MessagePassing):
    r"""Topology adaptive graph convolution, Du et al. 2017, eqs. 2 and 8.

    .. math::
        X' = \sum_{k=0}^K S^k X W_k + b, \quad S = D^{-1/2} A D^{-1/2}

    Where the output is narrower than the input, or the input is sparse, it is computed as
    :math:`X W_0 + S (X W_1 + S (X W_2 + \dots))`.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        K: number of hops.
        bias: learn :math:`b`.
        normalize: else :math:`S = A`, with the edges' weights as they are.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]`` (dense or sparse), ``edge_weight`` ``[E]``; output ``[N, out]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        K: int = 3,
        bias: bool = True,
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.K = K
        self.normalize = normalize
        self.lins = nn.ModuleList(
            Linear(in_channels, out_channels, bias=False) for _ in range(K + 1)
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in self._maps:
            lin.reset_parameters()
        zeros(self.bias)

    @property
    def _maps(self) -> list[Linear]:
        return list(self.lins)  # type: ignore[arg-type]

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        graph, weight = normalized(self, x, edge_index, edge_weight, normalize=self.normalize)
        if narrows(x, self.out_channels) and commutes(self, TAGConv):
            *terms, out = joint(self._maps, x)
            for term in reversed(terms):
                out = term + self.propagate(graph, x=out, edge_weight=weight)
        else:
            first, *further = self._maps
            out = first(x)
            for lin in further:
                x = self.propagate(graph, x=x, edge_weight=weight)
                out = out + lin(x)
        return out if self.bias is None else out + self.bias

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, K={self.K})"
