"""Splits of nodes and graphs."""

import pytest
import torch
from sklearn.model_selection import StratifiedKFold

from graphkit.data import (
    Split,
    check_split,
    split_at_random,
    split_folds,
    split_per_class,
    split_stratified,
)


def parts_are_everything_once(split: Split, n: int) -> bool:
    return torch.equal(torch.cat(split).sort().values, torch.arange(n))


def test_per_class():
    y = torch.arange(60) % 3
    split = split_per_class(y, train=4, val=5, seed=0)
    assert parts_are_everything_once(split, 60)
    assert y[split.train].bincount().tolist() == [4, 4, 4]
    assert y[split.val].bincount().tolist() == [5, 5, 5]
    assert len(split.test) == 60 - 27


def test_at_random():
    split = split_at_random(50, train=30, val=12, seed=3)
    assert parts_are_everything_once(split, 50)
    assert [len(part) for part in split] == [30, 12, 8]


def test_one_seed_one_split():
    y = torch.arange(60) % 3
    first = split_per_class(y, 4, 5, seed=1)
    torch.manual_seed(99)  # torch's own generator has no say
    assert all(map(torch.equal, first, split_per_class(y, 4, 5, seed=1)))
    assert not torch.equal(first.train, split_per_class(y, 4, 5, seed=2).train)
    assert torch.equal(split_at_random(9, 3, 3, seed=1).val, split_at_random(9, 3, 3, seed=1).val)


def test_too_few_members():
    with pytest.raises(ValueError, match="10 members of class 2 together, got 6 \\+ 4"):
        split_per_class(torch.tensor([0, 1] * 20 + [2] * 10), train=6, val=4, seed=0)
    with pytest.raises(ValueError, match="fewer than n=5 together, got 3 \\+ 2"):
        split_at_random(5, train=3, val=2, seed=0)


def test_stratified():
    y = torch.tensor([0] * 40 + [1] * 20 + [2] * 10)
    split = split_stratified(y, 0.6, 0.2, seed=0)
    assert parts_are_everything_once(split, 70)
    assert [y[part].bincount().tolist() for part in split] == [[24, 12, 6], [8, 4, 2], [8, 4, 2]]
    assert not torch.equal(split.test, split_stratified(y, 0.6, 0.2, seed=1).test)
    with pytest.raises(ValueError, match="members of 70 in every part"):
        split_stratified(y, 0.8, 0.2, seed=0)
    with pytest.raises(ValueError, match="shares of 1 together"):
        split_stratified(y, 0.8, 0.3, seed=0)


def test_folds_are_those_of_scikit_learn():
    y = torch.arange(50) % 2
    splits = split_folds(y, 10, seed=4)
    folds = StratifiedKFold(10, shuffle=True, random_state=4).split(y, y)
    for split, (train, test) in zip(splits, folds, strict=True):
        assert split.train.tolist() == train.tolist()
        assert split.test.tolist() == test.tolist()
        assert len(split.val) == 0
    assert torch.equal(torch.cat([split.test for split in splits]).sort().values, torch.arange(50))


def test_folds_with_validation():
    y = torch.arange(100) % 2
    splits = split_folds(y, 10, val=0.1, seed=4)
    for split, plain in zip(splits, split_folds(y, 10, seed=4), strict=True):
        check_split(split, 100)
        assert torch.equal(split.test, plain.test)
        assert [len(part) for part in split] == [81, 9, 10]
    with pytest.raises(ValueError, match="k: expected 2 to 3 folds"):
        split_folds(torch.tensor([0, 0, 0, 0, 1, 1, 1]), 4, seed=0)
