"""MolGAN: small molecules generated at one stroke, as rows of atoms and a table of bonds.

A generator makes them of noise, a critic tells them from a data set's, and a reward network, which
learns what molecules are worth, lets the generator strive for that (De Cao & Kipf 2018).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.generative.adversarial import Batch, Game
from graphkit.generative.graph.molecules import (
    DenseMolecules,
    Layer,
    MoleculeDecoder,
    MoleculeReader,
)

Reward = Callable[[Sequence[str | None]], Tensor]
"""From generated SMILES, None for what is no molecule, to ``[B]`` numbers in [0, 1]."""


class MoleculeGenerator(MoleculeDecoder):
    r"""Molecules of noise, by a perceptron (De Cao & Kipf 2018, section 3.1).

    Of the logits of every atom and of every pair of atoms the greatest is taken, and in training
    the gradient is that of :math:`\mathrm{softmax}(\text{logits} / \tau)`. So all chance is in the
    noise that is given. Or types are drawn with Gumbel noise g (Jang et al. 2017):

    .. math::
        \mathrm{softmax}((\text{logits} + g) / \tau),

    in training that sample itself ("soft"), or its gradient with the one-hot row of its greatest
    entry ("gumbel"). In evaluation mode samples are one-hot.

    Args:
        molecules: their size and types.
        noise: size of the standard normal noise.
        hidden: sizes of the perceptron.
        relaxation: "threshold", "gumbel" or "soft".
        temperature: :math:`\tau`.

    Shapes:
        noise ``[B, noise]``; output: molecules ``[B, N, T + N Y]``.
    """

    def __init__(
        self,
        molecules: DenseMolecules,
        noise: int = 32,
        hidden: Sequence[int] = (128, 256, 512),
        *,
        relaxation: str = "threshold",
        temperature: float = 1.0,
    ) -> None:
        super().__init__(molecules, noise, hidden)
        if relaxation not in ("threshold", "gumbel", "soft"):
            raise ValueError(f"relaxation: expected threshold, gumbel or soft, got {relaxation!r}")
        if not temperature > 0:
            raise ValueError(f"temperature: expected a positive number, got {temperature}")
        self.relaxation, self.temperature = relaxation, temperature

    def forward(self, noise: Tensor) -> Tensor:
        return self._packed(*map(self._draw, self._logits(noise)), itself=1.0)

    def _draw(self, logits: Tensor) -> Tensor:
        if self.relaxation != "threshold":
            hard = not self.training or self.relaxation == "gumbel"
            return F.gumbel_softmax(logits, self.temperature, hard=hard)
        greatest = F.one_hot(logits.argmax(dim=-1), logits.size(-1)).to(logits.dtype)
        soft = (logits / self.temperature).softmax(dim=-1)
        return greatest + soft - soft.detach() if self.training else greatest


def molecule_generator(size: int, elements: Sequence[str], **settings: Any) -> MoleculeGenerator:
    """A :class:`MoleculeGenerator` of what a file can hold, see
    :func:`~graphkit.generative.save_generator`; arguments as there and for
    :class:`DenseMolecules`."""
    return MoleculeGenerator(DenseMolecules(size, elements), **settings)


class Judges(nn.Module):
    """The critic, and the network that learns the reward: both learn while the generator rests."""

    def __init__(self, critic: nn.Module, reward: nn.Module | None) -> None:
        super().__init__()
        self.critic, self.reward = critic, reward


class MolGAN(Game):
    r"""The game of molecules, of Wasserstein's kind with the gradient penalty of Gulrajani et al.
    2017 (De Cao & Kipf 2018, sections 3 and 3.4).

    .. math::
        L_G = -\lambda \, D(G(z)) - (1 - \lambda) \log \hat R(G(z)), \quad
        L_{\hat R} = (\hat R(m) - R(m))^2 + (\hat R(G(z)) - R(G(z)))^2

    The reward R has no gradient: its network :math:`\hat R` learns it from real and generated
    molecules and passes the gradient on. What has several parts is no molecule, and rewarded as
    such. The generator climbs the logarithm, which is steepest where a molecule is worth nothing;
    :math:`\hat R` itself, which the paper climbs, has no slope there.

    Args:
        molecules: their size and types.
        reward: R, of SMILES; without one :math:`\lambda` is 1.
        critic_share: :math:`\lambda`; may be changed on the way.
        penalty: weight of the gradient penalty.
        layer: of the critic and of the reward's network, as for :class:`MoleculeReader`.
        **settings: of the :class:`MoleculeGenerator`.

    A generator that starts as the decoder of a :func:`graph_vae` makes many valid molecules from
    the first step on, which a reward needs that is 0 for all others::

        game = MolGAN(molecules, Scarce(OfValid(qed)), noise=vae.noise)
        game.generator.load_state_dict(vae.decoder.state_dict())

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
        worth = self.reward(self.molecules.decode(fake, largest=False)).to(fake)
        return loss + self._error(real, batch[1]) + self._error(fake, worth)

    def generator_loss(self, batch: Batch) -> Tensor:
        fake = self._generate(batch[0])
        loss = self.critic_share * self.objective.generator(self.discriminator.critic(fake))
        if self.critic_share == 1:
            return loss
        return loss - (1 - self.critic_share) * F.logsigmoid(self._logits(fake)).mean()

    def _logits(self, molecules: Tensor) -> Tensor:
        """Of the reward that its network expects, ``[B]``."""
        assert self.discriminator.reward is not None
        return self.discriminator.reward(molecules).squeeze(1)

    def _error(self, molecules: Tensor, worth: Tensor) -> Tensor:
        return F.mse_loss(self._logits(molecules).sigmoid(), worth)


