"""Light graph convolution of He et al."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from graphkit.nn.conv.normalized import normalized
from graphkit.nn.message_passing import MessagePassing


class LGConv(MessagePassing):
    r"""Light graph convolution (LightGCN), He et al. 2020, eq. 3.

    .. math::
        x'_i = \sum_{j \in N(i)} \frac{e_{ji}}{\sqrt{d_i d_j}} x_j, \quad
        d_i = \sum_{j \in N(i)} e_{ji}

    Args:
        normalize: else the sum is not divided by the roots of the degrees.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, F]``, ``edge_weight`` ``[E]``; output ``[N, F]``.
    """

    def __init__(self, normalize: bool = True, **kwargs: Any) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.normalize = normalize

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        graph, weight = normalized(self, x, edge_index, edge_weight, normalize=self.normalize)
        return self.propagate(graph, x=x, edge_weight=weight)

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j
