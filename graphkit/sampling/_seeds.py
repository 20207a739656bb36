"""Seeds: one number from whatever says how to draw, and further ones that follow from it."""

from __future__ import annotations

import operator
from typing import Any

import torch

_WORD = 2**64 - 1

Seed = int | torch.Generator | None
"""A number; a generator to draw it from; or None, torch's own generator."""


def seed_of(seed: Seed) -> int:
    """A seed as a number from 0 to 2**64 - 1."""
    if seed is None or isinstance(seed, torch.Generator):
        return int(torch.randint(2**63 - 1, (), generator=seed))
    try:
        return operator.index(seed) & _WORD
    except TypeError:
        raise TypeError(
            f"seed: expected a whole number, a torch.Generator or None, got {seed!r}"
        ) from None


def derive(seed: int, *numbers: int) -> int:
    """A seed for the part of a draw that has these numbers (SplitMix64, one step for each)."""
    for number in numbers:
        seed = _mix(seed + _mix(number + 0x9E3779B97F4A7C15))
    return seed


def _mix(word: int) -> int:
    word &= _WORD
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _WORD
    return word ^ word >> 31


def generator_of(seed: int) -> torch.Generator:
    """A generator of torch with this seed."""
    return torch.Generator().manual_seed(seed % 2**63)


def check_number(name: str, value: Any, least: int) -> int:
    """`value` as a whole number of at least `least`."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name}: expected at least {least}, got {number}")
    return number
