"""Pairs of nodes without an edge, found by their place among all such pairs: none in vain."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from graphkit.engine.cpu.sample.random import below, far_below, key_of, prefetch
from graphkit.engine.cpu.sample.twin import Twin, compiled

_AHEAD = 16
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit
def _missing(ptr, col, row, lowest, place):
    """The number at ``place`` among those from ``lowest`` on that are not in the sorted row."""
    low, high = ptr[row], ptr[row + 1]
    while low < high:
        middle = (low + high) // 2
        if col[middle] - lowest - (middle - ptr[row]) <= place:
            low = middle + 1
        else:
            high = middle
    return lowest + place + (low - ptr[row])


@njit
def _row_of(before, ordered, place):
    """The last row that begins at or before ``place``.

    As most rows miss few, it is near where it would be if no pair were linked.
    """
    rows = before.size - 1
    share = place / before[rows]
    low = np.int64(rows * (1.0 - math.sqrt(1.0 - share) if ordered else share))
    step = 1
    while before[low] > place:
        low = max(low - step, 0)
        step *= 2
    high, step = low + 1, 1
    while before[high] <= place:
        high = min(high + step, rows)
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if before[middle] <= place:
            low = middle
        else:
            high = middle
    return low


@njit
def _unlinked(first, last, before, ptr, col, ordered, places, pairs):
    """Write the pairs at ``places`` in the order of all unlinked ones to ``pairs``.

    ``before[a]`` unlinked pairs come before the first (a, .); ``ordered`` ones have a < b.
    """
    for i in range(first, last):
        row = _row_of(before, ordered, places[i])
        pairs[0, i] = row
        pairs[1, i] = _missing(ptr, col, row, row + 1 if ordered else 0, places[i] - before[row])


def _unlinked_chunks(cuts, before, ptr, col, ordered, places, pairs):
    for c in prange(cuts.size - 1):
        _unlinked(cuts[c], cuts[c + 1], before, ptr, col, ordered, places, pairs)


unlinked = Twin(_unlinked, _unlinked_chunks)


@njit
def _targets(first, last, before, ptr, col, seed, sources, targets):
    """For every source a node that it has no edge to, or -1 where there is none."""
    for i in range(first, last):
        if i + _AHEAD < last:
            prefetch(col, ptr[sources[i + _AHEAD]])
        row = sources[i]
        choices = before[row + 1] - before[row]
        targets[i] = -1
        if choices > 0:
            targets[i] = _missing(ptr, col, row, 0, below(key_of(seed, i), 0, choices))


def _targets_chunks(cuts, before, ptr, col, seed, sources, targets):
    for c in prange(cuts.size - 1):
        _targets(cuts[c], cuts[c + 1], before, ptr, col, seed, sources, targets)


targets = Twin(_targets, _targets_chunks)


def _distinct(total, seed, table, shift, out):
    """Distinct numbers below ``total``, every sequence as likely.

    Floyd's algorithm (Bentley & Floyd 1987) with a hash table, then a shuffle. ``table`` is
    filled with -1, its size 2**(64 - shift) at least twice that of ``out``.
    """
    count = out.size
    key = key_of(seed, 0)
    for j in range(count):
        if j + _AHEAD < count:
            coming = far_below(key, j + _AHEAD, total - count + j + _AHEAD + 1)
            prefetch(table, np.int64((np.uint64(coming) * _SPREAD) >> np.uint64(shift)))
        last = total - count + j
        drawn = far_below(key, j, last + 1)
        if not _insert(table, shift, drawn):
            drawn = last
            _insert(table, shift, drawn)
        out[j] = drawn
    key = key_of(seed, 1)
    for j in range(count - 1, 0, -1):
        other = far_below(key, j, j + 1)
        out[j], out[other] = out[other], out[j]


@njit
def _insert(table, shift, number):
    """Put a number into the table; whether it is new there."""
    place = np.int64((np.uint64(number) * _SPREAD) >> np.uint64(shift))
    while table[place] != -1:
        if table[place] == number:
            return False
        place = (place + 1) & (table.size - 1)
    table[place] = number
    return True


distinct = compiled(_distinct)
