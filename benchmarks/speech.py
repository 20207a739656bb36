"""Voices out of noise, and out of music.

    python benchmarks/speech.py [enhancement] [separation] [--out FOLDER] [--csv FILE]

Recordings are those of the Free Spoken Digit Dataset in the folder that `GRAPHKIT_DATA` names. Four
speakers are learnt from; the other two are heard in the end alone. ``enhancement`` adds noise,
white, pink or brown, as loud as the voice (0 dB); ``separation`` adds music as loud, which is made
here: chords of decaying overtones. Both say by how many dB the scale-invariant ratio of signal to
distortion grows, over the two speakers' 200 recordings, and write some of them before and after.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import torch
from rich.progress import track
from rows import about, put
from torch import Tensor

from graphkit.generative.audio import SpectralMask, read_wav, write_wav
from graphkit.metrics import si_sdr

RATE = 8000
LENGTH = 4096  # samples of a training example
HELD_OUT = ("theo", "yweweler")
STEPS = {"enhancement": 1500, "separation": 1500}


def recordings(folder: Path) -> dict[str, list[Tensor]]:
    """By speaker, each as loud as all others."""
    found: dict[str, list[Tensor]] = {}
    for file in sorted(folder.glob("*.wav")):
        sound, _ = read_wav(file, RATE)
        sound = sound - sound.mean()
        found.setdefault(file.stem.split("_")[1], []).append(0.1 * sound / sound.std())
    if not found:
        sys.exit(f"There are no recordings in {folder}; GRAPHKIT_DATA names another place.")
    return found


def noise(length: int) -> Tensor:
    """White, pink or brown: with a spectrum that falls by 0, 3 or 6 dB an octave."""
    spectrum = torch.fft.rfft(torch.randn(length))
    slope = float(torch.randint(3, ())) / 2
    spectrum = spectrum / torch.arange(1, len(spectrum) + 1).float() ** slope
    return torch.fft.irfft(spectrum, length)


def music(length: int) -> Tensor:
    """Chords of three notes, one after the other, of overtones that fade."""
    out = torch.zeros(length)
    start = 0
    while start < length:
        span = int(torch.randint(1200, 3200, ()))
        at = torch.arange(min(span, length - start)) / RATE
        root = 110 * 2 ** (float(torch.randint(24, ())) / 12)
        third = 3 + int(torch.randint(2, ()))
        for interval in (0, third, 7):
            pitch = root * 2 ** (interval / 12)
            for k in range(1, 7):
                if k * pitch < RATE / 2:
                    phase = 6.2832 * float(torch.rand(()))
                    wave = torch.sin(6.28318531 * k * pitch * at + phase) / k
                    out[start : start + len(at)] += wave * (-3.0 * k**0.5 * at).exp()
        start += span
    return out


OTHER = {"enhancement": noise, "separation": music}


def mixed(voice: Tensor, other: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """The mixture, and the other sound in it, for a ratio in dB."""
    other = other * voice.square().mean().sqrt() / other.square().mean().sqrt()
    other = other * 10 ** (-ratio / 20)
    return voice + other, other


def example(voices: list[Tensor], task: str) -> tuple[Tensor, Tensor]:
    voice = voices[int(torch.randint(len(voices), ()))]
    room = len(voice) - LENGTH
    if room > 0:
        start = int(torch.randint(room, ()))
        voice = voice[start : start + LENGTH]
    else:
        before = int(torch.randint(1 - room, ()))
        voice = torch.nn.functional.pad(voice, (before, -room - before))
    mixture, other = mixed(voice, OTHER[task](LENGTH), 10 * float(torch.rand(())) - 5)
    return mixture, torch.stack([voice, other])


def train(voices: list[Tensor], task: str, steps: int) -> SpectralMask:
    sources = 1 if task == "enhancement" else 2
    model = SpectralMask(sources)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in track(range(steps), task, transient=True):
        pairs = [example(voices, task) for _ in range(8)]
        mixture, wanted = (torch.stack(part) for part in zip(*pairs, strict=True))
        optimizer.zero_grad()
        loss = -si_sdr(model(mixture), wanted[:, :sources]).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def gains(model: SpectralMask, voices: list[Tensor], task: str, out: Path | None) -> list[Tensor]:
    """By source: dB before and after, ``[recordings, 2]``."""
    torch.manual_seed(1)
    found: list[list[Tensor]] = []
    for number, voice in enumerate(voices):
        mixture, other = mixed(voice, OTHER[task](len(voice)), 0.0)
        made = model(mixture[None])[0]
        pairs = zip(made, (voice, other), strict=False)
        found.append(
            [torch.stack([si_sdr(mixture, true), si_sdr(sound, true)]) for sound, true in pairs]
        )
        if out is not None and number % 40 == 0:
            names = ("mixture", "voice", "music")
            for name, sound in zip(names, (mixture, *made), strict=False):
                write_wav(out / f"{task}_{number}_{name}.wav", sound, RATE)
    return [torch.stack(source) for source in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(STEPS))
    parser.add_argument("--steps", type=int, help="of training, if not a task's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write recordings before and after there")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    for task in options.tasks:
        if task not in STEPS:
            parser.error(f"TASK: expected one of {', '.join(STEPS)}, got {task!r}")
    folder = Path(os.environ.get("GRAPHKIT_DATA", ".")) / "audio" / "fsdd" / "recordings"
    by_speaker = recordings(folder)
    known = [v for speaker, all_ in by_speaker.items() if speaker not in HELD_OUT for v in all_]
    unknown = [v for speaker in HELD_OUT for v in by_speaker[speaker]]
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for task in options.tasks or STEPS:
        torch.manual_seed(options.seed)
        start = time.perf_counter()
        steps = options.steps or STEPS[task]
        model = train(known, task, steps)
        seconds = round(time.perf_counter() - start)
        for name, each in zip(
            ("voice", "music"), gains(model, unknown, task, options.out), strict=False
        ):
            before, after = each.mean(dim=0).tolist()
            spread = float((each[:, 1] - each[:, 0]).std())
            print(f"{task} {name}: {before:.2f} dB before, {after:.2f} after", flush=True)
            rows.append(
                {
                    "task": task,
                    "source": name,
                    "before_db": round(before, 2),
                    "after_db": round(after, 2),
                    "gain_db": round(after - before, 2),
                    "deviation_of_gain": round(spread, 2),
                    "recordings": len(each),
                    "speakers": " ".join(HELD_OUT),
                    "seed": options.seed,
                    "steps": steps,
                    "seconds": seconds,
                    **about(),
                }
            )
    if options.csv:
        put(rows, options.csv, ("task", "source", "seed"))


if __name__ == "__main__":
    main()
