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
    return products(x, [lin.weight for lin in lins], [lin.bias for lin in lins])


def products(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]
) -> Sequence[Tensor]:
    r""":math:`x W^\top + b` for every pair of them."""
    sizes = [weight.size(0) for weight in weights]
    weight = torch.cat(list(weights))
    out = x @ weight.t() if x.layout == torch.strided else sparse.matmul(x, weight.t())
    if any(bias is not None for bias in biases):
        zero = weight.new_zeros(max(sizes))
        pairs = zip(sizes, biases, strict=True)
        out = out + torch.cat([zero[:size] if b is None else b for size, b in pairs])
    return out.split(sizes, dim=-1)
