"""Generators that are kept: sampled, saved, and sampled elsewhere."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graphkit.generative import (
    GAN,
    Autoencoder,
    Average,
    Gaussian,
    autoencoder,
    load_generator,
    log_likelihood,
    sample,
    save_generator,
)
from graphkit.generative.image.dcgan import DCGANGenerator


def test_the_same_samples_in_another_process(tmp_path: Path) -> None:
    generator = DCGANGenerator(size=28, noise=8, width=4, classes=3)
    for _ in range(2):  # statistics of batch norm that are not those it starts with
        generator(torch.randn(16, 8), torch.randint(3, (16,)))
    file = tmp_path / "generator.safetensors"
    save_generator(generator, file, size=28, noise=8, width=4, classes=3)
    torch.manual_seed(5)
    expected = sample(generator, 300, labels=2)
    code = f"""
import torch
from graphkit.generative import load_generator, sample
torch.manual_seed(5)
torch.save(sample(load_generator({str(file)!r}), 300, labels=2), {str(tmp_path / "made.pt")!r})
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert torch.equal(torch.load(tmp_path / "made.pt"), expected)
    assert generator.training  # as it was
    assert not load_generator(file).training


def test_an_autoencoder_is_decoded_from_the_prior(tmp_path: Path) -> None:
    settings = {
        "kind": "variational",
        "features": [1, 8, 8],
        "code": 3,
        "nodes": [16],
        "loss": "bce",
    }
    model = autoencoder(**settings)
    save_generator(model, tmp_path / "vae", build=autoencoder, **settings)
    again = load_generator(tmp_path / "vae")
    torch.manual_seed(0)
    made = sample(again, 5)
    torch.manual_seed(0)
    assert torch.equal(made, model.decode(torch.randn(5, 3)))
    assert made.shape == (5, 1, 8, 8)
    assert 0 <= made.min() <= made.max() <= 1


def test_a_game_and_its_average_are_sampled() -> None:
    game = GAN(nn.Linear(2, 4), nn.Linear(4, 1), noise=2)
    torch.manual_seed(1)
    made = game.sample(6)
    torch.manual_seed(1)
    assert torch.equal(made, game.generator(torch.randn(6, 2)))
    assert not made.requires_grad
    average = Average(game.generator)
    torch.manual_seed(1)
    assert torch.equal(sample(average.generator, 6, noise=2), made)


def test_less_spread_is_less_noise() -> None:
    class Noise(nn.Linear):
        noise = 4

    itself = Noise(4, 4, bias=False)
    with torch.no_grad():
        itself.weight.copy_(torch.eye(4))
    torch.manual_seed(0)
    wide = sample(itself, 50)
    torch.manual_seed(0)
    torch.testing.assert_close(sample(itself, 50, spread=0.5), wide / 2)
    for spread in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="spread: expected a positive number"):
            sample(itself, 50, spread=spread)


def test_labels_are_checked() -> None:
    generator = DCGANGenerator(size=28, noise=4, width=2, classes=3)
    for labels in (3, torch.tensor([0, -1]), torch.tensor([0.0, 1.0])):
        with pytest.raises(ValueError, match="labels: expected integers from 0 to 2"):
            sample(generator, 2, labels)
    with pytest.raises(ValueError, match="labels: expected none"):
        sample(DCGANGenerator(size=28, noise=4, width=2), 2, 1)
    with pytest.raises(ValueError, match="noise: expected its size, as Linear"):
        sample(nn.Linear(2, 2), 2)
    with pytest.raises(ValueError, match="count: expected at least 1"):
        sample(generator, 0)


def test_files_that_are_no_generators(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_generator(tmp_path / "none")
    (tmp_path / "other").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="something else or damaged"):
        load_generator(tmp_path / "other")
    save_generator(nn.Linear(2, 3), tmp_path / "mine", in_features=2, out_features=3)
    with pytest.raises(ValueError, match="build: expected what makes the module"):
        load_generator(tmp_path / "mine")
    assert load_generator(tmp_path / "mine", nn.Linear).weight.shape == (3, 2)


class Constant(nn.Module):
    """An encoder that gives every sample the same mean and log-variance."""

    def __init__(self, mean: float, log_variance: float) -> None:
        super().__init__()
        self.given = torch.tensor([[mean, log_variance]], dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.given.expand(len(x), -1)


def test_log_likelihood_is_the_integral_over_codes() -> None:
    """One code, two pixels: the integral is a sum over a fine grid."""
    decoder = nn.Linear(1, 2).double()
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor([[1.5], [-2.0]]))
        decoder.bias.copy_(torch.tensor([0.3, 0.1]))
    model = Autoencoder(Constant(0.2, -0.1), decoder, "bce", bottleneck=Gaussian())
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    z = torch.linspace(-9, 9, 20001, dtype=torch.float64).unsqueeze(1)
    prior = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    given = torch.sigmoid(decoder(z)).detach().unsqueeze(0)  # [1, grid, 2]
    of_x = torch.where(x.unsqueeze(1) > 0, given, 1 - given).prod(dim=2)
    exact = torch.trapezoid(of_x * prior.T, dx=18 / 20000).log()
    assert exact.exp().sum() == pytest.approx(1)
    torch.manual_seed(0)
    found = log_likelihood(model.eval(), x, draws=20000)
    assert torch.allclose(found, exact, atol=0.02)
    one = torch.stack([log_likelihood(model, x, draws=1) for _ in range(500)]).mean(dim=0)
    assert bool((one < exact - 0.02).all())  # the bound of a single draw is lower


def test_log_likelihood_needs_a_variational_model_of_bits() -> None:
    for model in (autoencoder("variational", 4, 2), autoencoder("deep", 4, 2, loss="bce")):
        with pytest.raises(ValueError, match="model: expected a variational autoencoder"):
            log_likelihood(model, torch.zeros(2, 4))
