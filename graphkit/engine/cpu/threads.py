"""Running a kernel over chunks of rows, on one thread or several.

Numba's thread layers have their traps: a child forked after one has run must not touch it, and the
layer "workqueue" ends the process when two Python threads enter it at once. So the parallel driver
is entered only by the process that loaded it, one Python thread at a time where that is needed, and
the serial call of the same code is taken everywhere else, and wherever the work is small.
"""

from __future__ import annotations

import functools
import os
import threading
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import get_num_threads, njit, prange, set_num_threads
from numba.core import config, types
from numba.np.ufunc.parallel import threading_layer

from graphkit.engine.cpu.compile import emitted

SMALL_WORK = 2**17  # edges x features below which starting threads costs more than it saves

_forked = False
_entrance = threading.Lock()


def _after_fork() -> None:
    global _forked, _entrance
    _forked = True
    _entrance = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@emitted
def _call(typingctx: Any, address: Any, first: Any, last: Any, chunk: Any, arguments: Any) -> Any:
    """Call the C function at ``address``."""
    i64 = ir.IntType(64)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        kind = ir.FunctionType(i64, [ir.IntType(8).as_pointer(), *[i64] * 4])
        function = builder.inttoptr(args[0], kind.as_pointer())
        nothing = ir.Constant(ir.IntType(8).as_pointer(), None)
        return builder.call(function, [nothing, *args[1:]])

    return types.int64(*[types.int64] * 5), emit


def _launch(address, chunks, arguments):
    for chunk in prange(chunks.size - 1):
        _call(address, chunks[chunk], chunks[chunk + 1], chunk, arguments)


@functools.cache
def _parallel() -> Any:
    signature = types.void(
        types.int64, types.Array(types.int64, 1, "C", readonly=True), types.int64
    )
    try:
        return njit(signature, parallel=True, nogil=True, cache=True)(_launch)
    except Exception:  # a damaged or unwritable cache; the kernels' own cache warns of it
        return njit(signature, parallel=True, nogil=True)(_launch)


def num_threads() -> int:
    """Threads a kernel may use here and now: those of torch, but one in a forked child."""
    return 1 if _forked else min(torch.get_num_threads(), config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


@contextmanager
def _entered():
    """Whether the parallel driver may be entered by this Python thread."""
    if _safe_layer():
        yield True
        return
    held = _entrance.acquire(blocking=False)
    try:
        yield held
    finally:
        if held:
            _entrance.release()


_layer: str | None = None


def _safe_layer() -> bool:
    """Whether several Python threads may be inside at once; known after the first run."""
    global _layer
    if _layer is None:
        try:
            _layer = threading_layer()
        except ValueError:
            return False
    return _layer != "workqueue"


def run(kernel: Any, chunks: np.ndarray, arguments: int, work: int) -> None:
    """Run a kernel over all chunks; ``work`` tells whether threads are worth starting."""
    threads = num_threads()
    if threads > 1 and work >= SMALL_WORK and chunks.size > 2:
        with _entered() as entered:
            if entered:
                if get_num_threads() != threads:
                    set_num_threads(threads)
                _parallel()(kernel.address, chunks, arguments)
                return
    for chunk in range(chunks.size - 1):
        kernel.serial(None, int(chunks[chunk]), int(chunks[chunk + 1]), chunk, arguments)
