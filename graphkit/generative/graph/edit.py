"""Molecules designed by editing: one atom or bond at a time, every molecule on the way a valid one.

:func:`neighbours` gives what a molecule can become by one edit, :func:`design` searches there for a
better one, by any score of SMILES: rdkit's properties (:mod:`graphkit.metrics`) or what a graph
network predicts (:class:`PredictedScore`). rdkit is the extra `mol`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphkit._extras import require
from graphkit.convert.molecules import from_smiles, read_molecule
from graphkit.graph import Graph

Score = Callable[[Sequence[str]], Tensor]
"""From n SMILES to ``[n]`` numbers, higher is better."""

ELEMENTS = ("C", "N", "O", "F", "S", "Cl", "Br")
RINGS = (5, 6)

_ORDERS = ("none", "single", "double", "triple")


class Step(NamedTuple):
    """A molecule on the way of a design."""

    smiles: str
    edit: str
    """What was done to the one before it: "add N", "C to O", "single to double", "ring of 6"."""
    score: float


# ------------------------------------------------------------------ one edit


def neighbours(smiles: str, elements: Sequence[str] = ELEMENTS) -> dict[str, str]:
    """All molecules that are one edit away.

    An edit adds an atom by a bond of any order; takes away an atom, or puts another element in its
    place; raises or lowers the order of a bond by one; takes away a bond of a ring; or joins two
    atoms to a ring of five or six. Hydrogens fill up valences. Aromatic rings are edited in one of
    their forms with single and double bonds. Atoms with a charge or a radical are kept. What falls
    apart, or has a valence that rdkit does not accept, is not among the neighbours. Stereo
    chemistry is dropped.

    Args:
        smiles: a molecule in one part.
        elements: symbols of atoms that are put in.

    Returns:
        Canonical SMILES, and the edit that leads to each.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: rdkit cannot read the SMILES, or it has several parts.
    """
    chem = require("rdkit.Chem", extra="mol", what="editing molecules")
    molecule = chem.RWMol(read_molecule(smiles))
    if len(chem.GetMolFrags(molecule)) > 1:
        raise ValueError(f"smiles: expected a molecule in one part, got {smiles!r}")
    chem.RemoveStereochemistry(molecule)
    itself = chem.MolToSmiles(molecule)
    chem.Kekulize(molecule, clearAromaticFlags=True)
    for atom in molecule.GetAtoms():
        if _free(atom):  # so that hydrogens follow its bonds
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    found: dict[str, str] = {}
    with require("rdkit.rdBase", extra="mol", what="editing molecules").BlockLogs():
        for edited, edit in _edits(chem, molecule, elements):
            if edited.GetNumAtoms() and not chem.SanitizeMol(edited, catchErrors=True):
                found.setdefault(chem.MolToSmiles(edited), edit)
    found.pop(itself, None)
    return {one: edit for one, edit in found.items() if "." not in one}


def _free(atom: Any) -> bool:
    return atom.GetFormalCharge() == atom.GetNumRadicalElectrons() == 0


def _edits(chem: Any, molecule: Any, elements: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """Edited copies, valid or not, and what was done."""
    kinds = [getattr(chem.BondType, order.upper()) for order in _ORDERS[1:]]

    def copy() -> Any:
        return chem.RWMol(molecule)

    for atom in molecule.GetAtoms():
        i, symbol = atom.GetIdx(), atom.GetSymbol()
        if not _free(atom):
            continue
        for element in elements:
            for kind in kinds[: atom.GetTotalNumHs()]:
                edited = copy()
                edited.AddBond(i, edited.AddAtom(chem.Atom(element)), kind)
                yield edited, f"add {element}"
            if element != symbol:
                edited = copy()
                edited.ReplaceAtom(i, chem.Atom(element))
                yield edited, f"{symbol} to {element}"
        edited = copy()
        edited.RemoveAtom(i)
        yield edited, f"remove {symbol}"
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if bond.GetBondType() not in kinds:
            continue
        order = 1 + kinds.index(bond.GetBondType())
        for other in (order - 1, order + 1):
            if other == 0 and bond.IsInRing():
                edited = copy()
                edited.RemoveBond(i, j)
                yield edited, "open a ring"
            elif 0 < other <= len(kinds):
                edited = copy()
                edited.GetBondBetweenAtoms(i, j).SetBondType(kinds[other - 1])
                yield edited, f"{_ORDERS[order]} to {_ORDERS[other]}"
    away = chem.GetDistanceMatrix(molecule)
    open_ = [
        atom.GetIdx() for atom in molecule.GetAtoms() if _free(atom) and atom.GetTotalNumHs() > 0
    ]
    for i in open_:
        for j in open_:
            size = int(away[i, j]) + 1
            if j < i and size in RINGS:
                edited = copy()
                edited.AddBond(i, j, kinds[0])
                yield edited, f"ring of {size}"


# ------------------------------------------------------------------ search


def design(
    start: str,
    score: Score,
    *,
    budget: int = 1000,
    beam: int = 5,
    proposals: int = 50,
    seed: int = 0,
    elements: Sequence[str] = ELEMENTS,
) -> list[Step]:
    """Edit a molecule until the budget is spent, and return the way to the best one: beam search.

    In every round each molecule of the beam proposes neighbours that no one has looked at yet,
    drawn at random; all are scored, and the best of them and of the beam are the next beam. So a
    molecule stays as long as it is among the best, and proposes others each time.

    Args:
        start: a molecule in one part; it loses its stereo chemistry.
        score: called with several molecules at a time, each once.
        budget: how many molecules are scored, the start included.
        beam: how many are edited on.
        proposals: of each of them in a round.
        seed: one seed, one design.
        elements: as for :func:`neighbours`.

    Returns:
        From the start, whose edit is "start", to the best molecule that was found; the start alone
        if there is none better.

    Raises:
        ValueError: A score is not finite, or an argument is out of range.
    """
    for name, value in (("budget", budget), ("beam", beam), ("proposals", proposals)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    draw = random.Random(seed)
    chem = require("rdkit.Chem", extra="mol", what="editing molecules")
    first = chem.MolToSmiles(read_molecule(start), isomericSmiles=False)
    before: dict[str, tuple[str, str]] = {first: ("", "start")}
    worth = dict(zip([first], _scored(score, [first]), strict=True))
    best = [first]
    around: dict[str, list[tuple[str, str]]] = {}  # of the beam, in a random order
    while len(worth) < budget:
        proposed: list[str] = []
        for molecule in best:
            if molecule not in around:
                around[molecule] = sorted(neighbours(molecule, elements).items())
                draw.shuffle(around[molecule])
            left = [pair for pair in around[molecule] if pair[0] not in before]
            around[molecule] = left[proposals:]
            for other, edit in left[: min(proposals, budget - len(before))]:
                before[other] = molecule, edit
                proposed.append(other)
        if not proposed:
            break
        worth |= zip(proposed, _scored(score, proposed), strict=True)
        best = sorted([*best, *proposed], key=lambda one: -worth[one])[:beam]
        around = {molecule: around[molecule] for molecule in best if molecule in around}
    way = [best[0]]
    while way[0] != first:
        way.insert(0, before[way[0]][0])
    return [Step(molecule, before[molecule][1], worth[molecule]) for molecule in way]


def _scored(score: Score, smiles: list[str]) -> list[float]:
    values = score(smiles)
    if values.shape != (len(smiles),) or not values.isfinite().all():
        raise ValueError(
            f"score: expected a finite number for each of {len(smiles)} molecules, "
            f"got {values.tolist()}"
        )
    return values.tolist()


class PredictedScore:
    """What a graph network predicts, as a score.

    Args:
        model: of graphs as :func:`~graphkit.convert.from_smiles` makes them, called as
            ``model(batch.x, batch, batch)`` such as a :class:`~graphkit.nn.Predictor` with a
            :class:`~graphkit.nn.GraphHead`; ``[B, 1]``.
        batch_size: molecules at a time.
    """

    def __init__(self, model: nn.Module, batch_size: int = 256) -> None:
        self.model, self.batch_size = model.eval(), batch_size

    @torch.no_grad()
    def __call__(self, smiles: Sequence[str]) -> Tensor:
        graphs = [from_smiles(one) for one in smiles]
        parts = [
            Graph.batch(graphs[i : i + self.batch_size])
            for i in range(0, len(graphs), self.batch_size)
        ]
        return torch.cat([self.model(part.x, part, part).view(-1) for part in parts])
