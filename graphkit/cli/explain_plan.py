"""`graphkit explain-plan`: which path every layer of a model takes on a data set."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from graphkit.cli._output import check_json, plain_errors, write
from graphkit.cli.run import _settings


def explain_plan(
    dataset: Annotated[str, typer.Argument(help="Name of a data set, as `graphkit datasets` has.")],
    model: Annotated[str, typer.Argument(help="Name of a model, as `graphkit run` takes.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe."),
    ] = None,
    json_file: Annotated[
        str, typer.Option("--json", help="Write the result here too; - is standard output.")
    ] = "",
) -> None:
    """Say in words what runs as a fused kernel in a model, what was moved, and what does not.

    The model is called once on the data set's first graph.
    """
    check_json(json_file)
    aside = Console(stderr=True)
    with plain_errors(), aside.status("Loading"):
        from graphkit import data
        from graphkit.engine import plan
        from graphkit.experiment import experiment_of, recipe_of

        if recipe_of(model).kind in ("knowledge", "recommender", "baseline"):
            raise ValueError(f"model: expected one whose layers read features, got {model!r}")
        experiment = experiment_of(data.load(dataset), model, settings=_settings(set_ or []))
        graph = experiment.dataset.graphs[0]
        built = experiment.build(0)
        if experiment.recipe.kind == "signs":
            told = plan.explain(built, graph.edge_index)
        else:
            told = plan.explain(built.get_submodule("encoder"), graph)
    rows = [line.partition(": ") for line in told.splitlines()]
    found = {name.removeprefix("layers."): text for name, _, text in rows}
    console = aside if json_file == "-" else Console()
    for name, text in found.items():
        console.print(f"[bold]{name}[/]  {text}", highlight=False)
    if json_file:
        write(
            json.dumps({"dataset": dataset, "model": model, "layers": found}, indent=2), json_file
        )
