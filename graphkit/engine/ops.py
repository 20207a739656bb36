"""Placeholder while the kernels are written."""

from __future__ import annotations

from torch import Tensor

from graphkit.engine import reference


def _index(index, ptr):
    if index is None:
        import torch

        n = ptr.numel() - 1
        return torch.repeat_interleave(torch.arange(n), ptr.diff()), n
    return index, None


def segment_reduce(x: Tensor, index, ptr, dim_size, dim, reduce: str) -> Tensor:
    index, n = _index(index, ptr)
    n = dim_size or n or int(index.max()) + 1
    y = x.movedim(dim, 0)
    return reference.segment_reduce(y, index, n, reduce).movedim(0, dim)


def segment_softmax(src: Tensor, index, ptr, num, dim) -> Tensor:
    index, n = _index(index, ptr)
    n = num or n or int(index.max()) + 1
    y = src.movedim(dim, 0)
    return reference.segment_softmax(y, index, n).movedim(0, dim)
