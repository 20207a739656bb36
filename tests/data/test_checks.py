"""What cannot be trained on is named beforehand."""

from typing import Any

import pytest
import torch

from graphkit.data import Split, check_split, check_targets

NAN = float("nan")


def split(*parts: Any) -> Split:
    return Split(*(torch.tensor(part) if isinstance(part, list) else part for part in parts))


def test_what_is_right_passes():
    check_split(split([0, 1], [4], [2]), 5)  # 3 is in no part
    check_targets(torch.tensor([0, 2, 1]), "multiclass", 3)
    check_targets(torch.tensor([[0.0, NAN], [1, 1]]), "multilabel", 2)
    check_targets(torch.tensor([[0.5], [NAN]]), "regression", 1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0, 1], [1, 2], [3]), r"got 1 in both train and val: \[1\]"),
        (([0, 1, 2, 4], [3], [0, 1, 2, 4]), r"4 in both train and test: \[0, 1, 2\] \.\.\."),
        (([0], [1], [5]), r"split\.test: expected indices of 0 to 4, got 5"),
        (([0], [-1], [2]), r"split\.val: expected indices of 0 to 4, got -1"),
        (([3, 0, 3], [1], [2]), r"split\.train: expected every member once, got 3 2 times"),
        (([0], torch.empty(0, dtype=torch.long), [2]), r"split\.val: expected at least one index"),
    ],
)
def test_splits(parts: tuple[Any, ...], message: str):
    with pytest.raises(ValueError, match=message):
        check_split(split(*parts), 5)


@pytest.mark.parametrize("part", [torch.ones(5, dtype=torch.bool), (0, 1)])
def test_masks_and_lists_are_no_indices(part: Any):
    with pytest.raises(TypeError, match=r"split\.train: expected a tensor of int64 indices"):
        check_split(split(part, [1], [2]), 5)


@pytest.mark.parametrize(
    ("y", "kind", "outputs", "message"),
    [
        ([0.0, NAN], "multiclass", 2, "a class for every member, got NaN for 1 of 2"),
        ([0.0, 1.0], "multiclass", 2, r"int64 classes \[n\] for multiclass, got torch.float32"),
        ([[0], [1]], "multiclass", 2, r"got torch.int64 of shape \(2, 1\)"),
        ([0, -1], "multiclass", 2, "classes of 0 to 1, got -1"),
        ([0, 2], "multiclass", 2, "classes of 0 to 1, got 2"),
        ([[0.0, 2.0]], "multilabel", 2, r"labels 0, 1 or NaN, got 2\.0"),
        ([[0, 1]], "multilabel", 2, "float targets"),
        ([0.0, 1.0], "regression", 1, r"float targets \[n, 1\] for regression"),
        ([[1.0, 2.0]], "regression", 1, r"got torch.float32 of shape \(1, 2\)"),
        ([[NAN]], "regression", 1, "got NaN throughout"),
        ([[float("inf")]], "regression", 1, "finite targets or NaN"),
    ],
)
def test_targets(y: list[Any], kind: Any, outputs: int, message: str):
    with pytest.raises(ValueError, match=message):
        check_targets(torch.tensor(y), kind, outputs)
