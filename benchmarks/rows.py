"""Rows of results: what each says of where it comes from, and the CSV files they go to."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from graphkit import report


def about(*packages: str, device: str = "cpu") -> dict[str, Any]:
    """Date, machine and versions, those of graphkit, torch and Python among them."""
    versions = report.versions()
    return {
        "date": date.today().isoformat(),
        "machine": machine(device),
        **{name: versions[name] for name in ("graphkit", "torch", "python", *packages)},
    }


def machine(device: str = "cpu") -> str:
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"


def read(table: Path) -> list[dict[str, str]]:
    """All rows; none if there is no file."""
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def put(rows: Iterable[dict[str, Any]], table: Path, key: Sequence[str]) -> None:
    """Put rows into a file, in the place of older ones with the same values of `key`, and in its
    order; the file is there as a whole or not at all."""

    def key_of(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in key)

    by_key: dict[tuple[str, ...], dict[str, Any]] = {key_of(row): row for row in read(table)}
    new = list(rows)
    by_key |= {key_of(row): row for row in new}
    unfinished = table.with_name(f"{table.name}.new")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(new[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(by_key[k] for k in sorted(by_key))
    os.replace(unfinished, table)
