"""A memory for what was made from an object, which forgets it together with that object."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

T = TypeVar("T")


class _Entry(NamedTuple):
    source: weakref.ref[Any]
    version: int
    values: dict[Hashable, Any]


class IdentityMemory(Generic[T]):
    """Values found again by the identity of an object and, for a tensor, its version.

    The version of a tensor counts its changes in place, so what was made before a change is not
    found after it. Values must not refer to the object, or neither would ever be freed. Threads
    may use it at once: the worst they do to each other is to make a value twice.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, source: Any, key: Hashable) -> T | None:
        entry = self._find(source)
        return None if entry is None else entry.values.get(key)

    def put(self, source: Any, key: Hashable, value: T) -> None:
        if isinstance(source, Tensor) and source.is_inference():
            return  # counts no versions, so it may change unseen
        entry = self._find(source)
        if entry is None:
            entry = self._entries[id(source)] = self._enter(source)
        entry.values[key] = value

    def _find(self, source: Any) -> _Entry | None:
        entry = self._entries.get(id(source))
        if (
            entry is not None
            and entry.source() is source
            and entry.version == getattr(source, "_version", 0)
        ):
            return entry
        return None

    def _enter(self, source: Any) -> _Entry:
        key, memory = id(source), weakref.ref(self)

        def forget(gone: weakref.ref[Any]) -> None:
            alive = memory()
            if alive is not None:
                entry = alive._entries.get(key)
                if entry is not None and entry.source is gone:  # the id may be in use again
                    del alive._entries[key]

        return _Entry(weakref.ref(source, forget), getattr(source, "_version", 0), {})
