"""Higher-order graph convolution of Morris et al."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class GraphConv(MessagePassing):
    r"""Graph convolution with a weight of its own for the root, Morris et al. 2019, eq. 1.

    .. math::
        x'_i = W_1 x_i + W_2 \sum_{j \in N(i)} e_{ji} x_j + b

    Args:
        in_channels: size of the input features, a pair (sources, destinations), or -1 to take it
            from the first input.
        out_channels: size of the output features.
        aggr: aggregation, see :class:`MessagePassing`.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]`` (the second may be None),
        ``edge_weight`` ``[E]``; output ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        aggr: Any = "add",
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr=aggr, **kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        source, root = in_channels if isinstance(in_channels, (tuple, list)) else [in_channels] * 2
        self.lin_rel = Linear(source, out_channels, bias=bias)
        self.lin_root = Linear(root, out_channels, bias=False)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin_rel.reset_parameters()
        self.lin_root.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Any,
        edge_weight: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        edges = {"edge_weight": edge_weight, "size": size}
        if commutes(self, GraphConv) and narrows(source, self.out_channels) and source is root:
            mapped = self.lin_rel.multiply(source)
            out = self.lin_rel.add_bias(self.propagate(edge_index, x=mapped, **edges))
        else:
            out = self.lin_rel(self.propagate(edge_index, x=(source, root), **edges))
        return out if root is None else self.lin_root.added_to(out, root)

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j
