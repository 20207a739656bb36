"""Graph transformer of Shi et al."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.engine import dense
from graphkit.graph import Graph
from graphkit.nn.conv.attention import attended, column, pair_of
from graphkit.nn.conv.joint import joint
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing, softmax


class TransformerConv(MessagePassing):
    r"""Dot-product attention over the neighbours, Shi et al. 2021, "Masked Label Prediction",
    section 3.1.

    .. math::
        x'_i &= W_1 x_i + \sum_{j \in N(i)} \alpha_{ji} (W_2 x_j + W_6 e_{ji}) \\
        \alpha_{ji} &= \mathrm{softmax}_j\Big(
            \frac{(W_3 x_i)^\top (W_4 x_j + W_6 e_{ji})}{\sqrt{d}}\Big)

    with one :math:`\alpha` per head, :math:`d` features each, and a bias in every map but
    :math:`W_6`. With ``beta`` a gate decides how much of either part stays, :math:`m_i` being
    the sum:

    .. math::
        x'_i = \beta_i W_1 x_i + (1 - \beta_i) m_i, \quad
        \beta_i = \mathrm{sigmoid}\big(w_5^\top [m_i \Vert W_1 x_i \Vert m_i - W_1 x_i]\big)

    Args:
        in_channels: size of the input features, a pair (sources, destinations), or -1 to take it
            from the first input.
        out_channels: size of the output features of every head.
        heads: number of heads.
        concat: concatenate the heads; else average them.
        beta: gate the two parts; needs ``root_weight``.
        dropout: probability of leaving an edge out of the sum while training.
        edge_dim: size of the edge features, if there are any.
        bias: learn biases.
        root_weight: include :math:`W_1 x_i`.
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
        beta: bool = False,
        dropout: float = 0.0,
        edge_dim: int | None = None,
        bias: bool = True,
        root_weight: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"node_dim": 0, **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.heads = heads
        self.concat = concat
        self.beta = beta and root_weight
        self.dropout = dropout
        self.edge_dim = edge_dim
        self.root_weight = root_weight

        all_heads, out = heads * out_channels, out_channels * (heads if concat else 1)
        source, root = [in_channels] * 2 if isinstance(in_channels, int) else in_channels
        self.lin_key = Linear(source, all_heads, bias=bias)
        self.lin_query = Linear(root, all_heads, bias=bias)
        self.lin_value = Linear(source, all_heads, bias=bias)
        self.lin_edge = None if edge_dim is None else Linear(edge_dim, all_heads, bias=False)
        self.lin_skip = Linear(root, out, bias=bias)
        self.lin_beta = Linear(3 * out, 1, bias=False) if self.beta else None

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in self.children():
            if isinstance(lin, Linear):
                lin.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Any,
        edge_attr: Tensor | None = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        """New features of the nodes.

        With ``return_attention_weights`` also ``(edge_index, alpha)``: the edges and their
        ``[E, heads]`` attention, as it is before dropout.
        """
        source, root = pair_of(x)
        if root is None:
            raise ValueError("x: expected features of the destinations too, got None")
        shape = (-1, self.heads, self.out_channels)
        of_source, of_root = [self.lin_key, self.lin_value], [self.lin_query]
        if self.root_weight:
            of_root.append(self.lin_skip)
        if source is root:
            key, value, query, *skip = joint([*of_source, *of_root], source)
        else:
            (key, value), (query, *skip) = joint(of_source, source), joint(of_root, root)
        key, value, query = (t.view(shape) for t in (key, value, query))
        graph = self.graph_of(edge_index, None, (key, query))
        edge = self._edge(graph, edge_attr)

        attention = {"query": (None, query), "key": (key, None), "edge": edge}
        weight = self.edge_updater(graph, **attention) if return_attention_weights else None
        out = self.propagate(graph, value=(value, None), weight=weight, **attention)
        out = out.flatten(1) if self.concat else out.mean(1)
        if skip:
            out = self._join(out, skip[0])
        return (out, attended(graph, weight)) if return_attention_weights else out

    def edge_update(
        self,
        query_i: Tensor,
        key_j: Tensor,
        edge: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        """The attention of every edge, ``[E, heads]``."""
        if edge is not None:
            key_j = key_j + edge
        alpha = (query_i * key_j).sum(-1) / math.sqrt(self.out_channels)
        return softmax(alpha, index, ptr, size_i)

    def message(
        self,
        query_i: Tensor,
        key_j: Tensor,
        value_j: Tensor,
        edge: Tensor | None,
        weight: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        if weight is None:
            weight = self.edge_update(query_i, key_j, edge, index, ptr, size_i)
        weight = F.dropout(weight, p=self.dropout, training=self.training)
        return weight.unsqueeze(-1) * (value_j if edge is None else value_j + edge)

    def _edge(self, graph: Graph, edge_attr: Tensor | None) -> Tensor | None:
        """:math:`W_6 e`, ``[E, heads, out]``."""
        if self.lin_edge is None:
            if edge_attr is not None:
                raise ValueError("edge_attr: expected None, as edge_dim was not given")
            return None
        for own in (graph.edge_attr, graph.edge_weight):
            edge_attr = own if edge_attr is None else edge_attr
        if edge_attr is None or edge_attr.size(0) != graph.num_edges:
            got = None if edge_attr is None else tuple(edge_attr.shape)
            raise ValueError(f"edge_attr: expected {graph.num_edges} rows (edges), got {got}")
        return self.lin_edge(column(edge_attr)).view(-1, self.heads, self.out_channels)

    def _join(self, out: Tensor, skip: Tensor) -> Tensor:
        if self.lin_beta is None:
            return dense.add(out, skip)
        beta = self.lin_beta(torch.cat([out, skip, out - skip], dim=-1)).sigmoid()
        return beta * skip + (1 - beta) * out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, heads={self.heads})"
