"""SMILES to Graphs and back."""

import csv
import sys
from pathlib import Path

import pytest
import torch

from graphkit import Graph
from graphkit.convert import (
    ATOM_FEATURES,
    BOND_FEATURES,
    fingerprint,
    from_smiles,
    scaffold,
    to_smiles,
)

chem = pytest.importorskip("rdkit.Chem")

# One for everything that features say: charges, radicals, hydrogens, rings, aromatic atoms with
# and without hydrogen, both kinds of stereo chemistry, parts, ions, unusual valences.
MOLECULES = [
    "C",
    "[Na+].[Cl-]",
    "CC(=O)Oc1ccccc1C(=O)O",
    "c1cc[nH]c1",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "C#N",
    "[CH3]",
    "[O][O]",
    "[H][H]",
    "N[C@@H](C)C(=O)O",
    "N[C@H](C)C(=O)O",
    "F/C=C/F",
    "F/C=C\\F",
    "C/C=C/C=C\\C",
    "CN/C(=C\\[N+](=O)[O-])NCCSCc1ccc(CN(C)C)o1.O",
    "Cl[C@H](/C=C/C)Br",
    "OS(=O)(=O)O",
    "FS(F)(F)(F)(F)F",
    "FP(F)(F)(F)F",
    "C[C@@]12CC[C@H]3[C@H]([C@@H]1CC[C@@H]2O)CCC1=CC(=O)CC[C@]13C",
    "[Fe+2]",
    "*C",
    "C[N+](C)(C)C",
    "[B-](F)(F)(F)F",
    "c1ccsc1",
    "O=c1cc[nH]cc1",
]


def column(rows: torch.Tensor, features, name: str) -> list:
    values = features[name]
    return [values[place] for place in rows[:, list(features).index(name)].tolist()]


# --- to a graph ----------------------------------------------------------------------------------


def test_features_of_atoms_and_bonds():
    graph = from_smiles("C[C@H]([NH3+])/C=C/c1ccc[nH]1")
    assert graph.x.dtype == graph.edge_attr.dtype == torch.int64
    assert (graph.num_nodes, graph.num_edges) == (10, 20)
    assert column(graph.x, ATOM_FEATURES, "atomic_num") == [6, 6, 7, 6, 6, 6, 6, 6, 6, 7]
    assert column(graph.x, ATOM_FEATURES, "chirality")[1] == "CHI_TETRAHEDRAL_CCW"
    assert column(graph.x, ATOM_FEATURES, "formal_charge") == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert column(graph.x, ATOM_FEATURES, "num_h") == [3, 1, 3, 1, 1, 0, 1, 1, 1, 1]
    assert column(graph.x, ATOM_FEATURES, "degree") == [4, 4, 4, 3, 3, 3, 3, 3, 3, 3]
    assert column(graph.x, ATOM_FEATURES, "hybridization")[:4] == ["SP3", "SP3", "SP3", "SP2"]
    assert column(graph.x, ATOM_FEATURES, "is_aromatic") == [False] * 5 + [True] * 5
    assert column(graph.x, ATOM_FEATURES, "is_in_ring") == [False] * 5 + [True] * 5
    bonds = column(graph.edge_attr, BOND_FEATURES, "bond_type")[::2]
    assert bonds == ["SINGLE"] * 3 + ["DOUBLE", "SINGLE"] + ["AROMATIC"] * 5
    assert column(graph.edge_attr, BOND_FEATURES, "bond_stereo")[6:8] == ["STEREOE"] * 2
    assert column(graph.edge_attr, BOND_FEATURES, "is_conjugated")[4:8] == [
        False,
        False,
        True,
        True,
    ]


def test_both_directions_of_a_bond_follow_each_other():
    graph = from_smiles("CCO")
    assert graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert graph.edge_attr[::2].equal(graph.edge_attr[1::2])
    assert graph.is_undirected


def test_one_atom_has_no_edges():
    graph = from_smiles("[Na+]")
    assert (graph.x.shape, graph.edge_attr.shape, graph.num_edges) == ((1, 9), (0, 3), 0)


def test_what_is_not_listed_has_the_last_place():
    graph = from_smiles("[Fe]<-[NH2]C*")
    assert column(graph.x, ATOM_FEATURES, "atomic_num") == [26, 7, 6, "misc"]
    assert column(graph.edge_attr, BOND_FEATURES, "bond_type")[0] == "misc"


@pytest.mark.parametrize("smiles", MOLECULES)
def test_numbers_are_those_of_ogb(smiles: str, smiles2graph):
    check_equal(from_smiles(smiles), smiles2graph(smiles))


@pytest.fixture
def smiles2graph(monkeypatch):
    monkeypatch.setitem(sys.modules, "outdated", None)  # with which ogb asks the network
    return pytest.importorskip("ogb.utils.mol").smiles2graph


def check_equal(graph: Graph, expected: dict) -> None:
    assert graph.edge_index.tolist() == expected["edge_index"].tolist()
    assert graph.x.tolist() == expected["node_feat"].tolist()
    assert graph.edge_attr.tolist() == expected["edge_feat"].tolist()


def published(name: str, data_root: Path) -> list[str]:
    file = data_root / "moleculenet" / name
    if not file.is_file():
        pytest.skip(f"needs {name} in the folder moleculenet")
    with open(file, newline="") as lines:
        return [line["smiles"] for line in csv.DictReader(lines)]


@pytest.mark.parametrize("name", ["esol/raw/delaney-processed.csv", "freesolv/raw/SAMPL.csv"])
def test_published_molecules(name: str, data_root: Path, smiles2graph):
    for smiles in published(name, data_root):
        graph = from_smiles(smiles)
        check_equal(graph, smiles2graph(smiles))
        assert to_smiles(graph) == chem.CanonSmiles(smiles)


