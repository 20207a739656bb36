"""The file of results: whole lines, whatever happens."""

from __future__ import annotations

import errno
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphkit.benchmark import Record, Results
from graphkit.benchmark import records as module

ONE = Record(
    config="a",
    seed=0,
    value=100 / 3,
    curve=[],
    further={"ap": 0.1 + 0.2},
    dataset="karate",
    split='2/2, "by" seed',
    task="node",
    model="gcn",
    protocol="split",
    metric="accuracy",
    unit="%",
    parameters=7,
    seconds=None,
    settings={"lr": 0.01, "weight_decay": {"layers.convs.0": 5e-4}, "norm": None},
    engine="kernels",
    graphkit="0",
    torch="2",
    numpy="2",
    python="3",
    machine="x86_64 CPU",
    date="2026-01-01",
)
FOLD = replace(ONE, seed=1, value=None, curve=[1 / 3, 2 / 3, 0.1], further={}, seconds=1.25)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    results = Results(tmp_path / "new" / "r.csv")
    for record in (ONE, FOLD):
        results.append(record)
    return results.file


def test_numbers_are_read_back_bit_for_bit(file: Path) -> None:
    assert list(Results(file).records.values()) == [ONE, FOLD]
    assert Results(file).of("a") == [ONE, FOLD]
    assert Results(file).of("b") == []


def test_a_last_line_broken_off_anywhere_is_cut_off(file: Path) -> None:
    whole = file.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        results = Results(file)
        kept = [ONE] if end >= start else []
        assert list(results.records.values()) == kept
        at_line_end = end == 0 or whole[end - 1 : end] == b"\n"
        assert bool(results.damaged) != at_line_end, end
        results.repair()
        for record in (ONE, FOLD)[len(kept) :]:
            results.append(record)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("rest", [b"a,2,33\n", b"\0" * 64, b"\xff\xfe\n", b'a,"2\n'])
def test_a_last_line_of_something_else_is_damaged(file: Path, rest: bytes) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole + rest)
    results = Results(file)
    assert results.damaged == f"line 4 of {file} is broken off"
    results.repair()
    assert file.read_bytes() == whole


def test_damage_before_the_last_line_is_an_error(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"a,0,", b"a,zero,")
    file.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match="expected a whole line, got a damaged line 2 of"):
        Results(file)


@pytest.mark.parametrize("text", ["dataset,mean\ncora,81\n", "hello", "config\n"])
def test_a_file_of_other_columns_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=r"results: expected the columns config,seed,.*, got"):
        Results(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == text


@pytest.mark.parametrize("written", [0, 1, 100])
def test_a_full_disk_loses_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    before = file.read_bytes()

    def full(out: Any, data: bytes) -> None:
        out.write(data[:written])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    results = Results(file)
    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OSError, match=r"results: .* cannot be written: No space left on device"):
        results.append(replace(ONE, seed=2))
    with pytest.raises(OSError, match="No space"):
        results.forget(["a"])
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["r.csv"]
    assert len(results.records) == 2


def test_what_is_written_in_part_is_an_error() -> None:
    class Nearly:
        def write(self, data: bytes) -> int:
            return len(data) - 1

    with pytest.raises(OSError, match="No space"):
        module._write(Nearly(), b"ab")  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"results: .* cannot be written: "):
        Results(tmp_path / "file" / "r.csv").append(ONE)


def test_forgetting_leaves_the_others(file: Path) -> None:
    results = Results(file)
    results.append(replace(ONE, config="b"))
    results.forget(["a", "c"])
    assert list(Results(file).records.values()) == [replace(ONE, config="b")]
    assert math.isclose(results.of("b")[0].value or 0, 100 / 3)
