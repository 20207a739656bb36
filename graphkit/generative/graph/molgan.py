"""MolGAN: small molecules generated at one stroke, as rows of atoms and a table of bonds.

A generator makes them of noise, a critic tells them from a data set's, and a reward network, which
learns what molecules are worth, lets the generator strive for that (De Cao & Kipf 2018). Molecules
are read and written by rdkit, the extra `mol`.
"""

from __future__ import annotations

import inspect
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit._extras import require
from graphkit.convert.molecules import read_molecule
from graphkit.generative.adversarial import Batch, Game
from graphkit.graph import Graph
from graphkit.nn import MLP

Layer = Callable[[int, int], nn.Module]

Reward = Callable[[Sequence[str | None]], Tensor]
"""From generated SMILES, None for what is no molecule, to ``[B]`` numbers in [0, 1]."""

BONDS = ("none", "single", "double", "triple")


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

    def decode(self, molecules: Tensor, *, largest: bool = True) -> list[str | None]:
        """Canonical SMILES of the most probable types; None for what is no molecule.

        What is corrected: bonds of atoms that are "none" are left out, and of several parts the
        largest is taken. Nothing else is: an atom with more bonds than its valence allows makes no
        molecule, by rdkit's rules.

        Args:
            molecules: ``[B, N, T + N Y]``.
            largest: if not, several parts are no molecule.
        """
        atoms, bonds = (part.argmax(dim=-1).tolist() for part in self.unpack(molecules.detach()))
        with require("rdkit.rdBase", extra="mol", what="writing SMILES").BlockLogs():
            return [self._write(*one, largest) for one in zip(atoms, bonds, strict=True)]

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


