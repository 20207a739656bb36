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
    one = image_quality(model, half[0], images.train[:1] + 0.01 * torch.randn(700, 1, 8, 8))
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
