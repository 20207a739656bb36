"""What users want predicted, as a CSV file says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.data.checks import check_split
from graphkit.data.dataset import Kind
from graphkit.data.split import Split, split_at_random, split_stratified
from graphkit.data.tables import Table, as_number, is_blank

_SPLIT = "split"
_METRICS = {"multiclass": "accuracy", "multilabel": "roc_auc", "regression": "rmse"}
_TRAIN, _VAL = 0.6, 0.2


@dataclass(frozen=True)
class Targets:
    """Targets of nodes or graphs, and a split of those that have one.

    Attributes:
        kind, metric, num_outputs, splits, split_name: As in `Dataset`.
        y: Of all members; class 0 or NaN for one without a target.
        known: ``[n]`` numbers of the members with a target; no other is in a part of a split.
        classes: Names of the classes, in order; empty if none are predicted.
    """

    kind: Kind
    y: Tensor
    num_outputs: int
    known: Tensor
    classes: list[str]
    splits: Sequence[Split] | Callable[[int], Split]
    split_name: str

    @property
    def metric(self) -> str:
        return _METRICS[self.kind]

    @property
    def further(self) -> dict[str, Any]:
        """For `Dataset.further`."""
        return {"known": self.known, **({"classes": self.classes} if self.classes else {})}


def read_targets(table: Table, members: Mapping[str, int], kind: Kind | None) -> Targets:
    """Targets from a table.

    Its first column names the members. A column "split", if there is one, says "train", "val" or
    "test", or nothing for a member that is in no part; without it 60 and 20 % are drawn by the
    seed. All other columns are targets; a blank is one that is not known.

    Args:
        table: The table.
        members: Numbers of nodes or graphs by their names.
        kind: What is predicted. If not given: one column of whole numbers or of text names
            classes; several columns of 0 and 1 are labels; all others are numbers.

    Raises:
        ValueError: Names the line and what was expected.
    """
    if kind not in (None, *_METRICS):
        raise ValueError(f"kind: expected one of {', '.join(_METRICS)}, got {kind!r}")
    place = _places(table, members)
    names = [name for name in table.header[1:] if name != _SPLIT]
    if not names:
        raise ValueError(f"{table.path}: expected a column of targets, got {table.header}")
    kind = kind or _guess(table, names)
    if kind == "multiclass":
        y, known, classes = _classes(table, names, place, len(members))
        outputs = len(classes)
    else:
        numbers = torch.from_numpy(table.numbers(names, blank=True))
        if kind == "multilabel" and not _are_labels(numbers):
            raise ValueError(f"{table.path}: expected 0, 1 or a blank in the columns {names}")
        y = torch.full((len(members), len(names)), torch.nan)
        y[place] = numbers
        known, classes, outputs = (~y.isnan()).any(dim=1).nonzero().flatten(), [], len(names)
    if len(known) == 0:
        raise ValueError(f"{table.path}: expected targets, got blanks throughout")
    splits, split_name = _splits(table, place, y, known, kind)
    return Targets(kind, y, outputs, known, classes, splits, split_name)


def _places(table: Table, members: Mapping[str, int]) -> Tensor:
    """The numbers of the members that the rows are about."""
    found: dict[str, int] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        if row[0] not in members:
            raise ValueError(
                f"{table.path}: expected the name of a known {table.header[0]}, got {row[0]!r} in "
                f"line {line}"
            )
        if row[0] in found:
            raise ValueError(
                f"{table.path}: expected every {table.header[0]} once, got {row[0]!r} again in "
                f"line {line}"
            )
        found[row[0]] = members[row[0]]
    return torch.tensor(list(found.values()))


def _guess(table: Table, names: Sequence[str]) -> Kind:
    if len(names) == 1:
        cells = [cell for cell in table.column(names[0]) if not is_blank(cell)]
        numbers = [as_number(cell) for cell in cells]
        whole = all(number is None or number.is_integer() for number in numbers)
        return "multiclass" if whole or None in numbers else "regression"
    return (
        "multilabel"
        if _are_labels(torch.from_numpy(table.numbers(names, blank=True)))
        else "regression"
    )


def _are_labels(numbers: Tensor) -> bool:
    return bool(((numbers == 0) | (numbers == 1) | numbers.isnan()).all())


def _classes(
    table: Table, names: Sequence[str], place: Tensor, n: int
) -> tuple[Tensor, Tensor, list[str]]:
    if len(names) > 1:
        raise ValueError(f"{table.path}: expected one column of classes, got {list(names)}")
    cells = table.column(names[0])
    present = {cell for cell in cells if not is_blank(cell)}
    by_number = all(as_number(cell) is not None for cell in present)
    classes = sorted(present, key=(lambda cell: (float(cell), cell)) if by_number else None)
    number = {cell: k for k, cell in enumerate(classes)}
    y = torch.zeros(n, dtype=torch.long)
    y[place] = torch.tensor([number.get(cell, 0) for cell in cells])
    has_one = torch.tensor([cell in number for cell in cells])
    return y, place[has_one].sort().values, classes


def _splits(
    table: Table, place: Tensor, y: Tensor, known: Tensor, kind: Kind
) -> tuple[Sequence[Split] | Callable[[int], Split], str]:
    if _SPLIT not in table.header:
        return partial(_draw, y, known, kind), "60/20/20 by seed"
    cells = np.array([cell.lower() for cell in table.column(_SPLIT)])
    for cell, line in zip(cells, table.lines, strict=True):
        if cell not in (*Split._fields, ""):
            raise ValueError(
                f"{table.path}: expected train, val, test or a blank in column 'split', got "
                f"{cell!r} in line {line}"
            )
    split = Split(*(place[torch.from_numpy(cells == part)] for part in Split._fields))
    for name, part in split._asdict().items():
        unknown = part[~torch.isin(part, known)]
        if len(unknown):
            row = place.tolist().index(int(unknown[0]))
            raise ValueError(
                f"{table.path}: expected a target for every member of a part, got none in line "
                f"{table.lines[row]}, which is in {name}"
            )
    check_split(split, len(y))
    return [split], f"given in {table.path.name}"


def _draw(y: Tensor, known: Tensor, kind: Kind, seed: int) -> Split:
    n = len(known)
    if kind == "multiclass":
        split = split_stratified(y[known], _TRAIN, _VAL, seed=seed)
    else:
        split = split_at_random(n, round(_TRAIN * n), round(_VAL * n), seed=seed)
    return Split(*(known[part] for part in split))
