"""Edge-conditioned convolution: a matrix for every edge, of Gilmer et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.nn.conv.attention import column
from graphkit.nn.conv.order import commutes
from graphkit.nn.inits import reset, zeros
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class NNConv(MessagePassing):
    r"""Convolution by a matrix for every edge, Gilmer et al. 2017, section 5; Simonovsky &
    Komodakis 2017, eq. 1.

    .. math::
        x'_i = \Theta x_i + \bigoplus_{j \in N(i)} x_j\, h(e_{ji}) + b

    Where :math:`h` ends in a linear layer, :math:`h(e) = \sum_k z_k(e) W_k`, and
    :math:`\bigoplus` is the sum or mean, no edge gets its matrix: it is computed as
    :math:`\sum_k \big(\bigoplus_j z_k(e_{ji})\, x_j\big) W_k`.

    Args:
        in_channels: size of the input features, or a pair (sources, destinations).
        out_channels: size of the output features.
        nn: :math:`h`, a module or any callable that maps ``[E, edge_dim]`` to ``[E, in * out]``.
        aggr: aggregation, see :class:`MessagePassing`.
        root_weight: include :math:`\Theta x_i`.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]`` (the second may be None),
        ``edge_attr`` ``[E, edge_dim]``; output ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        nn: Callable[[Tensor], Tensor],
        aggr: Any = "add",
        root_weight: bool = True,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr, **{"node_dim": 0, **kwargs})
        source, root = in_channels if isinstance(in_channels, (tuple, list)) else [in_channels] * 2
        if source < 1:
            raise ValueError(f"in_channels: expected the size of the features, got {in_channels}")
        self.in_channels = in_channels
        self.in_channels_l = source
        self.out_channels = out_channels
        self.nn: Callable[[Tensor], Tensor] = nn
        self.root_weight = root_weight
        if root_weight:
            self.lin = Linear(root, out_channels, bias=False, weight_initializer="uniform")
        self.bias = torch.nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        reset(self.nn)
        if self.root_weight:
            self.lin.reset_parameters()
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Any,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        if source.dim() != 2 or source.size(1) != self.in_channels_l:
            raise ValueError(
                f"x: expected shape [nodes, {self.in_channels_l}], got {tuple(source.shape)}"
            )
        graph = self.graph_of(edge_index, size, (source, root))
        edge_attr = graph.edge_attr if edge_attr is None else edge_attr
        if edge_attr is None:
            raise ValueError("edge_attr: expected features of the edges, got None")
        edge_attr = column(edge_attr)
        if edge_attr.size(0) != graph.num_edges:
            raise ValueError(
                f"edge_attr: expected {graph.num_edges} rows (edges), got {tuple(edge_attr.shape)}"
            )
        split = self._split(edge_attr)
        if split is None:
            # By both names: a subclass that has a message of its own asks for the second.
            edges = {"e": edge_attr, "edge_attr": edge_attr, "z": None}
            out = self.propagate(graph, x=(source, None), **edges)
        else:
            z, matrices = split
            sent = source.unsqueeze(1)  # [N, 1, in] meets [E, factors, 1]
            out = self.propagate(graph, x=(sent, None), e=None, z=z).flatten(1) @ matrices
        if self.root_weight and root is not None:
            out = out + self.lin(root)
        return out if self.bias is None else out + self.bias

    def message(self, x_j: Tensor, e: Tensor, z: Tensor | None) -> Tensor:
        if z is not None:
            return z * x_j
        matrix = self.nn(e).view(-1, self.in_channels_l, self.out_channels)
        return (x_j.unsqueeze(1) @ matrix).squeeze(1)

    def _split(self, edge_attr: Tensor) -> tuple[Tensor, Tensor] | None:
        """The z_k of every edge ``[E, factors, 1]``, and the W_k one below the other ``[factors *
        in, out]``; None without such."""
        net: Any = self.nn
        layers = list(net) if isinstance(net, torch.nn.Sequential) else [net]
        last: Any = layers.pop() if layers else None
        if type(last) not in (torch.nn.Linear, Linear) or not commutes(self, NNConv):
            return None  # a subclass of Linear may do something else
        entries = self.in_channels_l * self.out_channels
        if last.out_features != entries:
            raise ValueError(
                f"nn: expected {entries} outputs (in_channels * out_channels), "
                f"got {last.out_features}"
            )
        z = torch.nn.Sequential(*layers)(edge_attr)
        matrices = last.weight.t()
        if last.bias is not None:  # one more matrix, whose z is 1
            z = F.pad(z, (0, 1), value=1.0)
            matrices = torch.cat([matrices, last.bias.unsqueeze(0)])
        return z.unsqueeze(-1), matrices.reshape(-1, self.out_channels)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"aggr={self.aggr}, nn={self.nn})"
        )
