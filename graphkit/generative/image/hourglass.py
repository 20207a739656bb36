"""Convolutions that narrow an image to a code, and their mirror."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

Shape = tuple[int, int, int]


def hourglass(
    shape: Sequence[int],
    code: int,
    *,
    layers: int = 2,
    width: int = 32,
    coded: int | None = None,
) -> tuple[nn.Sequential, nn.Sequential]:
    """An encoder of images and a decoder of codes, for an
    :class:`~graphkit.generative.Autoencoder`.

    Every 3 x 3 convolution of stride 2 halves the sides and doubles the channels; a linear map
    leads to the code. The decoder goes the same way back by transposed convolutions, to the very
    sides, odd ones too.

    Args:
        shape: channels, height and width of an image.
        code: size of the code.
        layers: convolutions on either side.
        width: channels of the first.
        coded: what the encoder gives, if that is not the code itself: ``2 * code`` for a
            :class:`~graphkit.generative.Gaussian` bottleneck.

    Shapes:
        images ``[B, *shape]`` to ``[B, coded]``; codes ``[B, code]`` to ``[B, *shape]``.
    """
    channels, *sides = shape
    steps = [(sides[0], sides[1])]
    for _ in range(layers):
        steps.append((-(-steps[-1][0] // 2), -(-steps[-1][1] // 2)))
    widths = [width * 2**k for k in range(layers)]
    before = [channels, *widths[:-1]]
    down: list[nn.Module] = []
    for i, o in zip(before, widths, strict=True):
        down += [nn.Conv2d(i, o, 3, stride=2, padding=1), nn.ReLU()]
    narrow = (widths[-1], *steps[-1])
    size = narrow[0] * narrow[1] * narrow[2]
    up: list[nn.Module] = [nn.Linear(code, size), nn.ReLU(), nn.Unflatten(1, narrow)]
    for k in reversed(range(layers)):
        # A transposed convolution gives 2 s - 1 of s, or one more.
        (high, wide), (less_high, less_wide) = steps[k], steps[k + 1]
        more = high - (2 * less_high - 1), wide - (2 * less_wide - 1)
        up.append(nn.ConvTranspose2d(widths[k], before[k], 3, 2, 1, output_padding=more))
        up += [nn.ReLU()] if k else []
    coded = code if coded is None else coded
    return nn.Sequential(*down, nn.Flatten(), nn.Linear(size, coded)), nn.Sequential(*up)
