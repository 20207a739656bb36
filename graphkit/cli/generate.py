"""`graphkit generate`: samples of a generator that was kept, or of one that is trained first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from graphkit.cli import _graphs
from graphkit.cli._output import check_folder, plain_errors
from graphkit.cli._training import SHOWN

if TYPE_CHECKING:
    from torch import nn

# By what a generator makes: the endings of a file that can hold it, the first one the usual one.
_ENDINGS = {
    "pictures": (".png", ".npz"),
    "molecules": (".smi", ".npz", ".png", ".svg"),
    "graphs": (".graphml", ".npz", ".png"),
}


def generate(
    model: Annotated[
        str,
        typer.Argument(
            help="A file: generator.safetensors of fit-gan, model.safetensors of fit-autoencoder "
            "where that is variational or adversarial, or what --save wrote. Or, with --dataset, "
            f"what to train: {', '.join(_graphs.MODELS)}."
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            help="To learn from: for molgan and graph-vae a data set of molecules, or a file .csv, "
            ".smi or .txt of SMILES; for netgan a graph."
        ),
    ] = "",
    count: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 100,
    label: Annotated[
        int | None, typer.Option(help="Of which class, if the generator has any.")
    ] = None,
    spread: Annotated[
        float,
        typer.Option(help="Of the noise. Below 1, samples are more typical and differ less."),
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of training, if not the model's own.")
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            help=f"What molgan's molecules are to be good at: {', '.join(_graphs.REWARDS)}."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=2, help="Look at so many molecules, drawn by the seed, not at all."),
    ] = None,
    list_refused: Annotated[
        bool, typer.Option("--list-refused", help="Name the SMILES that rdkit cannot read.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Keep what was trained here; beside --out if not given."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to. Pictures: .png, all in one, or .npz, with X in [0, 1]. Molecules: "
            ".smi, line by line, .npz, or drawn as .png or .svg. Graphs: .graphml, one file each, "
            ".npz, or drawn as .png. If not given, samples.png, .smi or .graphml."
        ),
    ] = None,
) -> None:
    """Sample a generator: one that was trained before, or one that is trained now."""
    console = Console(stderr=True)
    with plain_errors():
        file = Path(model)
        if model in _graphs.MODELS and not file.exists():
            made = "graphs" if model == "netgan" else "molecules"
            if made == "graphs":
                _check_walks(spread)
            out = _checked(out, made)
            generator = _trained(model, dataset, epochs, reward, limit, list_refused, seed, console)
            save = out.with_name(f"{out.stem}-generator.safetensors") if save is None else save
            _graphs.save(generator, save)
            console.print(f"  {save}", highlight=False, soft_wrap=True)
        elif not file.suffix and not file.exists():
            known = ", ".join(_graphs.MODELS)
            raise ValueError(f"MODEL: expected a file, or one of {known}, got {model!r}")
        else:
            from graphkit.generative import load_generator

            generator = load_generator(file)
        out = _sampled(generator, count, label, spread, seed, out, console)
    console.print(f"  {out}", highlight=False, soft_wrap=True)


def _check_walks(spread: float) -> None:
    if spread != 1:  # where a walk goes is drawn at every step, too
        raise ValueError(f"--spread: expected 1 of a generator of walks, got {spread}")


def _checked(out: Path | None, made: str) -> Path:
    """Where to write; raise now if that is not possible."""
    endings = _ENDINGS[made]
    out = Path(f"samples{endings[0]}") if out is None else out
    if out.suffix not in endings:
        raise ValueError(f"--out: expected a file {', '.join(endings)} for {made}, got {out}")
    check_folder(out.absolute().parent, "--out")
    return out


def _trained(
    model: str,
    dataset: str,
    epochs: int | None,
    reward: str | None,
    limit: int | None,
    list_refused: bool,
    seed: int,
    console: Console,
) -> nn.Module:
    if not dataset:
        raise ValueError(f"--dataset: expected what {model} is to learn from, got nothing")
    if reward is not None and model != "molgan":
        raise ValueError(f"--reward: expected with molgan alone, got {model}")
    if reward is not None and reward not in _graphs.REWARDS:
        raise ValueError(f"--reward: expected one of {', '.join(_graphs.REWARDS)}, got {reward!r}")
    epochs = _graphs.MODELS[model] if epochs is None else epochs
    with console.status("Loading"):
        import torch

        if model == "netgan":
            graph = _graphs.component_of(dataset)
        else:
            code, smiles = _graphs.molecules_of(dataset, console, list_refused, limit, seed)
    torch.manual_seed(seed)
    if model == "netgan":
        generator = _graphs.fit_netgan(graph, epochs, console)
    elif model == "molgan":
        generator = _graphs.fit_molgan(code, smiles, epochs, reward, console)
    else:
        generator = _graphs.fit_graph_vae(code, smiles, epochs, console)
    return generator.eval()


def _sampled(
    generator: nn.Module,
    count: int,
    label: int | None,
    spread: float,
    seed: int,
    out: Path | None,
    console: Console,
) -> Path:
    """Samples, written."""
    import numpy as np
    import torch

    from graphkit import plot
    from graphkit.generative import Autoencoder, sample
    from graphkit.generative.graph import MoleculeDecoder, WalkGenerator, generated_graph

    variational = isinstance(generator, Autoencoder)
    decoder = generator.decoder if variational else generator
    torch.manual_seed(seed)
    if isinstance(generator, WalkGenerator):
        _check_walks(spread)
        out = _checked(out, "graphs")
        graphs = [generated_graph(generator) for _ in range(count)]
        _graphs.write_graphs(out, graphs, console)
        return out
    made = "molecules" if isinstance(decoder, MoleculeDecoder) else "pictures"
    out = _checked(out, made)
    samples = sample(generator, count, label, spread=spread)
    if isinstance(decoder, MoleculeDecoder):
        _graphs.write_molecules(out, samples, decoder.molecules, variational, console)
        return out
    if not variational:
        samples = (samples + 1) / 2  # of tanh
    if out.suffix == ".npz":
        np.savez_compressed(out, X=samples.numpy())
    else:
        plot.images(out, samples, columns=SHOWN)
    return out
