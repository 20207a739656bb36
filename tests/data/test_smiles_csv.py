"""Molecules in a CSV of one's own, splits by scaffold, MoleculeNet and QM9."""

import gzip
import pickle
import sys
from pathlib import Path

import pytest
import torch

from graphkit.convert import from_smiles, scaffold
from graphkit.data import (
    DataError,
    available,
    check_split,
    load,
    load_smiles_csv,
    split_by_scaffold,
)

pytest.importorskip("rdkit")

RINGS = ["C1CC1", "C1CCC1", "C1CCCC1", "c1ccccc1"]
SMILES = ["C" * n for n in range(1, 9)] + ["O" + ring for ring in RINGS] + ["N" + RINGS[3]] * 2


def write(file: Path, rows: list[str]) -> Path:
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def solubility(tmp_path: Path) -> Path:
    rows = [f"m{k},{s} ,{k / 2}" for k, s in enumerate(SMILES)]
    return write(tmp_path / "Solubility.csv", ["name,smiles,log s", *rows])


# --- one's own -----------------------------------------------------------------------------------


def test_numbers_are_regression(solubility: Path):
    dataset = load_smiles_csv(solubility, target_columns=["log s"])
    assert (dataset.name, dataset.title) == ("solubility", "Solubility")
    assert (dataset.level, dataset.kind, dataset.metric) == ("graph", "regression", "rmse")
    assert len(dataset.graphs) == 14
    assert dataset.y.tolist() == [[k / 2] for k in range(14)]
    assert dataset.graphs[2].x.equal(from_smiles("CCC").x)
    assert dataset.further == {"smiles": SMILES, "targets": ["log s"]}


def test_zeros_and_ones_are_labels(tmp_path: Path):
    rows = [f"{s},{k % 2},{'' if k % 3 else 1}" for k, s in enumerate(SMILES)]
    file = write(tmp_path / "toxic.csv", ["smiles,liver,heart", *rows])
    dataset = load_smiles_csv(file)
    assert (dataset.kind, dataset.metric, dataset.num_outputs) == ("multilabel", "roc_auc", 2)
    assert dataset.further["targets"] == ["liver", "heart"]
    nan = float("nan")
    expected = torch.tensor([[0, 1], [1, nan], [0, nan], [1, 1]])
    torch.testing.assert_close(dataset.y[:4], expected, equal_nan=True)


def test_a_blank_among_numbers_is_not_known(tmp_path: Path):
    rows = [f"{s},{'' if k == 1 else k}" for k, s in enumerate(SMILES)]
    dataset = load_smiles_csv(write(tmp_path / "a.csv", ["smiles,y", *rows]))
    assert dataset.kind == "regression"
    assert dataset.y.isnan().nonzero().tolist() == [[1, 0]]


def test_as_spreadsheets_write_it(tmp_path: Path):
    """A mark at the beginning, ends of line of another system, quotes, empty lines, packed."""
    rows = [f'"{s}",{k}' for k, s in enumerate(SMILES)]
    text = "\ufeff" + "\r\n".join(["SMILES,y", "", *rows, "", ""])
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(text.encode()))
    dataset = load_smiles_csv(file, smiles_column="SMILES")
    assert dataset.name == "a"
    assert dataset.further["smiles"] == SMILES


def test_a_random_split_is_drawn_by_the_seed(solubility: Path):
    dataset = load_smiles_csv(solubility, target_columns=["log s"])
    for seed in range(3):
        check_split(dataset.split(seed), 14)
    assert [len(part) for part in dataset.split(1)] == [11, 1, 2]
    assert dataset.split(1).train.equal(dataset.split(1).train)
    assert not dataset.split(1).train.equal(dataset.split(2).train)
    assert pickle.loads(pickle.dumps(dataset)).split(1).train.equal(dataset.split(1).train)


def test_a_scaffold_split_is_one(solubility: Path):
    dataset = load_smiles_csv(solubility, target_columns=["log s"], split="scaffold")
    assert dataset.split_name == "scaffold"
    assert dataset.split(0).train.equal(dataset.split(1).train)
    check_split(dataset.split(), 14)


