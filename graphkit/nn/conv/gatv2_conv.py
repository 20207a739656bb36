"""Dynamic graph attention of Brody, Alon & Yahav."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import dense
from graphkit.nn.conv.attention import add_loops, attended, column, pair_of
from graphkit.nn.conv.joint import joint
from graphkit.nn.inits import glorot, zeros
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing, softmax


class GATv2Conv(MessagePassing):
    r"""Dynamic graph attention, Brody et al. 2022, eq. 7.

    .. math::
        x'_i = \sum_{j \in N(i) \cup \{i\}} \alpha_{ji} \Theta_l x_j + b, \quad
        \alpha_{ji} = \mathrm{softmax}_j\big(a^\top \mathrm{LeakyReLU}(
            \Theta_l x_j + \Theta_r x_i + \Theta_e e_{ji})\big)

    The non-linearity stands between the map and :math:`a`, so that the ranking of the neighbours
    depends on the node that looks at them; in :class:`GATConv` it does not.

    Args:
        in_channels: size of the input features, a pair (sources, destinations), or -1 to take it
            from the first input.
        out_channels: size of the output features of every head.
        heads: number of heads.
        concat: concatenate the heads; else average them.
        negative_slope: of the LeakyReLU.
        dropout: probability of leaving an edge out of the sum while training.
        add_self_loops: let every node attend to itself.
        edge_dim: size of the edge features, if there are any.
        fill_value: edge features of the self-loops: a number, one row, or the reduction ("mean",
            "sum", "max", "min") over the edges that flow into the node.
        bias: learn :math:`b`, and biases in :math:`\Theta_l, \Theta_r`.
        share_weights: :math:`\Theta_l = \Theta_r`.
        residual: add a linear map of :math:`x_i`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]``, ``edge_attr``
        ``[E, edge_dim]``; output ``[N_dst, heads * out]``, or ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        add_self_loops: bool = True,
        edge_dim: int | None = None,
        fill_value: float | Tensor | str = "mean",
        bias: bool = True,
        share_weights: bool = False,
        residual: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"node_dim": 0, **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.heads = heads
        self.concat = concat
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.add_self_loops = add_self_loops
        self.edge_dim = edge_dim
        self.fill_value = fill_value
        self.residual = residual
        self.share_weights = share_weights

        def linear(size: int, out: int, bias: bool) -> Linear:
            return Linear(size, out, bias=bias, weight_initializer="glorot")

        all_heads, out = heads * out_channels, out_channels * (heads if concat else 1)
        source, root = [in_channels] * 2 if isinstance(in_channels, int) else in_channels
        self.lin_l = linear(source, all_heads, bias)
        self.lin_r = self.lin_l if share_weights else linear(root, all_heads, bias)
        self.att = nn.Parameter(torch.empty(1, heads, out_channels))
        self.lin_edge = None if edge_dim is None else linear(edge_dim, all_heads, False)
        self.res = linear(root, out, False) if residual else None
        self.bias = nn.Parameter(torch.empty(out)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in (self.lin_l, self.lin_r, self.lin_edge, self.res):
            if lin is not None:
                lin.reset_parameters()
        glorot(self.att)
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Any,
        edge_attr: Tensor | None = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        """New features of the nodes.

        With ``return_attention_weights`` also ``(edge_index, alpha)``: the edges, self-loops
        included, and their ``[E', heads]`` attention.
        """
        source, root = pair_of(x)
        if root is None:
            raise ValueError("x: expected features of the destinations too, got None")
        shape = (-1, self.heads, self.out_channels)
        if root is not source:
            x_l, x_r = self.lin_l(source).view(shape), self.lin_r(root).view(shape)
        elif self.share_weights:
            x_l = x_r = self.lin_l(source).view(shape)
        else:
            x_l, x_r = (t.view(shape) for t in joint([self.lin_l, self.lin_r], source))
        graph, edge_attr = add_loops(self, edge_index, (x_l, x_r), None, edge_attr)
        edge = None
        if edge_attr is not None:
            if self.lin_edge is None:
                raise ValueError("edge_attr: expected None, as edge_dim was not given")
            edge = self.lin_edge(column(edge_attr)).view(shape)

        weight = None
        if return_attention_weights:
            weight = self.edge_updater(graph, x=(x_l, x_r), edge=edge)
        out = self.propagate(graph, x=(x_l, x_r), edge=edge, weight=weight)
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.res is not None:
            out = dense.add(out, self.res(root))
        if self.bias is not None:
            out = dense.add(out, self.bias)
        return (out, attended(graph, weight)) if return_attention_weights else out

    def edge_update(
        self,
        x_j: Tensor,
        x_i: Tensor,
        edge: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        """The attention of every edge, ``[E, heads]``."""
        x = x_j + x_i
        if edge is not None:
            x = x + edge
        alpha = (F.leaky_relu(x, self.negative_slope) * self.att).sum(-1)
        alpha = softmax(alpha, index, ptr, size_i)
        return F.dropout(alpha, p=self.dropout, training=self.training)

    def message(
        self,
        x_j: Tensor,
        x_i: Tensor,
        edge: Tensor | None,
        weight: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        if weight is None:
            weight = self.edge_update(x_j, x_i, edge, index, ptr, size_i)
        return weight.unsqueeze(-1) * x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, heads={self.heads})"
