"""`graphkit fit-autoencoder`: an autoencoder of pictures, by the name of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from graphkit.cli._output import check_json, plain_errors, write
from graphkit.cli._training import SHOWN, Folder, progress, show

if TYPE_CHECKING:
    from torch import Tensor

    from graphkit.generative import Autoencoder


def fit_autoencoder(
    dataset: Annotated[
        str,
        typer.Argument(help="mnist, fashion-mnist, cifar10, digits, or a folder of pictures."),
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="undercomplete, overcomplete, deep, stacked, tied, sparse, sparse-kl, denoising, "
            "contractive, variational, vector-quantised, convolutional or adversarial."
        ),
    ] = "undercomplete",
    code: Annotated[int, typer.Option(min=1, help="Size of the code.")] = 32,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Hidden layers on either side, if not the kind's.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Of each hidden layer, if not the kind's.")
    ] = None,
    loss: Annotated[str, typer.Option(help="mse, l1 or bce.")] = "bce",
    weight: Annotated[
        float | None, typer.Option(help="Of the kind's penalty, if not its own.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of training, those before a break too.")] = 20,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in a step.")] = 128,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    every: Annotated[int, typer.Option(min=1, help="Epochs from one grid to the next.")] = 5,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the model, the grids and the report; a run that was broken off there "
            "goes on. runs/DATASET-KIND if not given."
        ),
    ] = None,
    json_file: Annotated[
        str, typer.Option("--json", help="Write the result here too; - is standard output.")
    ] = "",
) -> None:
    """Train an autoencoder, draw what it makes of test pictures, and report its error on them.

    The last epoch's model is tested, once, and kept as model.safetensors, which
    `graphkit generate` samples if it is variational or adversarial.
    """
    check_json(json_file)
    aside = Console(stderr=True)
    settings = {
        "dataset": dataset, "kind": kind, "code": code, "layers": layers, "nodes": nodes,
        "loss": loss, "weight": weight, "batch_size": batch_size, "lr": lr, "seed": seed,
    }  # fmt: skip
    with plain_errors():
        with aside.status("Loading"):
            import torch

            from graphkit.data import load_images
            from graphkit.generative import autoencoder, pretrain, sample, save_generator

            torch.manual_seed(seed)
            plain = "undercomplete" if kind == "adversarial" else kind
            sizes = {"code": code, "layers": layers, "nodes": nodes, "loss": loss, "weight": weight}
            images = load_images(dataset)
            made_with: dict[str, Any] = {
                "kind": plain, "features": list(images.train.shape[1:]), **sizes
            }  # fmt: skip
            model = autoencoder(**made_with)
            folder = Folder(out or Path("runs") / f"{Path(dataset).name}-{kind}", settings)
        shown = images.test[:SHOWN]
        drawn = kind in ("variational", "adversarial")  # can be sampled

        def draw(number: int) -> None:
            training, random = model.training, torch.get_rng_state()
            with torch.no_grad():
                rows = [shown, model.eval()(shown)]
            if drawn:
                torch.manual_seed(seed)
                rows.append(sample(model, 5 * SHOWN))
            model.train(training)
            torch.set_rng_state(random)  # pictures do not change what is trained
            folder.grid(number, torch.cat(rows))

        if kind == "stacked" and not folder.checkpoint.exists():
            with aside.status("Training layer by layer"):
                pretrain(model, images.train, epochs=epochs, batch_size=batch_size, lr=lr)
        with progress(aside, f"{dataset} {kind}", epochs) as told:

            def on_epoch(number: int, news: str) -> None:
                told(number, news)
                if number % every == 0 or number == epochs:
                    draw(number)

            training = {"epochs": epochs, "checkpoint": folder.checkpoint}
            curves = (_train_game if kind == "adversarial" else _train)(
                model, images.train, batch_size, lr, training, on_epoch
            )
        results = _results(model, images.test)
        save_generator(model, folder / "model.safetensors", build=autoencoder, **made_with)
        title = f"{Path(dataset).name}, {kind} autoencoder"
        page = folder.page(title, curves, results, f"code of {code}, {epochs} epochs")
    console = aside if json_file == "-" else Console()
    show(console, title, results)
    aside.print(f"  {page}", highlight=False, soft_wrap=True)
    if json_file:
        write(json.dumps(settings | {"epochs": epochs} | results, indent=2), json_file)


Told = Callable[[int, str], None]


def _train(
    model: Autoencoder,
    x: Tensor,
    batch_size: int,
    lr: float,
    training: dict[str, Any],
    on_epoch: Told,
) -> dict[str, list[float]]:
    from graphkit.generative import fit_autoencoder as fit

    history = fit(
        model,
        x,
        batch_size=batch_size,
        lr=lr,
        on_epoch=lambda epoch: on_epoch(epoch.number, f"loss {epoch.loss:.4g}"),
        **training,
    ).history
    return {"training loss": [epoch.loss for epoch in history]}


def _train_game(
    model: Autoencoder,
    x: Tensor,
    batch_size: int,
    lr: float,
    training: dict[str, Any],
    on_epoch: Told,
) -> dict[str, list[float]]:
    import torch

    from graphkit.data import Samples
    from graphkit.generative import CodeAdversary, play
    from graphkit.generative.autoencoder import perceptron

    model.check(x)
    assert model.noise is not None  # as it was made by name
    game = CodeAdversary(model, perceptron([model.noise, 128, 128, 1]))
    first, second = (
        torch.optim.Adam(player.parameters(), lr=lr) for player in (model, game.discriminator)
    )
    rounds = play(
        game,
        Samples(x, batch_size=batch_size),
        first,
        second,
        on_epoch=lambda round_: on_epoch(round_.number, f"loss {round_.generator_loss:.4g}"),
        **training,
    )
    return {
        "encoder and decoder": [round_.generator_loss for round_ in rounds],
        "discriminator": [round_.discriminator_loss for round_ in rounds],
    }


def _results(model: Autoencoder, x: Tensor) -> dict[str, Any]:
    """What the model gives back of test pictures."""
    import torch

    with torch.no_grad():
        parts = x.split(1000)
        loss = sum(model.error(part).sum().item() for part in parts) / len(x)
        square = sum((model(part) - part).square().sum().item() for part in parts) / x.numel()
    psnr = float("inf") if square == 0 else -10 * torch.tensor(square).log10().item()
    return {
        "test_reconstruction": loss,
        "test_squared_error_per_pixel": square,
        "test_psnr": psnr,
        "test_pictures": len(x),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