def test_names_columns(solubility: Path):
    there = r"\(name, smiles, log s\)"
    with pytest.raises(ValueError, match=rf"smiles_column: expected .*{there}, got 'SMILES'"):
        load_smiles_csv(solubility, smiles_column="SMILES")
    with pytest.raises(ValueError, match=rf"target_columns: expected .*{there}, got 'logS'"):
        load_smiles_csv(solubility, target_columns=["logS"])
    with pytest.raises(ValueError, match="target_columns: expected at least one column"):
        load_smiles_csv(solubility, target_columns=[])


def test_names_lines_that_are_no_numbers(solubility: Path):
    with pytest.raises(ValueError, match=r"'m0' in column 'name' in line 2, .* and 9 more"):
        load_smiles_csv(solubility)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("C,inf", "'inf' in column 'y' in line 3"),
        ("C,yes", "'yes' in column 'y' in line 3"),
        ("C,1,2", "3 values for 2 columns in line 3"),
        ("C", "1 values for 2 columns in line 3"),
        ("C(,1", r"1 that it cannot: 'C\(' in line 3"),
        (",1", "1 that it cannot: '' in line 3"),
    ],
)
def test_names_the_line(tmp_path: Path, row: str, message: str):
    rows = ["C,1", row, *(f"{smiles},2" for smiles in SMILES)]
    with pytest.raises(ValueError, match=message):
        load_smiles_csv(write(tmp_path / "a.csv", ["smiles,y", *rows]))


