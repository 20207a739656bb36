"""Images made of images, with and without an adversary: four tasks beside their simplest answers.

    python benchmarks/translation.py                     # all tasks
    python benchmarks/translation.py segmentation --csv benchmarks/results/translation.csv

``superresolution`` enlarges four times: SRResNet, then SRGAN from its weights, beside bicubic, on
Set5 (PSNR and SSIM on luminance, 4 pixels of the border left out), trained on patches of the
seven photographs that scikit-learn and scikit-image bring, made half as large. ``segmentation``
finds the cells in the last six of the thirty ISBI slices (Dice and IoU of cells and of membranes),
trained on the others.
``next-frame`` continues two digits that move and bounce, beside the last frame once more.
``colour`` paints grey pictures of CIFAR-10, beside the grey. Every generator is trained alone and
as a player of a `Translation`, for as many steps.

The pictures are looked for in the folder that `GRAPHKIT_DATA` names.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import Progress
from rows import about, put
from torch import Tensor, nn

from graphkit.data import load_images
from graphkit.generative import Translation, train_discriminator, train_generator
from graphkit.generative.image.superresolution import SRDiscriminator, SRResNet
from graphkit.generative.image.unet import PatchDiscriminator, UNet
from graphkit.metrics import psnr, ssim

Batch = tuple[Tensor, Tensor]


@dataclass
class Job:
    """A task: its players, its training batches and its figures on what was held out."""

    name: str
    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    batches: Iterator[Batch]
    figures: Callable[[Callable[[Tensor], Tensor]], dict[str, float]]
    simplest: tuple[str, Callable[[Tensor], Tensor]] | None
    steps: int
    settings: dict[str, Any]
    paired: bool = True


def pictures(folder: Path, pattern: str, mode: str) -> list[np.ndarray]:
    from PIL import Image

    files = sorted(folder.glob(pattern), key=lambda f: (f.parent, len(f.stem), f.stem))
    if not files:
        sys.exit(f"There are no pictures {pattern} in {folder}; GRAPHKIT_DATA names another place.")
    return [np.asarray(Image.open(file).convert(mode)) for file in files]


def tensor(picture: np.ndarray) -> Tensor:
    """``[C, H, W]`` in [0, 1]."""
    array = picture if picture.ndim == 3 else picture[:, :, None]
    return torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 255


def patch(picture: Tensor, side: int) -> Tensor:
    """A square out of ``[C, H, W]``, at random, turned and mirrored."""
    top, left = (int(torch.randint(s - side + 1, ())) for s in picture.shape[1:])
    found = picture[:, top : top + side, left : left + side]
    found = found.flip(2) if torch.rand(()) < 0.5 else found
    return found.rot90(int(torch.randint(4, ())), (1, 2))


def psnr_of(a: Tensor, b: Tensor) -> float:
    """Of all pictures as if they were one."""
    return psnr(a[None].double(), b[None].double()).item()


# ------------------------------------------------------------------ the tasks


def shrink(x: Tensor, scale: int = 4) -> Tensor:
    size = [s // scale for s in x.shape[-2:]]
    return F.interpolate(x, size=size, mode="bicubic", antialias=True).clamp(0, 1)


def enlarge(x: Tensor, scale: int = 4) -> Tensor:
    return F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False).clamp(0, 1)


def luminance(x: Tensor) -> Tensor:
    """Of ITU-R BT.601, as papers on super-resolution have it."""
    weight = torch.tensor([65.481, 128.553, 24.966]).view(3, 1, 1) / 255
    return (x * weight).sum(dim=0) + 16 / 255


def bundled() -> list[np.ndarray]:
    """Photographs in colour that scikit-learn and scikit-image bring, at half their size: as a
    camera leaves them they are smoother, pixel by pixel, than pictures that have been made smaller,
    as Set5's have."""
    from skimage import data  # of the extra `image`
    from skimage.transform import downscale_local_mean
    from sklearn.datasets import load_sample_images

    whole = [*load_sample_images().images, data.astronaut(), data.chelsea(), data.coffee()]
    whole += [data.rocket(), data.stereo_motorcycle()[0]]
    return [downscale_local_mean(image, (2, 2, 1)).round().astype(np.uint8) for image in whole]


