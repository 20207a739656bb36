"""Memory for large results, taken back when their tensors die.

The system hands out fresh memory page by page and clears every page at its first touch, which for
a large result takes as long as the arithmetic that fills it. So results above a size come from
mappings of huge pages that are used again. What rests here is marked free to the system
(``MADV_FREE``): it keeps its pages, and costs nothing to use again, until someone needs them.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections import deque

import numpy as np
import torch
from torch import Tensor

SMALLEST = 2**20  # bytes; less is left to torch
PAGE = 2**21  # a huge page
SLACK = 1.25  # a mapping serves what needs at least this part of it
PATIENCE = 64  # large results in whose making a resting mapping may go unused
SUPPORTED = hasattr(mmap, "MADV_HUGEPAGE") and hasattr(mmap, "MADV_FREE")


class _Region:
    """A private mapping that starts at a huge page."""

    def __init__(self, size: int) -> None:
        self.size = -(-size // PAGE) * PAGE
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.mapping = mmap.mmap(-1, self.size + PAGE, flags=flags)
        self.start = -np.frombuffer(self.mapping, np.uint8).ctypes.data % PAGE
        self.rested_at = 0
        self._advise(mmap.MADV_HUGEPAGE)

    def rest(self) -> None:
        self._advise(mmap.MADV_FREE)

    def _advise(self, advice: int) -> None:
        with contextlib.suppress(OSError):  # an old system, or one without huge pages
            self.mapping.madvise(advice)


class _Lease(np.ndarray):
    """The bytes of one result. Its storage holds them as long as a tensor lives on it."""

    region: _Region | None = None
    pool: Pool

    def __del__(self) -> None:
        if self.region is not None:
            self.pool.give_back(self.region)


class Pool:
    """Mappings in use and at rest.

    Together they are never more than twice what was in use at the peak, and nothing rests that
    went unused for long.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a collection inside may end other objects that come here
        self._returned: deque[_Region] = deque()
        self._resting: list[_Region] = []  # the longest first
        self._leases = self._in_use = self._peak = 0
        self._closed = False

    @property
    def in_use(self) -> int:
        """Bytes of the mappings that tensors live on."""
        with self._lock:
            self._collect()
            return self._in_use

    @property
    def resting(self) -> int:
        """Bytes of the mappings that wait to be used again."""
        with self._lock:
            self._collect()
            return sum(region.size for region in self._resting)

    def empty(self, rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor ``[rows, width]``. Its storage cannot be made larger."""
        size = rows * width * dtype.itemsize
        with self._lock:
            self._collect()
            region = self._take(size) or _Region(size)
            self._in_use += region.size
            self._peak = max(self._peak, self._in_use)
            self._leases += 1
            self._release()
        lease = _Lease(size, np.uint8, region.mapping, region.start)  # type: ignore[arg-type]
        lease.region, lease.pool = region, self
        return torch.frombuffer(lease, dtype=dtype).resize_(rows, width)

    def give_back(self, region: _Region) -> None:
        """Called at any time and by any thread, the lock held or not: so it takes no lock."""
        if not self._closed:
            region.rest()
            self._returned.append(region)

    def close(self) -> None:
        """Let go of everything at rest, and of everything in use as soon as its tensors die."""
        self._closed = True
        self._returned.clear()
        self._resting.clear()

    def _collect(self) -> None:
        while self._returned:
            region = self._returned.popleft()
            region.rested_at = self._leases
            self._in_use -= region.size
            self._resting.append(region)

    def _take(self, size: int) -> _Region | None:
        """The mapping that came last of those that fit."""
        most = max(SLACK * size, size + PAGE)
        for k in reversed(range(len(self._resting))):
            if size <= self._resting[k].size <= most:
                return self._resting.pop(k)
        return None

    def _release(self) -> None:
        total = self._in_use + sum(region.size for region in self._resting)
        while self._resting:
            oldest = self._resting[0]
            if total <= 2 * self._peak and self._leases - oldest.rested_at <= PATIENCE:
                return
            total -= oldest.size
            del self._resting[0]


_pool = Pool()


def _after_fork() -> None:
    """A child starts anew; its parent's memory is none that it should keep."""
    global _pool
    _pool.close()
    _pool = Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def empty(rows: int, width: int, dtype: torch.dtype) -> Tensor:
    """An uninitialised tensor ``[rows, width]`` on the CPU."""
    if rows * width * dtype.itemsize < SMALLEST or not SUPPORTED:
        return torch.empty(rows, width, dtype=dtype, device="cpu")
    return _pool.empty(rows, width, dtype)
