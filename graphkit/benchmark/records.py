"""The file of results: a line for every seed that was finished, of every configuration.

A line is appended and on the disk before the next seed begins, so that a run that is killed at any
moment loses only what it was at. What a broken line leaves is cut off, and its seed runs again.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """What one seed gave.

    Attributes:
        config: Name of its configuration.
        seed: The seed, or the fold.
        value: The test score; None where the protocol reads all folds at one epoch, and `curve`
            has what the held-out fold scored after every one.
        further: Scores by other metrics.
        seconds: How long it took.
        settings: All of the experiment's.
    """

    config: str
    seed: int
    value: float | None
    curve: list[float]
    further: dict[str, float]
    dataset: str
    split: str
    task: str
    model: str
    protocol: str
    metric: str
    unit: str
    parameters: int
    seconds: float | None
    settings: dict[str, Any]
    engine: str
    graphkit: str
    torch: str
    numpy: str
    python: str
    machine: str
    date: str


COLUMNS = tuple(field.name for field in fields(Record))
_NUMBERS = ("seed", "parameters", "value", "seconds")


def _line(record: Record) -> str:
    """Floating-point numbers are written so that they are read back bit for bit."""
    texts = []
    for name in COLUMNS:
        value = getattr(record, name)
        if name == "curve":
            texts.append(" ".join(map(repr, value)))
        elif isinstance(value, dict):
            texts.append(json.dumps(value, separators=(",", ":")) if value else "")
        else:
            texts.append("" if value is None else str(value))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(texts)
    return out.getvalue()


def _record(line: bytes) -> Record:
    (texts,) = csv.reader([line.decode()], strict=True)
    found: dict[str, Any] = dict(zip(COLUMNS, texts, strict=True))
    for name in _NUMBERS:
        kind = int if name in ("seed", "parameters") else float
        found[name] = None if found[name] == "" else kind(found[name])
    found["curve"] = [float(text) for text in found["curve"].split()]
    for name in ("further", "settings"):
        found[name] = json.loads(found[name] or "{}")
    if found["seed"] is None or (found["value"] is None) == (not found["curve"]):
        raise ValueError("a score is missing")
    return Record(**found)


class Results:
    """The records in a file.

    Args:
        file: The file; it need not exist.

    Attributes:
        records: By configuration and seed.
        damaged: What is wrong with the last line; empty if nothing is.

    Raises:
        ValueError: The file has other columns, or is damaged before its last line.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.records: dict[tuple[str, int], Record] = {}
        self.damaged = ""
        data = file.read_bytes() if file.exists() else b""
        *lines, rest = data.split(b"\n")
        header = ",".join(COLUMNS)
        first = lines[0] if lines else rest
        if first != header.encode() and (lines or not header.encode().startswith(rest)):
            got = first.decode(errors="replace")
            raise ValueError(f"results: expected the columns {header} in {file}, got {got}")
        self._whole = 0
        for number, line in enumerate(lines, start=1):
            try:
                record = None if number == 1 else _record(line)
            except (ValueError, csv.Error) as error:
                if number < len(lines) or rest:
                    raise ValueError(
                        f"results: expected a whole line, got a damaged line {number} of {file}: "
                        f"{error}"
                    ) from None
                rest = line
                break
            self._whole += len(line) + 1
            if record is not None:
                self.records.setdefault((record.config, record.seed), record)
        if rest:
            number = data.count(b"\n", 0, self._whole) + 1
            self.damaged = f"line {number} of {file} is broken off"

    def of(self, config: str) -> list[Record]:
        """The records of a configuration, by seed."""
        return [self.records[key] for key in sorted(self.records) if key[0] == config]

    def repair(self) -> None:
        """Cut off a damaged last line."""
        if self.damaged:
            os.truncate(self.file, self._whole)
            self.damaged = ""

    def append(self, record: Record) -> None:
        """Put a record on the disk.

        Raises:
            OSError: It could not be written. The file is as it was before.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with open(self.file, "ab", buffering=0) as file:
                size = file.tell()
                text = ("" if size else ",".join(COLUMNS) + "\n") + _line(record)
                try:
                    _write(file, text.encode())
                except OSError:
                    with suppress(OSError):
                        file.truncate(size)
                    raise
        except OSError as error:
            raise OSError(
                f"results: {self.file} cannot be written: {error.strerror}. What it holds is kept, "
                "and the same command goes on from there"
            ) from error
        self.records[record.config, record.seed] = record

    def forget(self, configs: Iterable[str]) -> None:
        """Leave out the records of configurations; the file is replaced as a whole."""
        names = set(configs)
        kept = {key: record for key, record in self.records.items() if key[0] not in names}
        if len(kept) == len(self.records):
            return
        unfinished = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        text = ",".join(COLUMNS) + "\n" + "".join(map(_line, kept.values()))
        try:
            with open(unfinished, "wb", buffering=0) as file:
                _write(file, text.encode())
            os.replace(unfinished, self.file)
        finally:
            unfinished.unlink(missing_ok=True)
        self.records, self.damaged = kept, ""


def _write(file: io.FileIO, data: bytes) -> None:
    """Write all of it, down to the disk."""
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())


def machine(device: str = "cpu") -> str:
    """What results are comparable on: "x86_64 CPU", "NVIDIA H200"."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {device.upper()}"
