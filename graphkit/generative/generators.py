"""Trained generators: sampled, saved, and sampled again elsewhere."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.generative.autoencoder import Autoencoder
from graphkit.nn.checkpoint import load_encoder, made_by, save_encoder

_PART = 256  # samples made at a time
_ROOM = "graphkit.generative."
_KNOWN = (  # what a file may name, imported only then
    "autoencoder.autoencoder",
    "image.dcgan.DCGANGenerator",
    "graph.graphvae.graph_vae",
    "graph.molgan.molecule_generator",
    "graph.netgan.WalkGenerator",
)


def draw(
    count: int,
    noise: int,
    classes: int | None = None,
    labels: Tensor | int | None = None,
    *,
    like: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """What a generator is given: standard normal noise ``[count, noise]``, and labels ``[count]``
    if there are classes.

    Args:
        labels: in place of random ones; one for all, or one for every sample.
        like: of whose type and on whose device.
    """
    given = torch.empty(0) if like is None else like
    z = torch.randn(count, noise, dtype=given.dtype, device=given.device)
    if classes is None:
        if labels is not None:
            raise ValueError("labels: expected none of a generator without classes")
        return (z,)
    if labels is None:
        return z, torch.randint(0, classes, (count,), device=given.device)
    labels = torch.as_tensor(labels, device=given.device)
    if labels.is_floating_point() or not bool(((labels >= 0) & (labels < classes)).all()):
        raise ValueError(
            f"labels: expected integers from 0 to {classes - 1}, got {labels.unique().tolist()}"
        )
    return z, labels.expand(count)


@torch.no_grad()
def sample(
    generator: nn.Module,
    count: int,
    labels: Tensor | int | None = None,
    *,
    noise: int | None = None,
    classes: int | None = None,
    spread: float = 1.0,
) -> Tensor:
    """Samples ``[count, ...]`` of a trained generator, in evaluation mode; torch's generator draws
    the noise.

    Args:
        generator: of noise, or of noise and labels; or an autoencoder whose codes follow the
            standard normal distribution, which is decoded from there.
        count: how many.
        labels: as for :func:`draw`.
        noise, classes: what the generator takes, where it has no attributes that say so.
        spread: standard deviation of the noise, 1 in training. With less, samples are more typical
            and differ less (Kingma & Dhariwal 2018, section 6, where it is the temperature).
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count}")
    if not 0 < spread < float("inf"):
        raise ValueError(f"spread: expected a positive number, got {spread}")
    noise = getattr(generator, "noise", None) if noise is None else noise
    classes = getattr(generator, "classes", None) if classes is None else classes
    if noise is None:
        raise ValueError(f"noise: expected its size, as {type(generator).__name__} has none")
    make = generator.decode if isinstance(generator, Autoencoder) else generator
    z, *labelled = draw(count, noise, classes, labels, like=next(generator.parameters()))
    given = z * spread, *labelled
    training = generator.training
    generator.eval()
    try:
        parts = zip(*(entries.split(_PART) for entries in given), strict=True)
        return torch.cat([make(*part) for part in parts])
    finally:
        generator.train(training)


def save_generator(
    generator: nn.Module,
    file: str | os.PathLike[str],
    build: Callable[..., nn.Module] | None = None,
    **arguments: Any,
) -> None:
    """Write a generator, and what it was made with, to a file that is not pickled.

    The same as :func:`graphkit.nn.save_encoder`: ``save_generator(game.generator, "g.safetensors",
    size=28, width=32)``, and of an autoencoder made by name ``build=autoencoder, kind=...``.
    """
    save_encoder(generator, file, build, **arguments)


def load_generator(
    file: str | os.PathLike[str], build: Callable[..., nn.Module] | None = None
) -> nn.Module:
    """Make a generator of a file that :func:`save_generator` wrote, in evaluation mode.

    Args:
        file: where from.
        build: what makes the module; may be left out for what
            :func:`~graphkit.generative.autoencoder` makes, a
            :class:`~graphkit.generative.image.dcgan.DCGANGenerator`, and of
            :mod:`graphkit.generative.graph` for `molecule_generator`, `graph_vae` and
            `WalkGenerator`.
    """
    if build is None:
        name = made_by(file)
        if name.removeprefix(_ROOM) in _KNOWN:
            room, _, short = name.rpartition(".")
            build = getattr(importlib.import_module(room), short)
    return load_encoder(file, build).eval()
