"""MoleculeNet (Wu et al. 2018): molecules as SMILES, with what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphkit.data.dataset import Dataset, Kind
from graphkit.data.family import Family, RawFile
from graphkit.data.scaffolds import split_by_scaffold
from graphkit.data.smiles_csv import TRAIN, VAL, read_graphs, read_table

_URL = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets"


@dataclass(frozen=True)
class _Facts:
    """Of a set: how papers write it, its file, the columns, what is predicted.

    Attributes:
        targets: Columns to predict; empty for all but `smiles` and "mol_id".
        packed: Whether the file is published packed by gzip.
    """

    title: str
    file: str
    kind: Kind
    targets: tuple[str, ...] = ()
    smiles: str = "smiles"
    metric: str = ""
    packed: bool = False


_SETS = {
    "bace": _Facts("BACE", "bace.csv", "multilabel", ("Class",), smiles="mol"),
    "bbbp": _Facts("BBBP", "BBBP.csv", "multilabel", ("p_np",)),
    "clintox": _Facts(
        "ClinTox", "clintox.csv", "multilabel", ("FDA_APPROVED", "CT_TOX"), packed=True
    ),
    "esol": _Facts(
        "ESOL",
        "delaney-processed.csv",
        "regression",
        ("measured log solubility in mols per litre",),
    ),
    "freesolv": _Facts("FreeSolv", "SAMPL.csv", "regression", ("expt",)),
    "hiv": _Facts("HIV", "HIV.csv", "multilabel", ("HIV_active",)),
    "lipo": _Facts("Lipophilicity", "Lipophilicity.csv", "regression", ("exp",)),
    "muv": _Facts("MUV", "muv.csv", "multilabel", metric="ap", packed=True),
    "pcba": _Facts("PCBA", "pcba.csv", "multilabel", metric="ap", packed=True),
    "sider": _Facts("SIDER", "sider.csv", "multilabel", packed=True),
    "tox21": _Facts("Tox21", "tox21.csv", "multilabel", packed=True),
    "toxcast": _Facts("ToxCast", "toxcast_data.csv", "multilabel", packed=True),
}


def _files(name: str) -> list[RawFile]:
    facts = _SETS[name]
    url = f"{_URL}/{facts.file}{'.gz' if facts.packed else ''}"
    return [RawFile(f"moleculenet/{name}/raw/{facts.file}", url)]


def _read(name: str, folder: Path) -> Dataset:
    """Read a set; molecules that rdkit cannot read are left out and listed in `further`."""
    facts = _SETS[name]
    path = folder / _files(name)[0].path
    table = read_table(path, facts.smiles, facts.targets or None, ignored=("mol_id",))
    graphs, unreadable = read_graphs(table)
    dropped = {line for line, _ in unreadable}
    smiles = [s for s, line in zip(table.smiles, table.lines, strict=True) if line not in dropped]
    return Dataset(
        name=name,
        title=facts.title,
        level="graph",
        kind=facts.kind,
        metric=facts.metric or {"regression": "rmse", "multilabel": "roc_auc"}[facts.kind],
        graphs=graphs,
        num_outputs=len(table.targets),
        splits=[split_by_scaffold(smiles, TRAIN, VAL)],
        split_name="scaffold",
        further={
            "smiles": smiles,
            "targets": table.targets,
            "unreadable": [text for _, text in unreadable],
        },
    )


FAMILY = Family(
    title="MoleculeNet",
    names=("bace", "clintox", "esol", "freesolv", "hiv", "lipo", "sider", "tox21"),
    files=_files,
    read=_read,
    further=tuple(_SETS),
    aliases={"lipophilicity": "lipo"},
)
