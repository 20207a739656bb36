"""MaskGAE: links hidden from the encoder are what is reconstructed (Li et al. 2023)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.generative.autoencoder import Autoencoder, Step, perceptron
from graphkit.generative.graph.gae import LINKS, Links, MLPDecoder


class MaskGAE(Autoencoder):
    r"""A masked graph autoencoder: it finds links that its encoder was not shown, and how many of
    them every node has.

    .. math::
        L = L_\text{links} + \alpha \, \tfrac1N \sum_i (f(z_i) - \deg_\text{hidden}(i))^2

    (Li et al. 2023, eqs. 3 to 6), with :func:`~graphkit.generative.graph.link_error` for the first.
    A step of training hides a share of the links, of which the paper has 0.7, drawn anew::

        graph, hidden, unlinked = split.draw(0.7, generator)
        model.loss(x, graph, target=Links(hidden, unlinked)).backward()

    Both directions of a link are hidden together. Nothing is hidden when codes are asked for:
    ``model.encode(x, split.graph)``.

    Args:
        encoder: of ``(x, graph)``, gives a code for every node.
        channels: size of the code.
        hidden: of the perceptrons that find links (:class:`~graphkit.generative.graph.MLPDecoder`)
            and degrees.
        alpha: weight of the degrees.
    """

    def __init__(
        self, encoder: nn.Module, channels: int, hidden: int = 64, alpha: float = 0.003
    ) -> None:
        super().__init__(encoder, MLPDecoder(channels, hidden), LINKS)
        self.degree = perceptron([channels, hidden, 1])
        self.alpha = alpha

    def step(self, x: Tensor, *given: Any, target: Any = None) -> tuple[Tensor, Step]:
        if not isinstance(target, Links):
            raise TypeError(f"target: expected Links, got {type(target).__name__}")
        loss, step = super().step(x, *given, target=target)
        hidden = torch.bincount(target.positive.flatten(), minlength=len(step.code))
        found = self.degree(step.code).squeeze(-1)
        return loss + self.alpha * F.mse_loss(found, hidden.to(found.dtype)), step