# --- and back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("smiles", MOLECULES)
def test_round_trip(smiles: str):
    assert to_smiles(from_smiles(smiles)) == chem.CanonSmiles(smiles)


@pytest.mark.parametrize(
    ("smiles", "held"),
    [("[13CH4]", "C"), ("[18F-]", "[F-]"), ("[CH3:1][OH:2]", "CO"), ("[1*]C", "*C")],
)
def test_what_features_do_not_hold(smiles: str, held: str):
    assert to_smiles(from_smiles(smiles)) == held


@pytest.mark.slow
def test_published_drugs_come_back(data_root: Path):
    molecules = published("sider/raw/sider.csv", data_root)
    lost = []
    for smiles in molecules:
        if to_smiles(from_smiles(smiles)) != chem.CanonSmiles(smiles):
            lost.append(smiles)
    atoms = [atom for smiles in lost for atom in chem.MolFromSmiles(smiles).GetAtoms()]
    assert len(lost) == 4  # those with isotopes
    assert sum(atom.GetIsotope() > 0 for atom in atoms) >= 4


@pytest.mark.parametrize("smiles", MOLECULES)
def test_atoms_may_be_in_another_order(smiles: str):
    graph = from_smiles(smiles)
    order = torch.randperm(graph.num_nodes, generator=torch.Generator().manual_seed(1))
    assert to_smiles(graph.permute(order)) == to_smiles(graph)


ETHANE = from_smiles("CC")


def changed(name: str, feature: str, value) -> Graph:
    features = {"x": ATOM_FEATURES, "edge_attr": BOND_FEATURES}[name]
    rows = getattr(ETHANE, name).clone()
    rows[:, list(features).index(feature)] = features[feature].index(value)
    return ETHANE.replace(**{name: rows})


@pytest.mark.parametrize(
    ("graph", "error", "message"),
    [
        (changed("x", "formal_charge", "misc"), ValueError, "x: formal_charge is 'misc'"),
        (changed("x", "chirality", "misc"), ValueError, "x: chirality is 'misc'"),
        (changed("edge_attr", "bond_type", "misc"), ValueError, "edge_attr: bond_type is 'misc'"),
        (changed("x", "num_h", 8), ValueError, "graph: not a molecule that rdkit accepts"),
        (ETHANE.replace(x=None), TypeError, r"x: expected int64 \[\.\.\., 9\], got NoneType"),
        (ETHANE.replace(x=ETHANE.x.float()), TypeError, r"x: expected int64"),
        (ETHANE.replace(x=ETHANE.x[:, :8]), ValueError, "x: expected the columns atomic_num"),
        (ETHANE.replace(x=ETHANE.x + 118), ValueError, "x: expected the columns"),
        (ETHANE.replace(x=ETHANE.x - 7), ValueError, "x: expected the columns"),
        (ETHANE.replace(edge_attr=None), TypeError, "edge_attr: expected int64"),
        (Graph.batch([ETHANE, ETHANE]), ValueError, "expected one molecule, got a batch of 2"),
        (ETHANE.edge_subgraph(torch.tensor([0])), ValueError, "every bond in both directions"),
    ],
)
def test_what_is_no_molecule(graph: Graph, error: type, message: str):
    with pytest.raises(error, match=message):
        to_smiles(graph)


# --- fingerprints and scaffolds ------------------------------------------------------------------


def test_fingerprint():
    bits = fingerprint("CC(=O)Oc1ccccc1C(=O)O")
    assert (bits.dtype, bits.shape) == (torch.uint8, (2048,))
    assert set(bits.tolist()) == {0, 1}
    assert bits.equal(fingerprint("O=C(O)c1ccccc1OC(C)=O"))
    assert not bits.equal(fingerprint("O=C(O)c1ccccc1OC"))


def test_a_larger_fingerprint_sees_further():
    wide, narrow = fingerprint("CCCCCCO", radius=0), fingerprint("CCCCCCO", radius=3)
    assert (wide <= narrow).all()
    assert wide.sum() == 3  # carbon at the end and inside, oxygen
    assert narrow.sum() > 6
    assert fingerprint("CCCCCCO", bits=64).shape == (64,)


def test_scaffold():
    assert scaffold("CCCCO") == ""
    assert scaffold("CC(=O)Oc1ccccc1C(=O)O") == "c1ccccc1"
    assert scaffold("Cc1ccc(CCC2CC2)cc1") == "c1ccc(CCC2CC2)cc1"
    assert scaffold("C[C@H]1CC[C@@H](c2ccccc2)O1") != scaffold("C[C@H]1CC[C@H](c2ccccc2)O1")


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [from_smiles, fingerprint, scaffold])
def test_what_is_no_smiles(read, capfd):
    for smiles in ("C(", "Fe", "c1cccc1", "F(F)F", "one two"):
        with pytest.raises(ValueError, match=r"smiles: .* rdkit can read, got") as caught:
            read(smiles)
        assert repr(smiles) in str(caught.value)
    with pytest.raises(ValueError, match="at least one atom, got ''"):
        read("")
    with pytest.raises(TypeError, match="smiles: expected a string, got float"):
        read(float("nan"))
    assert capfd.readouterr() == ("", "")


def test_rdkit_may_speak_elsewhere(capfd):
    with pytest.raises(ValueError, match="smiles"):
        from_smiles("C(")
    chem.MolFromSmiles("C(")
    assert "SMILES Parse Error" in capfd.readouterr().err


@pytest.mark.parametrize("read", [from_smiles, fingerprint, scaffold])
def test_without_rdkit(read, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "rdkit"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"needs rdkit.*pip install 'graphkit-torch\[mol\]'"):
        read("CCO")
