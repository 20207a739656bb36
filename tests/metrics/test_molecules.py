"""Generated molecules, against counts by hand and rdkit's own functions."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from graphkit.metrics import (
    descriptor_distance,
    frechet_distance,
    internal_diversity,
    log_p,
    molecule_quality,
    novelty,
    penalized_log_p,
    qed,
    solubility,
    synthesizability,
    synthetic_accessibility,
    uniqueness,
    validity,
)
from graphkit.metrics.molecules import DESCRIPTORS, descriptors

chem = pytest.importorskip("rdkit.Chem")

# Ethanol twice, benzene, a carbon with five bonds, no SMILES, nothing, no molecule at all.
MADE = ["CCO", "OCC", "c1ccccc1", "C(C)(C)(C)(C)C", "C(C", "", None, "CO"]


def test_shares_counted_by_hand():
    assert validity(MADE) == 4 / 8
    assert uniqueness(MADE) == 3 / 4
    assert novelty(MADE, ["C(O)C", "CCC"]) == 2 / 4
    assert novelty(MADE, {"CCO"}) == 2 / 4  # canonical already
    assert novelty(MADE, {"C(O)C"}) == 4 / 4  # and a set is taken to be so
    nothing = [None, "C(C"]
    assert (validity(nothing), uniqueness(nothing), novelty(nothing, [])) == (0, 0, 0)


def test_diversity_counted_by_hand():
    # A radius of 0 leaves one bit for each kind of atom: methanol {CH3, OH}, ethanol {CH3, CH2,
    # OH}, ethane {CH3}. Pairs share 2 of 3, 1 of 2 and 1 of 3.
    similar = [2 / 3, 1 / 2, 1 / 3]
    found = internal_diversity(["CO", "CCO", "CC"], radius=0)
    assert found == pytest.approx(1 - sum(similar) / 3, abs=1e-7)
    assert internal_diversity(["CO", "OC"]) == pytest.approx(0, abs=1e-7)


def test_diversity_agrees_with_rdkit():
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
    from rdkit.DataStructs import TanimotoSimilarity

    smiles = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C1CCNCC1", "CCN"]
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(chem.MolFromSmiles(one)) for one in smiles]
    pairs = [(a, b) for i, a in enumerate(prints) for b in prints[i + 1 :]]
    expected = 1 - sum(TanimotoSimilarity(a, b) for a, b in pairs) / len(pairs)
    assert internal_diversity(smiles) == pytest.approx(expected, abs=1e-6)


def test_descriptor_distance():
    real = ["CCO", "CCCO", "c1ccccc1", "CCN", "CC(=O)O"]
    made = ["CCCC", "CO", "OCCO", "C1CC1"]
    x, y = descriptors(real), descriptors(made)
    assert x.shape == (5, len(DESCRIPTORS))
    scaled = [(z - x.mean(0)) / x.std(0) for z in (x, y)]
    assert descriptor_distance(real, made) == pytest.approx(frechet_distance(*scaled))
    assert descriptor_distance(real, real) == pytest.approx(0, abs=1e-6)
    assert descriptor_distance(real, made) > 1


def test_a_descriptor_without_deviation_is_left_out():
    # Alkanes have no oxygen: how many there are of it among the others tells nothing of scale.
    alkanes = ["CC", "CCC", "CCCC"]
    assert math.isfinite(descriptor_distance(alkanes, ["CCO", "CO"]))
    with pytest.raises(ValueError, match="real: expected molecules that differ"):
        descriptor_distance(["CC", "CC"], alkanes)


def test_scores_are_rdkits():
    from rdkit.Chem import QED, Crippen

    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "CCO"]
    molecules = [chem.MolFromSmiles(one) for one in smiles]
    assert qed(smiles).tolist() == [QED.qed(one) for one in molecules]
    assert log_p(smiles).tolist() == [Crippen.MolLogP(one) for one in molecules]
    assert qed([]).shape == (0,)


def test_rewards_lie_between_their_ends():
    molecules = ["O=C(O)c1ccccc1O", "CCCCCCCCCCCCCCCC", "OCC(O)C(O)C(O)C(O)CO", "C1CC2CC1CC2N"]
    soluble, easy = solubility(molecules), synthesizability(molecules)
    expected = [(x + 2.1218) / 8.1647 for x in log_p(molecules).tolist()]
    assert soluble.tolist() == pytest.approx([min(max(x, 0), 1) for x in expected])
    assert soluble.max() == 1
    assert soluble.min() == 0
    expected = [(5 - x) / 3.5 for x in synthetic_accessibility(molecules).tolist()]
    assert easy.tolist() == pytest.approx([min(max(x, 0), 1) for x in expected])


def test_penalized_log_p_counts_long_rings():
    # Six atoms cost nothing, eight cost two; of several rings the longest counts.
    for smiles, cost in (("C1CCCCC1", 0), ("C1CCCCCCC1", 2), ("C1CCCCCCC1C2CCCCCC2", 2), ("CC", 0)):
        plain = log_p([smiles]) - synthetic_accessibility([smiles])
        assert (plain - penalized_log_p([smiles])).item() == pytest.approx(cost)


def test_what_is_easily_made():
    # Aspirin's score is published with the method as easy, 1 to 3; a strange cage is harder.
    aspirin, cage = synthetic_accessibility(
        ["CC(=O)Oc1ccccc1C(=O)O", "C12C3C4C1C5C2C3C45"]
    ).tolist()
    assert 1 < aspirin < 2 < cage < 10


def test_all_figures():
    real = ["CCO", "c1ccccc1", "CCN"]
    found = molecule_quality(MADE, real, real)
    different = ["CCO", "CO", "c1ccccc1"]
    assert found == pytest.approx(
        {
            "validity": 0.5,
            "uniqueness": 0.75,
            "novelty": 0.25,
            "qed": qed(different).mean().item(),
            "internal_diversity": internal_diversity(different),
            "descriptor_distance": descriptor_distance(real, different),
        }
    )
    alone = molecule_quality(["CCO", None], real, real)
    assert alone["qed"] == qed(["CCO"]).item()
    assert math.isnan(alone["internal_diversity"])
    assert math.isnan(alone["descriptor_distance"])
    assert math.isnan(molecule_quality([None], real, real)["qed"])


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="smiles: expected at least one generated molecule"):
        validity([])
    with pytest.raises(ValueError, match="smiles: expected at least 2 molecules, got 1"):
        internal_diversity(["CC"])
    with pytest.raises(ValueError, match="made: expected at least 2 molecules, got 1"):
        descriptor_distance(["CC", "CCO"], ["CC"])
    with pytest.raises(ValueError, match="expected a molecule that rdkit can read"):
        qed(["C(C"])
    with pytest.raises(TypeError, match="expected a sequence of SMILES, got one string"):
        qed("CCO")


def test_an_import_does_not_load_rdkit():
    program = "import sys, graphkit.metrics; print('rdkit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_scores_are_double():
    assert penalized_log_p(["CCO", "C"]).dtype == torch.double
