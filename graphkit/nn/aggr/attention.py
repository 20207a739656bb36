"""Attention over the entries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.engine import ops
from graphkit.nn.aggr.base import Aggregation
from graphkit.nn.inits import reset


class AttentionalAggregation(Aggregation):
    r"""Sum weighted by attention, Li et al. 2019, "Graph Matching Networks", eq. 3.

    .. math::
        \sum_j \mathrm{softmax}_j\big(h_\mathrm{gate}(x_j)\big) \odot h(x_j)

    As a readout it is the global attention of Li et al. 2016, "Gated Graph Sequence Neural
    Networks", with a softmax in the place of their sigmoid.

    Args:
        gate_nn: :math:`h_\mathrm{gate}`, a module on rows that gives one score, or one for every
            feature.
        nn: :math:`h`, a module on rows; None leaves them as they are.
    """

    def __init__(self, gate_nn: torch.nn.Module, nn: torch.nn.Module | None = None) -> None:
        from graphkit.nn.models.mlp import MLP  # models are made of layers, layers of aggregations

        super().__init__()
        # Under names of its own is what wants to know the group of every row.
        self.gate_nn = None if isinstance(gate_nn, MLP) else gate_nn
        self.gate_mlp = gate_nn if isinstance(gate_nn, MLP) else None
        self.nn = None if isinstance(nn, MLP) else nn
        self.mlp = nn if isinstance(nn, MLP) else None

    def reset_parameters(self) -> None:
        for child in self.children():
            reset(child)

    def get_out_channels(self, in_channels: int) -> int:
        return in_channels if self.mlp is None else self.mlp.out_channels

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        group: dict[str, Any] = {"batch": index, "batch_size": dim_size}
        gate = self.gate_nn(x) if self.gate_mlp is None else self.gate_mlp(x, **group)  # type: ignore[misc]
        if self.mlp is not None:
            x = self.mlp(x, **group)
        elif self.nn is not None:
            x = self.nn(x)
        alpha = ops.segment_softmax(gate, index, ptr, dim_size, dim)
        return ops.segment_reduce(alpha * x, index, ptr, dim_size, dim, "sum")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(gate_nn={self.gate_mlp or self.gate_nn}, "
            f"nn={self.mlp or self.nn})"
        )
