"""Images of a caption (Reed et al. 2016): DCGAN's players, each with a reader of its own.

A caption is a row of word numbers, 0 behind its end; :func:`word_numbers` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphkit.generative.adversarial import Batch, Game
from graphkit.generative.image.dcgan import DCGANDiscriminator, DCGANGenerator
from graphkit.generative.objectives import Adversarial


def word_numbers(captions: Sequence[str], words: Sequence[str]) -> Tensor:
    """``[B, T]`` places of the captions' words in a list, counted from 1, and 0 behind a caption's
    end.

    Raises:
        ValueError: A caption is empty, or has a word that is not in the list.
    """
    number = {word: k for k, word in enumerate(words, 1)}
    rows = []
    for caption in captions:
        unknown = [word for word in caption.split() if word not in number]
        if unknown or not caption.strip():
            raise ValueError(f"captions: expected words of {', '.join(words)}, got {caption!r}")
        rows.append(torch.tensor([number[word] for word in caption.split()]))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class CaptionEncoder(nn.Module):
    """The mean of a GRU's states over a caption's words, as Reed et al. have it, brought to mean 0
    and variance 1: a single word is little of it, and the players should see it from the start.

    Args:
        words: how many there are.
        code: size of the state.

    Shapes:
        captions ``[B, T]``; output ``[B, code]``.
    """

    def __init__(self, words: int, code: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 1, code, padding_idx=0)
        self.gru = nn.GRU(code, code, batch_first=True)
        self.norm = nn.LayerNorm(code)

    def forward(self, captions: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(captions))
        inside = (captions > 0).unsqueeze(2)
        return self.norm((states * inside).sum(dim=1) / inside.sum(dim=1))


class TextGenerator(nn.Module):
    """A :class:`~graphkit.generative.image.dcgan.DCGANGenerator` of noise and a caption's code, one
    behind the other.

    Args:
        words: how many there are.
        size, channels: of the images.
        noise, code: sizes of the noise and of the caption's code.
        width: channels of the last hidden layer.

    Shapes:
        noise ``[B, noise]``, captions ``[B, T]``; output ``[B, channels, size, size]`` in [-1, 1].
    """

    def __init__(
        self,
        words: int,
        size: int = 32,
        channels: int = 3,
        noise: int = 64,
        code: int = 64,
        width: int = 32,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.text = CaptionEncoder(words, code)
        self.images = DCGANGenerator(size, channels, noise + code, width)

    def forward(self, noise: Tensor, captions: Tensor) -> Tensor:
        return self.images(torch.cat([noise, self.text(captions)], dim=1))


class TextDiscriminator(nn.Module):
    r"""How real an image is, and how well it matches a caption,
    :math:`w^\top \phi(x) + \phi(x)^\top V t`.

    :math:`\phi(x)` are the features of a
    :class:`~graphkit.generative.image.dcgan.DCGANDiscriminator` with spectral norm, all of their
    places among them, for a caption may say where something is. :math:`t` is the caption's code
    (Miyato & Koyama 2018, eq. 3, with a code in a class's place).

    Args:
        words: how many there are.
        size, channels: of the images.
        code: size of the caption's code.
        width: channels of the first layer.

    Shapes:
        images ``[B, channels, size, size]``, captions ``[B, T]``; output ``[B]``.
    """

    def __init__(
        self, words: int, size: int = 32, channels: int = 3, code: int = 64, width: int = 32
    ) -> None:
        super().__init__()
        self.text = CaptionEncoder(words, code)
        self.images = DCGANDiscriminator(size, channels, width, norm="spectral")
        self.match = nn.Linear(code, self.images.head.weight[0].numel())

    def forward(self, images: Tensor, captions: Tensor) -> Tensor:
        features = self.images.layers(images)
        matched = (features.flatten(1) * self.match(self.text(captions))).sum(dim=1)
        return self.images.head(features).flatten() + matched


class TextToImage(Game):
    r"""Samples are made of noise and a caption, and a real sample with another's caption counts as
    generated, too:

    .. math::
        L_D = \ell_1(D(x, t)) + \tfrac12 \big( \ell_0(D(x, \hat t)) + \ell_0(D(G(z, t), t)) \big)

    (Reed et al. 2016, algorithm 1, where :math:`\ell_1 = -\log D` and
    :math:`\ell_0 = -\log(1 - D)`).

    Args:
        generator: of noise ``[B, noise]`` and captions.
        discriminator: of samples and captions.
        noise: size of the standard normal noise.
        objective: as for :class:`~graphkit.generative.GAN`.

    Batches are ``(samples, captions)``. :math:`\hat t` are the captions of the rows before, where
    they differ.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        noise: int,
        objective: str | Adversarial = "non-saturating",
    ) -> None:
        super().__init__(generator, discriminator, objective)
        self.noise = noise

    def make(self, captions: Tensor) -> Tensor:
        """One sample of every caption."""
        weight = next(self.generator.parameters())
        noise = torch.randn(len(captions), self.noise, dtype=weight.dtype, device=weight.device)
        return self.generator(noise, captions)

    def discriminator_loss(self, batch: Batch) -> Tensor:
        real, captions = batch
        with torch.no_grad():
            fake = self.make(captions)
        others = captions.roll(1, 0)
        wrong = (others != captions).any(dim=1)
        of_real = self.discriminator(real, captions)
        of_fake = torch.cat(
            [self.discriminator(fake, captions), self.discriminator(real[wrong], others[wrong])]
        )
        self.said = of_real.detach(), of_fake.detach()
        return self.objective.discriminator(of_real, of_fake, 1.0)

    def generator_loss(self, batch: Batch) -> Tensor:
        captions = batch[1]
        return self.objective.generator(self.discriminator(self.make(captions), captions))
