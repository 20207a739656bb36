"""`graphkit fit-gan`: a DCGAN of pictures, or one of perceptrons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from graphkit.cli._output import check_json, plain_errors, write
from graphkit.cli._training import SHOWN, Folder, progress, show

if TYPE_CHECKING:
    from graphkit.generative import Round


def fit_gan(
    dataset: Annotated[
        str,
        typer.Argument(help="mnist, fashion-mnist, cifar10, or a folder of pictures."),
    ],
    objective: Annotated[
        str, typer.Option(help="non-saturating, minimax, least-squares, hinge or wasserstein.")
    ] = "non-saturating",
    penalty: Annotated[
        float | None,
        typer.Option(help="Weight of the gradient penalty; 10 with wasserstein, else 0."),
    ] = None,
    conditional: Annotated[
        bool, typer.Option(help="Give both players the pictures' classes.")
    ] = False,
    size: Annotated[
        int | None, typer.Option(help="28, 32 or 64: pixels a side, if not the pictures' own.")
    ] = None,
    width: Annotated[int, typer.Option(min=1, help="Channels of the outermost layer.")] = 16,
    noise: Annotated[int, typer.Option(min=1, help="Size of the noise.")] = 64,
    norm: Annotated[
        str | None,
        typer.Option(help="Of the discriminator: batch, spectral or none; none with a penalty."),
    ] = None,
    label_smoothing: Annotated[float, typer.Option(help="What real pictures lack of 1.")] = 0.0,
    discriminator_steps: Annotated[
        int, typer.Option(min=1, help="For each of the generator's.")
    ] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Of training, those before a break too.")] = 10,
    batch_size: Annotated[int, typer.Option(min=2, help="Pictures in a step.")] = 64,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam, for both players.")] = 2e-4,
    decay: Annotated[float, typer.Option(help="Of the mean of the generator's weights.")] = 0.999,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    every: Annotated[int, typer.Option(min=1, help="Epochs from one grid to the next.")] = 2,
    quality: Annotated[
        bool,
        typer.Option(help="Train a classifier too, and measure the samples in its features."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the generator, the grids and the report; a run that was broken off "
            "there goes on. runs/DATASET-gan if not given."
        ),
    ] = None,
    json_file: Annotated[
        str, typer.Option("--json", help="Write the result here too; - is standard output.")
    ] = "",
) -> None:
    """Let a generator and a discriminator learn from each other, and keep the generator.

    What is kept as generator.safetensors is the mean over its latest steps; `graphkit generate`
    samples it.
    """
    check_json(json_file)
    aside = Console(stderr=True)
    settings = {
        "dataset": dataset, "objective": objective, "penalty": penalty, "conditional": conditional,
        "size": size, "width": width, "noise": noise, "norm": norm,
        "label_smoothing": label_smoothing, "discriminator_steps": discriminator_steps,
        "batch_size": batch_size, "lr": lr, "decay": decay, "seed": seed,
    }  # fmt: skip
    with plain_errors():
        with aside.status("Loading"):
            import torch

            from graphkit.data import Samples, load_images
            from graphkit.generative import GAN, Average, play, sample, save_generator
            from graphkit.generative.image.dcgan import DCGANDiscriminator, DCGANGenerator

            images = load_images(dataset, size=size)
            channels, side = images.train.shape[1:3]
            weight = (10.0 if objective == "wasserstein" else 0.0) if penalty is None else penalty
            classes = len(images.classes) if conditional else None
            if classes == 0:
                raise ValueError("--conditional: expected pictures with classes, got none")
            torch.manual_seed(seed)
            made_with: dict[str, Any] = {
                "size": side, "channels": channels, "noise": noise, "width": width,
                "classes": classes,
            }  # fmt: skip
            norms = {None: None if weight else "batch", "none": None}
            game = GAN(
                DCGANGenerator(**made_with),
                DCGANDiscriminator(side, channels, width, classes, norms.get(norm, norm)),
                noise,
                objective,
                classes=classes,
                label_smoothing=label_smoothing,
                penalty=weight,
            )
            average = Average(game.generator, decay)
            folder = Folder(out or Path("runs") / f"{Path(dataset).name}-gan", settings)
        real = 2 * images.train - 1  # the generator ends in tanh
        rows = [real] if classes is None else [real, images.train_labels]
        batches = Samples(*rows, batch_size=batch_size)
        first, second = (
            torch.optim.Adam(player.parameters(), lr=lr, betas=(0.5, 0.999))
            for player in (game.generator, game.discriminator)
        )

        def made(count: int) -> torch.Tensor:
            labels = None if classes is None else torch.arange(count) % classes
            return (sample(average.generator, count, labels) + 1) / 2

        with progress(aside, f"{dataset} gan", epochs) as told:

            def on_epoch(round_: Round) -> None:
                losses = f"{round_.discriminator_loss:.3g}, {round_.generator_loss:.3g}"
                told(round_.number, f"losses {losses}, told apart {round_.told_apart:.0%}")
                if round_.number % every == 0 or round_.number == epochs:
                    random = torch.get_rng_state()
                    torch.manual_seed(seed)  # the same noise in every grid
                    folder.grid(round_.number, made(SHOWN * SHOWN))
                    torch.set_rng_state(random)

            rounds = play(
                game,
                batches,
                first,
                second,
                epochs=epochs,
                discriminator_steps=discriminator_steps,
                average=average,
                checkpoint=folder.checkpoint,
                on_epoch=on_epoch,
            )
        save_generator(average.generator, folder / "generator.safetensors", **made_with)
        results: dict[str, Any] = {
            "told_apart": rounds[-1].told_apart,
            "seconds": sum(round_.seconds for round_ in rounds),
            "parameters": sum(p.numel() for p in game.generator.parameters()),
        }
        if quality:
            results |= _quality(aside, images, made)
        title = f"{Path(dataset).name}, {objective} GAN"
        curves = {
            "discriminator": [round_.discriminator_loss for round_ in rounds],
            "generator": [round_.generator_loss for round_ in rounds],
        }
        page = folder.page(title, curves, results, f"{epochs} epochs")
    console = aside if json_file == "-" else Console()
    show(console, title, results)
    aside.print(f"  {page}", highlight=False, soft_wrap=True)
    if json_file:
        write(json.dumps(settings | {"epochs": epochs} | results, indent=2), json_file)


def _quality(console: Console, images: Any, made: Any) -> dict[str, float]:
    """Samples beside test pictures, in the features of a classifier of the training pictures."""
    import torch

    from graphkit.generative.image.classifier import train_classifier
    from graphkit.metrics import image_quality

    with console.status("Training a classifier"):
        torch.manual_seed(0)
        classifier = train_classifier(images)
    with console.status("Measuring"):
        return image_quality(classifier, images.test, made(len(images.test)))
