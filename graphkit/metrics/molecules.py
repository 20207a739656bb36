"""How good generated molecules are: whether they are molecules, different, new, and drug-like.

Needs rdkit, the extra `mol`.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphkit._extras import require
from graphkit.convert.molecules import fingerprint, read_molecule
from graphkit.metrics.images import frechet_distance

DESCRIPTORS = (
    "MolWt",
    "MolLogP",
    "TPSA",
    "NumHDonors",
    "NumHAcceptors",
    "NumRotatableBonds",
    "RingCount",
    "NumAromaticRings",
    "FractionCSP3",
    "NumHeteroatoms",
    "BertzCT",
    "LabuteASA",
)
"""Those of rdkit that :func:`descriptor_distance` compares."""


# ------------------------------------------------------------------ of a set


def canonical(smiles: str | None) -> str | None:
    """The canonical SMILES; None for what rdkit cannot read as a molecule of one atom or more."""
    if smiles is None:
        return None
    try:
        molecule = read_molecule(smiles)
    except ValueError:
        return None
    return require("rdkit.Chem", extra="mol", what="writing SMILES").MolToSmiles(molecule)


def validity(smiles: Sequence[str | None]) -> float:
    """Share of what was generated that is a molecule: rdkit reads it, and no valence is exceeded.

    Args:
        smiles: generated, None for what is no molecule.
    """
    return len(_valid(smiles)) / len(smiles)


def uniqueness(smiles: Sequence[str | None]) -> float:
    """Number of different molecules, divided by that of the valid ones (De Cao & Kipf 2018, section
    4); 0 if there are none. It falls with the size of the sample."""
    valid = _valid(smiles)
    return len(set(valid)) / max(len(valid), 1)


def novelty(smiles: Sequence[str | None], known: Collection[str]) -> float:
    """Share of the valid molecules, repeated ones included, that are not among the known ones (De
    Cao & Kipf 2018, section 4); 0 if there are none.

    Args:
        smiles: as for :func:`validity`.
        known: SMILES, canonical or not. A set is taken to hold canonical ones, which saves their
            reading.
    """
    valid = _valid(smiles)
    ready = isinstance(known, (set, frozenset))
    old = known if ready else {canonical(molecule) for molecule in known}
    return sum(molecule not in old for molecule in valid) / max(len(valid), 1)


def internal_diversity(smiles: Sequence[str], radius: int = 2, bits: int = 2048) -> float:
    r"""One minus the mean similarity of Tanimoto over all pairs of two molecules,

    .. math::
        1 - \frac{1}{n (n - 1)} \sum_{i \ne j} \frac{|f_i \cap f_j|}{|f_i \cup f_j|},

    of Morgan fingerprints (Benhenda 2017, who includes the pairs of a molecule with itself).

    Args:
        smiles: two molecules at least, all valid. A repeated one counts as often as it occurs.
        radius, bits: of :func:`~graphkit.convert.fingerprint`.
    """
    if len(smiles) < 2:
        raise ValueError(f"smiles: expected at least 2 molecules, got {len(smiles)}")
    bit = torch.stack([fingerprint(molecule, radius, bits) for molecule in smiles]).float()
    size = bit.sum(dim=1)
    total = torch.zeros((), dtype=torch.double)
    for part, own in zip(bit.split(512), size.split(512), strict=True):
        shared = part @ bit.T
        total += (shared / (own[:, None] + size - shared)).double().sum()
    n = len(smiles)
    return 1 - (total.item() - n) / (n * (n - 1))


def descriptor_distance(real: Sequence[str], made: Sequence[str]) -> float:
    """:func:`~graphkit.metrics.frechet_distance` of rdkit's `DESCRIPTORS`, each with mean 0 and
    deviation 1 over the real molecules. One that is the same in all of these is left out.

    Args:
        real, made: two valid molecules at least.
    """
    for name, molecules in (("real", real), ("made", made)):
        if len(molecules) < 2:
            raise ValueError(f"{name}: expected at least 2 molecules, got {len(molecules)}")
    x, y = descriptors(real), descriptors(made)
    spread = x.std(dim=0)
    varies = spread > 1e-9
    if not varies.any():
        raise ValueError("real: expected molecules that differ in a descriptor")
    scaled = [((z - x.mean(dim=0)) / spread)[:, varies] for z in (x, y)]
    return frechet_distance(*scaled)


def descriptors(smiles: Sequence[str]) -> Tensor:
    """``[n, len(DESCRIPTORS)]`` float64."""
    known = require("rdkit.Chem.Descriptors", extra="mol", what="descriptors of molecules")
    functions = [getattr(known, name) for name in DESCRIPTORS]
    rows = [[of(molecule) for of in functions] for molecule in map(read_molecule, smiles)]
    return torch.tensor(rows, dtype=torch.double).view(-1, len(DESCRIPTORS))


def molecule_quality(
    made: Sequence[str | None], known: Collection[str], real: Sequence[str]
) -> dict[str, float]:
    """All figures of a generated set beside a known one.

    Args:
        made: as for :func:`validity`.
        known: as for :func:`novelty`.
        real: molecules, known ones or others like them, that `descriptor_distance` is taken to.

    Returns:
        `validity`, `uniqueness`, `novelty`; and of the different valid molecules the mean `qed`,
        `internal_diversity` and `descriptor_distance`, the last two NaN if there are fewer than
        two.
    """
    different = sorted(set(_valid(made)))
    several = len(different) > 1
    nan = float("nan")
    return {
        "validity": validity(made),
        "uniqueness": uniqueness(made),
        "novelty": novelty(made, known),
        "qed": qed(different).mean().item(),
        "internal_diversity": internal_diversity(different) if several else nan,
        "descriptor_distance": descriptor_distance(real, different) if several else nan,
    }


def _valid(smiles: Sequence[str | None]) -> list[str]:
    if len(smiles) == 0:
        raise ValueError("smiles: expected at least one generated molecule, got none")
    return [molecule for molecule in map(canonical, smiles) if molecule is not None]


# ------------------------------------------------------------------ of a molecule


def qed(smiles: Sequence[str]) -> Tensor:
    """Quantitative estimate of drug-likeness, in [0, 1], ``[n]`` float64 (Bickerton et al. 2012,
    with the mean weights), by rdkit."""
    of = require("rdkit.Chem.QED", extra="mol", what="QED").qed
    return _each(of, smiles)


def log_p(smiles: Sequence[str]) -> Tensor:
    """Logarithm of the octanol-water partition coefficient, ``[n]`` float64 (Wildman & Crippen
    1999), by rdkit."""
    return _each(require("rdkit.Chem.Crippen", extra="mol", what="logP").MolLogP, smiles)


def synthetic_accessibility(smiles: Sequence[str]) -> Tensor:
    """From 1, easily made, to 10, ``[n]`` float64 (Ertl & Schuffenhauer 2009), by the script that
    rdkit brings along.

    Raises:
        ImportError: rdkit is not installed, or without its folder Contrib.
    """
    return _each(_sascorer().calculateScore, smiles)


def solubility(smiles: Sequence[str]) -> Tensor:
    """:func:`log_p` within [0, 1], ``[n]`` float64: 0 at -2.12 and less, 1 at 6.04 and more, as
    MolGAN's authors have it. Higher is more soluble in octanol."""
    return ((log_p(smiles) + 2.1218) / (6.0429 + 2.1218)).clamp(0, 1)


