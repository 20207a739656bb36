"""`graphkit tune`: settings found on validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from graphkit.cli._output import check_folder, plain_errors


def tune(
    config: Annotated[Path, typer.Argument(help="A configuration, as `graphkit bench` has them.")],
    trials: Annotated[int, typer.Option(min=1, help="Settings that are tried.")] = 50,
    space: Annotated[
        Path | None,
        typer.Option(
            help="YAML with what may change, if the configuration has no `search`: "
            "lr: {low: 0.001, high: 0.1, log: true}, hidden: [16, 64]."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each, with seeds 0, 1, ...")] = 3,
    search_seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write what was found; else CONFIG with _tuned at its end."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
) -> None:
    """Search for settings by validation, and write the best as a configuration.

    The test set has no part in it: `graphkit bench` tests what was found. Ctrl-C ends the search
    with the best of the trials that are finished.
    """
    target = out or config.with_name(f"{config.stem}_tuned.yaml")
    check_folder(target.absolute().parent, "--out")
    aside = Console(stderr=True, highlight=False, soft_wrap=True)

    def told(number: int, settings: dict[str, Any], score: float) -> None:
        said = ", ".join(f"{name} {value}" for name, value in settings.items())
        aside.print(f"  {number}/{trials}: {score:.4f} with {said}")

    with plain_errors():
        from graphkit import benchmark
        from graphkit.benchmark.config import load_yaml

        wanted = benchmark.read(config)
        if space is not None:
            wanted = replace(wanted, search=load_yaml(space))
        found = benchmark.tune(
            wanted,
            trials=trials,
            seeds=seeds,
            seed=search_seed,
            device=device,
            on_trial=told,
        )
        benchmark.write(replace(found, name=target.stem), target)
    if found.tuned["trials"] < trials:
        aside.print(f"  broken off: the best of {found.tuned['trials']} trials")
    aside.print(f"  {target}")
