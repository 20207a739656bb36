"""A variational autoencoder of whole molecules."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.generative.autoencoder import Autoencoder, Gaussian
from graphkit.generative.graph.molecules import DenseMolecules, Layer, MoleculeDecoder, on_bonds
from graphkit.generative.objectives import Reconstruction
from graphkit.nn import MLP


class OrderedReader(nn.Module):
    """What a network reads off molecules whose atoms have an order: two layers, to which an atom's
    place is a feature too, and a perceptron on all atoms side by side.

    Without places, and with a sum over atoms, too little is left for the decoder to put every atom
    in its own.

    Args:
        molecules: their size and types.
        out: how many numbers are read.
        channels: of the two layers.
        hidden: size of the perceptron.
        layer: as for :class:`MoleculeReader`.

    Shapes:
        molecules ``[B, N, T + N Y]``; output ``[B, out]``.
    """

    def __init__(
        self,
        molecules: DenseMolecules,
        out: int,
        channels: tuple[int, int] = (64, 64),
        hidden: int = 256,
        layer: Layer | None = None,
    ) -> None:
        super().__init__()
        self.molecules = molecules
        given = molecules.types + molecules.size
        self.first = on_bonds(given, channels[0], layer)
        self.second = on_bonds(channels[0] + given, channels[1], layer)
        self.head = MLP([molecules.size * (channels[1] + given), hidden, out], norm=None)

    def forward(self, molecules: Tensor) -> Tensor:
        x, bonds = self.molecules.unpack(molecules)
        places = torch.eye(x.size(1), dtype=x.dtype, device=x.device)
        x = torch.cat([x, places.expand(len(x), -1, -1)], dim=2)
        h = torch.cat([self.first(x, bonds), x], dim=2)
        h = torch.cat([self.second(h, bonds), x], dim=2)
        return self.head(h.flatten(1))


def graph_vae(
    size: int = 9,
    elements: Sequence[str] = ("C", "N", "O", "F"),
    code: int = 56,
    hidden: Sequence[int] = (128, 256, 512),
    beta: float = 0.5,
    layer: Layer | None = None,
) -> Autoencoder:
    r"""A variational autoencoder of small molecules, all atoms and bonds at one stroke, after
    GraphVAE (Simonovsky & Komodakis 2018).

    The encoder is an :class:`OrderedReader`, the decoder a :class:`MoleculeDecoder`, and an error
    the cross-entropy, in nats,

    .. math::
        -\sum_i \log p(x_i) - \sum_{i < j} \log p(a_{ij}).

    GraphVAE matches the atoms of a molecule with those of its reconstruction. Here atoms have an
    order, that of the SMILES they are read from: give canonical ones. What is generated need not
    have valences that chemistry allows; ``DenseMolecules.decode(made, correct=True)`` sees to them.

    Args:
        size, elements: as for :class:`DenseMolecules`.
        code: size of the code.
        hidden: sizes of the decoder.
        beta: what a nat of the code's divergence costs: with 1 few molecules are told apart.
        layer: of the encoder, as for :class:`MoleculeReader`.

    Samples are molecules ``[B, N, T + N Y]``, and what is decoded are probabilities.
    """
    molecules = DenseMolecules(size, elements)
    i, j = torch.triu_indices(size, size, 1)

    def error(logits: Tensor, target: Tensor) -> Tensor:
        (atoms, bonds), (x, a) = molecules.unpack(logits), molecules.unpack(target)
        of_atoms = (x * atoms.log_softmax(dim=-1)).flatten(1).sum(dim=1)
        of_bonds = (a * bonds.log_softmax(dim=-1))[:, i, j].flatten(1).sum(dim=1)
        return -of_atoms - of_bonds

    def probabilities(logits: Tensor) -> Tensor:
        return molecules.pack(*(F.softmax(part, dim=-1) for part in molecules.unpack(logits)))

    model = Autoencoder(
        OrderedReader(molecules, 2 * code, layer=layer),
        MoleculeDecoder(molecules, code, hidden),
        Reconstruction(error, probabilities, bounded=True),
        bottleneck=Gaussian(beta),
    )
    model.noise = code
    return model
