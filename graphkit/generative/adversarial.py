"""Two players, each trained against the other as it stands.

A game in five steps:

1. Define it: ``game = GAN(generator, discriminator, noise=64)``.
2. Train the discriminator while the generator is frozen: :func:`train_discriminator`.
3. Train the generator while the discriminator is frozen: :func:`train_generator`.
4. Repeat: :func:`play` does both, batch by batch, and goes on where it was broken off.
5. Save the generator (:func:`~graphkit.generative.save_generator`), and sample it elsewhere.

A game says what each player minimises in a batch. :class:`GAN` makes samples of noise,
:class:`Translation` makes them of an input, :class:`CodeAdversary` makes an autoencoder's codes
look as if a prior had drawn them, whatever the autoencoder is of.
"""

from __future__ import annotations

import math
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from graphkit import resume
from graphkit.generative.autoencoder import Autoencoder
from graphkit.generative.generators import draw, sample
from graphkit.generative.objectives import ADVERSARIAL, Adversarial, gradient_penalty

Batch = Sequence[Any]
PATIENCE = 3  # epochs in which a discriminator that makes no mistake has won


class Game(nn.Module):
    """Two players and what each of them minimises in a batch.

    Attributes:
        generator, discriminator: the players.
        said: what the discriminator said of real and of generated samples in its last step.
    """

    generator: nn.Module
    discriminator: nn.Module
    said: tuple[Tensor, Tensor] | None = None

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: str | Adversarial = "non-saturating",
        *,
        label_smoothing: float = 0.0,
        penalty: float = 0.0,
    ) -> None:
        super().__init__()
        if isinstance(objective, str):
            if objective not in ADVERSARIAL:
                raise ValueError(
                    f"objective: expected one of {', '.join(ADVERSARIAL)}, got {objective!r}"
                )
            objective = ADVERSARIAL[objective]
        if label_smoothing and not objective.labels:
            raise ValueError(
                "label_smoothing: expected 0, as hinge and wasserstein have no labels, "
                f"got {label_smoothing}"
            )
        self.generator, self.discriminator, self.objective = generator, discriminator, objective
        self.label_smoothing, self.penalty = label_smoothing, penalty

    def discriminator_loss(self, batch: Batch) -> Tensor:
        raise NotImplementedError

    def generator_loss(self, batch: Batch) -> Tensor:
        raise NotImplementedError

    def judged(self, judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss on real and generated samples, its penalty included."""
        loss = self.judgement(judge(real), judge(fake))
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(judge, real, fake)
        return loss

    def judgement(self, of_real: Tensor, of_fake: Tensor) -> Tensor:
        """The discriminator's loss by what it said of real and of generated samples."""
        self.said = of_real.detach(), of_fake.detach()
        return self.objective.discriminator(of_real, of_fake, 1 - self.label_smoothing)


class GAN(Game):
    r"""Samples are made of noise (Goodfellow et al. 2014).

    Args:
        generator: of noise ``[B, noise]``; and of labels, if there are classes.
        discriminator: of samples; and of labels, if there are classes.
        noise: size of the standard normal noise.
        objective: "minimax", "non-saturating", "least-squares", "hinge", "wasserstein", or an
            :class:`~graphkit.generative.objectives.Adversarial`.
        classes: labels 0 ... classes - 1 come with the samples, and generated ones get random ones.
        label_smoothing: what real samples' label lacks of 1.
        penalty: weight of the gradient penalty; 10 goes with "wasserstein".

    Batches are ``(samples,)`` or ``(samples, labels)``.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        noise: int,
        objective: str | Adversarial = "non-saturating",
        *,
        classes: int | None = None,
        label_smoothing: float = 0.0,
        penalty: float = 0.0,
    ) -> None:
        super().__init__(
            generator,
            discriminator,
            objective,
            label_smoothing=label_smoothing,
            penalty=penalty,
        )
        self.noise, self.classes = noise, classes

    def draw(self, count: int, labels: Tensor | int | None = None) -> tuple[Tensor, ...]:
        """What the generator is given: noise, and labels if there are classes."""
        like = next(self.generator.parameters())
        return draw(count, self.noise, self.classes, labels, like=like)

    def sample(self, count: int, labels: Tensor | int | None = None) -> Tensor:
        """Samples of the generator as it stands, ``[count, ...]``, without gradients."""
        return sample(self.generator, count, labels, noise=self.noise, classes=self.classes)

    def discriminator_loss(self, batch: Batch) -> Tensor:
        real = batch[0]
        if self.classes is None:
            with torch.no_grad():
                fake = self.generator(*self.draw(len(real)))
            return self.judged(self.discriminator, real, fake)
        labels = batch[1]
        with torch.no_grad():
            fake = self.generator(*self.draw(len(real), labels))
        return self.judged(lambda x: self.discriminator(x, labels), real, fake)

    def generator_loss(self, batch: Batch) -> Tensor:
        given = self.draw(len(batch[0]))
        fake = self.generator(*given)
        return self.objective.generator(self.discriminator(fake, *given[1:]))


class Translation(Game):
    r"""Samples are made of an input: image of image, mask of image, next frame of frames.

    .. math::
        L_G = L_\text{adversarial} + \lambda \, \ell(G(x), y)

    (Isola et al. 2017, eqs. 2 and 4, where :math:`\ell` is the mean absolute difference.)

    Args:
        generator: of inputs.
        discriminator: of ``(input, sample)``, or of samples alone.
        objective: as for :class:`GAN`.
        content: :math:`\ell`, of generated and wanted samples.
        content_weight: :math:`\lambda`.
        adversarial_weight: of the other term; 0 trains the generator alone.
        paired: whether the discriminator sees the input, too.

    Batches are ``(input, wanted)``.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: str | Adversarial = "non-saturating",
        *,
        content: Callable[[Tensor, Tensor], Tensor] = nn.functional.l1_loss,
        content_weight: float = 100.0,
        adversarial_weight: float = 1.0,
        paired: bool = True,
        label_smoothing: float = 0.0,
        penalty: float = 0.0,
    ) -> None:
        super().__init__(
            generator,
            discriminator,
            objective,
            label_smoothing=label_smoothing,
            penalty=penalty,
        )
        self.content, self.content_weight = content, content_weight
        self.adversarial_weight, self.paired = adversarial_weight, paired

    def _judge(self, given: Tensor) -> Callable[[Tensor], Tensor]:
        return (lambda y: self.discriminator(given, y)) if self.paired else self.discriminator

    def discriminator_loss(self, batch: Batch) -> Tensor:
        given, wanted = batch
        with torch.no_grad():
            made = self.generator(given)
        return self.judged(self._judge(given), wanted, made)

    def generator_loss(self, batch: Batch) -> Tensor:
        given, wanted = batch
        made = self.generator(given)
        loss = self.content_weight * self.content(made, wanted)
        if self.adversarial_weight:
            said = self._judge(given)(made)
            loss = loss + self.adversarial_weight * self.objective.generator(said)
        return loss


