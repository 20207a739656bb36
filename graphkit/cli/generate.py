"""`graphkit generate`: samples of a generator that was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from graphkit.cli._output import check_folder, plain_errors
from graphkit.cli._training import SHOWN


def generate(
    model: Annotated[
        Path,
        typer.Argument(
            help="generator.safetensors of fit-gan, or model.safetensors of "
            "fit-autoencoder where that is variational or adversarial."
        ),
    ],
    count: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 100,
    label: Annotated[
        int | None, typer.Option(help="Of which class, if the generator has any.")
    ] = None,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    out: Annotated[
        Path, typer.Option(help="Where to: .png, all in one picture, or .npz, with X in [0, 1].")
    ] = Path("samples.png"),
) -> None:
    """Sample a trained generator."""
    console = Console(stderr=True)
    with plain_errors():
        if out.suffix not in (".png", ".npz"):
            raise ValueError(f"--out: expected a file .png or .npz, got {out}")
        check_folder(out.absolute().parent, "--out")
        import numpy as np
        import torch

        from graphkit import plot
        from graphkit.generative import Autoencoder, load_generator, sample

        generator = load_generator(model)
        torch.manual_seed(seed)
        made = sample(generator, count, label)
        if not isinstance(generator, Autoencoder):
            made = (made + 1) / 2  # of tanh
        if out.suffix == ".npz":
            np.savez_compressed(out, X=made.numpy())
        else:
            plot.images(out, made, columns=SHOWN)
    console.print(f"  {out}", highlight=False, soft_wrap=True)
