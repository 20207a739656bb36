"""Small molecules as dense tensors, and the networks that read and write them: what MolGAN and a
graph VAE share. SMILES are read and written by rdkit, the extra `mol`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit._extras import require
from graphkit.convert.molecules import read_molecule
from graphkit.graph import Graph
from graphkit.nn import MLP

Layer = Callable[[int, int], nn.Module]

BONDS = ("none", "single", "double", "triple")

_SURE = 20.0  # a logit that leaves other types nothing


class Chosen(NamedTuple):
    """Molecules sorted by whether they can be learnt from."""

    fitting: list[str]
    other: list[str]
    """Molecules that are too large, or have other elements, charges or parts."""
    refused: list[str]
    """What rdkit cannot read."""


class DenseMolecules:
    r"""Molecules as dense tensors: atoms :math:`X \in \{0, 1\}^{N \times T}` and bonds
    :math:`A \in \{0, 1\}^{N \times N \times Y}`, one-hot.

    The first type of an atom is "none", and Y is 4: no bond, single, double, triple. Aromatic rings
    are written with single and double bonds. Hydrogens are not written; charges, radicals and
    stereo chemistry are lost. Both tensors travel as one, ``[B, N, T + N Y]``, of which row i holds
    atom i and its bonds: what a game and its gradient penalty take.

    Args:
        size: N, the most atoms there can be.
        elements: symbols of the atoms, T - 1 of them.
    """

    def __init__(self, size: int = 9, elements: Sequence[str] = ("C", "N", "O", "F")) -> None:
        if size < 2:
            raise ValueError(f"size: expected at least 2 atoms, got {size}")
        if not elements or len(set(elements)) < len(elements):
            raise ValueError(f"elements: expected different symbols, got {list(elements)}")
        self.size, self.elements = size, tuple(elements)

    @property
    def types(self) -> int:
        """T"""
        return 1 + len(self.elements)

    @property
    def width(self) -> int:
        """T + N Y"""
        return self.types + self.size * len(BONDS)

    def pack(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        """Of ``[B, N, T]`` and ``[B, N, N, Y]``."""
        return torch.cat([atoms, bonds.flatten(2)], dim=2)

    def unpack(self, molecules: Tensor) -> tuple[Tensor, Tensor]:
        """Atoms and bonds of ``[B, N, T + N Y]``."""
        if molecules.dim() != 3 or molecules.shape[1:] != (self.size, self.width):
            raise ValueError(
                f"molecules: expected shape [B, {self.size}, {self.width}], "
                f"got {list(molecules.shape)}"
            )
        atoms, bonds = molecules.split([self.types, self.width - self.types], dim=2)
        return atoms, bonds.unflatten(2, (self.size, len(BONDS)))

    def fits(self, smiles: str) -> bool:
        """Whether a molecule comes back the same, but for its stereo chemistry: one part, N atoms
        at most, of these elements, without charges, radicals or isotopes."""
        return self._fits(read_molecule(smiles))

    def _fits(self, molecule: Any) -> bool:
        chem = require("rdkit.Chem", extra="mol", what="reading SMILES")
        return (
            molecule.GetNumAtoms() <= self.size
            and len(chem.GetMolFrags(molecule)) == 1
            and all(
                atom.GetSymbol() in self.elements
                and atom.GetFormalCharge()
                == atom.GetNumRadicalElectrons()
                == atom.GetIsotope()
                == 0
                for atom in molecule.GetAtoms()
            )
        )

    def chosen(self, smiles: Sequence[str]) -> Chosen:
        """Canonical SMILES of what fits, and what does not, or rdkit refuses."""
        chem = require("rdkit.Chem", extra="mol", what="reading SMILES")
        found = Chosen([], [], [])
        for one in smiles:
            try:
                molecule = read_molecule(one)
            except ValueError:
                found.refused.append(one)
                continue
            if self._fits(molecule):
                found.fitting.append(chem.MolToSmiles(molecule, isomericSmiles=False))
            else:
                found.other.append(one)
        return found

    def encode(self, smiles: Sequence[str]) -> Tensor:
        """``[B, N, T + N Y]`` float32, atoms in the order of the SMILES.

        Raises:
            ImportError: rdkit is not installed.
            ValueError: A molecule does not fit, see :meth:`fits`, or rdkit cannot read it.
        """
        chem = require("rdkit.Chem", extra="mol", what="reading SMILES")
        kinds = [getattr(chem.BondType, name.upper()) for name in BONDS[1:]]
        atoms = torch.zeros(len(smiles), self.size, dtype=torch.int64)
        bonds = torch.zeros(len(smiles), self.size, self.size, dtype=torch.int64)
        for k, one in enumerate(smiles):
            molecule = read_molecule(one)
            if not self._fits(molecule):
                raise ValueError(
                    f"smiles: expected at most {self.size} atoms of {', '.join(self.elements)} "
                    f"without charges in one part, got {one!r}"
                )
            chem.Kekulize(molecule, clearAromaticFlags=True)
            for atom in molecule.GetAtoms():
                atoms[k, atom.GetIdx()] = 1 + self.elements.index(atom.GetSymbol())
            for bond in molecule.GetBonds():
                i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
                bonds[k, i, j] = bonds[k, j, i] = 1 + kinds.index(bond.GetBondType())
        return self.pack(F.one_hot(atoms, self.types).float(), F.one_hot(bonds, len(BONDS)).float())

    def decode(
        self, molecules: Tensor, *, largest: bool = True, correct: bool = False
    ) -> list[str | None]:
        """Canonical SMILES of the most probable types; None for what is no molecule.

        Bonds of atoms that are "none" are left out, and of several parts the largest is taken. An
        atom with more bonds than its valence allows makes no molecule, by rdkit's rules, unless it
        is corrected.

        Args:
            molecules: one-hot, or probabilities, ``[B, N, T + N Y]``.
            largest: if not, several parts are no molecule.
            correct: put the bonds in one by one, the surest first, each only as strong as the
                valences that are left allow; then every molecule with an atom is valid.
        """
        atoms, bonds = self.unpack(molecules.detach())
        types, kinds = atoms.argmax(dim=-1).tolist(), bonds.argmax(dim=-1)
        if correct:
            kinds = torch.stack(
                [self._within_valence(*one) for one in zip(types, bonds, kinds, strict=True)]
            )
        with require("rdkit.rdBase", extra="mol", what="writing SMILES").BlockLogs():
            return [self._write(*one, largest) for one in zip(types, kinds.tolist(), strict=True)]

    def _within_valence(self, types: list[int], bonds: Tensor, kinds: Tensor) -> Tensor:
        table = require("rdkit.Chem", extra="mol", what="writing SMILES").GetPeriodicTable()
        free = [table.GetDefaultValence(self.elements[t - 1]) if t else 0 for t in types]
        kept = torch.zeros_like(kinds)
        i, j = torch.triu_indices(self.size, self.size, 1)
        surest = bonds[i, j].amax(dim=1).argsort(descending=True, stable=True).tolist()
        for a, b in zip(i[surest].tolist(), j[surest].tolist(), strict=True):
            order = min(int(kinds[a, b]), free[a], free[b])
            kept[a, b] = kept[b, a] = order
            free[a] -= order
            free[b] -= order
        return kept

    def _write(self, atoms: list[int], bonds: list[list[int]], largest: bool) -> str | None:
        chem = require("rdkit.Chem", extra="mol", what="writing SMILES")
        molecule, place = chem.RWMol(), {}
        for i, kind in enumerate(atoms):
            if kind:
                place[i] = molecule.AddAtom(chem.Atom(self.elements[kind - 1]))
        for i in place:
            for j in place:
                if j < i and bonds[i][j]:
                    kind = getattr(chem.BondType, BONDS[bonds[i][j]].upper())
                    molecule.AddBond(place[i], place[j], kind)
        if not place:
            return None
        parts = chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False)
        if len(parts) > 1 and not largest:
            return None
        part = max(parts, key=lambda one: one.GetNumAtoms())
        failed = chem.SanitizeMol(part, catchErrors=True)
        return None if failed else chem.MolToSmiles(part)


class RelationalLayer(nn.Module):
    r"""A relational graph convolution on dense tensors (De Cao & Kipf 2018, eq. 4).

    .. math::
        h'_i = \tanh\Big(f_s(h_i, x_i) + \sum_j \sum_y A_{ijy} f_y(h_j, x_j)\Big)

    with affine :math:`f`, over all types y of bonds but "none". The equation divides the sum by the
    number of neighbours; without that, as in the authors' program, a critic can see how many bonds
    an atom has.

    Shapes:
        features and annotations ``[B, N, in]``, bonds ``[B, N, N, Y]``; output ``[B, N, out]``.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.root = nn.Linear(in_channels, out_channels)
        self.relations = nn.Linear(in_channels, (len(BONDS) - 1) * out_channels)

    def forward(self, h: Tensor, bonds: Tensor) -> Tensor:
        sent = self.relations(h).unflatten(2, (len(BONDS) - 1, -1))
        received = bonds[..., 1:].flatten(2) @ sent.flatten(1, 2)
        return (self.root(h) + received).tanh()


