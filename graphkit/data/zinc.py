"""Drug-like molecules of ZINC, as Jin et al. 2018 parted them, without published targets."""

from __future__ import annotations

from pathlib import Path

import torch

from graphkit._extras import require
from graphkit.convert import from_smiles
from graphkit.data._arrays import read_text
from graphkit.data.dataset import Dataset
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.split import Split

_PARTS = ("valid", "test")
_VAL = 0.1
_URL = "https://raw.githubusercontent.com/wengong-jin/icml18-jtnn/master/data/zinc"


def _files(name: str) -> list[RawFile]:
    return [RawFile(f"zinc_smiles/{part}.txt", f"{_URL}/{part}.txt") for part in _PARTS]


def _read(name: str, folder: Path) -> Dataset:
    """Read the validation and test parts of ZINC250k.

    To predict is logP, computed by rdkit with the method of Wildman & Crippen 1999, as the set
    comes without targets. The published test part is the test; of the validation part the last
    tenth is kept for validation and the rest learnt from.
    """
    crippen = require("rdkit.Chem.Crippen", extra="mol", what="ZINC's logP")
    chem = require("rdkit.Chem", extra="mol", what="reading SMILES")
    parts = [read_text(folder / file.path).split() for file in _files(name)]
    smiles = [molecule for part in parts for molecule in part]
    graphs = []
    for molecule in smiles:
        try:
            graph = from_smiles(molecule)
        except ValueError as error:
            raise DataError(f"{name}: {error}") from error
        y = torch.tensor([[crippen.MolLogP(chem.MolFromSmiles(molecule))]])
        graphs.append(graph.replace(graph_attrs={"y": y}))
    first, last = len(parts[0]), len(smiles)
    train = first - round(_VAL * first)
    return Dataset(
        name=name,
        title="ZINC SMILES",
        level="graph",
        kind="regression",
        metric="mae",
        graphs=graphs,
        num_outputs=1,
        splits=[Split(torch.arange(train), torch.arange(train, first), torch.arange(first, last))],
        split_name="published test part",
        further={"smiles": smiles, "targets": ["logP"]},
    )


FAMILY = Family(title="ZINC", names=("zinc-smiles",), files=_files, read=_read)
