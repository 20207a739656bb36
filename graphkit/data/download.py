"""Fetching raw files: whole and checked, or not at all; what was broken off goes on next time."""

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
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from graphkit.data.family import DataError, RawFile

_TIMEOUT = 30  # seconds without a byte
_REST, _NO_SUCH_RANGE = 206, 416  # of HTTP


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
        with _downloaded(url, folder / group[0].path) as temporary:
            if group[0].member:
                _unpack(temporary, group, folder, expected)
            else:
                if url.endswith(".gz") and not group[0].path.endswith(".gz"):
                    _gunzip(temporary, url)
                _settle(temporary, group[0], folder, expected)


@contextmanager
def _downloaded(url: str, beside: Path) -> Iterator[Path]:
    """What is at a URL as a file beside another, gone afterwards.

    What came before a connection broke off is kept, if the server says which version it is of, and
    the next download asks for the rest of that version. Two processes never write one file: the
    first takes what was kept away from the other.
    """
    kept = beside.with_name(f".part-{sha256(url.encode()).hexdigest()[:16]}")
    about = kept.with_name(f"{kept.name}-version")
    with _opened(url, *_kept(kept, about)) as source, _temporary(beside) as file:
        have = 0
        if source.status == _REST:  # None where it is no HTTP
            os.replace(kept, file)
            have = file.stat().st_size
        tag = source.headers.get("ETag") or "W/"
        version = source.headers.get("Last-Modified") if tag.startswith("W/") else tag
        length = source.headers.get("Content-Length")
        try:
            with open(file, "ab" if have else "wb") as target:
                shutil.copyfileobj(source, target)
                came = target.tell()
            if length is not None and came != have + int(length):
                raise OSError(f"expected {have + int(length)} bytes, got {came}")
        except BaseException:
            if version and file.stat().st_size:
                os.replace(file, kept)
                about.write_text(version, encoding="utf-8")
            raise
        for old in (kept, about):
            old.unlink(missing_ok=True)
        yield file


def _kept(kept: Path, about: Path) -> tuple[int, str]:
    """How many bytes an earlier download left, and the version that they are of."""
    try:
        return kept.stat().st_size, about.read_text(encoding="utf-8")
    except OSError:
        return 0, ""


def _opened(url: str, have: int, version: str) -> Any:
    """The answer of a server that is asked for what comes after the bytes that are there."""
    headers = {"User-Agent": "graphkit"}  # some servers turn away urllib's own name
    rest = {"Range": f"bytes={have}-", "If-Range": version} if have else {}
    try:
        return urlopen(Request(url, headers=headers | rest), timeout=_TIMEOUT)
    except HTTPError as error:
        if not have or error.code != _NO_SUCH_RANGE:
            raise
        return urlopen(Request(url, headers=headers), timeout=_TIMEOUT)


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
