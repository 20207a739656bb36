"""Functions that plain torch computes before a kernel, row by row.

Each comes with a check of its call: every row of the result must depend on the same row of the
arguments alone, so that it may be computed on the nodes before the gather.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.engine.traced import CONSTANT, ROWWISE, Apply, Traced, plain, tensors


def _register(check: Callable[[Apply], bool], *functions: Any) -> None:
    for function in functions:
        ROWWISE[function] = check


def _of_edges(t: Any) -> bool:
    return isinstance(t, Traced) and t.side != CONSTANT


def _rank(apply: Apply) -> int:
    return max(plain(t).dim() for t in apply.operands if t.side != CONSTANT)


def _inner(apply: Apply, *dims: Any) -> bool:
    """Whether dimensions are given, and none of them counts the edges."""
    rank = _rank(apply)
    flat = [d for dim in dims for d in (dim if isinstance(dim, (tuple, list)) else [dim])]
    return bool(flat) and all(isinstance(d, int) and d % rank != 0 for d in flat)


def _only_first(apply: Apply) -> bool:
    """Only the first argument may belong to edges."""
    return not any(_of_edges(t) for t in tensors(apply.args[1:], apply.kwargs))


def _dim(position: int, *names: str, default: Any = None) -> Callable[[Apply], bool]:
    """A check of a dimension that is given at a position, or by one of the names."""

    def check(apply: Apply) -> bool:
        for name in names:
            if name in apply.kwargs:
                return _inner(apply, apply.kwargs[name])
        return _inner(apply, apply.argument(position, names[0], default))

    return check


def _always(apply: Apply) -> bool:
    return True


def _product(apply: Apply) -> bool:
    """Rows times a constant matrix, or batches with one matrix for every edge."""
    left, right = apply.args[:2]
    if _of_edges(left) and not _of_edges(right):
        return plain(right).dim() <= 2 and plain(left).dim() >= 2
    if _of_edges(right) and not _of_edges(left):
        return plain(right).dim() >= 3 and plain(left).dim() <= 2
    return plain(left).dim() == plain(right).dim() >= 3


def _einsum(apply: Apply) -> bool:
    equation, operands = apply.args[0], apply.args[1:]
    operands = operands[0] if isinstance(operands[0], (list, tuple)) else operands
    if not isinstance(equation, str) or "->" not in equation or "." in equation:
        return False
    inputs, output = equation.replace(" ", "").split("->")
    letter = output[:1]
    return bool(letter) and all(
        term[:1] == letter and letter not in term[1:] if _of_edges(t) else letter not in term
        for term, t in zip(inputs.split(","), operands, strict=True)
    )


def _item(apply: Apply) -> bool:
    """A part of the features: all edges, and nothing that is chosen by a tensor."""
    key = apply.args[1] if isinstance(apply.args[1], tuple) else (apply.args[1],)
    if not all(isinstance(k, (int, slice)) or k is None or k is Ellipsis for k in key):
        return False
    if key[0] is Ellipsis:
        return len(key) <= plain(apply.args[0]).dim()
    return key[0] == slice(None)


def _eval_norm(apply: Apply) -> bool:
    return not apply.argument(5, "training", False) and _only_first(apply)


_register(_only_first, F.linear, F.layer_norm, F.prelu, torch.prelu)
_register(_eval_norm, F.batch_norm)
_register(_product, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm)
_register(_product, torch.bmm, Tensor.bmm)
_register(_einsum, torch.einsum)
_register(_dim(1, "dim", default=0), torch.cat, torch.concat, torch.concatenate, torch.stack)
_register(_dim(2, "dim", default=0), torch.chunk, Tensor.chunk, torch.split, Tensor.split)
_register(_dim(1, "dim", default=0), torch.unbind, Tensor.unbind)
_register(_dim(1, "dim"), torch.narrow, Tensor.narrow, torch.select, Tensor.select)
_register(_dim(1, "dim"), F.softmax, torch.softmax, Tensor.softmax, F.log_softmax)
_register(_dim(1, "dim"), torch.log_softmax, Tensor.log_softmax)
_register(_dim(1, "dim"), torch.amax, Tensor.amax, torch.amin, Tensor.amin)
_register(_dim(2, "dim"), torch.norm, Tensor.norm, torch.linalg.norm, torch.linalg.vector_norm)
_register(_dim(2, "dim", default=1), F.normalize)
_register(lambda a: _inner(a, *a.args[1:], *a.kwargs.values()), torch.transpose, Tensor.transpose)
_register(_item, Tensor.__getitem__)
_register(lambda a: not _of_edges(a.argument(1, "weight")), F.embedding)
_register(_always, F.one_hot, torch.sin, Tensor.sin, torch.cos, Tensor.cos, torch.atan)
_register(_always, torch.floor, Tensor.floor, torch.round, Tensor.round, F.threshold)
_register(_always, F.softsign, F.hardswish, F.hardsigmoid, F.celu, F.mish, F.tanhshrink)
_register(_always, torch.log1p, Tensor.log1p, torch.log2, Tensor.log2, torch.exp2, Tensor.exp2)
_register(_always, Tensor.long, Tensor.int, Tensor.bool)
