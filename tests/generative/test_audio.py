"""Sounds taken out of a mixture, and files of sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from graphkit.generative.audio import SpectralMask, read_wav, write_wav
from graphkit.metrics import si_sdr


def test_a_mask_of_ones_gives_the_mixture_back() -> None:
    model = SpectralMask(2, window=64, hop=16, width=4, depth=2).eval()
    with torch.no_grad():
        model.network.head.weight.zero_()
        model.network.head.bias.copy_(torch.tensor([50.0, -50.0]))
    mixture = torch.randn(3, 777)
    first, second = model(mixture).unbind(dim=1)
    torch.testing.assert_close(first, mixture, atol=1e-4, rtol=0)
    torch.testing.assert_close(second, torch.zeros_like(mixture), atol=1e-4, rtol=0)


def test_a_tone_is_learnt_out_of_noise() -> None:
    torch.manual_seed(0)
    model = SpectralMask(1, window=64, hop=16, width=4, depth=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pitch = 0.3 + torch.rand(count, 1)
        tone = torch.sin(pitch * torch.arange(512) + 6 * torch.rand(count, 1))
        return tone + 0.7 * torch.randn_like(tone), tone

    for _ in range(60):
        noisy, tone = batch(8)
        optimizer.zero_grad()
        (-si_sdr(model(noisy)[:, 0], tone).mean()).backward()
        optimizer.step()
    model.eval()
    noisy, tone = batch(16)
    gain = si_sdr(model(noisy)[:, 0], tone) - si_sdr(noisy, tone)
    assert gain.mean() > 5


@pytest.mark.parametrize("shape", [(100,), (1, 10), (1, 2, 100)])
def test_mixtures_of_another_form(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"mixture: expected shape \[B, time\] with at least 64"):
        SpectralMask(window=64, hop=16, width=2, depth=1)(torch.zeros(shape))


def test_recordings_are_written_and_read(tmp_path: Path) -> None:
    sound = torch.linspace(-0.9, 0.9, 500)
    write_wav(tmp_path / "a.wav", sound, 8000)
    again, rate = read_wav(tmp_path / "a.wav", 8000)
    assert rate == 8000
    torch.testing.assert_close(again, sound, atol=1e-4, rtol=0)
    write_wav(tmp_path / "loud.wav", 4 * sound, 8000)
    assert read_wav(tmp_path / "loud.wav")[0].abs().max() <= 1
    stereo = np.stack([np.full(9, 1000), np.full(9, 3000)], axis=1).astype(np.int16)
    wavfile.write(tmp_path / "stereo.wav", 8000, stereo)
    assert read_wav(tmp_path / "stereo.wav")[0].tolist() == [2000 / 32768] * 9
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.wav", "loud.wav", "stereo.wav"]


def test_recordings_that_do_not_fit(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", torch.zeros(9), 8000)
    with pytest.raises(ValueError, match="file: expected 16000 samples a second, got 8000 in"):
        read_wav(tmp_path / "a.wav", 16000)
    (tmp_path / "b.wav").write_bytes(b"no recording")
    with pytest.raises(ValueError, match="file: expected a WAV recording, got"):
        read_wav(tmp_path / "b.wav")
    wavfile.write(tmp_path / "c.wav", 8000, np.array([0, np.nan], dtype=np.float32))
    with pytest.raises(ValueError, match="file: expected finite numbers, got NaN or infinity"):
        read_wav(tmp_path / "c.wav")
    wavfile.write(tmp_path / "d.wav", 8000, np.zeros(4, dtype=np.uint8))
    with pytest.raises(ValueError, match="expected 16 or 32 bit or floating point, got uint8"):
        read_wav(tmp_path / "d.wav")
