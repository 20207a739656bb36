"""Where data sets lie on this machine."""

from __future__ import annotations

import os
import sys
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
