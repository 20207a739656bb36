"""GraphSAGE of Hamilton, Ying & Leskovec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.nn.aggr import MultiAggregation
from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing


class SAGEConv(MessagePassing):
    r"""GraphSAGE, Hamilton et al. 2017, algorithm 1.

    .. math::
        x'_i = W_1 x_i + W_2 \bigoplus_{j \in N(i)} x_j + b

    with the mean as :math:`\bigoplus` by default. With ``project`` the neighbours are first mapped
    to :math:`\mathrm{ReLU}(W_3 x_j + b_3)` (eq. 3). Where the aggregation is a sum or mean and the
    output is narrower than the input, :math:`W_2` is applied first.

    Args:
        in_channels: size of the input features, a pair (sources, destinations), or -1 to take it
            from the first input.
        out_channels: size of the output features.
        aggr: aggregation, see :class:`MessagePassing`.
        normalize: scale every output row to length 1.
        root_weight: include :math:`W_1 x_i`.
        project: map the neighbours first.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]`` (the second may be None);
        output ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        aggr: str | Sequence[str | nn.Module] | nn.Module | None = "mean",
        normalize: bool = False,
        root_weight: bool = True,
        project: bool = False,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr, **kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.normalize = normalize
        self.root_weight = root_weight
        self.project = project
        source, root = in_channels if isinstance(in_channels, (tuple, list)) else [in_channels] * 2
        several = self.aggr_module if isinstance(self.aggr_module, MultiAggregation) else None
        if source < 0 and (project or several):
            raise ValueError("in_channels: -1 cannot go with project=True or several aggregations")
        if project:
            self.lin = Linear(source, source)
        aggregated = several.get_out_channels(source) if several else source
        self.lin_l = Linear(aggregated, out_channels, bias=bias)
        if root_weight:
            self.lin_r = Linear(root, out_channels, bias=False)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in self.children():
            if isinstance(lin, Linear):
                lin.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Any,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        if self.project:
            source = self.lin(source).relu()
        if commutes(self, SAGEConv) and narrows(source, self.out_channels) and source is root:
            mapped = self.lin_l.multiply(source)
            out = self.lin_l.add_bias(self.propagate(edge_index, x=mapped, size=size))
        else:
            out = self.lin_l(self.propagate(edge_index, x=(source, root), size=size))
        if self.root_weight and root is not None:
            out = self.lin_r.added_to(out, root)
        return F.normalize(out, p=2.0, dim=-1) if self.normalize else out

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, aggr={self.aggr})"