def synthesizability(smiles: Sequence[str]) -> Tensor:
    """:func:`synthetic_accessibility` within [0, 1], ``[n]`` float64: 1 at 1.5 and less, 0 at 5 and
    more, as MolGAN's authors have it.

    Raises:
        ImportError: As for :func:`synthetic_accessibility`.
    """
    return ((5 - synthetic_accessibility(smiles)) / 3.5).clamp(0, 1)


def penalized_log_p(smiles: Sequence[str]) -> Tensor:
    r"""``[n]`` float64,

    .. math::
        \log P(m) - \mathrm{SA}(m) - \max(0, |\text{largest ring}| - 6)

    (Gómez-Bombarelli et al. 2018, section "Optimization of molecules"; Jin et al. 2018, section
    3.2). The terms are as they are. Many papers first bring each to mean 0 and deviation 1 over
    ZINC's 250,000 molecules: their figures are others.

    Raises:
        ImportError: As for :func:`synthetic_accessibility`.
    """
    return log_p(smiles) - synthetic_accessibility(smiles) - _each(_long_ring, smiles)


def _long_ring(molecule: Any) -> float:
    longest = max(map(len, molecule.GetRingInfo().AtomRings()), default=0)
    return float(max(longest - 6, 0))


def _each(of: Any, smiles: Sequence[str]) -> Tensor:
    if isinstance(smiles, str):
        raise TypeError("smiles: expected a sequence of SMILES, got one string")
    return torch.tensor([of(read_molecule(one)) for one in smiles], dtype=torch.double)


@lru_cache(maxsize=1)
def _sascorer() -> Any:
    config = require("rdkit.RDConfig", extra="mol", what="synthetic accessibility")
    folder = Path(config.RDContribDir) / "SA_Score"
    if not (folder / "sascorer.py").is_file():
        raise ImportError(
            "synthetic accessibility needs rdkit's folder Contrib, which this installation lacks: "
            f"there is no {folder / 'sascorer.py'}",
            name="sascorer",
        )
    sys.path.insert(0, str(folder))
    try:
        return import_module("sascorer")
    finally:
        sys.path.remove(str(folder))
