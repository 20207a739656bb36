"""`graphkit datasets`: what can be loaded by name."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from graphkit.cli._output import check_json, plain_errors, write


def datasets(
    level: Annotated[
        str, typer.Option(help="Only those that predict on this: node, edge or graph.")
    ] = "",
    json_file: Annotated[
        str, typer.Option("--json", help="Write the list here too; - is standard output.")
    ] = "",
) -> None:
    """List the data sets with their sizes, and whether they are at hand.

    Further sets of the same families load by their usual names as well.
    """
    check_json(json_file)
    if level not in ("", "node", "edge", "graph"):
        raise typer.BadParameter(f"expected node, edge or graph, got {level!r}")
    with plain_errors():
        from graphkit import report
        from graphkit.data import available, data_folder

        found = [entry for entry in available() if level in ("", entry.card.level)]
    console = Console(stderr=json_file == "-")
    console.print(report.datasets_table(found, folder=data_folder()))
    if json_file:
        cards = [{**asdict(entry.card), "where": entry.state} for entry in found]
        write(json.dumps(cards, indent=2), json_file)
