"""Files that are published packed."""

import gzip
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from graphkit.data import DataError
from graphkit.data.download import fetch
from graphkit.data.family import RawFile

TEXT = b"smiles,y\nCC,1\n" * 100


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    file = tmp_path / "there" / "table.csv.gz"
    file.parent.mkdir()
    file.write_bytes(gzip.compress(TEXT))
    return file


def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def test_a_file_is_unpacked_where_its_name_says_so(packed: Path, tmp_path: Path):
    files = [RawFile("a/table.csv", packed.as_uri()), RawFile("b/table.csv.gz", packed.as_uri())]
    for file in files:
        fetch([file], here(tmp_path), {})
    assert (here(tmp_path) / "a/table.csv").read_bytes() == TEXT
    assert (here(tmp_path) / "b/table.csv.gz").read_bytes() == packed.read_bytes()


def test_the_checksum_is_that_of_the_unpacked_file(packed: Path, tmp_path: Path):
    file = RawFile("table.csv", packed.as_uri())
    with pytest.raises(DataError, match="not what is expected"):
        fetch([file], here(tmp_path), {"table.csv": sha256(packed.read_bytes()).hexdigest()})
    assert list(here(tmp_path).iterdir()) == []
    fetch([file], here(tmp_path), {"table.csv": sha256(TEXT).hexdigest()})
    assert [found.name for found in here(tmp_path).iterdir()] == ["table.csv"]


@pytest.mark.parametrize(
    "content", [gzip.compress(TEXT, mtime=0)[:-9], b"<html>"], ids=["broken off", "a page"]
)
def test_what_is_not_whole_is_not_kept(packed: Path, tmp_path: Path, content: bytes):
    packed.write_bytes(content)
    with pytest.raises(DataError, match=r"table\.csv\.gz: expected a file packed by gzip"):
        fetch([RawFile("table.csv", packed.as_uri())], here(tmp_path), {})
    assert list(here(tmp_path).iterdir()) == []


CONTENT = bytes(range(256)) * 4096  # a megabyte


class Server(ThreadingHTTPServer):
    """Serves CONTENT; breaks off after so many bytes as often as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = CONTENT, '"1"'
        self.breaks: list[int] = []
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/table.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        first = 0
        if wanted and self.headers.get("If-Range") == self.server.tag:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first >= len(self.server.content):
                self.send_error(416)
                return
        body = self.server.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        self.wfile.write(body[: self.server.breaks.pop(0)] if self.server.breaks else body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_what_was_broken_off_goes_on(server: Server, tmp_path: Path):
    files = [RawFile("a/table.bin", server.url)]
    expected = {"a/table.bin": sha256(CONTENT).hexdigest()}
    server.breaks = [300_000, 200_000]
    for came in (300_000, 500_000):
        with pytest.raises(OSError, match=f"expected {len(CONTENT)} bytes, got {came}"):
            fetch(files, tmp_path, expected)
        assert not (tmp_path / "a/table.bin").exists()
    fetch(files, tmp_path, expected)
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]
    assert (tmp_path / "a/table.bin").read_bytes() == CONTENT
    assert [found.name for found in (tmp_path / "a").iterdir()] == ["table.bin"]


def test_another_version_is_fetched_from_its_beginning(server: Server, tmp_path: Path):
    files = [RawFile("table.bin", server.url)]
    server.breaks = [300_000]
    with pytest.raises(OSError, match="got 300000"):
        fetch(files, tmp_path, {})
    server.content, server.tag = CONTENT[::-1], '"2"'
    fetch(files, tmp_path, {})
    assert (tmp_path / "table.bin").read_bytes() == CONTENT[::-1]
    assert [found.name for found in tmp_path.iterdir()] == ["table.bin"]


def test_nothing_is_kept_where_the_version_is_not_known(server: Server, tmp_path: Path):
    files = [RawFile("table.bin", server.url)]
    server.tag, server.breaks = "", [300_000]
    with pytest.raises(OSError, match="got 300000"):
        fetch(files, tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    fetch(files, tmp_path, {})
    assert server.asked == [None, None]


def test_more_than_there_is_begins_anew(server: Server, tmp_path: Path):
    files = [RawFile("table.bin", server.url)]
    server.breaks = [300_000]
    with pytest.raises(OSError, match="got 300000"):
        fetch(files, tmp_path, {})
    server.content = CONTENT[:1000]
    fetch(files, tmp_path, {})
    assert (tmp_path / "table.bin").read_bytes() == CONTENT[:1000]


def test_a_wrong_checksum_leaves_nothing_to_go_on_from(server: Server, tmp_path: Path):
    with pytest.raises(DataError, match="not what is expected"):
        fetch([RawFile("table.bin", server.url)], tmp_path, {"table.bin": "0" * 64})
    assert list(tmp_path.iterdir()) == []
