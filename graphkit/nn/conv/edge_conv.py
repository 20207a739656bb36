"""Edge convolution of Wang et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphkit.nn.inits import reset
from graphkit.nn.message_passing import MessagePassing


class EdgeConv(MessagePassing):
    r"""Edge convolution, Wang et al. 2019, eq. 8 and section 3.1.

    .. math::
        x'_i = \max_{j \in N(i)} h(x_i \,\Vert\, x_j - x_i)

    Args:
        nn: :math:`h`, a module or any callable on rows of twice the input size.
        aggr: aggregation, see :class:`MessagePassing`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in]``, ``[N_dst, in]``; output ``[N_dst, out]``.
    """

    def __init__(self, nn: Callable[[Tensor], Tensor], aggr: Any = "max", **kwargs: Any) -> None:
        super().__init__(aggr=aggr, **kwargs)
        self.nn = nn

    def reset_parameters(self) -> None:
        super().reset_parameters()
        reset(self.nn)

    def forward(self, x: Tensor | tuple[Tensor, Tensor], edge_index: Any) -> Tensor:
        return self.propagate(edge_index, x=(x, x) if isinstance(x, Tensor) else x)

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return self.nn(torch.cat([x_i, x_j - x_i], dim=-1))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(nn={self.nn})"
