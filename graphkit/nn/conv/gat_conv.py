"""Graph attention of Veličković et al."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import dense
from graphkit.nn.conv.attention import add_loops, attended, column, pair_of, scores
from graphkit.nn.inits import glorot, zeros
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing, softmax


class GATConv(MessagePassing):
    r"""Graph attention, Veličković et al. 2018, eqs. 1-6.

    .. math::
        x'_i = \sum_{j \in N(i) \cup \{i\}} \alpha_{ji} \Theta x_j + b, \quad
        \alpha_{ji} = \mathrm{softmax}_j\big(\mathrm{LeakyReLU}(
            a_s^\top \Theta x_j + a_t^\top \Theta x_i + a_e^\top \Theta_e e_{ji})\big)

    with one :math:`\alpha` per head, the heads concatenated or averaged.

    Args:
        in_channels: size of the input features, a pair (sources, destinations) that get maps of
            their own, or -1 to take it from the first input.
        out_channels: size of the output features of every head.
        heads: number of heads.
        concat: concatenate the heads; else average them.
        negative_slope: of the LeakyReLU.
        dropout: probability of leaving an edge out of the sum while training.
        add_self_loops: let every node attend to itself.
        edge_dim: size of the edge features, if there are any.
        fill_value: edge features of the self-loops: a number, one row, or the reduction ("mean",
            "sum", "max", "min") over the edges that flow into the node.
        bias: learn :math:`b`.
        residual: add a linear map of :math:`x_i`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]`` (the second may be None),
        ``edge_attr`` ``[E, edge_dim]``; output ``[N_dst, heads * out]``, or ``[N_dst, out]``.
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
        residual: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", "node_dim": 0, **kwargs})
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

        def linear(size: int, out: int) -> Linear:
            return Linear(size, out, bias=False, weight_initializer="glorot")

        all_heads, out = heads * out_channels, out_channels * (heads if concat else 1)
        self.lin: Linear | None = None
        self.lin_src: Any = None
        self.lin_dst: Any = None
        if isinstance(in_channels, int):
            self.lin = linear(in_channels, all_heads)
        else:
            self.lin_src = linear(in_channels[0], all_heads)
            self.lin_dst = linear(in_channels[1], all_heads)
        root = in_channels if isinstance(in_channels, int) else in_channels[1]
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        self.lin_edge = None if edge_dim is None else linear(edge_dim, all_heads)
        self.att_edge = None
        if edge_dim is not None:
            self.att_edge = nn.Parameter(torch.empty(1, heads, out_channels))
        self.res = linear(root, out) if residual else None
        self.bias = nn.Parameter(torch.empty(out)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in (self.lin, self.lin_src, self.lin_dst, self.lin_edge, self.res):
            if lin is not None:
                lin.reset_parameters()
        glorot(self.att_src)
        glorot(self.att_dst)
        glorot(self.att_edge)
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Any,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        """New features of the nodes.

        With ``return_attention_weights`` also ``(edge_index, alpha)``: the edges, self-loops
        included, and their ``[E', heads]`` attention.
        """
        source, root = pair_of(x)
        x_src, x_dst = self._map(source, root)
        if x_dst is x_src:
            alpha_src, alpha_dst = scores(x_src, self.att_src, self.att_dst)
        else:
            (alpha_src,) = scores(x_src, self.att_src)
            alpha_dst = None if x_dst is None else scores(x_dst, self.att_dst)[0]
        graph, edge_attr = add_loops(self, edge_index, (x_src, x_dst), size, edge_attr)
        attention = {"alpha": (alpha_src, alpha_dst), "edge_alpha": self._edge_alpha(edge_attr)}

        weight = self.edge_updater(graph, **attention) if return_attention_weights else None
        out = self.propagate(graph, x=(x_src, x_dst), weight=weight, **attention)
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.res is not None and root is not None:
            out = dense.add(out, self.res(root))
        if self.bias is not None:
            out = dense.add(out, self.bias)
        return (out, attended(graph, weight)) if return_attention_weights else out

    def edge_update(
        self,
        alpha_j: Tensor,
        alpha_i: Tensor | None,
        edge_alpha: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        """The attention of every edge, ``[E, heads]``."""
        alpha = alpha_j if alpha_i is None else alpha_j + alpha_i
        if edge_alpha is not None:
            alpha = alpha + edge_alpha
        alpha = F.leaky_relu(alpha, self.negative_slope)
        alpha = softmax(alpha, index, ptr, size_i)
        return F.dropout(alpha, p=self.dropout, training=self.training)

    def message(
        self,
        x_j: Tensor,
        alpha_j: Tensor,
        alpha_i: Tensor | None,
        edge_alpha: Tensor | None,
        weight: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        if weight is None:
            weight = self.edge_update(alpha_j, alpha_i, edge_alpha, index, ptr, size_i)
        return weight.unsqueeze(-1) * x_j

    def _map(self, source: Tensor, root: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The features of sources and destinations, ``[*, heads, out]``."""
        shape = (-1, self.heads, self.out_channels)
        lin_src, lin_dst = (self.lin_src, self.lin_dst) if self.lin is None else [self.lin] * 2
        x_src = lin_src(source).view(shape)
        if root is source and lin_src is lin_dst:
            return x_src, x_src
        return x_src, None if root is None else lin_dst(root).view(shape)

    def _edge_alpha(self, edge_attr: Tensor | None) -> Tensor | None:
        r""":math:`a_e^\top \Theta_e e`: the two maps are multiplied first, as their product is
        narrow and :math:`\Theta_e e` is not."""
        if edge_attr is None or self.lin_edge is None or self.att_edge is None:
            return None
        maps = self.lin_edge.weight.view(self.heads, self.out_channels, -1)
        return column(edge_attr) @ (self.att_edge.squeeze(0).unsqueeze(-1) * maps).sum(1).t()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, heads={self.heads})"
