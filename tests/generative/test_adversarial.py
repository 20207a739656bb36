"""Two players: what each may change, what they learn, and going on after a break."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.generative import (
    GAN,
    Average,
    frozen,
    play,
    train_discriminator,
    train_generator,
)
from graphkit.generative.image.dcgan import SIZES, DCGANDiscriminator, DCGANGenerator
from graphkit.nn import load_encoder, save_encoder


def perceptron(*sizes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


class Shifted:
    """Batches of a normal distribution with means (2, -1) and deviations (0.5, 1.5)."""

    mean, deviation = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.5])

    def __init__(self, batches: int = 40) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[tuple[Tensor]]:
        for _ in range(self.batches):
            yield (self.mean + self.deviation * torch.randn(64, 2),)


def game(objective: str = "non-saturating", **more: Any) -> tuple[GAN, Any, Any]:
    torch.manual_seed(0)
    made = GAN(perceptron(2, 16, 2), perceptron(2, 32, 1), 2, objective, **more)
    optimizers = [
        torch.optim.Adam(player.parameters(), lr=2e-3, betas=(0.5, 0.9))
        for player in (made.generator, made.discriminator)
    ]
    return made, *optimizers


def state(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_each_player_learns_while_the_other_stays_as_it_is() -> None:
    made, first, second = game()
    (batch,) = Shifted(1)
    before = state(made.generator), state(made.discriminator)
    train_discriminator(made, batch, second)
    assert same(state(made.generator), before[0])
    assert not same(state(made.discriminator), before[1])
    assert all(p.grad is None for p in made.generator.parameters())
    between = state(made.discriminator)
    made.discriminator.zero_grad()
    train_generator(made, batch, first)
    assert not same(state(made.generator), before[0])
    assert same(state(made.discriminator), between)
    assert all(p.grad is None for p in made.discriminator.parameters())
    assert all(p.requires_grad for p in made.parameters())


def test_frozen_parameters_stay_frozen_if_they_were() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    with frozen(layer):
        assert not layer.weight.requires_grad
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad


@pytest.mark.parametrize(
    ("objective", "more"),
    [("non-saturating", {}), ("hinge", {}), ("wasserstein", {"penalty": 1.0})],
)
def test_a_distribution_is_learnt(objective: str, more: dict[str, float]) -> None:
    made, first, second = game(objective, **more)
    average = Average(made.generator, 0.99)
    rounds = play(made, Shifted(), first, second, epochs=20, average=average)
    assert [r.number for r in rounds] == list(range(1, 21))
    with torch.no_grad():
        samples = average(*made.draw(4000))
    assert (samples.mean(0) - Shifted.mean).abs().max() < 0.4
    assert (samples.std(0) / Shifted.deviation - 1).abs().max() < 0.5


def test_a_run_that_was_broken_off_ends_where_one_without_a_break_does(tmp_path: Path) -> None:
    made, first, second = game("wasserstein", penalty=1.0)
    average = Average(made.generator)
    rounds = play(made, Shifted(5), first, second, epochs=4, discriminator_steps=2, average=average)
    file = tmp_path / "game.safetensors"
    for epochs in (1, 3, 4):  # as if killed after the first epoch, and after the third
        again, *optimizers = game("wasserstein", penalty=1.0)
        follower = Average(again.generator)
        torch.manual_seed(epochs) if epochs > 1 else None
        resumed = play(
            again,
            Shifted(5),
            *optimizers,
            epochs=epochs,
            discriminator_steps=2,
            average=follower,
            checkpoint=file,
        )
    assert same(state(again), state(made))
    assert same(state(follower), state(average))
    losses = [(r.discriminator_loss, r.generator_loss, r.told_apart) for r in resumed]
    assert losses == [(r.discriminator_loss, r.generator_loss, r.told_apart) for r in rounds]


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "game.safetensors"
    made, *optimizers = game()
    play(made, Shifted(2), *optimizers, epochs=1, checkpoint=file)
    other = GAN(perceptron(2, 8, 2), perceptron(2, 32, 1), 2)
    optimizers = [torch.optim.Adam(p.parameters()) for p in (other.generator, other.discriminator)]
    with pytest.raises(ValueError, match=r"checkpoint: .* is of another run, its game does not"):
        play(other, Shifted(2), *optimizers, epochs=2, checkpoint=file)
    made, *optimizers = game()
    with pytest.raises(ValueError, match=r"checkpoint: expected the states of average, .*, got"):
        play(
            made,
            Shifted(2),
            *optimizers,
            epochs=2,
            checkpoint=file,
            average=Average(made.generator),
        )
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"file: expected a checkpoint that graphkit wrote, got"):
        play(made, Shifted(2), *optimizers, epochs=2, checkpoint=file)


def test_a_discriminator_that_wins_outright_is_told() -> None:
    made, _, second = game()
    with torch.no_grad():
        for p in made.generator.parameters():
            p.zero_()

    class Far(Shifted):
        mean, deviation = torch.tensor([50.0, 50.0]), torch.tensor([0.1, 0.1])

    with pytest.warns(RuntimeWarning, match="the discriminator tells all samples apart") as told:
        rounds = play(
            made, Far(20), torch.optim.SGD(made.generator.parameters(), lr=0.0), second, epochs=4
        )
    assert rounds[-1].won
    assert len(told) == 1


def test_what_cannot_be_played() -> None:
    made, *optimizers = game()
    with pytest.raises(ValueError, match="epochs, discriminator_steps: expected at least 1"):
        play(made, Shifted(2), *optimizers, epochs=0)
    with pytest.raises(ValueError, match="batches: expected at least 5 in an epoch, got 2"):
        play(made, Shifted(2), *optimizers, epochs=1, discriminator_steps=5)
    with pytest.raises(ValueError, match=r"objective: expected one of minimax, .*, got 'odd'"):
        game("odd")
    with pytest.raises(ValueError, match=r"label_smoothing: expected 0, .* got 0\.1"):
        game("hinge", label_smoothing=0.1)
    with torch.no_grad():
        made.discriminator[0].weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="the discriminator's loss is nan"):
        play(made, Shifted(2), *optimizers, epochs=1)


def test_the_class_that_is_asked_for_is_made() -> None:
    """Two classes, bright and dark."""
    torch.manual_seed(0)
    made = GAN(
        DCGANGenerator(28, 1, noise=8, width=4, classes=2),
        DCGANDiscriminator(28, 1, width=4, classes=2, norm="spectral"),
        8,
        "hinge",
        classes=2,
    )
    first = torch.optim.Adam(made.generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
    second = torch.optim.Adam(made.discriminator.parameters(), lr=2e-3, betas=(0.5, 0.9))
    for _ in range(250):
        labels = torch.randint(0, 2, (16,))
        images = (labels * 1.6 - 0.8).view(-1, 1, 1, 1) + 0.1 * torch.randn(16, 1, 28, 28)
        train_discriminator(made, (images, labels), second)
        train_generator(made, (images, labels), first)
    made.eval()
    with torch.no_grad():
        dark, bright = (made.generator(*made.draw(16, torch.full((16,), k))).mean() for k in (0, 1))
    assert dark < bright - 0.4
    with pytest.raises(ValueError, match="labels: expected one for every sample, got None"):
        made.generator(torch.randn(2, 8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", ["batch", "spectral", None])
def test_dcgan_keeps_to_the_guidelines(size: int, norm: str | None) -> None:
    generator = DCGANGenerator(size, 3, noise=5, width=4)
    discriminator = DCGANDiscriminator(size, 3, width=4, norm=norm)
    images = generator(torch.randn(2, 5))
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (2,)
    kinds = [type(m) for m in generator.layers]
    assert kinds[-2:] == [nn.ConvTranspose2d, nn.Tanh]  # no norm at the output
    assert kinds.count(nn.BatchNorm2d) == kinds.count(nn.ConvTranspose2d) - 1
    first = [type(m) for m in discriminator.layers][:2]
    assert first[1] is nn.LeakyReLU  # none at the input
    modules = [*generator.modules(), *discriminator.modules()]
    assert not any(isinstance(m, (nn.Linear, nn.MaxPool2d, nn.AvgPool2d)) for m in modules)
    if norm == "spectral":
        for _ in range(30):
            discriminator(images)  # the estimate of the largest singular value settles
        weight = discriminator.eval().layers[0].weight.detach().flatten(1)
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.05)
    with pytest.raises(ValueError, match="size: expected one of 28, 32, 64, got 30"):
        DCGANGenerator(30)


def test_a_generator_is_saved_and_sampled_elsewhere(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = DCGANGenerator(28, noise=6, width=4).eval()
    save_encoder(generator, tmp_path / "g.safetensors", size=28, noise=6, width=4)
    again = load_encoder(tmp_path / "g.safetensors", DCGANGenerator).eval()
    noise = torch.randn(3, 6)
    assert torch.equal(again(noise), generator(noise))
