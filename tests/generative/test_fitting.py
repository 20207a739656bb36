"""Autoencoders trained at once, layer by layer, and after a break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from graphkit.generative import (
    Autoencoder,
    AutoencoderEstimator,
    Gaussian,
    autoencoder,
    fit_autoencoder,
    pretrain,
)
from graphkit.generative.image.hourglass import hourglass


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return torch.from_numpy(load_digits().data / 16).float()


def test_a_run_that_was_broken_off_ends_where_one_without_a_break_does(
    digits: Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    whole = autoencoder("denoising", 64, 16, nodes=32)
    fit_autoencoder(whole, digits, epochs=4)
    file = tmp_path / "run.safetensors"
    torch.manual_seed(0)
    fit_autoencoder(autoencoder("denoising", 64, 16, nodes=32), digits, epochs=2, checkpoint=file)
    torch.manual_seed(7)
    again = autoencoder("denoising", 64, 16, nodes=32)
    history = fit_autoencoder(again, digits, epochs=4, checkpoint=file).history
    assert [epoch.number for epoch in history] == [1, 2, 3, 4]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_best_epoch_survives_a_break(digits: Tensor, tmp_path: Path) -> None:
    file = tmp_path / "run.safetensors"
    model = autoencoder("undercomplete", 64, 8)
    first = fit_autoencoder(model, digits[:1000], digits[1000:], epochs=3, checkpoint=file)
    after = fit_autoencoder(model, digits[:1000], digits[1000:], epochs=3, checkpoint=file)
    assert after.best == first.best
    assert after.history == first.history
    assert all(torch.equal(after.state[name], value) for name, value in first.state.items())
    expected = -sum(model.loss(part).item() * len(part) for part in digits[1000:].split(300))
    assert first.best.score == pytest.approx(expected / len(digits[1000:]), rel=1e-4)


def test_a_checkpoint_of_another_network(digits: Tensor, tmp_path: Path) -> None:
    file = tmp_path / "run.safetensors"
    fit_autoencoder(autoencoder("undercomplete", 64, 8), digits, epochs=1, checkpoint=file)
    with pytest.raises(ValueError, match=r"checkpoint: .* its model does not fit"):
        fit_autoencoder(autoencoder("undercomplete", 64, 9), digits, epochs=2, checkpoint=file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ValueError, match="something else or damaged"):
        fit_autoencoder(autoencoder("undercomplete", 64, 8), digits, epochs=2, checkpoint=file)


def test_what_cannot_be_learnt_is_told_before_training(digits: Tensor, tmp_path: Path) -> None:
    model = autoencoder("undercomplete", 64, 8, loss="bce")
    start = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"expected numbers in \[0, 1\]"):
        fit_autoencoder(model, digits, 16 * digits, epochs=1, checkpoint=tmp_path / "no")
    with pytest.raises(ValueError, match="expected finite"):
        fit_autoencoder(model, digits.log().log(), epochs=1, checkpoint=tmp_path / "no")
    assert all(torch.equal(start[name], value) for name, value in model.state_dict().items())
    assert not (tmp_path / "no").exists()


def test_a_stack_is_trained_pair_by_pair(digits: Tensor) -> None:
    """Ten layers deep, one epoch finds nothing; pairs of layers do."""

    def error(pretrained: int) -> float:
        torch.manual_seed(0)
        model = autoencoder("stacked", 64, 16, nodes=[48, 40, 32, 24, 20])
        layers = [w.clone() for w in model.parameters()]
        if pretrained:
            fits = pretrain(model, digits, epochs=pretrained, batch_size=64)
            assert len(fits) == 6
            assert all(fit.history[-1].loss < fit.history[0].loss for fit in fits)
            assert all(
                not torch.equal(a, b) for a, b in zip(layers, model.parameters(), strict=True)
            )
        fit_autoencoder(model, digits, epochs=1, batch_size=64)
        return model.error(digits).mean().item()

    assert error(10) < 0.7 * error(0)


def test_only_stacks_of_linear_layers(digits: Tensor) -> None:
    for model in (
        autoencoder("variational", 64, 8),
        autoencoder("tied", 64, 8),
        Autoencoder(nn.Identity(), nn.Identity()),
    ):
        with pytest.raises(ValueError, match="model: expected linear layers"):
            pretrain(model, digits, epochs=1)


@pytest.mark.parametrize(("shape", "layers"), [((1, 8, 8), 2), ((3, 7, 10), 3), ((1, 28, 28), 1)])
def test_an_hourglass_gives_back_the_very_sides(shape: tuple[int, int, int], layers: int) -> None:
    encoder, decoder = hourglass(shape, 5, layers=layers, width=4, coded=10)
    x = torch.rand(2, *shape)
    assert encoder(x).shape == (2, 10)
    assert decoder(torch.rand(2, 5)).shape == x.shape
    narrow = encoder[:-2](x)
    assert narrow.size(1) == 4 * 2 ** (layers - 1)
    assert narrow.shape[2:] == tuple(-(-side // 2**layers) for side in shape[1:])


def test_convolutions_compose_with_every_bottleneck(digits: Tensor) -> None:
    images = digits.view(-1, 1, 8, 8)
    torch.manual_seed(0)
    plain = autoencoder("convolutional", (1, 8, 8), 16, nodes=8, loss="bce")
    drawn = Autoencoder(
        *hourglass((1, 8, 8), 16, width=8, coded=32), "bce", bottleneck=Gaussian(0.1)
    )
    for model in (plain, drawn):
        history = fit_autoencoder(model, images, epochs=3, lr=3e-3).history
        assert history[-1].loss < 0.8 * history[0].loss
        assert model(images[:3]).shape == (3, 1, 8, 8)


def test_images_through_perceptrons(digits: Tensor) -> None:
    images = digits.view(-1, 1, 8, 8)
    for kind in ("deep", "tied"):
        torch.manual_seed(0)
        model = autoencoder(kind, (1, 8, 8), 8, nodes=32)
        torch.manual_seed(0)
        flat = autoencoder(kind, 64, 8, nodes=32)
        assert torch.equal(model(images).flatten(1), flat(digits))


def test_a_stacked_estimator_is_pretrained(digits: Tensor) -> None:
    x = digits.numpy()
    settings: dict[str, Any] = {"code": 16, "layers": 4, "nodes": 32, "epochs": 3}
    stacked, deep = (
        AutoencoderEstimator(kind, **settings, random_state=0).fit(x)
        for kind in ("stacked", "deep")
    )
    assert stacked.losses_[-1] < deep.losses_[-1]
