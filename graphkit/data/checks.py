"""Splits and targets that cannot be trained on, named before training starts."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from graphkit.data.dataset import Kind
from graphkit.data.split import Split


def check_split(split: Split, n: int) -> None:
    """Raise unless the three parts of a split hold members of `n`, each one once at most.

    Args:
        split: Indices of the three parts.
        n: How many members there are.

    Raises:
        TypeError: A part is no tensor of integers (a mask, say).
        ValueError: A part is empty, holds a member twice or one that does not exist, or shares
            one with another part.
    """
    counts = torch.zeros(3, n, dtype=torch.long)
    for row, (name, part) in zip(counts, split._asdict().items(), strict=True):
        if not isinstance(part, Tensor) or part.dtype != torch.long:
            kind = part.dtype if isinstance(part, Tensor) else type(part).__name__
            raise TypeError(f"split.{name}: expected a tensor of int64 indices, got {kind}")
        if part.dim() != 1 or len(part) == 0:
            raise ValueError(
                f"split.{name}: expected at least one index, got shape {tuple(part.shape)}"
            )
        lowest, highest = int(part.min()), int(part.max())
        if lowest < 0 or highest >= n:
            raise ValueError(
                f"split.{name}: expected indices of 0 to {n - 1}, "
                f"got {lowest if lowest < 0 else highest}"
            )
        row += part.cpu().bincount(minlength=n)
        if (row > 1).any():
            raise ValueError(
                f"split.{name}: expected every member once, got {int((row > 1).nonzero()[0])} "
                f"{int(row.max())} times"
            )
    for (a, first), (b, second) in combinations(zip(split._fields, counts, strict=True), 2):
        shared = (first & second).nonzero().flatten()
        if len(shared):
            raise ValueError(
                f"split: expected parts that share no member, got {len(shared)} in both {a} and "
                f"{b}: {shared[:3].tolist()}{' ...' if len(shared) > 3 else ''}"
            )


def check_targets(y: Tensor, kind: Kind, num_outputs: int) -> None:
    """Raise for targets that a task of this kind cannot learn.

    Args:
        y: ``[n]`` int64 for "multiclass"; ``[n, num_outputs]`` float for "multilabel" and
            "regression", where NaN is a target that is not known.
        kind: A kind of :class:`~graphkit.data.Dataset` but "link", which has no targets.
        num_outputs: Classes, labels or targets.

    Raises:
        ValueError: Names what was expected and the first value that does not fit.
    """
    if kind == "multiclass":
        _check_classes(y, num_outputs)
        return
    if y.dim() != 2 or y.size(1) != num_outputs or not y.is_floating_point():
        raise ValueError(
            f"y: expected float targets [n, {num_outputs}] for {kind}, "
            f"got {y.dtype} of shape {tuple(y.shape)}"
        )
    known = y[~y.isnan()]
    if len(known) == 0:
        raise ValueError("y: expected at least one known target, got NaN throughout")
    if kind == "multilabel":
        odd = known[(known != 0) & (known != 1)]
        if len(odd):
            raise ValueError(f"y: expected labels 0, 1 or NaN, got {odd[0].item()}")
    elif known.isinf().any():
        raise ValueError("y: expected finite targets or NaN, got an infinite one")


def _check_classes(y: Tensor, num_classes: int) -> None:
    if y.is_floating_point() and y.isnan().any():
        raise ValueError(
            f"y: expected a class for every member, got NaN for {int(y.isnan().sum())} of {len(y)}"
        )
    if y.dim() != 1 or y.dtype != torch.long:
        raise ValueError(
            f"y: expected int64 classes [n] for multiclass, got {y.dtype} of shape {tuple(y.shape)}"
        )
    odd = y[(y < 0) | (y >= num_classes)]
    if len(odd):
        raise ValueError(f"y: expected classes of 0 to {num_classes - 1}, got {int(odd[0])}")
