"""Arrays by name out of one file, without unpickling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def open_arrays(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """The arrays of an ``.npz`` file.

    Raises:
        BadZipFile, ValueError: The file is damaged, none of this kind, or an array is of objects.
    """
    # numpy.load leaves the file open if it is damaged.
    with open(path, "rb") as file, np.lib.npyio.NpzFile(file) as arrays:
        yield arrays
