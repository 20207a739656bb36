"""Molecules of QM9 with the places of their atoms."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

from graphkit.data._arrays import read_text
from graphkit.data.dataset import Dataset
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.qm9 import TABLE, TARGETS
from graphkit.data.smiles_csv import TRAIN, VAL, draw, read_table
from graphkit.graph import Graph

_FILE = "qm9/qm9_subset_xyz.xyz.gz"
_ELEMENTS = {"H": 0, "C": 1, "N": 2, "O": 3, "F": 4}


def _files(name: str) -> list[RawFile]:
    return [RawFile(_FILE), RawFile(TABLE)]


def _read(name: str, folder: Path) -> Dataset:
    """Read every 25th molecule, with hydrogens.

    `x` is the one-hot element (H, C, N, O, F), `pos` the place in angstrom. Every atom is joined to
    every other; `edge_attr` is their distance. Targets are those of "qm9".
    """
    path = folder / _FILE
    table = read_table(folder / TABLE, "smiles", TARGETS, names_column="mol_id")
    row_of = {molecule: row for row, molecule in enumerate(table.names)}
    lines = read_text(path).splitlines()
    graphs, smiles, at = [], [], 0
    while at < len(lines):
        try:
            count = int(lines[at])
            molecule, written = lines[at + 1].split()[:2]
            atoms = [line.split() for line in lines[at + 2 : at + 2 + count]]
            if len(atoms) < count:
                raise ValueError("the file ends")
            element = torch.tensor([_ELEMENTS[atom[0]] for atom in atoms])
            pos = torch.from_numpy(np.array([atom[1:4] for atom in atoms], dtype=np.float32))
            y = table.y[row_of[molecule]][None].clone()
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(f"{path}: expected a molecule in line {at + 1}: {error}") from error
        apart = torch.ones(count, count, dtype=torch.bool).fill_diagonal_(False)
        source, destination = apart.nonzero().T
        distance = (pos[source] - pos[destination]).norm(dim=1, keepdim=True)
        graphs.append(
            Graph(
                torch.stack([source, destination]),
                count,
                x=torch.nn.functional.one_hot(element, len(_ELEMENTS)).float(),
                pos=pos,
                edge_attr=distance,
                undirected=True,
                graph_attrs={"y": y},
            )
        )
        smiles.append(written)
        at += 2 + count
    n = len(graphs)
    return Dataset(
        name=name,
        title="QM9 with positions",
        level="graph",
        kind="regression",
        metric="mae",
        graphs=graphs,
        num_outputs=len(TARGETS),
        splits=partial(draw, n, int(TRAIN * n), int(VAL * n)),
        split_name="random, 80/10/10",
        further={"smiles": smiles, "targets": list(TARGETS)},
    )


FAMILY = Family(title="QM9", names=("qm9-positions",), files=_files, read=_read)
