"""Four things that GANs do with pictures, each beside its simplest answer.

    python benchmarks/image_gans.py                            # all four
    python benchmarks/image_gans.py pose --csv benchmarks/results/image_gans.csv --pictures FOLDER
    python benchmarks/image_gans.py emoji --source NotoColorEmoji.ttf

``text`` makes a picture of a caption ("a small blue square on the left"). Every thing lacks one
colour in training: captions of these pairs are held out, and a classifier that was trained on real
pictures reads off what is shown of them. ``pose`` moves a person of a picture into the pose of a
stick figure: the pairs are synthesised, and no person and no pose of the test was seen in training.
``emoji`` makes more of a font's characters, or of a folder's pictures, by group.
``augmentation`` trains classifiers on a few labelled digits of MNIST, alone, with shifts, and with
the pictures of a GAN that was trained on these same few and on nothing else; it gives mean and
deviation over several choices of the few.

MNIST is looked for where `graphkit.data.load_images` does.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.progress import Progress
from rows import about, put
from torch import Tensor, nn

from graphkit import plot
from graphkit.data import Images, load_images
from graphkit.data.drawings import (
    ASPECTS,
    WORDS,
    caption,
    draw_characters,
    draw_persons,
    draw_sticks,
    draw_things,
    random_looks,
    random_poses,
)
from graphkit.generative import GAN, Average, Game, Translation, play, sample
from graphkit.generative.adversarial import Batch
from graphkit.generative.image.classifier import Classifier
from graphkit.generative.image.dcgan import DCGANDiscriminator, DCGANGenerator
from graphkit.generative.image.text import (
    TextDiscriminator,
    TextGenerator,
    TextToImage,
    word_numbers,
)
from graphkit.generative.image.unet import PatchDiscriminator, UNet
from graphkit.metrics import accuracy, kernel_distance, precision_recall, psnr, ssim
from graphkit.train import fit

ROUND = 50  # steps
NOISE = 64
Figures = Iterator[tuple[str, dict[str, list[float]]]]  # of a system, by metric: one a run


class Rounds:
    """As many batches as a round has, each made when it is asked for."""

    def __init__(self, make: Callable[[], Batch]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Batch]:
        return (self.make() for _ in range(ROUND))


def played(
    game: Game,
    make: Callable[[], Batch],
    steps: int,
    title: str,
    lr: tuple[float, float] = (2e-4, 2e-4),
) -> nn.Module:
    """The generator with mean weights, after so many steps."""
    average = Average(game.generator, 0.99)
    of_generator, of_discriminator = (
        torch.optim.Adam(player.parameters(), lr=rate, betas=(0.5, 0.999))
        for player, rate in zip((game.generator, game.discriminator), lr, strict=True)
    )
    rounds = max(steps // ROUND, 1)
    with Progress(transient=True) as progress:
        bar = progress.add_task(title, total=rounds)
        play(
            game,
            Rounds(make),
            of_generator,
            of_discriminator,
            epochs=rounds,
            average=average,
            on_epoch=lambda _: progress.advance(bar),
        )
    return average.generator.eval()


def learn(
    model: nn.Module,
    make: Callable[[], Batch],
    steps: int,
    title: str,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    lr: float = 2e-3,
) -> None:
    """What can be learnt without an adversary."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    rounds = max(steps // ROUND, 1)
    with Progress(transient=True) as progress:
        bar = progress.add_task(title, total=rounds)
        fit(
            model,
            optimizer,
            Rounds(make),
            lambda batch: loss(model(batch[0]), batch[1]),
            epochs=rounds,
            schedule=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, rounds),
            on_epoch=lambda _: progress.advance(bar),
        )


def shifted(pictures: Tensor, by: int) -> Tensor:
    """Each by up to so many pixels, along either side."""
    height, width = pictures.shape[2:]
    padded = F.pad(pictures, [by] * 4, mode="replicate")
    corners = torch.randint(2 * by + 1, (len(pictures), 2)).tolist()
    return torch.stack(
        [
            x[:, top:, left:][:, :height, :width]
            for x, (top, left) in zip(padded, corners, strict=True)
        ]
    )


def save_grid(options: argparse.Namespace, name: str, pictures: Tensor) -> None:
    if options.pictures is not None:
        plot.images(options.pictures / f"{name}.png", pictures, side=64)


# ------------------------------------------------------------------ text


