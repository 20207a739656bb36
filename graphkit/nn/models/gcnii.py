"""GCNII: graph convolutions as many as one likes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from graphkit.nn.conv.gcn2_conv import GCN2Conv
from graphkit.nn.dropout import Dropout
from graphkit.nn.inits import reset
from graphkit.nn.linear import Linear


class GCNII(nn.Module):
    r"""Deep graph convolutions with initial residual and identity map, Chen et al. 2020, eq. 5.

    .. math::
        h^{(0)} = \sigma(W_0 x + b_0), \quad
        h^{(l)} = \sigma\big(\mathrm{GCN2Conv}_l(h^{(l-1)}, h^{(0)})\big), \quad
        y = W_1 h^{(L)} + b_1

    Args:
        in_channels: size of the input features.
        hidden_channels: size of the features of every layer.
        num_layers: number of convolutions, :math:`L`.
        out_channels: size of the output.
        alpha, theta: of :class:`~graphkit.nn.GCN2Conv`.
        dropout: probability before every map and convolution.
        **kwargs: of the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        alpha: float = 0.1,
        theta: float = 0.5,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.lins = nn.ModuleList(
            [Linear(in_channels, hidden_channels), Linear(hidden_channels, out_channels)]
        )
        self.convs = nn.ModuleList(
            GCN2Conv(hidden_channels, alpha, theta, layer=layer, **kwargs)
            for layer in range(1, num_layers + 1)
        )

    def reset_parameters(self) -> None:
        reset(self.lins)
        reset(self.convs)

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        """``x`` ``[N, in_channels]``, dense or sparse; output ``[N, out_channels]``."""
        first = h = self.lins[0](self.dropout(x)).relu()
        for conv in self.convs:
            h = conv(self.dropout(h), first, edge_index, edge_weight).relu()
        return self.lins[1](self.dropout(h))
