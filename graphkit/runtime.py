"""Settings of the process, for programs that own theirs. A library import never changes any."""

from __future__ import annotations

import ctypes

# Names of settings in glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


_message_bytes = 256 * 2**20


def limit_messages(mebibytes: float) -> None:
    """Bound the memory that messages take on the edges at once, 256 MiB at the start.

    It matters where a layer's message does not run as one kernel: what would take more is done in
    parts, some destinations at a time, and again in the backward pass instead of being kept. The
    results are the same. Tensors that a call brings do not count.

    Raises:
        ValueError: `mebibytes` is not above 0.
    """
    global _message_bytes
    if not mebibytes > 0:
        raise ValueError(f"mebibytes: expected a number above 0, got {mebibytes!r}")
    _message_bytes = int(mebibytes * 2**20)


def message_bytes() -> int:
    """The bound that :func:`limit_messages` set."""
    return _message_bytes


def keep_memory() -> str:
    """Let the allocator keep what is freed, so that large tensors find their memory again.

    Without it glibc takes more than 32 MiB from the system anew for every tensor and gives it back
    at once, and first touches of fresh pages take longer than a ReLU or a small matrix product.
    With it the process keeps all of it until it ends, and where sizes vary needs half as much
    again, or more than twice as much at worst. For scripts that train and then end; calling it
    again changes nothing. The results of graphkit's own kernels find their memory again in any
    case.

    Returns:
        Nothing (an empty text), or one sentence on why it was not possible.
    """
    try:
        library = ctypes.CDLL(None)
        glibc = hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt")
    except (OSError, TypeError):  # Windows has no such library
        glibc = False
    if not glibc:
        return (
            "Freed memory goes back to the system: only glibc's allocator can be told to keep it."
        )
    if not (library.mallopt(_M_MMAP_MAX, 0) and library.mallopt(_M_TRIM_THRESHOLD, -1)):
        return "Freed memory goes back to the system: the allocator refused to keep it."
    return ""
