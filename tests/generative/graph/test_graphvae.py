"""A variational autoencoder of molecules, and molecules that are kept within valences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from graphkit.generative import fit_autoencoder, sample
from graphkit.generative.graph import DenseMolecules, MolGAN, graph_vae
from graphkit.nn import MLP, GINEConv

chem = pytest.importorskip("rdkit.Chem")

MOLECULES = DenseMolecules()
SMILES = ["CCO", "c1ccncc1", "C#N", "O=C1CC1F", "COC(=O)C(C)(C)C", "C1=CNC=C1", "N", "CCCCCCCCC"]


def gine(i: int, o: int) -> nn.Module:
    return GINEConv(MLP([i, o]), edge_dim=3)


def test_error_is_the_cross_entropy_of_atoms_and_of_each_pair_once():
    torch.manual_seed(0)
    model = graph_vae(code=4).eval()
    target = MOLECULES.encode(SMILES)
    code = torch.randn(len(SMILES), 4)
    logits = model.decoder(code)
    atoms, bonds = (part.double() for part in MOLECULES.unpack(logits))
    x, a = (part.argmax(dim=-1) for part in MOLECULES.unpack(target))
    for k in range(len(SMILES)):
        expected = 0.0
        for i in range(9):
            expected -= atoms[k, i].log_softmax(0)[x[k, i]].item()
            for j in range(i):
                expected -= bonds[k, i, j].log_softmax(0)[a[k, i, j]].item()
        found = model.reconstruction.error(logits, target)[k].item()
        assert found == pytest.approx(expected, rel=1e-5)
    made = model.decode(code)
    for part in MOLECULES.unpack(made):
        assert torch.allclose(part.sum(dim=-1), torch.ones(()))
    assert torch.equal(made, model.decode(code))


@pytest.mark.parametrize("layer", [None, gine], ids=["relational", "GINE"])
def test_a_handful_is_learnt_by_heart(layer: Callable[[int, int], nn.Module] | None):
    torch.manual_seed(0)
    model = graph_vae(code=8, beta=0.01, layer=layer)
    x = MOLECULES.encode(SMILES)
    fit_autoencoder(model, x.repeat(8, 1, 1), epochs=40, batch_size=16)
    canonical = [chem.MolToSmiles(chem.MolFromSmiles(one)) for one in SMILES]
    assert MOLECULES.decode(model.eval()(x)) == canonical
    made = sample(model, 64)
    assert made.shape == (64, MOLECULES.size, MOLECULES.width)
    assert all(MOLECULES.decode(made, correct=True))


def test_its_decoder_starts_a_generator():
    torch.manual_seed(0)
    model = graph_vae(code=8, hidden=(16,))
    game = MolGAN(MOLECULES, noise=8, hidden=(16,))
    game.generator.load_state_dict(model.decoder.state_dict())
    noise = torch.randn(20, 8)
    made, drawn = model.decode(noise), game.generator.eval()(noise)
    for part, one_hot in zip(MOLECULES.unpack(made), MOLECULES.unpack(drawn), strict=True):
        assert torch.equal(part.argmax(dim=-1), one_hot.argmax(dim=-1))


def test_what_is_corrected_is_valid_and_what_is_valid_stays():
    torch.manual_seed(0)
    packed = MOLECULES.encode(SMILES)
    assert MOLECULES.decode(packed, correct=True) == MOLECULES.decode(packed)
    atoms = torch.randn(200, 9, 5).softmax(dim=-1)
    bonds = torch.randn(200, 9, 9, 4)
    random = MOLECULES.pack(atoms, (bonds + bonds.transpose(1, 2)).softmax(dim=-1))
    raw, corrected = MOLECULES.decode(random), MOLECULES.decode(random, correct=True)
    assert sum(one is not None for one in raw) < 20
    assert all(chem.MolFromSmiles(one) is not None for one in corrected)
    assert all(a in (None, b) for a, b in zip(raw, corrected, strict=True))


def test_the_surest_bond_comes_first():
    code = DenseMolecules(3)
    atoms = torch.zeros(1, 3, 5)
    atoms[0, [0, 1, 2], [1, 3, 1]] = 1  # C, O, C
    bonds = torch.zeros(1, 3, 3, 4)
    bonds[..., 0] = 0.1
    for i, j, kind, sure in ((0, 1, 2, 0.6), (1, 2, 2, 0.7)):  # C=O=C
        bonds[0, i, j, kind] = bonds[0, j, i, kind] = sure
    packed = code.pack(atoms, bonds)
    assert code.decode(packed) == [None]
    assert code.decode(packed, correct=True) == ["C=O"]
    bonds[0, 0, 1, 2] = bonds[0, 1, 0, 2] = 0.0
    bonds[0, 0, 1, 1] = bonds[0, 1, 0, 1] = 0.8  # C-O=C: the double one is what is left
    assert code.decode(code.pack(atoms, bonds), correct=True) == ["COC"]
