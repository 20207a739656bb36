"""Files that are published packed."""

import gzip
from hashlib import sha256
from pathlib import Path

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
