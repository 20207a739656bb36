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


def split_stratified(y: Tensor, train: float, val: float, *, seed: int) -> Split:
    """The shares `train` and `val` of every class at random; all others are for the test.

    Args:
        y: ``[n]`` int64 class of every member.
        train, val: Shares of each class, rounded to whole members.
        seed: One seed, one split, whatever the state of torch's own generator.

    Raises:
        ValueError: A part would hold no member of any class.
    """
    if train < 0 or val < 0 or train + val > 1:
        raise ValueError(f"train, val: expected shares of 1 together, got {train} and {val}")
    order = _shuffled(len(y), seed)
    parts: list[tuple[Tensor, ...]] = []
    for label in y.unique().tolist():
        members = order[y[order] == label]
        first, second = round(train * len(members)), round((train + val) * len(members))
        parts.append(members.tensor_split([first, second]))
    split = Split(*(torch.cat(part) for part in zip(*parts, strict=True)))
    if min(map(len, split)) == 0:
        raise ValueError(
            f"train, val: expected members of {len(y)} in every part, got {train} and {val}"
        )
    return split


def split_folds(y: Tensor, k: int, *, val: float = 0.0, seed: int) -> list[Split]:
    """Stratified cross-validation: every member is in the test part of one of `k` splits.

    The folds are those of scikit-learn's ``StratifiedKFold(k, shuffle=True, random_state=seed)``,
    which published figures on TU data sets use.

    Args:
        y: ``[n]`` int64 class of every member.
        k: Number of folds.
        val: Share of what is not in the test part, drawn from it class by class for validation.
            With 0 there is none: the whole rest is for training.
        seed: One seed, one list of splits.

    Raises:
        ValueError: A class has fewer than `k` members.
    """
    from sklearn.model_selection import StratifiedKFold, train_test_split

    counts = y.unique(return_counts=True)[1]
    if k < 2 or int(counts.min()) < k:
        raise ValueError(
            f"k: expected 2 to {int(counts.min())} folds, as many as the smallest class has "
            f"members, got {k}"
        )
    splits: list[Split] = []
    for rest, test in StratifiedKFold(k, shuffle=True, random_state=seed).split(y, y):
        train, held_out = rest, rest[:0]
        if val > 0:
            train, held_out = train_test_split(
                rest, test_size=val, stratify=y[rest], random_state=seed
            )
        splits.append(Split(*(torch.as_tensor(part) for part in (train, held_out, test))))
    return splits


def _shuffled(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
