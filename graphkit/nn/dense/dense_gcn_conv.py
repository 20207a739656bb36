"""Graph convolution on dense matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphkit.nn.dense.checks import as_batch
from graphkit.nn.inits import zeros
from graphkit.nn.linear import Linear


class DenseGCNConv(nn.Module):
    r"""Graph convolution, Kipf & Welling 2017, eq. 8, on dense adjacency matrices.

    .. math::
        x'_i = \sum_j \frac{\hat a_{ij}}{\sqrt{\hat d_i \hat d_j}} W x_j + b, \quad
        \hat d_i = \max\Big(1, \sum_j \hat a_{ij}\Big)

    with loops of weight 1 (2 if ``improved``) in :math:`\hat A`. See :class:`GCNConv` for the
    sparse one, whose state dict fits.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        improved: loops of weight 2.
        bias: learn :math:`b`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, improved: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.improved = improved
        self.lin = Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def reset_parameters(self) -> None:
        self.lin.reset_parameters()
        zeros(self.bias)

    def forward(
        self, x: Tensor, adj: Tensor, mask: Tensor | None = None, add_loop: bool = True
    ) -> Tensor:
        """``[B, N, out_channels]``.

        Args:
            x: ``[B, N, in_channels]``, or one graph.
            adj: ``[B, N, N]``, or one matrix for all; row i holds what i takes from others, which
                of a directed graph is the transposed of what :func:`to_dense_adj` gives.
            mask: ``[B, N]`` what stands for a node; elsewhere the output is 0.
            add_loop: put the loops in; else they are taken to be there.
        """
        x, adj = as_batch(x, adj, mask)
        if add_loop:
            weight = 2.0 if self.improved else 1.0
            eye = torch.eye(adj.size(-1), dtype=torch.bool, device=adj.device)
            adj = adj.masked_fill(eye, weight)
        scale = adj.sum(-1).clamp(min=1).rsqrt()
        out = scale.unsqueeze(-1) * adj * scale.unsqueeze(-2) @ self.lin(x)
        if self.bias is not None:
            out = out + self.bias
        return out if mask is None else out * mask.unsqueeze(-1).to(x.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"