class CodeAdversary(Game):
    r"""An autoencoder whose codes a discriminator cannot tell from a prior's draws.

    The adversarial autoencoder (Makhzani et al. 2016) and, on a graph, ARGA (Pan et al. 2018,
    eqs. 6 and 7): the encoder is the generator, and pays besides for the reconstruction.

    Args:
        autoencoder: of vectors, images or a graph.
        discriminator: of codes ``[B, code]``.
        prior: draws as many codes as its argument has rows; standard normal ones if not given.
        objective: as for :class:`GAN`.
        weight: of the adversary in the encoder's loss.

    A batch is what the autoencoder's `loss` takes: ``(x, *given)``; with `target` for the last
    entry, if `targets`.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        discriminator: nn.Module,
        prior: Callable[[Tensor], Tensor] = torch.randn_like,
        objective: str | Adversarial = "non-saturating",
        *,
        weight: float = 1.0,
        targets: bool = False,
        penalty: float = 0.0,
    ) -> None:
        super().__init__(autoencoder, discriminator, objective, penalty=penalty)
        self.generator: Autoencoder
        self.prior, self.weight, self.targets = prior, weight, targets

    def discriminator_loss(self, batch: Batch) -> Tensor:
        given = batch[:-1] if self.targets else batch
        with torch.no_grad():
            x, *rest = given
            hidden = self.generator.encoder(self.generator.corrupted(x), *rest)
            code, _ = self.generator.bottleneck(hidden)
        return self.judged(self.discriminator, self.prior(code), code)

    def generator_loss(self, batch: Batch) -> Tensor:
        given, target = (batch[:-1], batch[-1]) if self.targets else (batch, None)
        loss, step = self.generator.step(*given, target=target)
        return loss + self.weight * self.objective.generator(self.discriminator(step.code))


# ------------------------------------------------------------------ a player's turn


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """No parameter of the module gets a gradient meanwhile."""
    changed = [p for p in module.parameters() if p.requires_grad]
    for p in changed:
        p.requires_grad_(False)
    try:
        yield module
    finally:
        for p in changed:
            p.requires_grad_(True)


def train_discriminator(game: Game, batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    """One step of the discriminator's, the generator frozen; its loss."""
    with frozen(game.generator):
        return _step(game.discriminator_loss(batch), optimizer, "discriminator")


