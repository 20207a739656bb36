"""Cards of data sets: where they come from, what their files hash to, what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Card:
    """What is known of a data set before it is read; the file `datasets/<name>.yaml`.

    Attributes:
        name, title, level, kind, metric: As in `Dataset`.
        split: The `Dataset.split_name`.
        about: What nodes, edges and targets are, in a sentence.
        family: Title of its family.
        origin: Where the files come from.
        paper: Who published it.
        licence: As its publisher states it, or that none is stated.
        state: "official": byte for byte the published file. "converted": the same values in
            another container. "rebuilt": computed from another published form. "subset": a part
            of the published set. "bundled": part of an installed package.
        statistics: What reading it gives: `graphs`, `nodes`, `edges` (directed entries),
            `features`, `outputs`, and whatever else of `measure` it names.
        files: SHA-256 of every raw file by its path in the data folder.
        content: SHA-256 of what is read, if there are other files with the same values.
        notes: What one should know before using it.
    """

    name: str
    title: str
    family: str
    level: str
    kind: str
    metric: str
    split: str
    about: str
    origin: list[str]
    paper: str
    licence: str
    state: str
    statistics: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    content: str = ""
    notes: list[str] = field(default_factory=list)


@cache
def all_cards() -> dict[str, Card]:
    """All cards by name, in alphabetical order."""
    import yaml

    found = (
        Card(**yaml.safe_load(file.read_text(encoding="utf-8")))
        for file in sorted(_folder().glob("*.yaml"), key=lambda file: file.stem)
    )
    return {card.name: card for card in found}


def _folder() -> Path:
    """The cards inside an installed package, or `datasets/` of the source tree."""
    inside = Path(__file__).parents[1] / "datasets"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "datasets"
