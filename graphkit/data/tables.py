"""CSV files that users bring: a heading, then a row for every node, edge or graph."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        path: Where it lies, for error messages.
        header: Names of the columns.
        rows: The cells, stripped of blanks.
        lines: In which line of the file every row ends.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    def numbers(self, names: Sequence[str], *, blank: bool = False) -> np.ndarray:
        """``[rows, len(names)]`` float32.

        Args:
            names: Which columns.
            blank: Whether a cell may be empty or "nan", for a number that is not known: NaN.

        Raises:
            ValueError: Names the cell that holds no finite number.
        """
        columns = [self.column(name) for name in names]
        table = np.empty((len(self.rows), len(names)), dtype=np.float32)
        for k, (name, column) in enumerate(zip(names, columns, strict=True)):
            for row, cell in enumerate(column):
                number = as_number(cell)
                if number is None and not (blank and is_blank(cell)):
                    raise ValueError(
                        f"{self.path}: expected a number in column {name!r}, got {cell!r} in "
                        f"line {self.lines[row]}"
                    )
                table[row, k] = np.nan if number is None else number
        return table


def as_number(cell: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def is_blank(cell: str) -> bool:
    """Whether a cell says that something is not known."""
    return cell.lower() in ("", "nan")


def read_table(path: Path, argument: str, columns: int) -> Table:
    """Read a CSV file in UTF-8.

    Args:
        path: The file.
        argument: What the caller calls it.
        columns: How many columns it must have at least.

    Raises:
        ValueError: The file is not there, has no heading, too few columns, no rows, or a row of
            another length.
    """
    if not path.is_file():
        raise ValueError(f"{argument}: expected a CSV file, got {path}, which is none")
    rows: list[list[str]] = []
    lines: list[int] = []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = [cell.strip() for cell in next(reader, [])]
        if len(header) < columns:
            raise ValueError(
                f"{path}: expected a heading of at least {columns} columns, got {header}"
            )
        if len(set(header)) < len(header) or any(is_blank(cell) for cell in header):
            raise ValueError(f"{path}: expected different names of columns, got {header}")
        if any(as_number(cell) is not None for cell in header[:columns]):
            raise ValueError(f"{path}: expected names of columns in line 1, got {header}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"{path}: expected {len(header)} cells in every row, got {len(row)} in line "
                    f"{reader.line_num}"
                )
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    if not rows:
        raise ValueError(f"{path}: expected rows below the heading, got none")
    return Table(path, header, rows, lines)
