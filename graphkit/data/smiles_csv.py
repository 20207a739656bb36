"""Molecules in a CSV file: a column of SMILES, and columns of what is known of them."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from math import isfinite, nan
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from graphkit.convert import from_smiles
from graphkit.data._arrays import read_text
from graphkit.data.checks import check_targets
from graphkit.data.dataset import Dataset, Kind
from graphkit.data.scaffolds import split_by_scaffold
from graphkit.data.split import Split, split_at_random
from graphkit.graph import Graph

TRAIN, VAL = 0.8, 0.1
"""Shares of the molecules for training and validation."""

_SHOWN = 5  # of many wrong lines


def load_smiles_csv(
    file: Path | str,
    *,
    smiles_column: str = "smiles",
    target_columns: Sequence[str] | None = None,
    split: Literal["random", "scaffold"] = "random",
) -> Dataset:
    """A data set of your own: a CSV file with a header, one molecule a line.

    Targets that are all 0 or 1 are labels ("multilabel", scored by ROC-AUC); others are numbers
    ("regression", scored by RMSE). A blank is a target that is not known.

    Args:
        file: The CSV, in UTF-8; with the ending ``.gz`` packed.
        smiles_column: Name of the column of SMILES.
        target_columns: Names of the columns to predict; all others if not given.
        split: 80 % for training, 10 % for validation, 10 % for the test: "random" draws them by
            the seed, "scaffold" is that of `split_by_scaffold`.

    Returns:
        A graph-level Dataset. `further` has the "smiles" and the "targets", the names of the
        columns.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: A column is not there; or lines cannot be read, which are named.
    """
    if split not in ("random", "scaffold"):
        raise ValueError(f"split: expected 'random' or 'scaffold', got {split!r}")
    path = Path(file).expanduser()
    table = read_table(path, smiles_column, target_columns)
    graphs, unreadable = read_graphs(table)
    if unreadable:
        raise ValueError(
            f"{path}: expected SMILES that rdkit can read in column {smiles_column!r}, got "
            f"{len(unreadable)} that it cannot: "
            + _spell([(line, repr(smiles)) for line, smiles in unreadable])
        )
    n = len(graphs)
    counts = int(TRAIN * n), int(VAL * n)
    if counts[1] == 0:
        raise ValueError(f"{path}: expected at least 10 molecules to split, got {n}")
    labels = bool(((table.y == 0) | (table.y == 1) | table.y.isnan()).all())
    kind: Kind = "multilabel" if labels else "regression"
    check_targets(table.y, kind, table.y.size(1))
    return Dataset(
        name=path.name.split(".")[0].lower(),
        title=path.name.split(".")[0],
        level="graph",
        kind=kind,
        metric="roc_auc" if labels else "rmse",
        graphs=graphs,
        num_outputs=table.y.size(1),
        splits=[split_by_scaffold(table.smiles, TRAIN, VAL)]
        if split == "scaffold"
        else partial(draw, n, *counts),
        split_name=split,
        further={"smiles": table.smiles, "targets": table.targets},
    )


def read_smiles(file: Path | str, smiles_column: str = "smiles") -> list[str]:
    """SMILES of a CSV with a header, or of a text file (.smi, .txt) that begins every line with
    one; with the ending ``.gz`` packed.

    Raises:
        ValueError: The column is not there, or there are no molecules.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"file: expected SMILES, got {path}, which does not exist")
    text = read_text(path).removeprefix("\ufeff")
    if ".csv" in path.suffixes:
        rows = csv.reader(StringIO(text, newline=""))
        header = [name.strip() for name in next(rows, [])]
        at = _find(path, header, "smiles_column", smiles_column)
        found = [row[at].strip() for row in rows if len(row) > at]
    else:
        found = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not found:
        raise ValueError(f"{path}: expected at least one molecule, got none")
    return found


def draw(n: int, train: int, val: int, seed: int) -> Split:
    """`split_at_random` with the seed last, as `Dataset.splits` calls it."""
    return split_at_random(n, train, val, seed=seed)


@dataclass(frozen=True)
class MoleculeTable:
    """What a CSV of molecules says.

    Attributes:
        smiles: The molecules.
        lines: In which line of the file each stands.
        targets: Names of the columns of `y`.
        y: ``[n, len(targets)]`` float32, NaN where there is a blank.
        names: What the molecules are called; empty if that was not asked for.
    """

    smiles: list[str]
    lines: list[int]
    targets: list[str]
    y: Tensor
    names: list[str]


def read_table(
    path: Path,
    smiles_column: str,
    target_columns: Sequence[str] | None = None,
    ignored: Collection[str] = (),
    names_column: str | None = None,
) -> MoleculeTable:
    """Read a CSV of molecules.

    If no targets are named, they are all columns but that of SMILES and the `ignored`.
    `names_column` holds what the molecules are called.
    """
    rows = csv.reader(StringIO(read_text(path).removeprefix("\ufeff"), newline=""))
    header = [name.strip() for name in next(rows, [])]
    smiles_at = _find(path, header, "smiles_column", smiles_column)
    if target_columns is None:
        target_columns = [name for name in header if name not in (smiles_column, *ignored)]
    if not target_columns:
        raise ValueError(f"target_columns: expected at least one column to predict in {path}")
    places = [_find(path, header, "target_columns", name) for name in target_columns]
    names_at = None if names_column is None else _find(path, header, "names_column", names_column)
    names: list[str] = []
    smiles: list[str] = []
    lines: list[int] = []
    y: list[list[float]] = []
    wrong: list[tuple[int, str]] = []
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            wrong.append((rows.line_num, f"{len(row)} values for {len(header)} columns"))
            continue
        smiles.append(row[smiles_at].strip())
        lines.append(rows.line_num)
        if names_at is not None:
            names.append(row[names_at].strip())
        y.append([])
        for place in places:
            value = _number(row[place].strip())
            if value is None:
                wrong.append((rows.line_num, f"{row[place]!r} in column {header[place]!r}"))
            y[-1].append(nan if value is None else value)
    if wrong:
        raise ValueError(
            f"{path}: expected a number or a blank in the columns to predict, got {_spell(wrong)}"
        )
    if not smiles:
        raise ValueError(f"{path}: expected a line for every molecule, got none")
    return MoleculeTable(smiles, lines, list(target_columns), torch.tensor(y), names)


def read_graphs(table: MoleculeTable) -> tuple[list[Graph], list[tuple[int, str]]]:
    """The molecules of a table with their targets; line and SMILES of those rdkit cannot read."""
    graphs: list[Graph] = []
    unreadable: list[tuple[int, str]] = []
    for line, smiles, y in zip(table.lines, table.smiles, table.y, strict=True):
        try:
            graph = from_smiles(smiles)
        except ValueError:
            unreadable.append((line, smiles))
        else:
            # A row of its own: a view is pickled with all it is a view of.
            graphs.append(graph.replace(graph_attrs={"y": y[None].clone()}))
    return graphs, unreadable


def _find(path: Path, header: list[str], argument: str, name: str) -> int:
    if name not in header:
        raise ValueError(
            f"{argument}: expected a column of {path} ({', '.join(header)}), got {name!r}"
        )
    return header.index(name)


def _number(text: str) -> float | None:
    """The number, NaN for a blank, None for what is none."""
    try:
        value = float(text) if text else nan
    except ValueError:
        return None
    return value if not text or isfinite(value) else None


def _spell(lines: list[tuple[int, str]]) -> str:
    shown = ", ".join(f"{what} in line {line}" for line, what in lines[:_SHOWN])
    more = len(lines) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
