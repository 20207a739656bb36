"""Dropout that takes sparse features too."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import sparse


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    r"""Dropout: entries are set to 0 with probability p, the others scaled by
    :math:`1 / (1 - p)`. Srivastava et al. 2014.

    Of a sparse matrix only the non-zeros are drawn: the zeros would stay what they are.
    """
    if x.layout == torch.strided or p == 0 or not training:
        return F.dropout(x, p, training)
    if x.layout != torch.sparse_csr:
        raise ValueError(f"x: expected a dense or a sparse CSR matrix, got {x.layout}")
    return sparse.with_values(x, F.dropout(x.values(), p))


class Dropout(nn.Dropout):
    """:func:`dropout` as a module."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)
