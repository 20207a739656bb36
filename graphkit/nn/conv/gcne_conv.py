"""Graph convolution that reads features of the edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.conv.attention import column
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class GCNEConv(MessagePassing):
    r"""Graph convolution with features of edges, as in the molecular baselines of Hu et al. 2020
    ("Open Graph Benchmark", section 5.1).

    .. math::
        x'_i = \sum_{j \in N(i)} \frac{\mathrm{ReLU}(\Theta x_j + b + e_{ji})}{\sqrt{d_j d_i}}
        + \frac{\mathrm{ReLU}(\Theta x_i + b + r)}{d_i}, \quad d_i = |N(i)| + 1

    with a learnt :math:`r` in the place of the edge that a node has to itself.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        edge_dim: size of the features of edges, which a linear map brings to `out_channels`; None
            where they have that size.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, ``edge_attr`` ``[E, edge_dim or out]``; output ``[N, out]``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, edge_dim: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.in_channels, self.out_channels, self.edge_dim = in_channels, out_channels, edge_dim
        self.lin = Linear(in_channels, out_channels)
        self.root = nn.Parameter(torch.empty(out_channels))
        self.lin_edge = None if edge_dim is None else Linear(edge_dim, out_channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        nn.init.normal_(self.root)
        if self.lin_edge is not None:
            self.lin_edge.reset_parameters()

    def forward(self, x: Tensor, edge_index: Any, edge_attr: Tensor | None = None) -> Tensor:
        graph = self.graph_of(edge_index, None, x)
        e = graph.edge_attr if edge_attr is None else edge_attr
        if e is None:
            raise ValueError("edge_attr: expected features of the edges, got None")
        e = e if self.lin_edge is None else self.lin_edge(column(e))
        if e.size(-1) != self.out_channels:
            raise ValueError(
                f"edge_attr: expected {self.out_channels} features, got {e.size(-1)}; "
                "edge_dim maps others"
            )
        h = self.lin(x)
        scale = graph.cached(("gcne", h.dtype), lambda: _inverse_roots(graph, h.dtype))
        around = self.propagate(graph, x=h, e=e, scale=scale)
        return around + (h + self.root).relu() * scale * scale

    def message(self, x_j: Tensor, e: Tensor, scale_i: Tensor, scale_j: Tensor) -> Tensor:
        return scale_i * scale_j * (x_j + e).relu()


def _inverse_roots(graph: Graph, dtype: torch.dtype) -> Tensor:
    return (graph.in_degree.to(dtype) + 1).rsqrt().view(-1, 1)
