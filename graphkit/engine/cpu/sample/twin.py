"""A loop over rows with two ways in: on one thread, and on several.

Both come from one source, as for the kernels of messages. The parallel way is taken where threads
may be started and the work is worth it; see `graphkit.engine.cpu.threads` for what it must avoid.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import get_num_threads, njit, set_num_threads
from numba.core.caching import FunctionCache

from graphkit.engine.cpu import threads
from graphkit.engine.cpu.compile import _warn_once

SMALL_WORK = 2**14  # random reads below which starting threads costs more than it saves
_CHUNKS_PER_THREAD = 4


@functools.cache
def fingerprint() -> str:
    """Of all sources here: a kernel is made of functions from several of them."""
    digest = hashlib.sha1(usedforsecurity=False)
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


class _Cache(FunctionCache):
    """Numba's cache on disk, for functions of several files, whose failures are only warned of."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = fingerprint()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # damaged files unpickle to anything
            _warn_once(f"{type(error).__name__}: {error}")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # no space, no permission
            _warn_once(f"{type(error).__name__}: {error}")


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """The function compiled at its first call, or read from disk; it releases the GIL."""
    dispatcher: Any = njit(nogil=True, error_model="numpy", **options)(function)
    try:
        dispatcher._cache = _Cache(dispatcher.py_func)
    except RuntimeError as error:  # no folder can be written to
        _warn_once(f"{type(error).__name__}: {error}")
    return dispatcher


class Twin:
    """A kernel ``rows(first, last, *args)`` and its parallel driver ``chunks(edges, *args)``.

    The driver calls `rows` for every chunk ``edges[k] .. edges[k + 1]``. It is a function of its
    own in the source, since Numba caches none that is made at run time.
    """

    def __init__(self, rows: Callable[..., Any], chunks: Callable[..., Any]) -> None:
        self._rows = compiled(rows.py_func)
        self._chunks = compiled(chunks, parallel=True)

    def __call__(self, count: int, work: int, *args: Any) -> None:
        """Run over rows 0 to ``count``; ``work`` is about how many random reads that takes."""
        here = threads.num_threads()
        if here > 1 and work >= SMALL_WORK and count > 1:
            with threads._entered() as entered:
                if entered:
                    if get_num_threads() != here:
                        set_num_threads(here)
                    pieces = min(count, here * _CHUNKS_PER_THREAD)
                    edges = np.arange(pieces + 1, dtype=np.int64) * count // pieces
                    self._chunks(edges, *args)
                    return
        self._rows(0, count, *args)
