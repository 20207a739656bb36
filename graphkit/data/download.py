"""Fetching raw files: whole and checked, or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from graphkit.data.family import DataError, RawFile

_TIMEOUT = 30  # seconds without a byte


def checksum(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = sha256()
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(files: Sequence[RawFile], folder: Path, expected: Mapping[str, str]) -> None:
    """Download files into a folder.

    A file appears under its name when it is whole and its checksum has matched. Files that are
    there already are left alone.

    Args:
        files: What to download; those of one archive are fetched together.
        folder: The data folder.
        expected: SHA-256 by `RawFile.path`, where known.

    Raises:
        DataError: A checksum does not match, or an archive lacks a file.
        OSError: The network, or writing to the folder, fails.
    """
    wanted = [file for file in files if not (folder / file.path).is_file()]
    for url in dict.fromkeys(file.url for file in wanted):
        group = [file for file in wanted if file.url == url]
        # Some servers turn away urllib's own name.
        request = Request(url, headers={"User-Agent": "graphkit"})
        with (
            urlopen(request, timeout=_TIMEOUT) as source,
            _temporary(folder / group[0].path) as temporary,
        ):
            _copy(source, temporary)
            if group[0].member:
                _unpack(temporary, group, folder, expected)
            else:
                if url.endswith(".gz") and not group[0].path.endswith(".gz"):
                    _gunzip(temporary, url)
                _settle(temporary, group[0], folder, expected)


def _copy(source: Any, file: Path) -> None:
    with open(file, "wb") as target:
        shutil.copyfileobj(source, target)
        length = source.headers.get("Content-Length")
        if length is not None and target.tell() != int(length):
            raise OSError(f"expected {length} bytes, got {target.tell()}")


def _gunzip(file: Path, url: str) -> None:
    """Unpack a file, in its place."""
    with _temporary(file) as unpacked:
        try:
            with gzip.open(file) as source, open(unpacked, "wb") as target:
                shutil.copyfileobj(source, target)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{url}: expected a file packed by gzip: {error}") from None
        os.replace(unpacked, file)


def _unpack(
    archive: Path, files: Sequence[RawFile], folder: Path, expected: Mapping[str, str]
) -> None:
    try:
        with zipfile.ZipFile(archive) as pack:
            inside = set(pack.namelist())
            for file in files:
                if file.member not in inside:
                    if file.required or file.path in expected:
                        raise DataError(f"{file.url}: expected {file.member} in it, got none")
                    continue
                with _temporary(folder / file.path) as temporary:
                    with pack.open(file.member) as source, open(temporary, "wb") as target:
                        shutil.copyfileobj(source, target)
                    _settle(temporary, file, folder, expected)
    except zipfile.BadZipFile as error:
        raise DataError(f"{files[0].url}: expected a zip archive: {error}") from None


def _settle(temporary: Path, file: RawFile, folder: Path, expected: Mapping[str, str]) -> None:
    """Give a file its name, if it is what it should be."""
    wanted = expected.get(file.path)
    if wanted and (got := checksum(temporary)) != wanted:
        raise DataError(
            f"{file.url}: downloaded, but not what is expected: SHA-256 {wanted} expected, got "
            f"{got}; nothing was kept of it"
        )
    os.replace(temporary, folder / file.path)


@contextmanager
def _temporary(file: Path) -> Iterator[Path]:
    """A name beside a file to be made, gone afterwards whatever happens."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".download-")
    os.close(handle)
    os.chmod(name, 0o644)  # mkstemp's own mode would keep the file from others who share a folder
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
