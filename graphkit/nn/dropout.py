"""Dropout that takes sparse features too, and draws its numbers fast."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine import dense, sparse

_STEPS = 2**16  # in which the probability is drawn: 16 random bits for every entry


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    r"""Dropout: entries are set to 0 with probability p, the others scaled by
    :math:`1 / (1 - p)`. Srivastava et al. 2014.

    Of a sparse matrix only the non-zeros are drawn: the zeros would stay what they are. On a CPU
    four entries share one random number of 64 bits, several times as fast as torch's own dropout;
    p is rounded to a multiple of :math:`2^{-16}` there. One seed of torch's generator gives one
    result.

    Args:
        x: dense, or a sparse CSR matrix.
        p: the probability.
        training: whether to drop anything.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p: expected a probability from 0 to 1, got {p}")
    if p == 0 or not training:
        return x
    if x.layout == torch.sparse_csr:
        return sparse.with_values(x, _drop(x.values(), p))
    if x.layout != torch.strided:
        raise ValueError(f"x: expected a dense or a sparse CSR matrix, got {x.layout}")
    return _drop(x, p)


def _drop(x: Tensor, p: float) -> Tensor:
    dropped = round(p * _STEPS)
    plain = x.device.type == "cpu" and x.is_floating_point() and not torch.compiler.is_compiling()
    if not plain or dropped == _STEPS:
        return F.dropout(x, p)
    below, scale = dropped - _STEPS // 2, _STEPS / (_STEPS - dropped)
    if dense.serves(x):
        return dense.kept(x, lambda words: words.random_(-(2**63), None), below, scale)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    drawn = words.view(torch.int16)[: x.numel()].view(x.shape)
    return x * (drawn >= below).to(x.dtype).mul_(scale)


class Dropout(nn.Dropout):
    """:func:`dropout` as a module."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)
