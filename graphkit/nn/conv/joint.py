"""Several linear maps of the same features, as one product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkit.engine import sparse
from graphkit.nn.linear import Linear, is_lazy


def joint(lins: Sequence[Linear], x: Tensor) -> Sequence[Tensor]:
    """``lin(x)`` for every one of `lins`, with `x` (dense or sparse) read once."""
    if any(is_lazy(lin.weight) or lin.in_features != x.size(-1) for lin in lins):
        return [lin(x) for lin in lins]  # they take the size from x, or say that it does not fit
    weight = torch.cat([lin.weight for lin in lins])
    out = x @ weight.t() if x.layout == torch.strided else sparse.matmul(x, weight.t())
    if any(lin.bias is not None for lin in lins):
        out = out + torch.cat([_bias(lin) for lin in lins])
    return out.split([lin.out_features for lin in lins], dim=-1)


def _bias(lin: Linear) -> Tensor:
    return lin.weight.new_zeros(lin.out_features) if lin.bias is None else lin.bias
