"""Edits of molecules: which there are, that all are valid, and a search that finds a known way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from graphkit import plot
from graphkit.convert import from_smiles
from graphkit.generative.graph.edit import PredictedScore, design, neighbours
from graphkit.graph import Graph
from graphkit.metrics import qed
from graphkit.nn import GIN, AtomEncoder, GraphHead, Linear, Predictor

chem = pytest.importorskip("rdkit.Chem")

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
AMINO_ACID = "C[C@H](NC(=O)c1ccc(/C=C/F)cc1)C(=O)[O-]"


def carbons(smiles: Sequence[str]) -> Tensor:
    return torch.tensor([float(one.upper().count("C")) for one in smiles])


def test_neighbours_of_methanol_by_hand():
    assert neighbours("OC", ("C", "O")) == {
        "CCO": "add C",  # at the carbon, by each of three bonds
        "C=CO": "add C",
        "C#CO": "add C",
        "COC": "add C",
        "OCO": "add O",
        "O=CO": "add O",
        "COO": "add O",
        "O": "remove C",
        "C": "remove O",
        "OO": "C to O",
        "CC": "O to C",
        "C=O": "single to double",
    }


def test_rings_open_and_close():
    found = neighbours("CCCCCC", ("C",))
    assert found["C1CCCCC1"] == "ring of 6"
    assert found["CC1CCCC1"] == "ring of 5"
    assert not any("3" in edit for edit in found.values())
    back = neighbours("C1CCCCC1", ("C",))
    assert back["CCCCCC"] == "open a ring"
    assert back["C1=CCCCC1"] == "single to double"
    assert back["CCCCC"] == "remove C"  # one of the ring leaves a chain
    assert "C1CC2CCC1C2" not in back  # a bridge and an atom are two edits
    assert neighbours("C1=CC=CCC1", ("C",))["c1ccccc1"] == "single to double"


@pytest.mark.parametrize("smiles", [ASPIRIN, AMINO_ACID, "c1cc[nH]c1", "C[N+](C)(C)CC#N"])
def test_neighbours_are_valid_whole_and_different(smiles: str):
    found = neighbours(smiles)
    plain = chem.MolToSmiles(chem.MolFromSmiles(smiles), isomericSmiles=False)
    size = chem.MolFromSmiles(smiles).GetNumAtoms()
    assert len(found) > 20
    assert plain not in found
    for one, edit in found.items():
        molecule = chem.MolFromSmiles(one)
        assert chem.MolToSmiles(molecule) == one
        assert "." not in one
        more = edit.startswith("add ") - edit.startswith("remove ")
        assert molecule.GetNumAtoms() == size + more
    # What is charged stays.
    charge = chem.GetFormalCharge(chem.MolFromSmiles(smiles))
    assert {chem.GetFormalCharge(chem.MolFromSmiles(one)) for one in found} == {charge}


def test_the_way_leads_from_edit_to_edit():
    way = design(ASPIRIN, qed, budget=300, beam=3, seed=1)
    assert (way[0].smiles, way[0].edit) == (ASPIRIN, "start")
    assert len(way) > 1
    for before, after in pairwise(way):
        assert neighbours(before.smiles)[after.smiles] == after.edit
    scores = [step.score for step in way]
    assert scores == qed([step.smiles for step in way]).tolist()
    assert scores[-1] == max(scores)
    assert scores[-1] > scores[0] + 0.15


def test_each_molecule_is_scored_once_within_the_budget():
    asked: list[str] = []

    def score(smiles: Sequence[str]) -> Tensor:
        asked.extend(smiles)
        return carbons(smiles)

    way = design("CO", score, budget=70, beam=2, proposals=10)
    assert len(asked) == 70 == len(set(asked))
    assert way[-1].score == max(carbons(asked)).item()
    assert design("CO", carbons, budget=1)[0].score == 1


def test_the_search_finds_what_every_edit_improves():
    # Carbon alone can be added, so four rounds add four of them.
    way = design("C", carbons, budget=60, beam=2, elements=("C",))
    assert [step.score for step in way] == [1.0 + k for k in range(len(way))]
    assert len(way) >= 4


def test_one_seed_one_design():
    one, same, other = (design(ASPIRIN, qed, budget=80, proposals=10, seed=s) for s in (0, 0, 1))
    assert one == same
    assert one != other


def test_stereo_chemistry_is_dropped():
    assert design(AMINO_ACID, qed, budget=1)[0].smiles == "CC(NC(=O)c1ccc(C=CF)cc1)C(=O)[O-]"


def test_a_network_as_the_judge():
    torch.manual_seed(0)

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.atoms, self.layers = AtomEncoder(8), GIN(8, 8, 2)

        def forward(self, x: Tensor, graph: Graph) -> Tensor:
            return self.layers(self.atoms(x), graph)

    model = Predictor(Encoder(), GraphHead(Linear(8, 1)))
    score = PredictedScore(model, batch_size=2)
    smiles = ["CCO", ASPIRIN, "C"]
    graphs = [from_smiles(one) for one in smiles]
    expected = [model(graph.x, graph, Graph.batch([graph])).item() for graph in graphs]
    assert score(smiles).tolist() == pytest.approx(expected, rel=1e-4)
    way = design("CCO", score, budget=40)
    assert way[-1].score >= way[0].score


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_way_is_drawn(ending: str, tmp_path: Path):
    way = design("CCO", carbons, budget=60)
    file = tmp_path / f"way.{ending}"
    plot.molecules(file, [step.smiles for step in way], [step.edit for step in way], columns=3)
    drawn = file.read_bytes()
    if ending == "png":
        width, height = (int.from_bytes(drawn[k : k + 4], "big") for k in (16, 20))
        assert (width, height) == (3 * 240, -(-len(way) // 3) * 240)
    else:
        assert drawn.rstrip().endswith(b"</svg>")
    with pytest.raises(ValueError, match="captions: expected one for each of 1 molecules"):
        plot.molecules(file, ["C"], [])


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="smiles: expected a molecule in one part"):
        neighbours("CC.O")
    with pytest.raises(ValueError, match="beam: expected at least 1, got 0"):
        design("CC", carbons, beam=0)
    with pytest.raises(ValueError, match="score: expected a finite number for each of 1"):
        design("CC", lambda smiles: carbons(smiles) / 0)
    with pytest.raises(ValueError, match="expected a molecule that rdkit can read"):
        design("C(C", carbons)
