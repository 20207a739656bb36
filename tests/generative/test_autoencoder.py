"""Each kind of autoencoder has what it is named for, on scikit-learn's digits."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from graphkit.generative import (
    KINDS,
    Autoencoder,
    CodeAdversary,
    GaussianNoise,
    Masking,
    SaltAndPepper,
    VectorQuantiser,
    autoencoder,
    train_discriminator,
    train_generator,
)
from graphkit.generative.objectives import jacobian_norm, mmd


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return torch.from_numpy(load_digits().data / 16).float()


def trained(x: Tensor, kind: str, code: int = 16, epochs: int = 6, **more: Any) -> Autoencoder:
    torch.manual_seed(0)
    features = x.size(1) if x.dim() == 2 else x.shape[1:]
    model = autoencoder(kind, features, code, **({"nodes": 64, "loss": "bce"} | more))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            model.loss(x[rows]).backward()
            optimizer.step()
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns(kind: str, digits: Tensor) -> None:
    digits = digits.view(-1, 1, 8, 8) if kind == "convolutional" else digits
    code = 80 if kind == "overcomplete" else 16
    weight = 0.05 if kind == "variational" else None
    model = trained(digits, kind, code, epochs=8, loss="mse", weight=weight)
    spread = (digits - digits.mean(0)).square().flatten(1).sum(1).mean()
    with torch.no_grad():
        assert model.encode(digits).shape == (len(digits), code)
        assert model.error(digits).mean() < 0.75 * spread
        assert model(digits).shape == digits.shape
    model = trained(digits, kind, code, epochs=1)
    out = model(digits)
    assert 0 <= out.min() <= out.max() <= 1


def test_the_four_settings_make_the_network() -> None:
    model = autoencoder("deep", 20, 3, nodes=[16, 8], loss="l1")
    sizes = [m.out_features for m in model.modules() if isinstance(m, nn.Linear)]
    assert sizes == [16, 8, 3, 8, 16, 20]
    assert len([m for m in autoencoder("deep", 20, 3).encoder if isinstance(m, nn.Linear)]) == 4
    x = torch.randn(2, 20)
    torch.testing.assert_close(model.error(x), (model(x) - x).abs().sum(1))


def test_tied_weights_are_one(digits: Tensor) -> None:
    tied, free = (autoencoder(kind, 64, 8, nodes=32) for kind in ("tied", "undercomplete"))
    count = [sum(p.numel() for p in m.parameters()) for m in (tied, free)]
    assert count[1] - count[0] == 64 * 32 + 32 * 8
    assert len(tied.state_dict()) == 6  # no weight twice
    code = torch.randn(5, 8)
    hidden = torch.relu(code @ tied.encoder[2].weight + tied.decoder.biases[0])
    expected = hidden @ tied.encoder[0].weight + tied.decoder.biases[1]
    torch.testing.assert_close(tied.decoder(code), expected)
    (by_decoder,) = torch.autograd.grad(tied.decoder(code).sum(), tied.encoder[0].weight)
    assert by_decoder.abs().sum() > 0
    other = copy.deepcopy(tied)
    with torch.no_grad():
        other.encoder[0].weight.zero_()
    torch.testing.assert_close(tied.decoder(code), expected)
    assert not torch.allclose(other.decoder(code), expected)


def test_few_units_of_a_sparse_code_are_on(digits: Tensor) -> None:
    sparse = trained(digits, "sparse", 64, weight=0.5).encode(digits)
    plain = trained(digits, "sparse", 64, weight=0.0).encode(digits)
    assert (sparse > 0.01).float().mean() < 0.5 * (plain > 0.01).float().mean()
    low = trained(digits, "sparse-kl", 64, weight=3.0).encode(digits)
    high = trained(digits, "sparse-kl", 64, weight=0.0).encode(digits)
    assert abs(low.mean() - 0.05) < 0.05 < 0.3 < high.mean()


def test_a_denoiser_finds_the_clean_digit(digits: Tensor) -> None:
    more = {"code": 32, "epochs": 15, "loss": "mse"}
    denoising = trained(digits, "denoising", corruption=Masking(0.4), **more)
    plain = trained(digits, "undercomplete", **more)
    torch.manual_seed(1)
    spoilt = Masking(0.4)(digits)
    with torch.no_grad():
        errors = [(m(spoilt) - digits).square().mean() for m in (denoising, plain)]
    assert errors[0] < 0.8 * errors[1]
    assert errors[0] < (spoilt - digits).square().mean()


def test_corruption_does_what_it_says_and_only_in_training() -> None:
    torch.manual_seed(0)
    x = torch.full((200, 100), 0.5)
    assert (Masking(0.3)(x) == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert (GaussianNoise(0.2)(x) - x).std().item() == pytest.approx(0.2, abs=0.01)
    salted = SaltAndPepper(0.4)(x)
    assert (salted == 1).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert (salted == 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    model = autoencoder("denoising", 100, 10).eval()
    assert torch.equal(model.loss(x), model.loss(x))
    assert not torch.equal(model.train().loss(x), model.loss(x))
    with pytest.raises(ValueError, match=r"rate: expected a probability below 1, got 1\.5"):
        Masking(1.5)


def test_a_contractive_code_moves_little(digits: Tensor) -> None:
    norms = []
    for weight in (0.0, 1.0):
        model = trained(digits, "contractive", weight=weight)
        x = digits[:200].clone().requires_grad_()
        norms.append(jacobian_norm(model.encode(x), x).mean().item())
    assert norms[1] < 0.3 * norms[0]


def test_the_loss_can_be_evaluated_without_gradients(digits: Tensor) -> None:
    for kind in KINDS:
        features, x = 64, digits[:9]
        if kind == "convolutional":
            features, x = (1, 8, 8), x.view(-1, 1, 8, 8)
        model = autoencoder(kind, features, 64 if kind == "overcomplete" else 8, nodes=16).eval()
        expected = model.loss(x).detach()
        with torch.no_grad():
            torch.testing.assert_close(model.loss(x).detach(), expected)


def test_both_players_of_a_code_see_the_corrupted_input() -> None:
    class Recorder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Tensor] = []
            self.lin = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(x)
            return self.lin(x)

    encoder = Recorder()
    model = Autoencoder(encoder, nn.Linear(2, 8), corruption=Masking(0.5))
    game = CodeAdversary(model, nn.Linear(2, 1))
    batch = (torch.ones(50, 8),)
    game.discriminator_loss(batch)
    game.generator_loss(batch)
    assert [0.2 < float((x == 0).float().mean()) < 0.8 for x in encoder.seen] == [True, True]


def test_a_variational_code_is_drawn_in_training_alone(digits: Tensor) -> None:
    model = trained(digits, "variational", 4, epochs=10)
    with torch.no_grad():
        mean, log_variance = model.encoder(digits).chunk(2, dim=-1)
        torch.testing.assert_close(model.encode(digits), mean)
        model.train()
        code, cost = model.bottleneck(model.encoder(digits))
        apart = (code - mean).square().mean() / log_variance.exp().mean()
        assert 0.9 < apart < 1.1
        assert cost.shape == (len(digits),)
        assert cost.mean() > 1
    # All codes together are near the prior; a plain autoencoder's are not.
    plain = trained(digits, "undercomplete", 4, epochs=10).encode(digits)
    prior = torch.randn_like(code)
    assert mmd(code, prior) < 0.2 * mmd(plain, prior)


def test_an_adversary_brings_the_code_to_the_prior(digits: Tensor) -> None:
    def run(weight: float) -> Tensor:
        torch.manual_seed(0)
        model = autoencoder("undercomplete", 64, 2, nodes=64, loss="bce")
        judge = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1))
        game = CodeAdversary(model, judge, weight=weight)
        first = torch.optim.Adam(model.parameters(), lr=2e-3)
        second = torch.optim.Adam(judge.parameters(), lr=2e-3)
        for _ in range(15):
            for rows in torch.randperm(len(digits)).split(64):
                train_discriminator(game, (digits[rows],), second)
                train_generator(game, (digits[rows],), first)
        with torch.no_grad():
            return model.eval().encode(digits)

    prior = torch.randn(1797, 2)
    assert mmd(run(5.0), prior) < 0.3 * mmd(run(0.0), prior)


def test_quantised_codes_are_vectors_of_the_set() -> None:
    torch.manual_seed(0)
    quantiser = VectorQuantiser(5, 3)
    hidden = torch.randn(4, 6, requires_grad=True)
    code, cost = quantiser(hidden)
    for part in code.view(-1, 3):
        assert torch.cdist(part[None], quantiser.vectors).min() < 1e-6
    assert quantiser.indices(hidden).shape == (4, 2)
    torch.testing.assert_close(
        quantiser.vectors[quantiser.indices(hidden)].flatten(1), code, atol=1e-6, rtol=0
    )
    distance = (code - hidden).square().sum(1)
    torch.testing.assert_close(cost, 1.25 * distance)
    (gradient,) = torch.autograd.grad(code.sum(), hidden, retain_graph=True)
    assert torch.equal(gradient, torch.ones_like(hidden))  # straight through
    assert torch.autograd.grad(cost.sum(), quantiser.vectors)[0].abs().sum() > 0
    images = torch.randn(2, 3, 4, 5)
    assert quantiser(images)[0].shape == images.shape
    assert quantiser.indices(images).shape == (2, 20)
    pixel = quantiser(images)[0][1, :, 2, 3]
    assert torch.cdist(pixel[None], quantiser.vectors).min() < 1e-6


@pytest.mark.parametrize(
    ("x", "loss", "message"),
    [
        (torch.full((2, 8), torch.nan), "mse", "x: expected finite numbers, got NaN or infinity"),
        (torch.full((2, 8), torch.inf), "mse", "x: expected finite numbers, got NaN or infinity"),
        (torch.full((2, 8), 1.5), "bce", r"x: expected numbers in \[0, 1\] .* got 1.5 to 1.5"),
    ],
)
def test_what_cannot_be_reconstructed(x: Tensor, loss: str, message: str) -> None:
    model = autoencoder("undercomplete", 8, 2, loss=loss)
    for of in (model.loss, model.error):
        with pytest.raises(ValueError, match=message):
            of(x)
    with pytest.raises(TypeError, match=r"x: expected floating point, got torch.int64"):
        autoencoder("undercomplete", 8, 2, loss=loss).loss(x.nan_to_num().long())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("underdone", 8, 2), "kind: expected one of undercomplete, .* got 'underdone'"),
        (("undercomplete", 8, 8), "code: expected less than the 8 features, got 8"),
        (("overcomplete", 8, 7), "code: expected at least the 8 features, got 7"),
        (("deep", 8, 0), "code: expected at least 1, got 0"),
        (("deep", 0, 1), "features: expected at least 1, or channels, height and width, got 0"),
        (("deep", (8, 8), 1), r"features: expected at least 1, or .*, got \(8, 8\)"),
        (("convolutional", 64, 8), r"features: expected channels, .* of images, got \[64\]"),
    ],
)
def test_sizes_that_are_not_the_kind_s(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        autoencoder(*arguments)
    with pytest.raises(ValueError, match="nodes: expected 3 numbers, one for every layer"):
        autoencoder("deep", 8, 2, layers=3, nodes=[4, 4])
    with pytest.raises(ValueError, match="reconstruction: expected one of mse, l1, bce, got 'x'"):
        autoencoder("deep", 8, 2, loss="x")
