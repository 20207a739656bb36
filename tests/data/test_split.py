"""Splits of nodes and graphs."""

import pytest
import torch

from graphkit.data import Split, split_at_random, split_per_class


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
