"""A function in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> T:
    """Call a function where none of torch's modes holds: no tracing, no autocast, no transform.

    They belong to a thread, and one that has just begun has none.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()
