"""An image of an image: U-Net, and a judge of patches.

U-Net is of Ronneberger et al. 2015, the judge of Isola et al. 2017.
As generator and discriminator of a :class:`~graphkit.generative.Translation` they are pix2pix; the
same pair segments, colours, and predicts the next frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """An hourglass whose two halves are joined at every width.

    Each level has two 3 x 3 convolutions with batch norm and ReLU; going down halves the sides and
    doubles the channels, and going up takes the features of the same size from the way down along.

    Args:
        in_channels, out_channels: of the images.
        width: channels of the first level.
        depth: how many times the sides are halved.
        last: at the output, such as ``torch.nn.Tanh()``; nothing if not given.
        dropout: probability in the narrowest level, which stands for pix2pix's noise.

    Shapes:
        ``[B, in_channels, H, W]``, H and W multiples of ``2 ** depth``; output
        ``[B, out_channels, H, W]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 32,
        depth: int = 3,
        last: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels, self.depth = in_channels, depth
        widths = [width * 2**k for k in range(depth + 1)]
        before = [in_channels, *widths[:-1]]
        self.down = nn.ModuleList([_level(i, o) for i, o in zip(before, widths, strict=True)])
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout2d(dropout)
        self.widen = nn.ModuleList(
            [nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1])]
        )
        self.up = nn.ModuleList([_level(2 * w, w) for w in reversed(widths[:-1])])
        self.head = nn.Conv2d(width, out_channels, 1)
        self.last = nn.Identity() if last is None else last

    def forward(self, x: Tensor) -> Tensor:
        step = 2**self.depth
        if x.dim() != 4 or x.size(1) != self.in_channels or x.size(2) % step or x.size(3) % step:
            raise ValueError(
                f"x: expected shape [B, {self.in_channels}, H, W] with sides that {step} divides, "
                f"got {list(x.shape)}"
            )
        passed = []
        for k, level in enumerate(self.down):
            x = level(x if k == 0 else self.pool(x))
            passed.append(x)
        x = self.dropout(passed.pop())
        for widen, level in zip(self.widen, self.up, strict=True):
            x = level(torch.cat([passed.pop(), widen(x)], dim=1))
        return self.last(self.head(x))


def _level(i: int, o: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before in (i, o):
        layers += [nn.Conv2d(before, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
    return nn.Sequential(*layers)


class PatchDiscriminator(nn.Module):
    """Says of every patch whether it is real: convolutions alone, so of images of any size.

    Args:
        channels: of the sample, and of the input it was made of, if it sees that too, together.
        width: channels of the first layer; every next one has twice as many.
        layers: convolutions of stride 2: with 3 of them a patch has 70 pixels a side.

    Shapes:
        one or two images ``[B, c, H, W]``; output ``[B, 1, h, w]``.
    """

    def __init__(self, channels: int, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        modules: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for k in range(layers):
            i, o, stride = width * 2**k, width * 2 ** (k + 1), 2 if k + 1 < layers else 1
            modules += [nn.Conv2d(i, o, 4, stride, 1, bias=False), nn.BatchNorm2d(o)]
            modules.append(nn.LeakyReLU(0.2))
        modules.append(nn.Conv2d(width * 2**layers, 1, 4, 1, 1))
        self.layers = nn.Sequential(*modules)

    def forward(self, *images: Tensor) -> Tensor:
        return self.layers(torch.cat(images, dim=1))
