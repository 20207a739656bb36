"""Where data sets lie on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path


def data_folder() -> Path:
    """`GRAPHKIT_DATA` if it is set, else `graphkit` in the user's cache directory.

    The folder need not exist; nothing is made here.
    """
    given = os.environ.get("GRAPHKIT_DATA")
    return Path(given).expanduser() if given else cache_folder()


def cache_folder() -> Path:
    """`graphkit` in the user's cache directory: where downloads go if nothing else is said."""
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "graphkit"


def places(folder: Path | str | None) -> Iterator[Path]:
    """Where raw files are looked for, each folder once."""
    first = data_folder() if folder is None else Path(folder).expanduser()
    yield from dict.fromkeys((first, data_folder(), cache_folder()))


def writable_folder() -> Path:
    """Where to download to."""
    given = data_folder()
    there = next(folder for folder in (given, *given.absolute().parents) if folder.exists())
    return given if os.access(there, os.W_OK) else cache_folder()