class _OnBonds(nn.Module):
    """A message-passing layer on the bonds of dense molecules, called as :class:`RelationalLayer`.

    Its graph joins every two atoms of a molecule, bond or none, so that a generator learns what
    another bond would be worth. What the layer can be told of edges it is told: as `edge_weight`
    the share of there being a bond, as `edge_attr` the shares of all kinds but "none".
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.takes = tuple(
            name
            for name in ("edge_weight", "edge_attr")
            if name in inspect.signature(layer.forward).parameters
        )
        if not self.takes:
            raise ValueError(
                f"layer: expected one called with edge_weight or edge_attr, as else it cannot see "
                f"bonds, got {type(layer).__name__}"
            )
        self.graph = Graph(torch.empty(2, 0, dtype=torch.int64), 0)  # of the latest size of batch

    def forward(self, h: Tensor, bonds: Tensor) -> Tensor:
        count, n, _ = h.shape
        i, j = (1 - torch.eye(n, device=h.device)).nonzero().unbind(dim=1)
        if self.graph.num_nodes != count * n or self.graph.device != h.device:
            first = n * torch.arange(count, device=h.device).unsqueeze(1)
            edges = torch.stack([(first + j).flatten(), (first + i).flatten()])
            self.graph = Graph(edges, count * n)
        kinds = bonds[:, i, j, 1:].flatten(0, 1)
        told = {"edge_attr": kinds, "edge_weight": kinds.sum(dim=1)}
        told = {name: told[name] for name in self.takes}
        return self.layer(h.flatten(0, 1), self.graph, **told).unflatten(0, (count, n)).tanh()


def on_bonds(in_channels: int, out_channels: int, layer: Layer | None) -> nn.Module:
    """A layer of dense molecules: a :class:`RelationalLayer`, or what `layer` makes."""
    if layer is None:
        return RelationalLayer(in_channels, out_channels)
    return _OnBonds(layer(in_channels, out_channels))


class MoleculeReader(nn.Module):
    r"""One number of a molecule (De Cao & Kipf 2018, section 3.2): what a critic says, or the logit
    of a reward.

    Two layers, and all atoms summed up through a gate (eq. 6, after Li et al. 2016, eq. 7)

    .. math::
        h_G = \tanh \sum_v \sigma(i(h_v, x_v)) \odot \tanh(j(h_v, x_v)),

    with affine i and j, and a perceptron on that.

    Args:
        molecules: their size and types.
        channels: of the two layers.
        code: size of :math:`h_G`.
        layer: makes a layer of its two sizes: a :class:`RelationalLayer` if not given, or any
            message-passing layer that takes `edge_weight` (the share of there being a bond) or
            `edge_attr` (the shares of single, double and triple ones), such as
            ``lambda i, o: GINEConv(MLP([i, o]), edge_dim=3)``. It runs on all pairs of atoms, and
            is followed by tanh.

    Shapes:
        molecules ``[B, N, T + N Y]``; output ``[B, 1]``.
    """

    def __init__(
        self,
        molecules: DenseMolecules,
        channels: tuple[int, int] = (64, 32),
        code: int = 128,
        layer: Layer | None = None,
    ) -> None:
        super().__init__()
        self.molecules = molecules
        types = molecules.types

        self.first = on_bonds(types, channels[0], layer)
        self.second = on_bonds(channels[0] + types, channels[1], layer)
        self.gate = nn.Linear(channels[1] + types, code)
        self.value = nn.Linear(channels[1] + types, code)
        self.head = MLP([code, code, 1], act="tanh", norm=None)

    def forward(self, molecules: Tensor) -> Tensor:
        x, bonds = self.molecules.unpack(molecules)
        h = self.first(x, bonds)
        h = torch.cat([self.second(torch.cat([h, x], dim=2), bonds), x], dim=2)
        return self.head((self.gate(h).sigmoid() * self.value(h).tanh()).sum(dim=1).tanh())


class MoleculeDecoder(nn.Module):
    """Logits of every atom's type and of every pair's bond, by a perceptron (De Cao & Kipf 2018,
    section 3.1).

    Args:
        molecules: their size and types.
        noise: size of the code.
        hidden: sizes of the perceptron.

    Shapes:
        code ``[B, noise]``; output: logits ``[B, N, T + N Y]``, symmetric, and for an atom with
        itself sure of no bond.
    """

    pair: Tensor

    def __init__(
        self,
        molecules: DenseMolecules,
        noise: int = 32,
        hidden: Sequence[int] = (128, 256, 512),
    ) -> None:
        super().__init__()
        self.molecules, self.noise = molecules, noise
        n = molecules.size
        self.body = MLP([noise, *hidden], act="tanh", norm=None, plain_last=False)
        self.atoms = nn.Linear(hidden[-1], n * molecules.types)
        self.bonds = nn.Linear(hidden[-1], n * (n - 1) // 2 * len(BONDS))
        # Which pair an entry of the table is of; the last stands for an atom with itself.
        pair = torch.full((n, n), n * (n - 1) // 2)
        i, j = torch.triu_indices(n, n, 1)
        pair[i, j] = pair[j, i] = torch.arange(len(i))
        self.register_buffer("pair", pair, persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        return self._packed(*self._logits(code), itself=_SURE)

    def _logits(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Of atoms ``[B, N, T]`` and of pairs ``[B, N (N - 1) / 2, Y]``."""
        h = self.body(code)
        atoms = self.atoms(h).unflatten(1, (-1, self.molecules.types))
        return atoms, self.bonds(h).unflatten(1, (-1, len(BONDS)))

    def _packed(self, atoms: Tensor, pairs: Tensor, itself: float) -> Tensor:
        none = F.one_hot(self.pair.new_zeros(len(pairs), 1), len(BONDS)).to(pairs.dtype)
        bonds = torch.cat([pairs, itself * none], dim=1)[:, self.pair]
        return self.molecules.pack(atoms, bonds)
