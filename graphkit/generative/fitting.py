"""Training of autoencoders, at once or layer by layer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.batches import Samples
from graphkit.generative.autoencoder import Autoencoder, Plain
from graphkit.train import Epoch, Fit, fit


def fit_autoencoder(
    model: Autoencoder,
    train: Tensor,
    validation: Tensor | None = None,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 1e-3,
    checkpoint: str | os.PathLike[str] | None = None,
    on_epoch: Callable[[Epoch], Any] | None = None,
) -> Fit:
    """Train an autoencoder of vectors or images with Adam.

    Args:
        model: what is trained.
        train: samples ``[n, ...]``.
        validation: samples whose loss selects the epoch; without any the last one counts.
        epochs: how many, those of the checkpoint included.
        batch_size, lr: of training.
        checkpoint: file from which training goes on if it is there, as for
            :func:`~graphkit.train.fit`.
        on_epoch: called after every epoch.

    Raises:
        ValueError: Samples are not finite, or not in [0, 1] for a cross-entropy.
    """
    for x in (train,) if validation is None else (train, validation):
        model.check(x)

    def score() -> float:
        assert validation is not None
        losses = [model.loss(part) * len(part) for part in validation.split(1024)]
        return -torch.stack(losses).sum().item() / len(validation)

    return fit(
        model,
        torch.optim.Adam(model.parameters(), lr=lr),
        Samples(train, batch_size=batch_size),
        lambda batch: model.loss(*batch),
        None if validation is None else score,
        epochs=epochs,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )


def pretrain(
    model: Autoencoder,
    x: Tensor,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 1e-3,
) -> list[Fit]:
    """Train a stack of layers greedily, the outermost pair first, each on the codes of the one
    before it (Bengio et al. 2007; with corruption, Vincent et al. 2010, section 3.5).

    Every layer of the encoder and its mirror in the decoder make an autoencoder of their own; their
    weights are the model's, which may then be trained as a whole.

    Args:
        model: of perceptrons, such as ``autoencoder("stacked", ...)``.
        x: samples ``[n, ...]``.
        epochs, batch_size, lr: of every layer's training.

    Returns:
        What every layer's training gave, from the outermost on.
    """
    down, up = _layers(model.encoder), _layers(model.decoder)
    if not isinstance(model.bottleneck, Plain) or not down or len(down) != len(up):
        raise ValueError(
            "model: expected linear layers, as many in the decoder as in the encoder, and no "
            f"bottleneck, got {len(up)}, {len(down)}, {type(model.bottleneck).__name__}"
        )
    found = []
    for k, (encoder, decoder) in enumerate(zip(down, reversed(up), strict=True)):
        shallow = Autoencoder(
            encoder,
            decoder,
            "mse" if k else model.reconstruction,
            corruption=model.corruption,
        )
        found.append(fit_autoencoder(shallow, x, epochs=epochs, batch_size=batch_size, lr=lr))
        with torch.no_grad():
            x = torch.cat([encoder(part) for part in x.split(1024)])
    return found


def _layers(network: nn.Module) -> list[nn.Sequential]:
    """Linear layers, each with what follows it, and the first with what comes before it."""
    parts: list[list[nn.Module]] = []
    before: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.Linear):
            parts.append([*before, module])
            before = []
        elif not list(module.children()):
            (parts[-1] if parts else before).append(module)
    return [nn.Sequential(*part) for part in parts]