class MoleculeGenerator(nn.Module):
    r"""Molecules of noise, by a perceptron (De Cao & Kipf 2018, section 3.1).

    It gives logits of every atom and of every pair of atoms, from which types are drawn with Gumbel
    noise g (Jang et al. 2017):

    .. math::
        \mathrm{softmax}((\text{logits} + g) / \tau).

    In training mode that is the sample (``relaxation="soft"``), or the gradient of the one-hot row
    of its greatest entry ("straight-through"). In evaluation mode samples are one-hot.

    Args:
        molecules: their size and types.
        noise: size of the standard normal noise.
        hidden: sizes of the perceptron.
        relaxation: "straight-through" or "soft".
        temperature: :math:`\tau`.

    Shapes:
        noise ``[B, noise]``; output: molecules ``[B, N, T + N Y]``.
    """

    pair: Tensor

    def __init__(
        self,
        molecules: DenseMolecules,
        noise: int = 32,
        hidden: Sequence[int] = (128, 256, 512),
        *,
        relaxation: str = "straight-through",
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if relaxation not in ("straight-through", "soft"):
            raise ValueError(f"relaxation: expected straight-through or soft, got {relaxation!r}")
        if not temperature > 0:
            raise ValueError(f"temperature: expected a positive number, got {temperature}")
        self.molecules, self.noise = molecules, noise
        self.relaxation, self.temperature = relaxation, temperature
        n = molecules.size
        self.body = MLP([noise, *hidden], act="tanh", norm=None, plain_last=False)
        self.atoms = nn.Linear(hidden[-1], n * molecules.types)
        self.bonds = nn.Linear(hidden[-1], n * (n - 1) // 2 * len(BONDS))
        # Which pair an entry of the table is of; the last stands for an atom with itself.
        pair = torch.full((n, n), n * (n - 1) // 2)
        i, j = torch.triu_indices(n, n, 1)
        pair[i, j] = pair[j, i] = torch.arange(len(i))
        self.register_buffer("pair", pair, persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        h = self.body(noise)
        atoms = self._draw(self.atoms(h).unflatten(1, (-1, self.molecules.types)))
        pairs = self._draw(self.bonds(h).unflatten(1, (-1, len(BONDS))))
        itself = F.one_hot(self.pair.new_zeros(len(h), 1), len(BONDS)).to(pairs.dtype)
        bonds = torch.cat([pairs, itself], dim=1)[:, self.pair]
        return self.molecules.pack(atoms, bonds)

    def _draw(self, logits: Tensor) -> Tensor:
        hard = not self.training or self.relaxation == "straight-through"
        return F.gumbel_softmax(logits, self.temperature, hard=hard)


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

        def made(i: int, o: int) -> nn.Module:
            return RelationalLayer(i, o) if layer is None else _OnBonds(layer(i, o))

        self.first = made(types, channels[0])
        self.second = made(channels[0] + types, channels[1])
        self.gate = nn.Linear(channels[1] + types, code)
        self.value = nn.Linear(channels[1] + types, code)
        self.head = MLP([code, code, 1], act="tanh", norm=None)

    def forward(self, molecules: Tensor) -> Tensor:
        x, bonds = self.molecules.unpack(molecules)
        h = self.first(x, bonds)
        h = torch.cat([self.second(torch.cat([h, x], dim=2), bonds), x], dim=2)
        return self.head((self.gate(h).sigmoid() * self.value(h).tanh()).sum(dim=1).tanh())


class Judges(nn.Module):
    """The critic, and the network that learns the reward: both learn while the generator rests."""

    def __init__(self, critic: nn.Module, reward: nn.Module | None) -> None:
        super().__init__()
        self.critic, self.reward = critic, reward


class MolGAN(Game):
    r"""The game of molecules, of Wasserstein's kind with the gradient penalty of Gulrajani et al.
    2017 (De Cao & Kipf 2018, sections 3 and 3.4).

    .. math::
        L_G = -\lambda \, D(G(z)) - (1 - \lambda) \, \hat R(G(z)), \quad
        L_{\hat R} = (\hat R(m) - R(m))^2 + (\hat R(G(z)) - R(G(z)))^2

    The reward R has no gradient: its network :math:`\hat R` learns it from real and generated
    molecules and passes the gradient on.

    Args:
        molecules: their size and types.
        reward: R, of SMILES; without one :math:`\lambda` is 1.
        critic_share: :math:`\lambda`; may be changed on the way.
        penalty: weight of the gradient penalty.
        layer: of the critic and of the reward's network, as for :class:`MoleculeReader`.
        **settings: of the :class:`MoleculeGenerator`.

    Batches are ``(molecules,)`` as :meth:`DenseMolecules.encode` gives them, or ``(molecules,
    rewards)``, the rewards ``[B]``, if there is one.
    """

    generator: MoleculeGenerator
    discriminator: Judges

    def __init__(
        self,
        molecules: DenseMolecules,
        reward: Reward | None = None,
        *,
        critic_share: float = 1.0,
        penalty: float = 10.0,
        layer: Layer | None = None,
        **settings: Any,
    ) -> None:
        if not 0 <= critic_share <= 1 or (reward is None and critic_share < 1):
            raise ValueError(
                f"critic_share: expected a share, 1 without a reward, got {critic_share}"
            )
        judges = Judges(
            MoleculeReader(molecules, layer=layer),
            None if reward is None else MoleculeReader(molecules, layer=layer),
        )
        generator = MoleculeGenerator(molecules, **settings)
        super().__init__(generator, judges, "wasserstein", penalty=penalty)
        self.molecules, self.reward, self.critic_share = molecules, reward, critic_share

    def _generate(self, like: Tensor) -> Tensor:
        return self.generator(torch.randn(len(like), self.generator.noise, device=like.device))

    def discriminator_loss(self, batch: Batch) -> Tensor:
        real = batch[0]
        with torch.no_grad():
            fake = self._generate(real)
        loss = self.judged(self.discriminator.critic, real, fake)
        if self.reward is None:
            return loss
        worth = self.reward(self.molecules.decode(fake)).to(fake)
        return loss + self._error(real, batch[1]) + self._error(fake, worth)

    def generator_loss(self, batch: Batch) -> Tensor:
        fake = self._generate(batch[0])
        loss = self.critic_share * self.objective.generator(self.discriminator.critic(fake))
        if self.critic_share == 1:
            return loss
        return loss - (1 - self.critic_share) * self._worth(fake).mean()

    def _worth(self, molecules: Tensor) -> Tensor:
        assert self.discriminator.reward is not None
        return self.discriminator.reward(molecules).squeeze(1).sigmoid()

    def _error(self, molecules: Tensor, worth: Tensor) -> Tensor:
        return F.mse_loss(self._worth(molecules), worth)


class Scarce:
    """A reward that is shared among repetitions: divided by how often the molecule occurs among the
    latest ones that were asked for.

    MolGAN's known failure is a generator that makes a few good molecules over and over. This answer
    to it is ours, in place of the paper's comparison within a batch: what is repeated loses its
    worth.

    Args:
        reward: of one molecule, whatever the others are.
        memory: how many are the latest.
    """

    def __init__(self, reward: Reward, memory: int = 1000) -> None:
        self.reward = reward
        self.latest: deque[str | None] = deque(maxlen=memory)

    def __call__(self, smiles: Sequence[str | None]) -> Tensor:
        self.latest.extend(smiles)
        times = Counter(self.latest)
        worth = self.reward(smiles)
        return worth / torch.tensor([times[one] for one in smiles]).to(worth)
