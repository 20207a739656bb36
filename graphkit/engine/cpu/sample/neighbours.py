"""Drawing neighbours of nodes, and numbering the nodes that turn up."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from graphkit.engine.cpu.sample.random import below, key_of, prefetch, unit
from graphkit.engine.cpu.sample.twin import Twin, compiled

_AHEAD = 12  # rows whose memory is asked for in advance
_WORD = 64
_LATEST = np.finfo(np.float64).max  # below infinity, which marks an empty place


# --- how many, and which nodes ------------------------------------------------------------------


def _enter(seeds, mark, base, nodes):
    """Number the seeds 0, 1, ...; return the place of the first that was there before, or -1."""
    for i in range(seeds.size):
        node = seeds[i]
        if mark[node] >= base:
            return i
        mark[node] = base + i
        nodes[i] = node
    return -1


def _count(rowptr, available, nodes, first, last, fanout, replace, ptr):
    """Fill ``ptr`` with where the draws of each node begin; return how many there are in all.

    ``available`` says for every row how many of its edges may be drawn; empty, that all may.
    """
    total = 0
    for i in range(first, last):
        node = nodes[i]
        if available.size:
            edges = np.int64(available[node])
        else:
            edges = np.int64(rowptr[node + 1]) - np.int64(rowptr[node])
        ptr[i - first] = total
        if fanout < 0 or not (replace or edges > fanout):
            total += edges
        elif edges > 0:
            total += fanout
    ptr[last - first] = total
    return total


def _number(picked, mark, base, nodes, known, numbers):
    """Number the nodes in ``picked`` in the order they turn up, after the ``known`` ones.

    Node v has the number ``mark[v] - base``, if that is not negative. New nodes are appended to
    ``nodes``, and the numbers written over ``picked`` and to ``numbers``. Returns how many nodes
    are known now.
    """
    ahead = 2 * _AHEAD
    for p in range(picked.size):
        if p + ahead < picked.size:
            prefetch(mark, picked[p + ahead])
        node = picked[p]
        # No branch: whether a node is new is as good as random.
        new = mark[node] < base
        value = base + known if new else np.int64(mark[node])
        mark[node] = value
        nodes[known] = node
        known += new
        picked[p] = value - base
        numbers[p] = value - base
    return known


enter, count, number = compiled(_enter), compiled(_count), compiled(_number)


# --- uniformly ----------------------------------------------------------------------------------


@njit
def _distinct(key, size, k, out, place):
    """Write ``k`` distinct numbers below ``size`` > k to ``out``, every set as likely.

    Floyd's algorithm (Bentley & Floyd 1987) takes k steps, each with a search among those before:
    a bit in a word where they fit into one. Knuth's algorithm S takes up to ``size`` steps.
    """
    if size <= _WORD:
        taken = np.uint64(0)
        for j in range(k):
            last = size - k + j
            t = below(key, j, last + 1)
            t = last if (taken >> np.uint64(t)) & np.uint64(1) else t
            taken |= np.uint64(1) << np.uint64(t)
            out[place + j] = t
    elif k * k < 8 * size:
        for j in range(k):
            last = size - k + j
            t = below(key, j, last + 1)
            seen = False
            for before in range(place, place + j):
                seen |= out[before] == t
            out[place + j] = last if seen else t
    else:
        found = 0
        for t in range(size):
            if below(key, t, size - t) < k - found:
                out[place + found] = t
                found += 1
                if found == k:
                    break


@njit
def _pick(first, last, rowptr, col, edge, nodes, start, ptr, replace, seed, picked, edges, rows):
    """Draw neighbours of ``nodes[start + i]`` to the places ``ptr[i] .. ptr[i + 1]``.

    ``picked`` gets the neighbours, ``edges`` the numbers of the edges and ``rows`` start + i.
    """
    for i in range(first, last):
        if i + _AHEAD < last:
            coming = nodes[start + i + _AHEAD]
            head, tail = rowptr[coming], rowptr[coming + 1] - 1
            prefetch(col, head)
            prefetch(edge, head)
            prefetch(col, tail)
            prefetch(edge, tail)
        if i + 2 * _AHEAD < last:
            prefetch(rowptr, nodes[start + i + 2 * _AHEAD])
        node = nodes[start + i]
        slot, place = np.int64(rowptr[node]), ptr[i]
        degree, k = np.int64(rowptr[node + 1]) - slot, ptr[i + 1] - place
        if k == degree and not replace:
            for j in range(k):
                picked[place + j] = col[slot + j]
                edges[place + j] = edge[slot + j]
                rows[place + j] = start + i
            continue
        key = key_of(seed, i)
        if replace:
            for j in range(k):
                picked[place + j] = below(key, j, degree)
        else:
            _distinct(key, degree, k, picked, place)
        for j in range(place, place + k):
            taken = slot + picked[j]
            picked[j] = col[taken]
            edges[j] = edge[taken]
            rows[j] = start + i


def _pick_chunks(cuts, rowptr, col, edge, nodes, start, ptr, replace, seed, picked, edges, rows):
    for c in prange(cuts.size - 1):
        _pick(
            cuts[c], cuts[c + 1],
            rowptr, col, edge, nodes, start, ptr, replace, seed, picked, edges, rows,
        )  # fmt: skip


pick = Twin(_pick, _pick_chunks)


# --- by weight ----------------------------------------------------------------------------------


def _available(rowptr, weight, available):
    """How many edges of every row have a weight above zero."""
    for row in range(available.size):
        found = 0
        for slot in range(rowptr[row], rowptr[row + 1]):
            found += weight[slot] > 0
        available[row] = found


def _accumulate(rowptr, weight, sums):
    """Fill in the running sums of the weights of every row."""
    for row in range(rowptr.size - 1):
        total = 0.0
        for slot in range(rowptr[row], rowptr[row + 1]):
            total += weight[slot]
            sums[slot] = total


available, accumulate = compiled(_available), compiled(_accumulate)


@njit
def _sink(keys, slots, size, key, slot):
    """Put an entry at the top of a heap, whose largest key it replaces, and restore the order."""
    at = 0
    while True:
        child = 2 * at + 1
        if child + 1 < size and keys[child + 1] > keys[child]:
            child += 1
        if child >= size or keys[child] <= key:
            break
        keys[at], slots[at] = keys[child], slots[child]
        at = child
    keys[at], slots[at] = key, slot


@njit
def _pick_weighted(
    first, last, rowptr, col, edge, weight, sums, available, largest,
    nodes, start, ptr, replace, seed, picked, edges, rows,
):  # fmt: skip
    """As `_pick`, with a probability proportional to ``weight``, which stands in slot order.

    With replacement the running ``sums`` are searched by bisection. Without, every edge gets an
    exponential time, its rate the weight, and the k earliest are taken: the order in which one
    after the other would be drawn (Efraimidis & Spirakis 2006). ``largest`` is the largest k.
    """
    times, slots = np.empty(largest, np.float64), np.empty(largest, np.int64)
    for i in range(first, last):
        node, place = nodes[start + i], ptr[i]
        begin, end = np.int64(rowptr[node]), np.int64(rowptr[node + 1])
        k = ptr[i + 1] - place
        key = key_of(seed, i)
        if replace:
            for j in range(k):
                mark = unit(key, j) * sums[end - 1]
                low, high = begin, end - 1
                while low < high:
                    middle = (low + high) // 2
                    if sums[middle] < mark:
                        low = middle + 1
                    else:
                        high = middle
                slots[j] = low
        elif k == available[node]:
            found = 0
            for slot in range(begin, end):
                if weight[slot] > 0:
                    slots[found] = slot
                    found += 1
        else:
            times[:k] = np.inf
            for slot in range(begin, end):
                if weight[slot] > 0:
                    time = min(-math.log(unit(key, slot - begin)) / weight[slot], _LATEST)
                    if time < times[0]:
                        _sink(times, slots, k, time, slot)
        for j in range(k):
            picked[place + j] = col[slots[j]]
            edges[place + j] = edge[slots[j]]
            rows[place + j] = start + i


def _pick_weighted_chunks(
    cuts, rowptr, col, edge, weight, sums, available, largest,
    nodes, start, ptr, replace, seed, picked, edges, rows,
):  # fmt: skip
    for c in prange(cuts.size - 1):
        _pick_weighted(
            cuts[c], cuts[c + 1], rowptr, col, edge, weight, sums, available, largest,
            nodes, start, ptr, replace, seed, picked, edges, rows,
        )  # fmt: skip


pick_weighted = Twin(_pick_weighted, _pick_weighted_chunks)


# --- all edges among some nodes -----------------------------------------------------------------


def _count_induced(rowptr, col, edge, nodes, known, mark, base, ptr):
    """Fill ``ptr`` with where the edges of each node begin; return how many there are in all."""
    found = 0
    for i in range(known):
        node = nodes[i]
        ptr[i] = found
        for slot in range(rowptr[node], rowptr[node + 1]):
            found += mark[col[slot]] >= base
    ptr[known] = found
    return found


def _induced(rowptr, col, edge, nodes, known, mark, base, edges, numbers, rows):
    """Fill in the edges among the first ``known`` nodes, row by row."""
    found = 0
    for i in range(known):
        node = nodes[i]
        for slot in range(rowptr[node], rowptr[node + 1]):
            value = mark[col[slot]] - base
            if value >= 0:
                edges[found] = edge[slot]
                numbers[found] = value
                rows[found] = i
                found += 1


count_induced, induced = compiled(_count_induced), compiled(_induced)
