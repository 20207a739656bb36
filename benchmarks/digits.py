"""Generators of MNIST's digits: GANs by the quality of what they make, a VAE by its likelihood.

    python benchmarks/digits.py gan [--players dcgan mlp --objectives non-saturating wasserstein]
    python benchmarks/digits.py vae [--epochs 200]

``gan`` plays every game with seeds of its own and looks at 10,000 samples of the averaged generator
after the last epoch, beside the 10,000 test digits: Fréchet and kernel distance, precision and
recall in the features of a classifier that was trained on the training digits, its inception-style
score, and the entropy of the classes it finds (ln 10 = 2.303 if all ten are equally often made).
The first row is of real digits: 10,000 of the training set beside the test set. ``vae`` trains on
digits that are made black and white anew at every pass, keeps the epoch with the best bound on
10,000 training digits held out, and estimates the test digits' log-likelihood from 200 codes each
(Burda et al. 2016), once.

Both go on where they were broken off, from the folder `--keep`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from rows import about, put
from torch import Tensor, nn

from graphkit.data import Images, Samples, load_images
from graphkit.generative import (
    GAN,
    Average,
    autoencoder,
    log_likelihood,
    play,
    sample,
)
from graphkit.generative.image.classifier import Classifier, train_classifier
from graphkit.generative.image.dcgan import DCGANDiscriminator, DCGANGenerator
from graphkit.metrics import image_quality
from graphkit.nn import load_encoder, save_encoder
from graphkit.plot import images as draw
from graphkit.train import fit

NOISE, MADE = 64, 10_000


def perceptrons() -> tuple[nn.Module, nn.Module]:
    """The players of the first GANs (Goodfellow et al. 2014): no convolution anywhere."""
    generator = nn.Sequential(
        nn.Linear(NOISE, 256),
        nn.ReLU(),
        nn.Linear(256, 512),
        nn.ReLU(),
        nn.Linear(512, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )
    discriminator = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
    )
    return generator, discriminator


def players(name: str, width: int, critic: bool) -> tuple[nn.Module, nn.Module]:
    if name == "mlp":
        return perceptrons()
    norm = None if critic else "batch"
    return DCGANGenerator(28, noise=NOISE, width=width), DCGANDiscriminator(
        28, width=width, norm=norm
    )


def judge(images: Images, file: Path) -> Classifier:
    """The classifier, trained once."""
    if file.exists():
        found = load_encoder(file, Classifier)
        assert isinstance(found, Classifier)
        return found.eval()
    torch.manual_seed(0)
    found = train_classifier(images)
    save_encoder(found, file, channels=1, size=28, classes=10)
    return found.eval()


def gan(options: argparse.Namespace, images: Images) -> None:
    classifier = judge(images, options.keep / "classifier.safetensors")
    real, rows = images.test, []

    def note(names: dict[str, Any], figures: dict[str, float], seconds: float) -> None:
        rounded = {name: float(f"{value:.4g}") for name, value in figures.items()}
        rows.append(names | rounded | {"seconds": round(seconds)} | about())
        print(*names.values(), rounded, flush=True)
        if options.csv:
            put(rows[-1:], options.csv, ("players", "objective", "seed"))

    torch.manual_seed(0)
    others = images.train[torch.randperm(len(images.train))[:MADE]]
    settings = {"width": "", "epochs": "", "batch_size": "", "lr": "", "steps": ""}
    note(
        {"players": "real", "objective": "", "seed": 0} | settings,
        image_quality(classifier, real, others),
        0,
    )
    for name in options.players:
        for objective in options.objectives:
            critic = objective == "wasserstein"
            for seed in range(options.seeds):
                names = {"players": name, "objective": objective, "seed": seed}
                settings = {
                    "width": options.width if name == "dcgan" else "",
                    "epochs": options.epochs,
                    "batch_size": options.batch_size,
                    "lr": options.lr,
                    "steps": options.critic_steps if critic else 1,
                }
                start = time.perf_counter()
                torch.manual_seed(seed)
                game = GAN(
                    *players(name, options.width, critic),
                    NOISE,
                    objective,
                    penalty=10.0 if critic else 0.0,
                )
                average = Average(game.generator)
                made = made_by(game, average, images.train, options, settings["steps"], names)
                draw(options.keep / f"{name}-{objective}-{seed}.png", made[:100])
                figures = image_quality(classifier, real, made)
                note(names | settings, figures, time.perf_counter() - start)


def made_by(
    game: GAN,
    average: Average,
    train: Tensor,
    options: argparse.Namespace,
    steps: int,
    names: dict[str, Any],
) -> Tensor:
    """Samples in [0, 1] of the averaged generator after the game."""
    first, second = (
        torch.optim.Adam(player.parameters(), lr=options.lr, betas=(0.5, 0.999))
        for player in (game.generator, game.discriminator)
    )
    title = " ".join(str(name) for name in names.values())
    with Progress(transient=True) as progress:
        bar = progress.add_task(title, total=options.epochs)
        play(
            game,
            Samples(2 * train - 1, batch_size=options.batch_size),
            first,
            second,
            epochs=options.epochs,
            discriminator_steps=steps,
            average=average,
            checkpoint=options.keep / f"{title.replace(' ', '-')}.safetensors",
            on_epoch=lambda round_: progress.update(bar, completed=round_.number),
        )
    return (sample(average.generator, MADE, noise=NOISE) + 1) / 2


def vae(options: argparse.Namespace, images: Images) -> None:
    found = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        torch.manual_seed(seed)
        order = torch.randperm(len(images.train))
        train, held_out = images.train[order[:50_000]], images.train[order[50_000:]]
        # The same black and white digits for every epoch's bound, and for every model's test.
        generator = torch.Generator().manual_seed(0)
        held_out = torch.bernoulli(held_out, generator=generator)
        test = torch.bernoulli(images.test, generator=generator)
        model = autoencoder("variational", (1, 28, 28), 40, nodes=[400, 400], loss="bce")
        optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
        with Progress(transient=True) as progress:
            bar = progress.add_task(f"vae {seed}", total=options.epochs)
            fit(
                model,
                optimizer,
                Samples(train, batch_size=options.batch_size),
                lambda batch, model=model: model.loss(torch.bernoulli(batch[0])),
                lambda model=model, held_out=held_out: -model.loss(held_out).item(),
                epochs=options.epochs,
                schedule=schedule,
                checkpoint=options.keep / f"vae-{seed}.safetensors",
                on_epoch=lambda epoch, bar=bar: progress.update(bar, completed=epoch.number),
            )
        with torch.no_grad():
            bound = -model.loss(test).item()
        nats = torch.cat([log_likelihood(model, part, 200) for part in test.split(1000)])
        found.append(-nats.mean().item())
        row = {
            "model": "vae",
            "seed": seed,
            "nll": round(found[-1], 2),
            "published": 89.8,
            "bound_at_mean_code": round(-bound, 2),
            "draws": 200,
            "epochs": options.epochs,
            "code": 40,
            "nodes": "400 400",
            "seconds": round(time.perf_counter() - start),
        }
        print(row, flush=True)
        if options.csv:
            put([row | about()], options.csv, ("model", "seed"))
    if len(found) > 1:
        print(f"NLL {statistics.fmean(found):.2f} ± {statistics.stdev(found):.2f} nats")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["gan", "vae"])
    parser.add_argument("--players", nargs="+", default=["dcgan", "mlp"])
    parser.add_argument("--objectives", nargs="+", default=["non-saturating", "wasserstein"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=16, help="of DCGAN's first layer")
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--critic-steps", type=int, default=2, help="for one of the generator's")
    parser.add_argument("--keep", type=Path, default=Path("runs/digits"))
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    {"gan": gan, "vae": vae}[options.what](options, load_images("mnist"))


if __name__ == "__main__":
    main()
