"""`graphkit run`: a data set and a model, to mean and deviation over seeds."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from graphkit.cli._output import INTERRUPTED, check_folder, check_json, plain_errors, write

if TYPE_CHECKING:
    from graphkit.data import Dataset
    from graphkit.experiment import Experiment, Trained

_TASKS = {"node": "node", "link": "edge", "edge": "edge", "graph": "graph"}


def run(
    dataset: Annotated[str, typer.Argument(help="Name of a data set, as `graphkit datasets` has.")],
    model: Annotated[
        str,
        typer.Argument(
            help="gcn, sage, gat, gatv2, gin, gine, pna, cheb, sgc, appnp, gcn2, graphconv, "
            "gatedgcn, gps or mlp; of links gae, vgae, arga, arvga or maskgae, too; of their signs "
            "signed-gcn or sign-degrees; of knowledge graphs transe, distmult, complex, rotate or "
            "rgcn; of users and items lightgcn, bpr or popularity. Baselines: label-propagation, "
            "deepwalk, node2vec, common-neighbours, "
            "adamic-adar, resource-allocation, wl."
        ),
    ],
    task: Annotated[
        str, typer.Option(help="node, link or graph, if not the task the set was made for.")
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Runs, with seeds 0, 1, ...")] = 10,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of a run, if not the recipe's.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="split: the set's own. gin, fair: ten folds as in Xu et al. 2019 and Errica et "
            "al. 2020; the seeds are the folds then."
        ),
    ] = "split",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, ...")] = "cpu",
    precision: Annotated[
        str,
        typer.Option(
            help="float32, or bfloat16 for matrix products and what they give (torch.autocast); "
            "weights stay float32."
        ),
    ] = "float32",
    csv_folder: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Your own graph: a folder with edges.csv and, for features and classes, "
            "nodes.csv and labels.csv. DATASET is what you call it.",
        ),
    ] = None,
    graphml: Annotated[
        Path | None,
        typer.Option(help="Your own graphs: a folder of GraphML files. DATASET names it."),
    ] = None,
    smiles: Annotated[
        Path | None,
        typer.Option(
            help="Your own molecules: a CSV with a column `smiles`; the other columns are what to "
            "predict. DATASET names it."
        ),
    ] = None,
    triples: Annotated[
        Path | None,
        typer.Option(
            help="Your own knowledge graph: a folder with train.txt, valid.txt and test.txt, each "
            "line head, relation and tail between tabs. DATASET names it."
        ),
    ] = None,
    interactions: Annotated[
        Path | None,
        typer.Option(
            help="Your own users and items: a folder with train.txt and test.txt, each line user "
            "and item with a tab between. DATASET names it."
        ),
    ] = None,
    json_file: Annotated[
        str, typer.Option("--json", help="Write the result here too; - is standard output.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the result, the history of every seed, and the models."),
    ] = None,
) -> None:
    """Train a model on a data set with several seeds; show the mean beside the published number.

    Every setting comes from the model's recipe. The model of the best validation epoch of each
    seed is tested, once.
    """
    check_json(json_file)
    if out is not None:
        check_folder(out, "--out")
    aside = Console(stderr=True)
    with plain_errors():
        with aside.status("Loading"):
            from graphkit import report, runtime
            from graphkit.experiment import PROTOCOLS, experiment_of, recipe_of

            runtime.keep_memory()
            report.engine()  # a wrong GRAPHKIT_ENGINE is said now
            options = {
                "level": _choice("task", task, _TASKS) if task else None,
                "epochs": epochs,
                "settings": _settings(set_ or []),
                "device": _device(device),
            }
            _choice("protocol", protocol, PROTOCOLS)
            short = _choice("--precision", precision, {"float32": False, "bfloat16": True})
            recipe_of(model)  # before a data set is downloaded for nothing
            data = _load(dataset, csv_folder, graphml, smiles, triples, interactions)
            experiment: Experiment = experiment_of(data, model, protocol, **options)
        keep = _Keep(out)
        import torch

        with (
            _progress(aside, experiment, seeds) as (on_epoch, on_seed),
            # Its cache would hold the weights of the first step for as long as this lasts.
            torch.autocast(
                experiment.device.type, torch.bfloat16, enabled=short, cache_enabled=False
            ),
        ):
            outcome = experiment.run(
                range(seeds),
                on_epoch=on_epoch,
                on_seed=lambda trained, score: (keep(trained), on_seed(trained, score)),
            )
    console = aside if json_file == "-" else Console()
    console.print(report.outcome_table(outcome))
    found = json.dumps(report.outcome_json(outcome, command=_command()), indent=2)
    if json_file:
        write(found, json_file)
    if out is not None:
        write(found, str(out / "result.json"))
        aside.print(f"  {out}", highlight=False, soft_wrap=True)
    if not outcome.complete:
        raise typer.Exit(INTERRUPTED)


def _choice(name: str, value: str, known: Any) -> Any:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}; got {value!r}")
    return known[value]


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """``["lr=0.01"]`` as a dictionary; values are read as YAML."""
    import yaml

    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--set: expected KEY=VALUE, got {pair!r}")
        found[name.strip()] = _number(yaml.safe_load(value))
    return found


def _number(value: Any) -> Any:
    """YAML takes 1e-3 for text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _device(name: str) -> Any:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--device: expected one that is here, got {name!r} ({reason})") from None
    return name


