"""Jumping knowledge: use what every layer found, not only the last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphkit.nn.inits import reset


class JumpingKnowledge(nn.Module):
    r"""Combines the features of all layers, Xu et al. 2018, section 4.

    .. math::
        x_i^{(1)} \Vert \dots \Vert x_i^{(L)}, \quad \max_l x_i^{(l)}, \quad
        \text{or } \sum_l \alpha_i^{(l)} x_i^{(l)}

    with the attention :math:`\alpha_i` of a bidirectional LSTM over the layers.

    Args:
        mode: "cat", "max" or "lstm".
        channels: number of features of every layer; only "lstm" needs it.
        num_layers: number of layers; only "lstm" needs it.
    """

    def __init__(
        self, mode: str, channels: int | None = None, num_layers: int | None = None
    ) -> None:
        super().__init__()
        self.mode = mode.lower()
        self.lstm = self.att = self.channels = self.num_layers = None
        if self.mode not in ("cat", "max", "lstm"):
            raise ValueError(f"mode: expected 'cat', 'max' or 'lstm', got {mode!r}")
        if self.mode == "lstm":
            if channels is None or num_layers is None:
                raise ValueError(
                    "channels, num_layers: expected numbers, as mode='lstm' needs them, "
                    f"got {channels}, {num_layers}"
                )
            self.channels, self.num_layers = channels, num_layers
            hidden = (num_layers * channels) // 2
            self.lstm = nn.LSTM(channels, hidden, bidirectional=True, batch_first=True)
            self.att = nn.Linear(2 * hidden, 1)

    def reset_parameters(self) -> None:
        reset(self.lstm)
        reset(self.att)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """``xs``: ``[N, F]`` for every layer."""
        if self.mode == "cat":
            return torch.cat(list(xs), dim=-1)
        if self.lstm is None or self.att is None:
            return torch.stack(list(xs), dim=-1).max(dim=-1).values
        x = torch.stack(list(xs), dim=1)
        alpha = self.att(self.lstm(x)[0]).softmax(dim=1)
        return (x * alpha).sum(dim=1)

    def __repr__(self) -> str:
        sizes = f", channels={self.channels}, layers={self.num_layers}"
        return f"{type(self).__name__}({self.mode}{sizes if self.mode == 'lstm' else ''})"