def train_generator(game: Game, batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    """One step of the generator's, the discriminator frozen; its loss."""
    with frozen(game.discriminator):
        return _step(game.generator_loss(batch), optimizer, "generator")


def _step(loss: Tensor, optimizer: torch.optim.Optimizer, player: str) -> float:
    value = loss.item()
    if not math.isfinite(value):
        raise FloatingPointError(f"the {player}'s loss is {value}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return value


class Replayed:
    """Steps of a player on a GPU, recorded once as a CUDA graph and replayed from then on.

    A step of some thousand small kernels costs one launch then. What is recorded is played three
    times first, to warm up.

    Args:
        game: whose losses do not look at the values of tensors, and whose batches have one shape.
        player: "discriminator" or "generator".
        optimizer: the player's, made with ``capturable=True`` if it is Adam.
    """

    def __init__(self, game: Game, player: str, optimizer: torch.optim.Optimizer) -> None:
        self.game, self.player, self.optimizer = game, player, optimizer
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch) -> float:
        """As :func:`train_discriminator` or :func:`train_generator`, but that a loss which is not
        finite is found after its step."""
        if self._graph is None:
            self._record(batch)
        for kept, new in zip(self._batch, batch, strict=True):
            kept.copy_(new)
        assert self._graph is not None
        self._graph.replay()
        value = self._loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(f"the {self.player}'s loss is {value}")
        return value

    def _step(self) -> Tensor:
        frozen_one, loss = (
            (self.game.generator, self.game.discriminator_loss)
            if self.player == "discriminator"
            else (self.game.discriminator, self.game.generator_loss)
        )
        with frozen(frozen_one):
            value = loss(self._batch)
            self.optimizer.zero_grad()
            value.backward()
            self.optimizer.step()
        return value.detach()

    def _record(self, batch: Batch) -> None:
        self._batch = [tensor.clone() for tensor in batch]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._step()
        torch.cuda.current_stream().wait_stream(aside)
        self.optimizer.zero_grad()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = self._step()


# ------------------------------------------------------------------ the whole game


@dataclass(frozen=True)
class Round:
    """What one epoch gave: means over its batches.

    Attributes:
        told_apart: share of samples, real and generated, that the discriminator was right about;
            of a critic, the share of pairs in which the real sample got more.
    """

    number: int
    discriminator_loss: float
    generator_loss: float
    told_apart: float
    seconds: float

    @property
    def won(self) -> bool:
        """Whether the discriminator told all apart, and the generator learns nothing from it."""
        return self.told_apart > 0.995


class Average(nn.Module):
    """A generator whose weights are means of another's, over its latest steps.

    Args:
        generator: the one that learns.
        decay: what a step keeps of the mean before it (Yaz\u0131c\u0131 et al. 2019, eq. 2).
    """

    def __init__(self, generator: nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        self.model = AveragedModel(
            generator, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )

    @property
    def generator(self) -> nn.Module:
        """The generator with the mean weights."""
        return self.model.module

    def update(self, generator: nn.Module) -> None:
        self.model.update_parameters(generator)

    def forward(self, *given: Tensor) -> Tensor:
        return self.model(*given)


def play(
    game: Game,
    batches: Iterable[Batch],
    generator_optimizer: torch.optim.Optimizer,
    discriminator_optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    discriminator_steps: int = 1,
    average: Average | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    replay: bool = False,
    on_epoch: Callable[[Round], Any] | None = None,
) -> list[Round]:
    """Let both players learn, in turns, batch by batch.

    Args:
        game: who plays, and for what.
        batches: gone through once in every epoch; made anew each time from torch's generator, so
            that a run that goes on sees what it would have seen.
        generator_optimizer, discriminator_optimizer: each made for its player's parameters.
        epochs: how many in all, those of the checkpoint included.
        discriminator_steps: for one of the generator's: batches that the generator sits out.
        average: follows the generator.
        checkpoint: file that is written after every epoch, and from which the game goes on if it
            is there: with one thread, to the same weights as without a break.
        replay: on a GPU, whether steps are recorded and replayed, see :class:`Replayed`.
        on_epoch: called after every epoch.

    A discriminator, not a critic, that makes no mistake in three epochs has won; a warning says
    so, once.

    Returns:
        All rounds, those before a break included.

    Raises:
        FloatingPointError: A loss is not finite.
        ValueError: The checkpoint is damaged, or of another game.
    """
    if epochs < 1 or discriminator_steps < 1:
        raise ValueError(
            f"epochs, discriminator_steps: expected at least 1, got {epochs}, {discriminator_steps}"
        )
    parts: dict[str, Any] = {
        "game": game,
        "generator_optimizer": generator_optimizer,
        "discriminator_optimizer": discriminator_optimizer,
    }
    if average is not None:
        parts["average"] = average
    rounds: list[Round] = []
    # A critic that tells them apart is as it should be.
    turn, told = 0, game.objective.boundary is None
    if checkpoint is not None and Path(checkpoint).exists():
        state = resume.load(checkpoint)
        resume.restore(parts, state["parts"], checkpoint)
        rounds, turn = [Round(**row) for row in state["rounds"]], state["turn"]
        resume.set_random_state(state["random"])
    game.train()
    learn: list[Callable[[Batch], float]] = [
        lambda batch: train_discriminator(game, batch, discriminator_optimizer),
        lambda batch: train_generator(game, batch, generator_optimizer),
    ]
    if replay:
        learn = [
            Replayed(game, "discriminator", discriminator_optimizer),
            Replayed(game, "generator", generator_optimizer),
        ]
    for number in range(len(rounds) + 1, epochs + 1):
        start = time.perf_counter()
        losses: tuple[list[float], list[float]] = [], []
        right: list[float] = []
        for batch in batches:
            losses[0].append(learn[0](batch))
            right.append(told_apart(game))
            turn += 1
            if turn % discriminator_steps == 0:
                losses[1].append(learn[1](batch))
                if average is not None:
                    average.update(game.generator)
        if not losses[1]:
            raise ValueError(
                f"batches: expected at least {discriminator_steps} in an epoch, "
                f"got {len(losses[0])}"
            )
        mean = statistics.fmean
        seconds = time.perf_counter() - start
        rounds.append(Round(number, mean(losses[0]), mean(losses[1]), mean(right), seconds))
        if not told and [r.won for r in rounds[-PATIENCE:]] == [True] * PATIENCE:
            told = True
            warnings.warn(
                f"the discriminator tells all samples apart, in epochs {number - PATIENCE + 1} to "
                f"{number}: the generator learns little from it. Give it a lower learning rate or "
                "smoothed labels, or take the objective 'wasserstein' with a penalty",
                RuntimeWarning,
                stacklevel=2,
            )
        if checkpoint is not None:
            state = {
                "parts": {name: part.state_dict() for name, part in parts.items()},
                "rounds": [asdict(round_) for round_ in rounds],
                "turn": turn,
                "random": resume.random_state(),
            }
            resume.save(checkpoint, state)
        if on_epoch is not None:
            on_epoch(rounds[-1])
    game.eval()
    return rounds


def told_apart(game: Game) -> float:
    """The share of samples that the discriminator was right about in its last step."""
    assert game.said is not None
    real, fake = (said.flatten() for said in game.said)
    if game.objective.boundary is None:
        right = real[: len(fake)] > fake[: len(real)]
    else:
        right = torch.cat([real > game.objective.boundary, fake <= game.objective.boundary])
    return right.double().mean().item()