def random_aspects(count: int, held_out: bool = False) -> Tensor:
    """Things in the one colour that is held out of them, or in others."""
    sizes = [len(names) for names in ASPECTS.values()]
    thing, size, place = (torch.randint(sizes[k], (count,)) for k in (0, 2, 3))
    kept = thing % sizes[1]
    other = (kept + torch.randint(1, sizes[1], (count,))) % sizes[1]
    return torch.stack([thing, kept if held_out else other, size, place], dim=1)


def text(options: argparse.Namespace) -> Figures:
    images = load_images("mnist")
    digits, labels = images.train[:, 0], images.train_labels
    sizes = [len(names) for names in ASPECTS.values()]

    def captions(aspects: Tensor) -> Tensor:
        return word_numbers([caption(row) for row in aspects.tolist()], WORDS)

    def to_be_read() -> Batch:
        aspects = torch.cat([random_aspects(51), random_aspects(13, held_out=True)])
        return draw_things(aspects, digits, labels), aspects

    def misread(logits: Tensor, aspects: Tensor) -> Tensor:
        parts = zip(logits.split(sizes, dim=1), aspects.T, strict=True)
        return torch.stack([F.cross_entropy(found, true) for found, true in parts]).sum()

    reader = Classifier(3, 32, sum(sizes))
    learn(reader, to_be_read, 1500, "text, reading", misread)

    @torch.no_grad()
    def figures(pictures: Tensor, aspects: Tensor) -> dict[str, list[float]]:
        parts = torch.cat([reader(part) for part in pictures.split(256)]).split(sizes, dim=1)
        right = torch.stack([part.argmax(dim=1) for part in parts], dim=1) == aspects
        shares = {
            name: [share.double().mean().item()]
            for name, share in zip(ASPECTS, right.T, strict=True)
        }
        return shares | {"all four": [right.all(dim=1).double().mean().item()]}

    def batch() -> Batch:
        aspects = random_aspects(32)
        return 2 * draw_things(aspects, digits, labels) - 1, captions(aspects)

    game = TextToImage(TextGenerator(len(WORDS)), TextDiscriminator(len(WORDS)), NOISE, "hinge")
    generator = played(game, batch, options.steps, "text", lr=(5e-4, 1e-3))

    chance = {name: [1 / n] for name, n in zip(ASPECTS, sizes, strict=True)}
    yield "chance", chance | {"all four": [1 / torch.tensor(sizes).prod().item()]}
    for kind in ("seen", "held out"):
        aspects = random_aspects(2000, held_out=kind == "held out")
        yield (
            f"real, {kind}",
            figures(draw_things(aspects, images.test[:, 0], images.test_labels), aspects),
        )
        with torch.no_grad():
            made = (generator(torch.randn(len(aspects), NOISE), captions(aspects)) + 1) / 2
        yield f"generated, {kind}", figures(made, aspects)
        name = f"text_{kind.replace(' ', '_')}"
        save_grid(options, name, made[:60])
        if options.pictures is not None:
            said = "\n".join(caption(row) for row in aspects[:60].tolist())
            (options.pictures / f"{name}.txt").write_text(said + "\n", encoding="utf-8")


# ------------------------------------------------------------------ pose


