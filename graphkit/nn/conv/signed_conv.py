"""Signed graph convolution of Derr, Ma & Tang."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class SignedConv(MessagePassing):
    r"""Signed graph convolution, Derr et al. 2018, section 3.

    Every node has two halves, of its friends and of its enemies. The first layer makes them of
    the features,

    .. math::
        p_i = W_1 \bigoplus_{j \in N^+(i)} x_j + W_2 x_i + b, \quad
        n_i = W_3 \bigoplus_{j \in N^-(i)} x_j + W_4 x_i + c

    and a later one of the halves: friends of friends and enemies of enemies are friends, friends of
    enemies and enemies of friends are enemies,

    .. math::
        p'_i &= W_1 \Bigl[\bigoplus_{j \in N^+(i)} p_j, \bigoplus_{j \in N^-(i)} n_j\Bigr]
            + W_2 p_i + b \\
        n'_i &= W_3 \Bigl[\bigoplus_{j \in N^+(i)} n_j, \bigoplus_{j \in N^-(i)} p_j\Bigr]
            + W_4 n_i + c

    with the mean as :math:`\bigoplus` by default. Where the first layer narrows and takes a sum or
    mean, :math:`W_1` and :math:`W_3` come first; a later one aggregates both halves at once.

    Args:
        in_channels: size of the input features, -1 to take it from the first input; of a later
            layer the size of either half.
        out_channels: size of either half of the output.
        first_aggr: whether this is the first layer.
        bias: learn :math:`b` and :math:`c`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, of a later layer ``[N, 2 in]`` with the friends' half first, or a pair
        (sources, destinations) of these; output ``[N_dst, 2 out]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        first_aggr: bool,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "mean", **kwargs})
        if in_channels < 0 and not first_aggr:
            raise ValueError("in_channels: -1 cannot go with first_aggr=False")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.first_aggr = first_aggr
        aggregated = in_channels if first_aggr else 2 * in_channels
        self.lin_pos_l = Linear(aggregated, out_channels, bias=False)
        self.lin_pos_r = Linear(in_channels, out_channels, bias=bias)
        self.lin_neg_l = Linear(aggregated, out_channels, bias=False)
        self.lin_neg_r = Linear(in_channels, out_channels, bias=bias)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in self.children():
            if isinstance(lin, Linear):
                lin.reset_parameters()

    def forward(
        self, x: Tensor | tuple[Tensor, Tensor], pos_edge_index: Any, neg_edge_index: Any
    ) -> Tensor:
        """`pos_edge_index` and `neg_edge_index`: edges to friends and enemies, each a Graph or
        anything graph-like."""
        source, root = (x, x) if isinstance(x, Tensor) else x
        if self.first_aggr:
            friends = self._of_features(self.lin_pos_l, source, root, pos_edge_index)
            enemies = self._of_features(self.lin_neg_l, source, root, neg_edge_index)
            roots = root, root
        else:
            self._check(source)
            self._check(root)
            near = self.propagate(pos_edge_index, x=(source, root)).chunk(2, dim=-1)
            far = self.propagate(neg_edge_index, x=(source, root)).chunk(2, dim=-1)
            friends = self.lin_pos_l(torch.cat([near[0], far[1]], dim=-1))
            enemies = self.lin_neg_l(torch.cat([near[1], far[0]], dim=-1))
            roots = root.chunk(2, dim=-1)
        friends = self.lin_pos_r.added_to(friends, roots[0])
        enemies = self.lin_neg_r.added_to(enemies, roots[1])
        return torch.cat([friends, enemies], dim=-1)

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def _of_features(self, lin: Linear, source: Tensor, root: Tensor, edge_index: Any) -> Tensor:
        if commutes(self, SignedConv) and narrows(source, self.out_channels) and source is root:
            return self.propagate(edge_index, x=lin.multiply(source))
        return lin(self.propagate(edge_index, x=(source, root)))

    def _check(self, x: Tensor) -> None:
        if x.size(-1) != 2 * self.in_channels:
            raise ValueError(
                f"x: expected two halves of {self.in_channels} features, as first_aggr=False, got "
                f"shape {tuple(x.shape)}"
            )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"first_aggr={self.first_aggr})"
        )
