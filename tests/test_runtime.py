"""What a program may ask of its process."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from graphkit import runtime

GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
# Page faults of allocating, touching and freeing 64 MiB again and again.
FAULTS = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    block = libc.malloc(2**26)
    ctypes.memset(block, 1, 2**26)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    done = subprocess.run([sys.executable, "-c", first + FAULTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="the allocator is not glibc's")
def test_kept_memory_faults_once() -> None:
    pages = 2**26 // 4096
    asked = "from graphkit.runtime import keep_memory\n"
    twice = "assert keep_memory() == keep_memory() == ''"
    assert faults(asked) > 4 * pages  # importing it changes nothing
    assert faults(asked + twice) < 2 * pages


def test_elsewhere_it_says_that_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert "only glibc" in runtime.keep_memory()


def test_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        gnu_get_libc_version = None

        def mallopt(self, name: int, value: int) -> int:
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    assert "refused" in runtime.keep_memory()


def test_messages_within_a_bound() -> None:
    before = runtime.message_bytes()
    try:
        runtime.limit_messages(0.5)
        assert runtime.message_bytes() == 2**19
        for wrong in (0, -1, float("nan")):
            with pytest.raises(ValueError, match="mebibytes: expected a number above 0, got"):
                runtime.limit_messages(wrong)
        assert runtime.message_bytes() == 2**19
    finally:
        runtime.limit_messages(before / 2**20)
