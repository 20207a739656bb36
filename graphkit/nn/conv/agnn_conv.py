"""Attention-based graph neural network of Thekumparampil et al."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.nn.conv.normalized import graph_for
from graphkit.nn.message_passing import MessagePassing, softmax


class AGNNConv(MessagePassing):
    r"""Attention by likeness, Thekumparampil et al. 2018, eqs. 5 and 6.

    .. math::
        x'_i = \sum_{j \in N(i) \cup \{i\}} \alpha_{ji} x_j, \quad
        \alpha_{ji} = \mathrm{softmax}_j\big(\beta \cos(x_i, x_j)\big)

    Args:
        requires_grad: learn :math:`\beta`; else it is 1.
        add_self_loops: let every node attend to itself.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, F]``; output ``[N, F]``.
    """

    beta: Tensor

    def __init__(
        self, requires_grad: bool = True, add_self_loops: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.requires_grad = requires_grad
        self.add_self_loops = add_self_loops
        if requires_grad:
            self.beta = nn.Parameter(torch.ones(1))
        else:
            self.register_buffer("beta", torch.ones(1))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.ones_(self.beta)

    def forward(self, x: Tensor, edge_index: Any) -> Tensor:
        graph = graph_for(self, x, edge_index)
        along = graph.self_loops if self.add_self_loops else graph
        return self.propagate(along, x=x, x_norm=F.normalize(x, dim=-1))

    def message(
        self,
        x_j: Tensor,
        x_norm_i: Tensor,
        x_norm_j: Tensor,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        alpha = softmax(self.beta * (x_norm_i * x_norm_j).sum(-1), index, ptr, size_i)
        return alpha.view(-1, 1) * x_j
