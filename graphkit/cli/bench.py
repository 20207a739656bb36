"""`graphkit bench`: published numbers, measured anew."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import graphkit
from graphkit.cli._output import INTERRUPTED, check_folder, check_json, plain_errors, write

if TYPE_CHECKING:
    from graphkit.benchmark import Record

CONFIGS = Path(graphkit.__file__).parents[1] / "benchmarks" / "configs"  # of a source tree


def bench(
    patterns: Annotated[
        list[str],
        typer.Argument(
            metavar="PATTERN...", help="Names of configurations, such as 'kipf2017_*_cora'."
        ),
    ],
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds of each, if not as many as it asks for.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, of one thread each.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Keep what was recorded, or run it anew.")
    ] = True,
    configs: Annotated[
        Path | None,
        typer.Option(help="Folder of configurations; in a clone it is benchmarks/configs."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="CSV of what was finished; else MACHINE.csv in ../results/experiments beside the "
            "configurations."
        ),
    ] = None,
    table_file: Annotated[
        Path | None, typer.Option("--table", help="Write the documentation's table here, a CSV.")
    ] = None,
    json_file: Annotated[
        str, typer.Option("--json", help="Write the result here too; - is standard output.")
    ] = "",
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
) -> None:
    """Run configurations, and show what they reach beside what was published.

    A seed that is finished is kept at once: broken off and started again, it goes on where it was.
    """
    check_json(json_file)
    if table_file is not None:
        check_folder(table_file.absolute().parent, "--table")
    aside = Console(stderr=True, highlight=False, soft_wrap=True)
    with plain_errors():
        folder = _folder(configs)
        from graphkit import benchmark, runtime

        runtime.keep_memory()
        chosen = benchmark.choose(folder, patterns)
        where = results or _results(folder, benchmark.machine(device))
        kept = benchmark.Results(where)
        interrupted, failed = False, []
        try:
            failed = benchmark.run(
                chosen,
                kept,
                seeds=seeds,
                jobs=jobs,
                fresh=not resume,
                device=device,
                on_record=lambda r: aside.print(f"  {r.config}, seed {r.seed}: {_score(r)}"),
                on_note=lambda note: aside.print(f"  {note}"),
            )
        except KeyboardInterrupt:
            interrupted = True
        found = benchmark.summaries(chosen, kept.records.values(), seeds=seeds)
        console = aside if json_file == "-" else Console()
        console.print(benchmark.table(found))
        aside.print(f"  {where}")
        if table_file is not None:
            rows = benchmark.as_rows(found)
            out = io.StringIO()
            writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write(out.getvalue().rstrip("\n"), str(table_file))
        if json_file:
            write(json.dumps(benchmark.as_json(found), indent=2), json_file)
    for sentence in failed:
        typer.secho(f"Error: {sentence}", fg="red", err=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(2)


def _folder(configs: Path | None) -> Path:
    if configs is None and not CONFIGS.is_dir():
        raise ValueError(
            "--configs: expected a folder of configurations, got none: those of graphkit come with "
            "a clone of it, in benchmarks/configs, not with an installation"
        )
    return configs or CONFIGS


def _results(folder: Path, machine: str) -> Path:
    name = machine.lower().replace(" ", "-")
    return folder.absolute().parent / "results" / "experiments" / f"{name}.csv"


def _score(record: Record) -> str:
    if record.value is not None:
        return f"{record.value:.3f}"
    return f"{max(record.curve):.3f} at its own best epoch"
