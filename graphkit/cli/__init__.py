"""The command `graphkit`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

from typing import Annotated

import typer

import graphkit
from graphkit.cli import (
    anomaly,
    bench,
    datasets,
    demo,
    explain_plan,
    fit_autoencoder,
    fit_gan,
    generate,
    info,
    run,
    tune,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (
    run.run,
    bench.bench,
    tune.tune,
    datasets.datasets,
    explain_plan.explain_plan,
    fit_autoencoder.fit_autoencoder,
    fit_gan.fit_gan,
    generate.generate,
    anomaly.anomaly,
    demo.demo,
    info.info,
):
    app.command()(command)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"graphkit {graphkit.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Graph learning in PyTorch."""
