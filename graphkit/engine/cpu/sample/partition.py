"""Parting the nodes of a graph into balanced parts with few edges between them."""

from __future__ import annotations

import numpy as np

from graphkit.engine.cpu.sample.twin import compiled


def _breadth_first(out_ptr, out_col, in_ptr, in_col, starts, order):
    """Fill in all nodes in breadth-first order, whichever way edges point.

    A new search begins at the next of ``starts``, a permutation, whenever one ends.
    """
    seen = np.zeros(order.size, np.bool_)
    size = 0
    done = 0
    for start in starts:
        if not seen[start]:
            seen[start] = True
            order[size] = start
            size += 1
        while done < size:
            node = order[done]
            done += 1
            for slot in range(out_ptr[node], out_ptr[node + 1]):
                if not seen[out_col[slot]]:
                    seen[out_col[slot]] = True
                    order[size] = out_col[slot]
                    size += 1
            for slot in range(in_ptr[node], in_ptr[node + 1]):
                if not seen[in_col[slot]]:
                    seen[in_col[slot]] = True
                    order[size] = in_col[slot]
                    size += 1


def _stream(out_ptr, out_col, in_ptr, in_col, order, capacity, part, size):
    """One pass over all nodes: each joins the part that most of its neighbours are in.

    What counts is the number of neighbours in a part, times the share of the part that is empty;
    ``part`` holds -1 where a node has none yet, ``size`` the number of nodes in every part. A part
    never grows beyond ``capacity``. Returns how many nodes changed their part.
    """
    count = np.zeros(size.size, np.int64)
    met = np.empty(size.size, np.int64)
    changed = 0
    for node in order:
        kinds = 0
        for side in range(2):
            ptr, col = (out_ptr, out_col) if side == 0 else (in_ptr, in_col)
            for slot in range(ptr[node], ptr[node + 1]):
                other = part[col[slot]]
                if other >= 0 and col[slot] != node:
                    if count[other] == 0:
                        met[kinds] = other
                        kinds += 1
                    count[other] += 1
        old = part[node]
        if old >= 0:
            size[old] -= 1
        best, most = np.int64(-1), 0.0
        for k in range(kinds):
            candidate = met[k]
            worth = count[candidate] * (1.0 - size[candidate] / capacity)
            # Among equals the part it is in, else the one met first.
            if worth > most or (worth == most and worth > 0.0 and candidate == old):
                best, most = candidate, worth
            count[candidate] = 0
        if best < 0:  # no neighbour has a part with room
            best = old if old >= 0 and size[old] < capacity else np.argmin(size)
        part[node] = best
        size[best] += 1
        changed += best != old
    return changed


breadth_first, stream = compiled(_breadth_first), compiled(_stream)
