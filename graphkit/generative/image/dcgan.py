"""DCGAN (Radford et al. 2016), with or without classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

# Doublings that lead from the smallest square to an image's side.
_SQUARES = {28: (7, 2), 32: (4, 3), 64: (4, 4)}
SIZES = tuple(_SQUARES)


class DCGANGenerator(nn.Module):
    """Images in [-1, 1] of noise, by transposed convolutions of stride 2.

    After the guidelines: no pooling and no hidden fully connected layer, batch norm everywhere but
    at the output, ReLU, and tanh at the end.

    Args:
        size: 28, 32 or 64 pixels a side.
        channels: of the image.
        noise: size of the noise.
        width: channels of the last hidden layer; every layer before has twice as many.
        classes: number of classes; a learnt vector of the class is added to the noise's.

    Shapes:
        noise ``[B, noise]``, labels ``[B]``; output ``[B, channels, size, size]``.
    """

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        noise: int = 64,
        width: int = 32,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        first, doublings = _square_of(size)
        self.noise, self.classes = noise, classes
        self.embedding = None if classes is None else nn.Embedding(classes, noise)
        widths = [width * 2**k for k in reversed(range(doublings))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(noise, widths[0], first, bias=False)]
        for k, wide in enumerate(widths):
            layers += [nn.BatchNorm2d(wide), nn.ReLU()]
            after = widths[k + 1] if k + 1 < doublings else channels
            layers.append(
                nn.ConvTranspose2d(wide, after, 4, stride=2, padding=1, bias=k + 1 == doublings)
            )
        self.layers = nn.Sequential(*layers, nn.Tanh())
        self.apply(_draw)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            if labels is None:
                raise ValueError("labels: expected one for every sample, got None")
            noise = noise + self.embedding(labels)
        return self.layers(noise[:, :, None, None])


class DCGANDiscriminator(nn.Module):
    r"""The mirror of the generator: convolutions of stride 2, leaky ReLU, batch norm everywhere but
    at the input.

    With classes it is :math:`\phi(x)^\top w + \phi(x)^\top v_y`, a projection on the class (Miyato
    & Koyama 2018, eq. 3).

    Args:
        size, channels: of the images.
        width: channels of the first layer; every next one has twice as many.
        classes: number of classes.
        norm: "batch", "spectral" (Miyato et al. 2018), or None: a gradient penalty looks at
            samples one by one, and batch norm mixes them.

    Shapes:
        images ``[B, channels, size, size]``, labels ``[B]``; output ``[B]``.
    """

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        width: int = 32,
        classes: int | None = None,
        norm: str | None = "batch",
    ) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        if norm not in ("batch", "spectral", None):
            raise ValueError(f"norm: expected 'batch', 'spectral' or None, got {norm!r}")
        last, halvings = _square_of(size)
        layers: list[nn.Module] = []
        for k in range(halvings):
            before, after = channels if k == 0 else width * 2 ** (k - 1), width * 2**k
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            if k > 0 and norm == "batch":
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        wide = width * 2 ** (halvings - 1)
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(wide, 1, last)
        self.classes = None if classes is None else nn.Embedding(classes, wide)
        self.apply(_draw)
        if norm == "spectral":
            for module in list(self.modules()):
                if isinstance(module, (nn.Conv2d, nn.Embedding)):
                    spectral_norm(module)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        if image.dim() != 4 or image.shape[1:] != self.shape:
            raise ValueError(
                f"image: expected shape [B, {', '.join(map(str, self.shape))}], "
                f"got {list(image.shape)}"
            )
        features = self.layers(image)
        said = self.head(features).flatten()
        if self.classes is None:
            return said
        if labels is None:
            raise ValueError("labels: expected one for every sample, got None")
        return said + (features.sum(dim=(2, 3)) * self.classes(labels)).sum(dim=1)


def _square_of(size: int) -> tuple[int, int]:
    if size not in _SQUARES:
        raise ValueError(f"size: expected one of {', '.join(map(str, SIZES))}, got {size}")
    return _SQUARES[size]


@torch.no_grad()
def _draw(module: nn.Module) -> None:
    """Start values N(0, 0.02), as the paper has them."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