def test_lines_are_those_of_the_file(tmp_path: Path):
    """A cell may hold ends of lines."""
    rows = ["smiles,y,remark", 'C,1,"two\nlines"', "C,none,"]
    with pytest.raises(ValueError, match="'none' in column 'y' in line 4"):
        load_smiles_csv(write(tmp_path / "a.csv", rows), target_columns=["y"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "smiles_column: expected a column"),
        (["smiles,y"], "a line for every molecule, got none"),
        (["smiles,y", "C,1", "CC,2"], "at least 10 molecules to split, got 2"),
        (["smiles,y", *(f"{s}," for s in SMILES)], "at least one known target"),
    ],
)
def test_too_little(tmp_path: Path, rows: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        load_smiles_csv(write(tmp_path / "a.csv", rows))


def test_another_split(solubility: Path):
    with pytest.raises(ValueError, match=r"split: expected 'random' or 'scaffold', got 'time'"):
        load_smiles_csv(solubility, target_columns=["log s"], split="time")  # type: ignore[arg-type]


def test_files_that_cannot_be_read(solubility: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_smiles_csv(tmp_path / "none.csv")
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(solubility.read_bytes())[:-20])
    with pytest.raises(DataError, match=r"a\.csv\.gz: .*cut short"):
        load_smiles_csv(packed)


def test_without_rdkit(solubility: Path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "rdkit"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"reading SMILES needs rdkit.*graphkit-torch\[mol\]"):
        load_smiles_csv(solubility, target_columns=["log s"])


# --- splits by scaffold --------------------------------------------------------------------------


def test_no_scaffold_is_in_two_parts():
    rings = [f"C1{'C' * n}1" for n in range(2, 12)]
    molecules = [smiles + tail for tail in ("", "O", "CC") for smiles in rings]
    split = split_by_scaffold(molecules, 0.6, 0.2)
    assert [len(part) for part in split] == [18, 6, 6]
    seen = [{scaffold(molecules[i]) for i in part.tolist()} for part in split]
    assert sum(map(len, seen)) == len(set.union(*seen))
    check_split(split, 30)


def test_frequent_scaffolds_are_for_training():
    molecules = ["c1ccccc1", "C1CC1", "Cc1ccccc1", "C1CCC1", "CCc1ccccc1", "C1CCCC1"]
    split = split_by_scaffold(molecules, 0.5, 0.2)
    assert split.train.tolist() == [0, 2, 4]
    assert split.val.tolist() == [5]  # of the rare ones the last comes first
    assert split.test.tolist() == [1, 3]


def test_one_scaffold_cannot_be_split():
    with pytest.raises(ValueError, match="8 molecules of 1 scaffolds, which make parts of 0, 0, 8"):
        split_by_scaffold(SMILES[:8])


# --- MoleculeNet and QM9 -------------------------------------------------------------------------


def at_hand(name: str, data_root: Path):
    state = {entry.card.name: entry.state for entry in available(data_root)}[name]
    if state != "at hand":
        pytest.skip(f"{name} is not in the folder that GRAPHKIT_DATA names")
    return load(name, folder=data_root, download=False)


# Of Wu et al. 2018, table 1: molecules (as the files have them) and tasks.
MOLECULENET = {"esol": (1128, 1), "freesolv": (642, 1)}
LARGE = {
    "bace": (1513, 1),
    "clintox": (1484, 2),
    "sider": (1427, 27),
    "lipo": (4200, 1),
    "tox21": (7831, 12),
    "hiv": (41127, 1),
}


@pytest.mark.parametrize(
    "name", [*MOLECULENET, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_moleculenet(name: str, data_root: Path):
    dataset = at_hand(name, data_root)
    rows, tasks = (MOLECULENET | LARGE)[name]
    assert len(dataset.graphs) + len(dataset.further["unreadable"]) == rows
    assert len(dataset.graphs) == len(dataset.further["smiles"]) == len(dataset.y)
    assert dataset.num_outputs == len(dataset.further["targets"]) == tasks
    assert dataset.kind == ("regression" if name in ("esol", "freesolv", "lipo") else "multilabel")
    check_split(dataset.split(), len(dataset.graphs))
    sizes = [len(part) / len(dataset.graphs) for part in dataset.split()]
    assert sizes == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


@pytest.mark.parametrize("name", ["esol", "freesolv", pytest.param("bace", marks=pytest.mark.slow)])
def test_is_the_same_as_in_ogb(name: str, data_root: Path):
    ours, theirs = at_hand(name, data_root), at_hand(f"ogbg-mol{name}", data_root)
    for graph, other in zip(ours.graphs, theirs.graphs, strict=True):
        assert graph.edge_index.equal(other.edge_index)
        assert graph.x.equal(other.x)
        assert graph.edge_attr.equal(other.edge_attr)
        assert graph.y.equal(other.y)
    for part, other in zip(ours.split(), theirs.split(), strict=True):
        assert part.equal(other.sort().values)


def test_molecules_that_cannot_be_read_are_left_out(tmp_path: Path):
    folder = tmp_path / "moleculenet/bbbp/raw"
    folder.mkdir(parents=True)
    rows = [f"{k},m,{k % 2},{s}" for k, s in enumerate([*SMILES[:3], "C(", *SMILES[3:]])]
    write(folder / "BBBP.csv", ["num,name,p_np,smiles", *rows])
    dataset = load("bbbp", folder=tmp_path, download=False)
    assert dataset.further["unreadable"] == ["C("]
    assert dataset.further["smiles"] == SMILES
    assert dataset.y[:5].tolist() == [[0], [1], [0], [0], [1]]


def test_names_of_molecules_are_no_targets(tmp_path: Path):
    folder = tmp_path / "moleculenet/muv/raw"
    folder.mkdir(parents=True)
    rows = [f"{k % 2},,m{k},{s}" for k, s in enumerate(SMILES)]
    write(folder / "muv.csv", ["MUV-466,MUV-548,mol_id,smiles", *rows])
    dataset = load("muv", folder=tmp_path, download=False)
    assert dataset.further["targets"] == ["MUV-466", "MUV-548"]
    assert dataset.metric == "ap"


@pytest.mark.slow
def test_qm9(data_root: Path):
    dataset = at_hand("qm9", data_root)
    assert len(dataset.graphs) == 130831
    assert (dataset.kind, dataset.metric, dataset.num_outputs) == ("regression", "mae", 12)
    assert [len(part) for part in dataset.split(3)] == [110000, 10000, 10831]
    assert not dataset.split(3).test.equal(dataset.split(4).test)
    methane = dict(zip(dataset.further["targets"], dataset.y[0].tolist(), strict=True))
    assert methane["homo"] == pytest.approx(-0.3877)
    assert methane["u0"] == pytest.approx(-40.47893)
