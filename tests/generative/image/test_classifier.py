"""The classifier in whose features pictures are measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graphkit.data import load_images
from graphkit.generative.image.classifier import Classifier, train_classifier
from graphkit.metrics import image_quality
from graphkit.nn import load_encoder, save_encoder


def test_it_knows_digits_and_tells_good_pictures_from_bad(tmp_path: Path) -> None:
    images = load_images("digits")
    torch.manual_seed(0)
    model = train_classifier(images, epochs=6, batch_size=64)
    with torch.no_grad():
        right = model(images.test).argmax(dim=1) == images.test_labels
    assert right.double().mean() > 0.9
    assert model.features(images.test[:5]).shape == (5, 64)
    half = images.train[:700], images.train[700:]
    good = image_quality(model, *half)
    noise = image_quality(model, half[0], torch.rand(700, 1, 8, 8))
    near = (images.train[:1] + 0.01 * torch.randn(700, 1, 8, 8)).clamp(0, 1)
    one = image_quality(model, half[0], near)
    assert good["frechet_distance"] < 0.2 * noise["frechet_distance"]
    assert good["kernel_distance"] < 0.2 * noise["kernel_distance"]
    assert good["class_entropy"] > 2.28
    assert one["recall"] < 0.05 < good["recall"]
    save_encoder(model, tmp_path / "c", channels=1, size=8, classes=10)
    again = load_encoder(tmp_path / "c", Classifier).eval()
    assert torch.equal(again(images.test), model(images.test))


def test_one_class_is_none() -> None:
    images = load_images("digits")
    zeros = replace(images, train=images.train[:5], train_labels=torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ValueError, match="images: expected at least two classes, got 1"):
        train_classifier(zeros)


def test_pictures_it_cannot_learn_from() -> None:
    images = load_images("digits")
    with pytest.raises(ValueError, match=r"images: expected numbers in \[0, 1\], got -1 to 1"):
        train_classifier(replace(images, train=2 * images.train - 1))
    with pytest.raises(ValueError, match=r"expected squares, got 5 x 8 pixels; .* size=8\) makes"):
        train_classifier(replace(images, train=images.train[..., :5]))


def test_a_batch_of_one_is_not_left_over() -> None:
    images = load_images("digits")
    few = replace(images, train=images.train[:21], train_labels=images.train_labels[:21])
    train_classifier(few, epochs=1, batch_size=6)  # 2 are held out; 19 = 3 x 6 + 1


@pytest.mark.parametrize("size", [25, 27, 32])
def test_pictures_of_other_sizes_are_not_measured(size: int) -> None:
    model = Classifier(channels=1, size=28, classes=10, width=2)
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(ValueError, match=r"images: expected shape \[B, 1, 28, 28\], got \[2, 1, "):
        model.features(torch.zeros(2, 1, size, size))


def test_the_seed_makes_the_classifier() -> None:
    images = load_images("digits")
    few = replace(images, train=images.train[:60], train_labels=images.train_labels[:60])
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = train_classifier(few, epochs=1, batch_size=20)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