def superresolution(data: Path) -> Job:
    photographs = [tensor(image) for image in bundled()]
    areas = torch.tensor([float(x[0].numel()) for x in photographs])
    wanted = []
    for picture in pictures(data / "set5", "*.bmp", "RGB"):
        x = tensor(picture)
        wanted.append(x[:, : x.size(1) // 4 * 4, : x.size(2) // 4 * 4])

    def batches() -> Iterator[Batch]:
        while True:
            chosen = areas.multinomial(16, replacement=True).tolist()
            patches = [patch(photographs[k], 96) for k in chosen]
            large = torch.stack(patches)
            yield shrink(large), large

    def figures(make: Callable[[Tensor], Tensor]) -> dict[str, float]:
        rows = []
        for x in wanted:
            made = make(shrink(x[None]))[0].clamp(0, 1)
            a, b = (luminance(t)[4:-4, 4:-4] for t in (made, x))
            a, b = a[None, None].double(), b[None, None].double()
            rows.append((psnr(a, b).item(), ssim(a, b).item()))
        return dict(
            zip(("psnr", "ssim"), map(statistics.fmean, zip(*rows, strict=True)), strict=True)
        )

    return Job(
        "superresolution",
        lambda: SRResNet(3, 4, width=32, blocks=4),
        lambda: SRDiscriminator(3, width=16, levels=3),
        batches(),
        figures,
        ("bicubic", enlarge),
        steps=1500,
        settings={
            "content": "l1",
            "content_weight": 1.0,
            "adversarial_weight": 1e-3,
            "lr": 1e-3,
            "autocast": True,
        },
        paired=False,
    )


def segmentation(data: Path) -> Job:
    folder = data / "isbi_em" / "train"
    images = torch.stack([tensor(p) for p in pictures(folder / "image", "*.png", "L")])
    cells = torch.stack([tensor(p) for p in pictures(folder / "label", "*.png", "L")]).round()
    train = slice(0, len(images) - 6)
    both = torch.cat([images[train], cells[train]], dim=1)

    def batches() -> Iterator[Batch]:
        while True:
            chosen = torch.randint(len(both), (4,)).tolist()
            patches = torch.stack([patch(both[k], 128) for k in chosen])
            yield patches[:, :1], patches[:, 1:]

    def figures(make: Callable[[Tensor], Tensor]) -> dict[str, float]:
        rows = []
        for x, y in zip(images[train.stop :], cells[train.stop :], strict=True):
            made = make(x[None])[0] > 0.5
            for found, true in ((made, y > 0.5), (~made, y <= 0.5)):
                both, either = (found & true).sum(), (found | true).sum()
                rows.append((float(2 * both / (found.sum() + true.sum())), float(both / either)))
        names = ("dice", "iou")
        found = {}
        for side, part in (("cells", rows[::2]), ("membranes", rows[1::2])):
            means = map(statistics.fmean, zip(*part, strict=True))
            found |= {f"{name}_{side}": mean for name, mean in zip(names, means, strict=True)}
        return found

    return Job(
        "segmentation",
        lambda: UNet(1, 1, width=16, depth=3, last=nn.Sigmoid()),
        lambda: PatchDiscriminator(2, width=16),
        batches(),
        figures,
        None,
        steps=600,
        settings={"content": "bce", "content_weight": 10.0, "adversarial_weight": 1.0, "lr": 1e-3},
    )


def moving(digits: Tensor, count: int, frames: int, side: int = 32) -> Tensor:
    """``[count, frames, side, side]``: two digits that move straight on, and bounce."""
    pair = digits[torch.randint(len(digits), (count, 2))]
    room = side - digits.size(-1)
    place = torch.rand(count, 2, 2) * room
    speed = (torch.rand(count, 2, 2) - 0.5) * 8
    out = torch.zeros(count, frames, side, side)
    for t in range(frames):
        over = (place + speed * t).remainder(2 * room)
        at = torch.where(over > room, 2 * room - over, over).round().long()
        for n in range(count):
            for digit, (top, left) in zip(pair[n], at[n].tolist(), strict=True):
                window = out[n, t, top : top + digit.size(0), left : left + digit.size(1)]
                torch.maximum(window, digit, out=window)
    return out


def next_frame(data: Path) -> Job:
    digits = F.interpolate(load_images("mnist").train[:10_000], size=14, mode="area")[:, 0]
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        held_out = moving(digits[9000:], 200, 5)

    def batches() -> Iterator[Batch]:
        while True:
            film = moving(digits[:9000], 32, 5)
            yield film[:, :4], film[:, 4:]

    def figures(make: Callable[[Tensor], Tensor]) -> dict[str, float]:
        return {"psnr": psnr_of(make(held_out[:, :4]).clamp(0, 1), held_out[:, 4:])}

    return Job(
        "next-frame",
        lambda: UNet(4, 1, width=16, depth=3, last=nn.Sigmoid()),
        lambda: PatchDiscriminator(5, width=16, layers=2),
        batches(),
        figures,
        ("last frame", lambda x: x[:, -1:]),
        steps=1500,
        settings={"content": "l1", "content_weight": 100.0, "adversarial_weight": 1.0, "lr": 1e-3},
    )


def colour(data: Path) -> Job:
    images = load_images("cifar10")

    def grey(x: Tensor) -> Tensor:
        return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)

    def batches() -> Iterator[Batch]:
        while True:
            x = images.train[torch.randint(len(images.train), (32,))]
            x = x.flip(3) if torch.rand(()) < 0.5 else x
            yield grey(x), x

    def figures(make: Callable[[Tensor], Tensor]) -> dict[str, float]:
        x = images.test
        return {"psnr": psnr_of(make(grey(x)).clamp(0, 1), x)}

    return Job(
        "colour",
        lambda: UNet(1, 3, width=24, depth=3, last=nn.Sigmoid()),
        lambda: PatchDiscriminator(4, width=16, layers=2),
        batches(),
        figures,
        ("grey", lambda x: x.expand(-1, 3, -1, -1)),
        steps=1500,
        settings={"content": "l1", "content_weight": 100.0, "adversarial_weight": 1.0, "lr": 1e-3},
    )


TASKS = {
    "superresolution": superresolution,
    "segmentation": segmentation,
    "next-frame": next_frame,
    "colour": colour,
}
CONTENT = {"mse": F.mse_loss, "l1": F.l1_loss, "bce": F.binary_cross_entropy}

# ------------------------------------------------------------------ training


def train(job: Job, adversary: bool, seed: int, steps: int, start: nn.Module | None) -> nn.Module:
    """The generator after so many steps; from the weights of another, if there is one."""
    torch.manual_seed(seed)
    generator, discriminator = job.generator(), job.discriminator()
    if start is not None:
        generator.load_state_dict(start.state_dict())
    s = job.settings
    game = Translation(
        generator,
        discriminator,
        content=CONTENT[s["content"]],
        content_weight=s["content_weight"],
        adversarial_weight=s["adversarial_weight"] if adversary else 0.0,
        paired=job.paired,
    )
    of_generator = torch.optim.Adam(generator.parameters(), lr=s["lr"], betas=(0.5, 0.999))
    of_other = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        of_generator, s["lr"], steps, pct_start=0.05, cycle_momentum=False
    )
    game.train()
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{job.name}{' with adversary' if adversary else ''}", total=steps)
        for _ in range(steps):
            batch = next(job.batches)
            with torch.autocast("cpu", torch.bfloat16, enabled=s.get("autocast", False)):
                if adversary:
                    train_discriminator(game, batch, of_other)
                train_generator(game, batch, of_generator)
            schedule.step()
            progress.advance(bar)
    return generator.eval()


