"""Sounds out of a mixture: a network masks its spectrogram."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from graphkit.generative.image.unet import UNet


class SpectralMask(nn.Module):
    r"""Takes the sources of a mixture apart, or a voice out of noise.

    A U-Net sees the logarithm of the magnitudes of the mixture's short-time Fourier transform X,
    and gives a mask in [0, 1] for each source, whose sound is the inverse transform of
    :math:`M_k \odot X` (Jansson et al. 2017).

    Args:
        sources: how many sounds to give.
        window: of the transform, in samples; a power of two.
        hop: from one window to the next, in samples.
        width, depth: of the network.

    Shapes:
        mixture ``[B, time]``; output ``[B, sources, time]``.
    """

    def __init__(
        self, sources: int = 1, window: int = 256, hop: int = 64, width: int = 16, depth: int = 3
    ) -> None:
        super().__init__()
        self.window, self.hop, self.step = window, hop, 2**depth
        self.network = UNet(1, sources, width, depth, last=nn.Sigmoid())
        self.register_buffer("taper", torch.hann_window(window), persistent=False)
        self.taper: Tensor

    def forward(self, mixture: Tensor) -> Tensor:
        if mixture.dim() != 2 or mixture.size(1) < self.window:
            raise ValueError(
                f"mixture: expected shape [B, time] with at least {self.window} samples, "
                f"got {list(mixture.shape)}"
            )
        form = {"n_fft": self.window, "hop_length": self.hop, "window": self.taper}
        spectrum = torch.stft(mixture, **form, return_complex=True)
        seen = (spectrum.abs() + 1e-4).log()[:, None, :-1]  # the highest frequency has no partner
        frames = seen.size(-1)
        seen = nn.functional.pad(seen, (0, -frames % self.step, 0, 0), mode="replicate")
        mask = self.network(seen)[..., :frames]
        mask = torch.cat([mask, mask[:, :, -1:]], dim=2)
        parts = (mask * spectrum[:, None]).flatten(0, 1)
        sounds = torch.istft(parts, **form, length=mixture.size(1))
        return sounds.view(*mask.shape[:2], -1)


def read_wav(file: str | os.PathLike[str], rate: int | None = None) -> tuple[Tensor, int]:
    """A recording ``[time]`` in [-1, 1], and its samples per second; several channels are averaged.

    Args:
        file: of 16 or 32 bit, or of floating point.
        rate: what it must have.

    Raises:
        ValueError: It is no such file, or has another rate.
    """
    from scipy.io import wavfile

    try:
        found, samples = wavfile.read(file)
    except (ValueError, EOFError) as error:
        raise ValueError(f"file: expected a WAV recording, got {file}: {error}") from error
    if rate is not None and found != rate:
        raise ValueError(f"file: expected {rate} samples a second, got {found} in {file}")
    if samples.dtype in (np.int16, np.int32):
        samples = samples / -float(np.iinfo(samples.dtype).min)
    elif samples.dtype.kind != "f":
        raise ValueError(
            f"file: expected 16 or 32 bit or floating point, got {samples.dtype} in {file}"
        )
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if not np.isfinite(samples).all():
        raise ValueError(f"file: expected finite numbers, got NaN or infinity in {file}")
    return torch.from_numpy(samples.astype(np.float32)), found


def write_wav(file: str | os.PathLike[str], sound: Tensor, rate: int) -> None:
    """Write ``[time]`` as a recording of 16 bit; what is louder than 1 is made less loud."""
    from scipy.io import wavfile

    file = Path(file)
    sound = sound.detach() / max(1.0, float(sound.detach().abs().max()))
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        wavfile.write(unfinished, rate, (sound * 32767).round().short().numpy())
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
