"""Which nodes or graphs are for training, validation and test."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Split(NamedTuple):
    """Indices of three parts that share no member."""

    train: Tensor
    val: Tensor
    test: Tensor


def split_per_class(y: Tensor, train: int, val: int, *, seed: int) -> Split:
    """`train` and `val` random members of every class; all others are for the test.

    Args:
        y: ``[n]`` int64 class of every member.
        train, val: Members of each class.
        seed: One seed, one split, whatever the state of torch's own generator.

    Raises:
        ValueError: A class has no member left for the test.
    """
    order = _shuffled(len(y), seed)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for label in y.unique().tolist():
        members = order[y[order] == label]
        if len(members) <= train + val:
            raise ValueError(
                f"train, val: expected fewer than the {len(members)} members of class {label} "
                f"together, got {train} + {val}"
            )
        parts.append((members[:train], members[train : train + val], members[train + val :]))
    return Split(*(torch.cat(part) for part in zip(*parts, strict=True)))


def split_at_random(n: int, train: int, val: int, *, seed: int) -> Split:
    """`train` and `val` of `n` members at random; all others are for the test."""
    if train + val >= n:
        raise ValueError(f"train, val: expected fewer than n={n} together, got {train} + {val}")
    order = _shuffled(n, seed)
    return Split(order[:train], order[train : train + val], order[train + val :])


def _shuffled(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
