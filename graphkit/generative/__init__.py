"""Autoencoders and adversaries, for images and graphs alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphkit.generative.adversarial import (
    GAN,
    Average,
    CodeAdversary,
    Game,
    Round,
    Translation,
    frozen,
    play,
    train_discriminator,
    train_generator,
)
from graphkit.generative.autoencoder import (
    KINDS,
    L2,
    Autoencoder,
    Bottleneck,
    Contraction,
    Gaussian,
    GaussianNoise,
    KLSparsity,
    L1Sparsity,
    Masking,
    Plain,
    SaltAndPepper,
    Tied,
    VectorQuantiser,
    autoencoder,
    log_likelihood,
)
from graphkit.generative.fitting import fit_autoencoder, pretrain
from graphkit.generative.generators import load_generator, sample, save_generator

if TYPE_CHECKING:
    from graphkit.generative.estimators import AutoencoderEstimator

__all__ = [
    "GAN",
    "KINDS",
    "L2",
    "Autoencoder",
    "AutoencoderEstimator",
    "Average",
    "Bottleneck",
    "CodeAdversary",
    "Contraction",
    "Game",
    "Gaussian",
    "GaussianNoise",
    "KLSparsity",
    "L1Sparsity",
    "Masking",
    "Plain",
    "Round",
    "SaltAndPepper",
    "Tied",
    "Translation",
    "VectorQuantiser",
    "autoencoder",
    "fit_autoencoder",
    "frozen",
    "load_generator",
    "log_likelihood",
    "play",
    "pretrain",
    "sample",
    "save_generator",
    "train_discriminator",
    "train_generator",
]


def __getattr__(name: str) -> Any:
    if name == "AutoencoderEstimator":  # scikit-learn takes its time to import
        from graphkit.generative.estimators import AutoencoderEstimator

        return AutoencoderEstimator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