def run(job: Job, seed: int, steps: int) -> Iterator[dict[str, Any]]:
    """Rows: of the simplest answer, of the generator alone, and of the one with an adversary."""

    def rows(
        system: str, make: Callable[[Tensor], Tensor], steps: int = 0, seconds: float = 0.0
    ) -> Iterator[dict[str, Any]]:
        with torch.no_grad():
            figures = job.figures(make)
        print(job.name, system, {k: round(v, 4) for k, v in figures.items()}, flush=True)
        for metric, value in figures.items():
            yield {
                "task": job.name,
                "system": system,
                "metric": metric,
                "value": round(value, 4),
                "seed": seed,
                "steps": steps,
                "seconds": round(seconds),
                "settings": repr(job.settings) if steps else "",
                **about(),
            }

    if job.simplest is not None:
        yield from rows(*job.simplest)
    start = time.perf_counter()
    alone = train(job, False, seed, steps, None)
    yield from rows("alone", alone, steps, time.perf_counter() - start)
    start = time.perf_counter()
    # An SRGAN begins where SRResNet ends; the others are as long in training either way.
    finer = job.name == "superresolution"
    steps = steps // 3 if finer else steps
    player = train(job, True, seed, steps, alone if finer else None)
    yield from rows("with adversary", player, steps, time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="of training, if not a task's own")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    for name in options.tasks:
        if name not in TASKS:
            parser.error(f"TASK: expected one of {', '.join(TASKS)}, got {name!r}")
    data = Path(os.environ.get("GRAPHKIT_DATA", ".")) / "images"
    for name in options.tasks or TASKS:
        job = TASKS[name](data)
        rows = list(run(job, options.seed, options.steps or job.steps))
        if options.csv:
            put(rows, options.csv, ("task", "system", "metric", "seed"))


if __name__ == "__main__":
    main()