def pose(options: argparse.Namespace) -> Figures:
    size, batch, steps = 32, 8, options.steps

    def pairs(count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Source and stick figure, target, and where the person is in the target."""
        looks, here, there = random_looks(count), random_poses(count), random_poses(count)
        source, _ = draw_persons(here, looks, size)
        target, person = draw_persons(there, looks, size)
        return torch.cat([source, draw_sticks(there, size)], dim=1), target, person

    given, target, person = pairs(500)

    def figures(made: Tensor) -> dict[str, list[float]]:
        error = (made - target).abs()
        return {
            "l1": [error.mean().item()],
            "l1 of the person": [((error * person).sum() / (3 * person.sum())).item()],
            "psnr": [psnr(made, target).mean().item()],
            "ssim": [ssim(made, target).mean().item()],
        }

    yield "source", figures(given[:, :3])
    start = UNet(6, 3, width=16, depth=4, last=nn.Sigmoid())
    learn(start, lambda: pairs(batch)[:2], 4 * steps // 5, "pose", F.l1_loss, lr=2e-3)
    shown = [given[:, :3], given[:, 3:]]
    for system, weight in (("alone", 0.0), ("with adversary", 1.0)):
        torch.manual_seed(options.seed)
        generator = copy.deepcopy(start)
        game = Translation(
            generator,
            PatchDiscriminator(9, width=16, layers=2),
            adversarial_weight=weight,
        )
        best = played(
            game, lambda: pairs(batch)[:2], steps // 5, f"pose, {system}", lr=(3e-4, 2e-4)
        )
        with torch.no_grad():
            shown.append(torch.cat([best(part) for part in given.split(100)]))
        yield system, figures(shown[-1])
    rows = [pictures[:24] for pictures in (*shown, target)]
    save_grid(options, "pose", torch.stack(rows, dim=1).flatten(0, 1))


# ------------------------------------------------------------------ emoji


NOTO = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
"""Of Debian's package fonts-noto-color-emoji."""


class Augmented(nn.Module):
    """A discriminator that sees all pictures, real and generated, mirrored and shifted at random,
    so that a handful of real ones is not learnt by heart (Zhao et al. 2020)."""

    def __init__(self, discriminator: nn.Module, by: int = 4) -> None:
        super().__init__()
        self.discriminator, self.by = discriminator, by

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        mirrored = torch.rand(len(image), 1, 1, 1, device=image.device) < 0.5
        image = torch.where(mirrored, image.flip(3), image)
        return self.discriminator(shifted(image, self.by), labels)


def emoji_pictures(source: Path | None, size: int = 32) -> tuple[Tensor, Tensor]:
    """Pictures ``[n, 3, size, size]`` and their groups' numbers ``[n]``, of a font or a folder."""
    if source is not None and source.is_dir():
        images = load_images(source, size=size)
        pictures = torch.cat([images.train, images.test]).expand(-1, 3, -1, -1)
        groups = torch.cat([images.train_labels, images.test_labels])
    else:
        from matplotlib.font_manager import findfont

        usual = NOTO if NOTO.exists() else Path(findfont("DejaVu Sans"))
        drawn = draw_characters(source or usual, size=size)
        pictures, groups = drawn.pictures, drawn.groups
    # Of a handful of pictures there is nothing to learn.
    large = groups.bincount() >= 20
    if not large.any():
        sys.exit(f"--source: expected a group of at least 20 pictures, got {groups.bincount()}")
    kept = large[groups]
    return pictures[kept], (large.cumsum(dim=0) - 1)[groups[kept]]


def emoji(options: argparse.Namespace) -> Figures:
    pictures, groups = emoji_pictures(options.source)
    count = int(groups.max()) + 1
    by_group = [pictures[groups == k] for k in range(count)]

    def of_groups(parts: list[Tensor]) -> Batch:
        """As many of every group."""
        labels = torch.randint(count, (48,))
        chosen = [parts[k][torch.randint(len(parts[k]), ())] for k in labels.tolist()]
        return torch.stack(chosen), labels

    def real() -> Batch:
        chosen, labels = of_groups(by_group)
        return 2 * chosen - 1, labels

    game = GAN(
        DCGANGenerator(32, 3, NOISE, classes=count),
        Augmented(DCGANDiscriminator(32, 3, classes=count, norm="spectral")),
        NOISE,
        "hinge",
        classes=count,
    )
    generator = played(game, real, options.steps, "emoji")
    labels = torch.arange(count).repeat_interleave(-(-1000 // count))
    made = (sample(generator, len(labels), labels) + 1) / 2

    def features(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2).flatten(1)

    def figures(these: Tensor, others: Tensor) -> dict[str, list[float]]:
        precision, recall = precision_recall(features(others), features(these))
        nearest = torch.cdist(these.flatten(1), others.flatten(1)).min(dim=1).values
        return {
            "kernel distance": [kernel_distance(features(others), features(these))],
            "precision": [precision],
            "recall": [recall],
            "to the nearest": [nearest.mean().item() / these[0].numel() ** 0.5],
        }

    order = torch.randperm(len(pictures))
    yield "real, two halves", figures(pictures[order[::2]], pictures[order[1::2]])
    yield "generated", figures(made, pictures)
    if count > 1:
        test = torch.arange(len(pictures)) % 5 == 0
        known = [pictures[(groups == k) & ~test] for k in range(count)]
        model = Classifier(3, 32, count)

        def read() -> Batch:
            chosen, labels = of_groups(known)
            return shifted(chosen, 1), labels

        learn(model, read, 500, "emoji, reading")
        with torch.no_grad():
            yield "chance", {"group": [1 / count]}
            yield "real, held out", {"group": [accuracy(model(pictures[test]), groups[test])]}
            yield "generated", {"group": [accuracy(model(made), labels)]}
    nearest = torch.cdist(made.flatten(1), pictures.flatten(1)).argmin(dim=1)
    shown = torch.linspace(0, len(made) - 1, 60).long()
    save_grid(options, "emoji", made[shown])
    save_grid(options, "emoji_nearest", pictures[nearest[shown]])


# ------------------------------------------------------------------ augmentation


def accuracies(images: Images, n: int, steps: int, title: str) -> tuple[dict[str, float], Tensor]:
    """Of classifiers that know so many labelled digits, and pictures of the GAN that knows them."""
    members = [(images.train_labels == k).nonzero()[:, 0] for k in range(10)]
    few = torch.cat([rows[torch.randperm(len(rows))[: n // 10]] for rows in members])
    x, y = images.train[few], images.train_labels[few]

    def real(count: int = 64) -> Batch:
        rows = torch.randint(n, (count,))
        return x[rows], y[rows]

    def signed() -> Batch:
        pictures, labels = real()
        return 2 * pictures - 1, labels

    game = GAN(
        DCGANGenerator(28, 1, NOISE, width=16, classes=10),
        DCGANDiscriminator(28, 1, width=16, classes=10, norm="spectral"),
        NOISE,
        "hinge",
        classes=10,
    )
    generator = played(game, signed, steps, title, lr=(4e-4, 4e-4))
    made_labels = torch.arange(10).repeat(200)
    made = (sample(generator, 2000, made_labels) + 1) / 2

    def mixed() -> Batch:
        """Half real, half generated."""
        rows = torch.randint(len(made), (32,))
        pictures, labels = real(32)
        return torch.cat([pictures, made[rows]]), torch.cat([labels, made_labels[rows]])

    def moved(make: Callable[[], Batch]) -> Batch:
        pictures, labels = make()
        return shifted(pictures, 2), labels

    systems: dict[str, Callable[[], Batch]] = {
        "real": real,
        "real and GAN": mixed,
        "real, shifted": lambda: moved(real),
        "real and GAN, shifted": lambda: moved(mixed),
    }
    found: dict[str, float] = {}
    for system, make in systems.items():
        model = Classifier(1, 28, 10, width=16)
        learn(model, make, 300, f"{title}, {system}")
        with torch.no_grad():
            logits = torch.cat([model(part) for part in images.test.split(1000)])
        found[system] = accuracy(logits, images.test_labels)
    return found, made


def augmentation(options: argparse.Namespace) -> Figures:
    images = load_images("mnist")
    for n, runs in ((100, 10), (200, 5), (500, 5)):
        found = []
        for run in range(runs):
            torch.manual_seed(100 * options.seed + run)
            title = f"augmentation, {n} digits, run {run + 1} of {runs}"
            row, made = accuracies(images, n, options.steps, title)
            found.append(row)
            if run == 0:
                save_grid(options, f"augmentation_{n}", made[:60])
        for system in found[0]:
            yield system, {f"accuracy, {n} digits": [row[system] for row in found]}


TASKS: dict[str, tuple[Callable[[argparse.Namespace], Figures], int]] = {
    "text": (text, 4000),
    "pose": (pose, 5000),
    "emoji": (emoji, 6000),
    "augmentation": (augmentation, 500),
}  # each with the steps of its GANs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="of a GAN's training, if not a task's own")
    parser.add_argument(
        "--source",
        type=Path,
        help="a font, or a folder of pictures, for emoji; if not given, Noto Color Emoji where it "
        "is installed as Debian does, else DejaVu Sans",
    )
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--pictures", type=Path, help="write pictures there")
    options = parser.parse_args()
    for name in options.tasks:
        if name not in TASKS:
            parser.error(f"TASK: expected one of {', '.join(TASKS)}, got {name!r}")
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    for name in options.tasks or TASKS:
        torch.manual_seed(options.seed)
        start = time.perf_counter()
        rows: list[dict[str, Any]] = []
        task, steps = TASKS[name]
        steps = options.steps or steps
        for system, figures in task(argparse.Namespace(**(vars(options) | {"steps": steps}))):
            seconds = round(time.perf_counter() - start)
            for metric, values in figures.items():
                mean = statistics.fmean(values)
                deviation = f"{statistics.stdev(values):.4f}" if len(values) > 1 else ""
                print(name, system, metric, f"{mean:.4f}", deviation, f"{seconds} s", flush=True)
                rows.append(
                    {
                        "task": name,
                        "system": system,
                        "metric": metric,
                        "value": round(mean, 4),
                        "deviation": deviation,
                        "runs": len(values),
                        "seed": options.seed,
                        "steps": steps,
                        "seconds": seconds,
                        **about(),
                    }
                )
        if options.csv:
            put(rows, options.csv, ("task", "system", "metric", "seed"))


if __name__ == "__main__":
    main()