class OfValid:
    r"""A reward: :math:`l + (1 - l) s` of what is valid and scores s, 0 of what is no molecule.

    Args:
        score: of SMILES, in [0, 1], such as :func:`~graphkit.metrics.qed`. It is asked once for
            each of the latest 100,000 molecules.
        least: l, what a molecule is worth for being one.
    """

    def __init__(self, score: Callable[[Sequence[str]], Tensor], least: float = 0.0) -> None:
        if not 0 <= least <= 1:
            raise ValueError(f"least: expected a share from 0 to 1, got {least}")
        self._of = lru_cache(maxsize=100_000)(lambda smiles: float(score([smiles])[0]))
        self.least = least

    def __call__(self, smiles: Sequence[str | None]) -> Tensor:
        return torch.tensor([0.0 if one is None else self._worth(one) for one in smiles])

    def _worth(self, smiles: str) -> float:
        return self.least + (1 - self.least) * self._of(smiles)


class Scarce:
    r"""A reward that is shared among repetitions:

    .. math::
        R'(m) = R(m) \, \big(f + (1 - f) / n_m\big),

    where :math:`n_m` is how often the molecule occurs among the latest ones that were asked for.

    MolGAN's known failure is a generator that makes a few good molecules over and over. This answer
    to it is ours, in place of the paper's comparison within a batch: what is repeated loses its
    worth, but for a part f, without which a valid molecule that was made before would be worth no
    more than none.

    Args:
        reward: R, of one molecule, whatever the others are.
        memory: how many are the latest.
        floor: f.
    """

    def __init__(self, reward: Reward, memory: int = 1000, floor: float = 0.5) -> None:
        self.reward, self.floor = reward, floor
        self.latest: deque[str | None] = deque(maxlen=memory)

    def __call__(self, smiles: Sequence[str | None]) -> Tensor:
        self.latest.extend(smiles)
        times = Counter(self.latest)
        worth = self.reward(smiles)
        shared = 1 / torch.tensor([times[one] for one in smiles]).to(worth)
        return worth * (self.floor + (1 - self.floor) * shared)
