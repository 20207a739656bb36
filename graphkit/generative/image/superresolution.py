"""SRResNet and SRGAN: larger images of small ones (Ledig et al. 2017)."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class SRResNet(nn.Module):
    """Residual blocks on the small image, and pixels shuffled to make it larger.

    What the network gives is added to the bicubic enlargement, so that it starts from there. It is
    given what differs from the picture's mean, four times as large, without which training takes
    some hundred steps to leave its start.

    Args:
        channels: of the images.
        scale: 2 or 4, how many times the sides grow.
        width: channels between (64 in the paper).
        blocks: residual blocks (16 in the paper).
        norm: batch norm in the blocks, as in the paper; without it small batches learn better
            (Lim et al. 2017).

    Shapes:
        ``[B, channels, H, W]`` in [0, 1]; output ``[B, channels, scale * H, scale * W]``.
    """

    def __init__(
        self,
        channels: int = 3,
        scale: int = 4,
        width: int = 32,
        blocks: int = 4,
        norm: bool = False,
    ) -> None:
        super().__init__()
        if scale not in (2, 4):
            raise ValueError(f"scale: expected 2 or 4, got {scale}")
        self.scale = scale
        self.first = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*[_Residual(width, norm) for _ in range(blocks)])
        self.after = nn.Conv2d(width, width, 3, padding=1)
        grow: list[nn.Module] = []
        for _ in range(int(math.log2(scale))):
            grow += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        self.grow = nn.Sequential(*grow)
        self.last = nn.Conv2d(width, channels, 9, padding=4)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        enlarged = F.interpolate(x, scale_factor=self.scale, mode="bicubic", align_corners=False)
        x = self.first(4 * (x - x.mean(dim=(1, 2, 3), keepdim=True)))
        x = x + self.after(self.blocks(x))
        return enlarged + self.last(self.grow(x))


class _Residual(nn.Module):
    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()

        def normed() -> list[nn.Module]:
            return [nn.BatchNorm2d(width)] if norm else []

        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=not norm),
            *normed(),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=not norm),
            *normed(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SRDiscriminator(nn.Module):
    """Convolutions by turns of stride 1 and 2, and two linear layers at the end.

    Args:
        channels: of the images.
        width: channels of the first layer (64 in the paper), doubled at every second one.
        levels: how many times the sides are halved (4 in the paper).

    Shapes:
        ``[B, channels, H, W]``; output ``[B]``.
    """

    def __init__(self, channels: int = 3, width: int = 32, levels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for k in range(levels):
            i = width * 2 ** max(0, k - 1)
            o = width * 2**k
            if k > 0:
                layers += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o)]
                layers.append(nn.LeakyReLU(0.2))
            layers += [nn.Conv2d(o, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(16 * width * 2 ** (levels - 1), 16 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * width, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.layers(image)).flatten()
