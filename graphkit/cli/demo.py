"""`graphkit demo`: a node, an edge and a graph model."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from graphkit.cli._output import INTERRUPTED, check_folder, check_json, write

if TYPE_CHECKING:
    from graphkit.demo import Outcome, Task

# The demo's graphs are small: threads would mostly wait for each other. And with one alone its
# numbers do not depend on how many cores there are.
_DEMO_THREADS = 1


def demo(
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each task, with seeds 0, 1, ...")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("runs"),
    json_file: Annotated[
        str, typer.Option("--json", help="Write the results here too; - is standard output.")
    ] = "",
) -> None:
    """Train a node, an edge and a graph model; show one table and draw three pictures."""
    check_folder(out, "--out")
    check_json(json_file)
    # Standard output is for the results alone: progress goes elsewhere.
    aside = Console(stderr=True)
    console = aside if json_file == "-" else Console()

    start = time.perf_counter()
    trained, complete = _train(list(range(seeds)), aside)
    pictures = _draw(trained, out, aside)
    seconds = time.perf_counter() - start

    from graphkit import report

    results = [row for task, outcomes in trained if outcomes for row in task.results(outcomes)]
    if results:
        title = f"Test of {seeds} seed{'s' if seeds > 1 else ''}"
        caption = f"The model of the best validation epoch. {seconds:.0f} s in all."
        if not complete:
            title = "Interrupted: the seeds that were finished"
        console.print(report.table(results, title=title, caption=caption))
    for picture in pictures:
        console.print(f"  {picture}", highlight=False, soft_wrap=True)
    if json_file:
        found = report.as_json(
            results,
            pictures=[str(picture) for picture in pictures],
            complete=complete,
            threads=_DEMO_THREADS,
            seconds=seconds,
        )
        write(json.dumps(found, indent=2), json_file)
    if not complete:
        raise typer.Exit(INTERRUPTED)


def _train(seeds: list[int], console: Console) -> tuple[list[tuple[Task, list[Outcome]]], bool]:
    """Train every task with every seed; on Ctrl-C what is finished, and False."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with console.status("Loading torch and the data"):
        import torch

        from graphkit import runtime
        from graphkit.demo import TASKS

        runtime.keep_memory()
        torch.set_num_threads(_DEMO_THREADS)

        trained: list[tuple[Task, list[Outcome]]] = [(task(), []) for task in TASKS]
    columns = (
        TextColumn("{task.description:<5}"),
        BarColumn(),
        TextColumn("{task.completed:>3}/{task.total} epochs"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[news]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = [
            progress.add_task(task.name, total=len(seeds) * task.epochs, start=False, news="")
            for task, _ in trained
        ]
        try:
            for bar, (task, outcomes) in zip(bars, trained, strict=True):
                progress.start_task(bar)
                for seed in seeds:
                    outcome = task.train(seed, lambda _, bar=bar: progress.advance(bar))
                    outcomes.append(outcome)
                    progress.update(bar, news=f"seed {seed}: {task.metric} {outcome.test:.3f}")
        except KeyboardInterrupt:
            return trained, False
    return trained, True


def _draw(trained: list[tuple[Task, list[Outcome]]], folder: Path, console: Console) -> list[Path]:
    pictures: list[Path] = []
    with console.status("Drawing"):
        for task, outcomes in trained:
            if outcomes:
                pictures.append(folder / f"{task.name}.png")
                task.draw(outcomes, pictures[-1])
    return pictures
