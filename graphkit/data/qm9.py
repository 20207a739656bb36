"""QM9 (Ramakrishnan et al. 2014): small organic molecules, and what quantum chemistry says."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from graphkit.data.dataset import Dataset
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.smiles_csv import draw, read_graphs, read_table

TABLE = "qm9/qm9.csv.gz"
_TRAIN, _VAL = 110_000, 10_000
TARGETS = ("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "u0", "u298", "h298", "g298", "cv")


def _files(name: str) -> list[RawFile]:
    return [RawFile(TABLE)]


def _read(name: str, folder: Path) -> Dataset:
    """Read all molecules, without hydrogens, with the twelve targets that are reported.

    They are in atomic units, as they are published. The split is drawn by the seed: 110,000 for
    training, 10,000 for validation, the rest for the test, as Gilmer et al. 2017 draw it.
    """
    table = read_table(folder / TABLE, "smiles", TARGETS)
    graphs, unreadable = read_graphs(table)
    if unreadable:
        raise DataError(f"{folder / TABLE}: expected SMILES, got {unreadable[0][1]!r}")
    return Dataset(
        name=name,
        title="QM9",
        level="graph",
        kind="regression",
        metric="mae",
        graphs=graphs,
        num_outputs=len(TARGETS),
        splits=partial(draw, len(graphs), _TRAIN, _VAL),
        split_name="random, 110,000/10,000/rest",
        further={"smiles": table.smiles, "targets": table.targets},
    )


FAMILY = Family(title="QM9", names=("qm9",), files=_files, read=_read)
