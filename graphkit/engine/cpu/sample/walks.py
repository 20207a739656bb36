"""Random walks along the edges of a graph."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from graphkit.engine.cpu.sample.random import below, key_of, prefetch, unit
from graphkit.engine.cpu.sample.twin import Twin

_AHEAD = 8
_TRIES = 16  # before all neighbours are looked at


@njit
def _walk(first, last, rowptr, col, seed, walks):
    """Fill in the walks that begin at ``walks[:, 0]``; who cannot go on stays.

    A step is taken for all walks of the chunk before the next one: what the coming walks will
    read is asked for in advance, as the steps of one walk alone would wait for memory each time.
    """
    for step in range(walks.shape[1] - 1):
        for i in range(first, last):
            if i + _AHEAD < last:
                prefetch(col, rowptr[walks[i + _AHEAD, step]])
            if i + 2 * _AHEAD < last:
                prefetch(rowptr, walks[i + 2 * _AHEAD, step])
            node = walks[i, step]
            start = np.int64(rowptr[node])
            degree = np.int64(rowptr[node + 1]) - start
            if degree > 0:
                node = col[start + below(key_of(seed, i), step, degree)]
            walks[i, step + 1] = node


def _walk_chunks(cuts, rowptr, col, seed, walks):
    for c in prange(cuts.size - 1):
        _walk(cuts[c], cuts[c + 1], rowptr, col, seed, walks)


walk = Twin(_walk, _walk_chunks)


@njit
def _sorted_rows(first, last, rowptr, col):
    for row in range(first, last):
        col[rowptr[row] : rowptr[row + 1]].sort()


def _sorted_rows_chunks(cuts, rowptr, col):
    for c in prange(cuts.size - 1):
        _sorted_rows(cuts[c], cuts[c + 1], rowptr, col)


sorted_rows = Twin(_sorted_rows, _sorted_rows_chunks)


@njit
def _joined(rowptr, col, node, other):
    """Whether ``other`` is in the sorted row of ``node``."""
    low, high = np.int64(rowptr[node]), np.int64(rowptr[node + 1])
    while low < high:
        middle = (low + high) // 2
        if col[middle] < other:
            low = middle + 1
        else:
            high = middle
    return low < rowptr[node + 1] and col[low] == other


@njit
def _factor(rowptr, col, before, other, back, on):
    """What the probability of a step to ``other`` is multiplied by, after one from ``before``."""
    if other == before:
        return back
    return 1.0 if _joined(rowptr, col, before, other) else on


@njit
def _biased_walk(first, last, rowptr, col, p, q, seed, walks):
    """As `_walk`, but a step from v, after one from t to v, goes to x with a probability that is
    multiplied by 1 / p if x is t, by 1 if t has an edge to x, and by 1 / q else (node2vec).

    A neighbour at random is taken with its factor over the largest, else another one is tried.
    After some tries the factors of all are summed up instead. Rows of ``col`` are sorted.
    """
    back, on = 1.0 / p, 1.0 / q
    largest, least = max(back, 1.0, on), min(back, 1.0, on)
    for i in range(first, last):
        key = key_of(seed, i)
        drawn = 0
        for step in range(walks.shape[1] - 1):
            node = walks[i, step]
            before = walks[i, max(step - 1, 0)]
            start, end = np.int64(rowptr[node]), np.int64(rowptr[node + 1])
            taken = node
            for tried in range(_TRIES + 1):
                if start == end:
                    break
                taken = col[start + below(key, drawn, end - start)]
                mark = unit(key, drawn + 1)
                drawn += 2
                if step == 0 or end == start + 1 or mark * largest <= least:
                    break
                if tried < _TRIES:
                    if mark * largest <= _factor(rowptr, col, before, taken, back, on):
                        break
                else:
                    total = 0.0
                    for slot in range(start, end):
                        total += _factor(rowptr, col, before, col[slot], back, on)
                    left = mark * total
                    for slot in range(start, end):
                        taken = col[slot]
                        left -= _factor(rowptr, col, before, taken, back, on)
                        if left <= 0.0:
                            break
            walks[i, step + 1] = taken


def _biased_walk_chunks(cuts, rowptr, col, p, q, seed, walks):
    for c in prange(cuts.size - 1):
        _biased_walk(cuts[c], cuts[c + 1], rowptr, col, p, q, seed, walks)


biased_walk = Twin(_biased_walk, _biased_walk_chunks)
