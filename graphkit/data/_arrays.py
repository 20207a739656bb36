"""Arrays out of files that may be damaged, or not what they seem."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphkit.data.family import DataError

_BLANK = re.compile(r"(?<![^,])(?=[,\r\n])")

# What numpy's arrays and numbers are pickled as, by its first and its second generation.
_MADE_OF = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
}


class ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and numbers of numpy, lists and dictionaries, and runs nothing else."""

    """Makes arrays and plain values, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _MADE_OF:
            raise pickle.UnpicklingError(f"{module}.{name} is none of what arrays are made of")
        # numpy 2 warns of the old name, numpy 1 does not know the new one.
        if module.endswith("multiarray"):
            module = np.ndarray.__reduce__(np.empty(0))[0].__module__
        return super().find_class(module, name)


def read_text(path: Path) -> str:
    """The text of a file, which is unpacked if its name ends in ``.gz``.

    Raises:
        DataError: The file is cut short or altered.
    """
    data = path.read_bytes()
    try:
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: damaged, cut short or not what its name says: {error}") from None


def read_csv(path: Path, dtype: Any, *, blank: bool = False) -> np.ndarray:
    """The numbers of a CSV without a header.

    Args:
        path: The file; ``.csv`` or ``.csv.gz``.
        dtype: Of the result.
        blank: Whether values may be missing. They are NaN then.

    Returns:
        ``[rows, columns]``.

    Raises:
        DataError: The file is damaged, or a line does not hold as many numbers as the first.
    """
    source: Any = _filled_lines(path) if blank else path
    try:
        return np.loadtxt(source, dtype=dtype, delimiter=",", ndmin=2, comments=None)
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise DataError(f"{path}: expected lines of numbers, not cut short: {error}") from None


def _filled_lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as lines:
        for line in lines:
            yield _BLANK.sub("nan", line)


def read_saved_arrays(path: Path) -> dict[str, Any]:
    """A dict of numpy arrays, numbers and strings that `torch.save` has written.

    Such a file is a pickle, and unpickling may run whatever the file says. Nothing but the few
    names that arrays are made of is looked up here; `torch.load` with ``weights_only=True``
    does the same, but not for the pickle protocol of these files.

    Raises:
        DataError: The file is damaged, or holds something else.
    """
    try:
        with path.open("rb") as file:
            found = _read_zip(file) if zipfile.is_zipfile(file) else _read_old(file)
    except Exception as error:  # a damaged pickle may fail in any way
        raise DataError(
            f"{path}: expected arrays saved by torch.save: {type(error).__name__}: {error}"
        ) from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected a dict of arrays, got {type(found).__name__}")
    return found


def _read_zip(file: IO[bytes]) -> Any:
    """What torch.save writes since torch 1.6: an archive with the pickle in it."""
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        return ArrayUnpickler(io.BytesIO(archive.read(name))).load()


def _read_old(file: IO[bytes]) -> Any:
    """What it wrote before: pickles of a magic number, a version, facts of the machine, and then
    of what was saved."""
    file.seek(0)
    return [ArrayUnpickler(file).load() for _ in range(4)][-1]


def read_tabbed(file: Path, names: Sequence[str], *, more: bool = False) -> list[tuple[str, ...]]:
    """The cells of a file's lines, one for each name; of lines that have `more`, the first ones.

    Raises:
        ValueError: A line has fewer, others or empty ones; says which.
    """
    rows: list[tuple[str, ...]] = []
    # Only "\n" and "\r\n" end a line: cells may hold what else Unicode takes for an end.
    for number, line in enumerate(file.read_bytes().split(b"\n"), start=1):
        cells = line.decode("utf-8").rstrip("\r").split("\t")
        if cells == [""]:
            continue
        kept = cells[: len(names)] if more else cells
        if len(kept) != len(names) or not all(kept):
            said = f"{', '.join(names[:-1])} and {names[-1]}"
            raise ValueError(
                f"{file}, line {number}: expected {said} between tabs, got {len(cells)} cells: "
                f"{cells}"
            )
        rows.append(tuple(kept))
    return rows
