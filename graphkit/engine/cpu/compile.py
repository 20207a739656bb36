"""Machine code for a program, compiled by Numba once and cached on disk.

The specification of a kernel is a Numba type, so that Numba's own cache keeps one entry for every
program, across processes. What the code depends on besides the program, this package's own source,
is part of the type's key.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic, models, register_model

from graphkit.engine.cpu.kernel import Emitter, Spec, Steps


@functools.cache
def version() -> str:
    """A fingerprint of the emitting code: another one means other machine code."""
    here = Path(__file__).parent
    sources = [here / name for name in ("compile.py", "kernel.py", "lanes.py")]
    sources.append(here.parent / "expression.py")
    digest = hashlib.sha1(usedforsecurity=False)
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()


class SpecType(types.Opaque):
    """The type of a specification, equal to others by name.

    Numba keeps such types in the index of its cache; only the name is written there, so that an
    index holds across changes of everything else.
    """

    spec: Spec | None = None

    def __init__(self, digest: str) -> None:
        super().__init__(name=f"graphkit_{digest}")
        self.digest = digest

    @classmethod
    def of(cls, spec: Spec) -> SpecType:
        text = repr((spec, version()))
        found = cls(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
        found.spec = spec  # equal types are one object, which the index may have made without it
        return found

    @property
    def known(self) -> Spec:
        assert self.spec is not None
        return self.spec

    def __reduce__(self) -> Any:
        return SpecType, (self.digest,)


register_model(SpecType)(models.OpaqueModel)


# What an intrinsic's caller passes lacks its first argument, which no type checker knows.
emitted: Any = intrinsic


@emitted
def _scratch_size(typingctx: Any, spec: SpecType, arguments: Any) -> Any:
    """Elements of scratch that a row may need."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        steps = Steps.of(spec.known)
        pointer = builder.inttoptr(args[1], ir.IntType(64).as_pointer())
        i64 = ir.IntType(64)

        def argument(k: int) -> ir.Value:
            return builder.load(builder.gep(pointer, [ir.Constant(i64, k)]))

        heads, channels, longest = argument(4), argument(5), argument(7)
        edges = builder.mul(longest, ir.Constant(i64, len(steps.edge_slots)))
        rows = builder.mul(channels, ir.Constant(i64, len(steps.row_slots)))
        return builder.mul(heads, builder.add(edges, rows))

    return types.int64(spec, types.int64), emit


@emitted
def _row(typingctx: Any, spec: SpecType, row: Any, chunk: Any, arguments: Any, scratch: Any) -> Any:
    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        _, row, chunk, arguments, scratch = args
        pointer = builder.inttoptr(arguments, ir.IntType(64).as_pointer())
        Emitter(builder, spec.known, row, chunk, pointer, scratch).emit()
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(spec, i64, i64, i64, i64), emit


def _rows(spec, first, last, chunk, arguments):
    scratch = np.empty(_scratch_size(spec, arguments) + 1, np.float64)
    for row in range(first, last):
        _row(spec, row, chunk, arguments, scratch.ctypes.data)
    return np.int64(scratch.size)  # keeps the scratch alive to the end


class Kernel:
    """Compiled code for a specification.

    Attributes:
        address: of a C function ``int64 (spec, first, last, chunk, arguments)`` over int64s.
        serial: the same function, called from Python without the GIL.
    """

    def __init__(self, result: Any) -> None:
        self._result = result  # owns the code
        name = result.fndesc.llvm_cfunc_wrapper_name
        self.address: int = result.library.get_pointer_to_function(name)
        i64 = ctypes.c_int64
        self.serial = ctypes.CFUNCTYPE(i64, ctypes.c_void_p, i64, i64, i64, i64)(self.address)


_lock = threading.Lock()
_kernels: dict[Spec, Kernel] = {}


def kernel(spec: Spec) -> Kernel:
    """The kernel for a specification, from memory, from disk or compiled now."""
    found = _kernels.get(spec)
    if found is None:
        with _lock:
            found = _kernels.get(spec)
            if found is None:
                found = _kernels[spec] = _compile(spec)
    return found


def _compile(spec: Spec) -> Kernel:
    return compiled(_rows, (SpecType.of(spec), *[types.int64] * 4))


def compiled(function: Callable[..., Any], signature: tuple) -> Kernel:
    """Machine code of a function, from disk or compiled now, and kept on disk if that can be."""
    try:
        return _compiled(_dispatcher(function, True), signature)
    except Exception as error:  # damaged files unpickle to anything; no folder; no space
        # What is not the cache's fault raises.
        found = _compiled(_dispatcher(function, False), signature)
        _warn_once(f"{type(error).__name__}: {error}")
        return found


def _compiled(dispatcher: Any, signature: tuple) -> Kernel:
    _leave_blas_for_later()
    dispatcher.compile(signature)
    if signature not in dispatcher.overloads:
        # Two processes took one file for two programs at the same time: this is the other's code.
        _forget(dispatcher, signature)
        dispatcher.compile(signature)
    return Kernel(dispatcher.overloads[signature])


def _forget(dispatcher: Any, signature: tuple) -> None:
    """Take a program out of the index on disk."""
    cache = dispatcher._cache
    entries = cache._cache_file._load_index()
    entries.pop(cache._index_key(signature, dispatcher.targetctx.codegen()), None)
    cache._cache_file._save_index(entries)


@functools.cache
def _leave_blas_for_later() -> None:
    """Import what of Numba would import scipy.linalg only to find that it is there.

    scipy is a requirement of this package, and the import takes longer than to load a kernel. What
    multiplies matrices in Numba looks for it again.
    """
    from numba.np import linalg

    ensure = getattr(linalg, "ensure_blas", None)
    if ensure is None:
        return
    linalg.ensure_blas = lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = ensure


@functools.cache
def _dispatcher(function: Callable[..., Any], cache: bool) -> Callable[..., Any]:
    return njit(nogil=True, cache=cache, error_model="numpy")(function)  # type: ignore[return-value]


_warned = False


def _warn_once(reason: str) -> None:
    global _warned
    if _warned:
        return
    _warned = True
    warnings.warn(
        f"graphkit's kernel cache cannot be used ({reason}); kernels are compiled anew in every "
        "process. NUMBA_CACHE_DIR may name a folder that can be written to.",
        RuntimeWarning,
        stacklevel=2,
    )
