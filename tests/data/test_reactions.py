"""Reactions: centres by hand, products by rdkit, and parts that share no molecule."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graphkit.data import check_split
from graphkit.data.reactions import REACTIONS, react, reaction_centres

chem = pytest.importorskip("rdkit.Chem")


def pool() -> list[str]:
    """Chains with a group for each reaction at one end."""
    groups = ["C(=O)O", "O", "N", "Br", "C(=O)OCC", "C(=O)C", "C=C"]
    chains = ["C" * k for k in range(2, 12)] + ["CC(C)" + "C" * k for k in range(1, 8)]
    return [chain + group for chain in chains for group in groups]


def plain(smiles: str) -> str:
    """Without maps."""
    molecule = chem.MolFromSmiles(smiles)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    return chem.MolToSmiles(molecule)


@pytest.mark.parametrize(
    ("name", "reactants", "change", "formed", "products"),
    [
        # Acetic acid loses its OH; the amine's nitrogen, node 4, comes in its place.
        ("amide coupling", ["CC(=O)O", "NC"], {(1, 3): 1}, [(1, 4)], "CNC(C)=O"),
        ("esterification", ["CC(=O)O", "CCO"], {(1, 3): 1}, [(1, 6)], "CCOC(C)=O"),
        ("esterification", ["CC(=O)[O-]", "CCO"], {(1, 3): 1}, [(1, 6)], "CCOC(C)=O"),
        ("substitution", ["CCBr", "NC"], {(1, 2): 1}, [(1, 3)], "CCNC"),
        ("hydrolysis", ["CC(=O)OCC"], {(1, 3): 1}, [], "CC(=O)O.CCO"),
        ("reduction", ["CC(=O)C"], {(1, 2): 2}, [], "CC(C)O"),
        ("oxidation", ["CCO"], {(1, 2): 2}, [], "CC=O"),
        ("hydrogenation", ["CC=CO"], {(1, 2): 2}, [], "CCCO"),
    ],
)
def test_centres_by_hand(
    name: str,
    reactants: list[str],
    change: dict[tuple[int, int], int],
    formed: list[tuple[int, int]],
    products: str,
):
    reaction = react(name, *reactants)
    assert reaction is not None
    assert {bond: kind for bond, kind in reaction.change.items() if kind} == change
    assert reaction.formed == formed
    before, after = reaction.smiles.split(">>")
    assert plain(before) == plain(".".join(reactants))
    assert plain(after) == plain(products)


def test_every_reaction_is_tested_by_hand():
    (mark,) = test_centres_by_hand.pytestmark  # pyright: ignore
    assert {case[0] for case in mark.args[1]} == set(REACTIONS)


def test_the_least_crowded_site_reacts():
    # The primary alcohol at node 6 has fewer atoms within three bonds than the tertiary one's side.
    reaction = react("oxidation", "CC(O)(C)C(O)CCCO")
    assert reaction is not None
    assert {bond for bond, kind in reaction.change.items() if kind} == {(8, 9)}
    assert react("oxidation", "OCCO") is None  # both alike
    assert react("oxidation", "CC(C)(C)O") is None  # no site
    assert react("substitution", "CCCl", "CC(=O)NC") is None  # an amide is no amine


def test_graphs_say_what_reactions_do():
    dataset = reaction_centres(pool(), 20, seed=3)
    assert {r.name for r in dataset.further["reactions"]} == set(REACTIONS)
    for graph, reaction in zip(dataset.graphs, dataset.further["reactions"], strict=True):
        assert graph.num_edges == 2 * len(reaction.change)
        for (i, j), y in zip(graph.edge_index.T.tolist(), graph.y.tolist(), strict=True):
            assert y == reaction.change[min(i, j), max(i, j)]
        assert (
            graph.x[:, -len(REACTIONS) :]
            .argmax(dim=1)
            .eq(list(REACTIONS).index(reaction.name))
            .all()
        )
        assert graph.x[:, :9].sum(dim=1).eq(1).all()  # one element each
        assert (graph.y > 0).any()


def test_parts_share_no_molecule_and_a_seed_is_a_set():
    dataset = reaction_centres(pool(), 20, seed=3)
    split = dataset.split()
    check_split(split, len(dataset.graphs))
    reactions = dataset.further["reactions"]
    molecules = [
        {plain(one) for k in part.tolist() for one in reactions[k].smiles.split(">>")[0].split(".")}
        for part in split
    ]
    assert not molecules[0] & (molecules[1] | molecules[2])
    assert not molecules[1] & molecules[2]
    assert reaction_centres(pool(), 20, seed=3).further["reactions"] == reactions
    assert reaction_centres(pool(), 20, seed=4).further["reactions"] != reactions


def test_real_molecules(data_root: Path):
    smiles = (data_root / "zinc_smiles" / "test.txt").read_text().split()[:400]
    dataset = reaction_centres(smiles, 20)
    assert len(dataset.graphs) > 60
    assert torch.cat([graph.y for graph in dataset.graphs]).bincount().min() > 0
    for reaction in dataset.further["reactions"]:
        for side in reaction.smiles.split(">>"):
            assert chem.MolFromSmiles(side) is not None


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="name: expected one of esterification, amide coupling"):
        react("distillation", "C")
    with pytest.raises(ValueError, match=r"smiles: expected 2 reactant\(s\) for substitution"):
        react("substitution", "CBr")
    with pytest.raises(ValueError, match="smiles: expected molecules that react in every part"):
        reaction_centres(["CC", "CCC"])
