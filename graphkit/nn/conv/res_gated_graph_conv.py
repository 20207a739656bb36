"""Residual gated graph convolution of Bresson & Laurent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import dense
from graphkit.nn.conv.joint import edge_features, joint, products
from graphkit.nn.inits import zeros
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class ResGatedGraphConv(MessagePassing):
    r"""Residual gated graph convolution, Bresson & Laurent 2017, eqs. 9 to 11.

    .. math::
        x'_i = W_1 x_i + \sum_{j \in N(i)} \eta_{ji} \odot (W_2 x_j + b_2) + b, \quad
        \eta_{ji} = \sigma(W_3 x_i + b_3 + W_4 x_j + b_4)

    With features of the edges, :math:`W_2, W_3, W_4` act on :math:`[x \,\Vert\, e_{ji}]`: what
    they make of nodes and of edges is computed apart, and added along the edges.

    Args:
        in_channels: size of the input features, a pair (sources, destinations), or -1 to take it
            from the first input (without `edge_dim`).
        out_channels: size of the output features.
        act: :math:`\sigma`.
        edge_dim: size of the edge features, if there are any.
        root_weight: include :math:`W_1 x_i`.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]``, ``edge_attr``
        ``[E, edge_dim]``; output ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        act: Callable[[Tensor], Tensor] = torch.sigmoid,
        edge_dim: int | None = None,
        root_weight: bool = True,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.act = act
        self.edge_dim = edge_dim
        self.root_weight = root_weight
        source, root = in_channels if isinstance(in_channels, (tuple, list)) else [in_channels] * 2
        if edge_dim is not None and min(source, root) < 0:
            raise ValueError("in_channels: -1 cannot go with edge_dim")
        edge = edge_dim or 0
        self.lin_key = Linear(root + edge, out_channels)
        self.lin_query = Linear(source + edge, out_channels)
        self.lin_value = Linear(source + edge, out_channels)
        self.lin_skip = Linear(root, out_channels, bias=False) if root_weight else None
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in (self.lin_key, self.lin_query, self.lin_value, self.lin_skip):
            if lin is not None:
                lin.reset_parameters()
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Any,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        if root is None:
            raise ValueError("x: expected features of the destinations too, got None")
        graph = self.graph_of(edge_index, None, (source, root))
        edge_attr = edge_features(graph, edge_attr, self.edge_dim)
        gate, value = (None, None) if edge_attr is None else self._of_edges(edge_attr)
        of_source, of_root = [self.lin_query, self.lin_value], [self.lin_key]
        if self.lin_skip is not None:
            of_root.append(self.lin_skip)
        if source is root:
            q, v, k, *skip = self._of_nodes([*of_source, *of_root], source)
        else:
            q, v = self._of_nodes(of_source, source)
            k, *skip = self._of_nodes(of_root, root)
        out = self.propagate(graph, k=(None, k), q=(q, None), v=(v, None), gate=gate, value=value)
        if skip:
            return dense.add(out, skip[0])
        return out if self.bias is None else dense.add(out, self.bias)

    def message(
        self, k_i: Tensor, q_j: Tensor, v_j: Tensor, gate: Tensor | None, value: Tensor | None
    ) -> Tensor:
        if gate is None or value is None:
            return self.act(k_i + q_j) * v_j
        return self.act(k_i + q_j + gate) * (v_j + value)

    def _of_nodes(self, lins: list[Linear], x: Tensor) -> Sequence[Tensor]:
        """What the maps make of the nodes' features; the last bias goes with :math:`W_1`."""
        biases = [self.bias if lin is self.lin_skip else lin.bias for lin in lins]
        if self.edge_dim is None:
            return joint(lins, x, biases)
        size = lins[0].in_features - self.edge_dim
        if x.size(-1) != size:
            raise ValueError(
                f"x: expected {size} features in the last dimension, got shape {tuple(x.shape)}"
            )
        return products(x, [lin.weight[:, :size] for lin in lins], biases)

    def _of_edges(self, edge_attr: Tensor) -> Sequence[Tensor]:
        """What they make of the edges' features: for the gate, and for the value."""
        lins = self.lin_key, self.lin_query, self.lin_value
        key, query, value = (lin.weight[:, lin.in_features - edge_attr.size(1) :] for lin in lins)
        return products(edge_attr, [key + query, value], [None, None])
