"""GraphSAGE on dense matrices."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.nn.dense.checks import as_batch


class DenseSAGEConv(nn.Module):
    r"""GraphSAGE with the mean, Hamilton et al. 2017, on dense 0-1 adjacency matrices.

    .. math::
        x'_i = W_1 x_i + W_2 \frac{\sum_j a_{ij} x_j}{\max(1, \sum_j a_{ij})} + b

    Args:
        in_channels: size of the input features.
        out_channels: size of the output features.
        normalize: scale every output row to length 1.
        bias: learn :math:`b`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, normalize: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.normalize = normalize
        self.lin_rel = nn.Linear(in_channels, out_channels, bias=False)
        self.lin_root = nn.Linear(in_channels, out_channels, bias=bias)

    def reset_parameters(self) -> None:
        self.lin_rel.reset_parameters()
        self.lin_root.reset_parameters()

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[B, N, out_channels]``.

        Args:
            x: ``[B, N, in_channels]``, or one graph.
            adj: ``[B, N, N]``, or one matrix for all; row i holds what i takes from others, which
                of a directed graph is the transposed of what :func:`to_dense_adj` gives.
            mask: ``[B, N]`` what stands for a node; elsewhere the output is 0.
        """
        x, adj = as_batch(x, adj, mask)
        mean = adj @ x / adj.sum(-1, keepdim=True).clamp(min=1)
        out = self.lin_rel(mean) + self.lin_root(x)
        if self.normalize:
            out = F.normalize(out, p=2.0, dim=-1)
        return out if mask is None else out * mask.unsqueeze(-1).to(x.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"