def _load(
    name: str,
    csv_folder: Path | None,
    graphml: Path | None,
    smiles: Path | None,
    triples: Path | None,
    interactions: Path | None,
) -> Dataset:
    from graphkit import data

    options = (csv_folder, graphml, smiles, triples, interactions)
    if sum(option is not None for option in options) > 1:
        raise ValueError(
            "--csv, --graphml, --smiles, --triples, --interactions: expected one of them, "
            "got several"
        )
    if csv_folder is not None:
        return data.load_csv(csv_folder, name=name)
    if graphml is not None:
        return data.load_graphml(graphml, name=name)
    if smiles is not None:
        return replace(data.load_smiles_csv(smiles), name=name)
    if triples is not None:
        return data.load_triples(triples, name=name)
    if interactions is not None:
        parts = (interactions / f"{part}.txt" for part in ("train", "test"))
        return data.load_interactions(*parts, name=name)
    return data.load(name)


@contextmanager
def _progress(console: Console, experiment: Experiment, seeds: int):
    """A bar over all epochs; how many there will be is known only without early stopping."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total} {task.fields[unit]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[news]}"),
    )
    unit = "seeds" if experiment.protocol == "split" else "folds"
    epochs = experiment.epochs
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(
            f"{experiment.dataset.name} {experiment.recipe.name}", total=seeds, unit=unit, news=""
        )
        done = 0

        def on_epoch(seed: int, epoch: Any) -> None:
            if experiment.protocol != "fair":
                progress.update(bar, completed=done + epoch.number / epochs)
            progress.update(bar, news=f"epoch {epoch.number}, loss {epoch.loss:.3g}")

        def on_seed(trained: Trained, score: float) -> None:
            nonlocal done
            done += 1
            news = f"{unit[:-1]} {trained.seed}: {experiment.task.metric.name} {score:.2f}"
            progress.update(bar, completed=done)
            progress.console.print(f"  {news}", highlight=False)

        yield on_epoch, on_seed


class _Keep:
    """Writes the model and the history of every run into a folder."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __call__(self, trained: Trained) -> None:
        if self.folder is None:
            return
        from safetensors.torch import save_file

        state = {name: value.contiguous() for name, value in trained.model.state_dict().items()}
        save_file(state, self.folder / f"seed-{trained.seed}.safetensors")
        with (self.folder / f"seed-{trained.seed}.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["epoch", "loss", "validation_rank", "validation_loss", "seconds"])
            for epoch in trained.fit.history:
                score, minus_loss = epoch.score  # type: ignore[misc]  # as Task.rank gives it
                rows.writerow([epoch.number, epoch.loss, score, -minus_loss, epoch.seconds])


def _command() -> str:
    """The command as it was given."""
    import shlex

    return shlex.join(["graphkit", *sys.argv[1:]])
