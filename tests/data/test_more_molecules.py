"""ZINC's molecules, and those of QM9 with the places of their atoms."""

import gzip
import importlib
from pathlib import Path

import pytest
import torch

from graphkit.data import DataError, load

SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "CCCC", "CO", "C#N", "CC=O", "CCOC", "NCCO"]


def family(module: str):
    return importlib.import_module(f"graphkit.data.{module}").FAMILY


def test_zinc_is_parted_as_published(tmp_path: Path):
    pytest.importorskip("rdkit")
    (tmp_path / "zinc_smiles").mkdir()
    (tmp_path / "zinc_smiles" / "valid.txt").write_text("\n".join(SMILES) + "\n")
    (tmp_path / "zinc_smiles" / "test.txt").write_text("CCCCO\nCCS\n")
    dataset = family("zinc").read("zinc-smiles", tmp_path)
    assert [part.tolist() for part in dataset.split()] == [list(range(9)), [9], [10, 11]]
    assert dataset.further["smiles"][-2:] == ["CCCCO", "CCS"]
    # rdkit's documented values of Wildman and Crippen's logP rise with the chain
    ethanol, butanol = dataset.graphs[0].y.item(), dataset.graphs[10].y.item()
    assert ethanol == pytest.approx(-0.0014, abs=1e-3)
    assert butanol > ethanol


def test_zinc_names_what_it_cannot_read(tmp_path: Path):
    pytest.importorskip("rdkit")
    (tmp_path / "zinc_smiles").mkdir()
    (tmp_path / "zinc_smiles" / "valid.txt").write_text("CCO\nnonsense\n")
    (tmp_path / "zinc_smiles" / "test.txt").write_text("C\n")
    with pytest.raises(DataError, match="nonsense"):
        family("zinc").read("zinc-smiles", tmp_path)


def write(folder: Path, xyz: str) -> Path:
    (folder / "qm9").mkdir()
    targets = "mu,alpha,homo,lumo,gap,r2,zpve,u0,u298,h298,g298,cv"
    row = ",".join(["0.5"] * 12)
    table = f"mol_id,smiles,{targets}\ngdb_1,C,{row}\n"
    (folder / "qm9" / "qm9.csv.gz").write_bytes(gzip.compress(table.encode()))
    (folder / "qm9" / "qm9_subset_xyz.xyz.gz").write_bytes(gzip.compress(xyz.encode()))
    return folder


METHANE = "5\ngdb_1 C\nC 0 0 0\nH 1 0 0\nH 0 1 0\nH 0 0 1\nH 0 0 -2\n"


def test_positions_and_distances(tmp_path: Path):
    (methane,) = family("qm9_positions").read("qm9-positions", write(tmp_path, METHANE)).graphs
    assert methane.x.argmax(dim=1).tolist() == [1, 0, 0, 0, 0]
    assert methane.num_edges == 20
    source, destination = methane.edge_index
    expected = torch.cdist(methane.pos, methane.pos)[source, destination]
    torch.testing.assert_close(methane.edge_attr[:, 0], expected)
    assert methane.y.tolist() == [[0.5] * 12]


@pytest.mark.parametrize(
    "xyz",
    [
        METHANE.replace("gdb_1", "gdb_2"),
        METHANE.replace("H 0 1 0", "X 0 1 0"),
        METHANE.replace("H 0 1 0", "H 0 one 0"),
        METHANE[:20],
        "five\n",
    ],
    ids=["unknown molecule", "unknown element", "no number", "cut short", "no count"],
)
def test_positions_that_cannot_be_read(tmp_path: Path, xyz: str):
    with pytest.raises(DataError, match="expected a molecule in line 1"):
        family("qm9_positions").read("qm9-positions", write(tmp_path, xyz))


def test_qm9_with_positions(data_root: Path):
    if not (data_root / "qm9").is_dir():
        pytest.skip("needs qm9 in GRAPHKIT_DATA")
    dataset = load("qm9-positions", folder=data_root, download=False)
    assert len(dataset.graphs) == 5236
    # Bonds to hydrogen are the shortest distances there are, and none is below half an angstrom.
    shortest = min(graph.edge_attr.min().item() for graph in dataset.graphs)
    assert 0.9 < shortest < 1.0
