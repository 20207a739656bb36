"""What both commands that train generative models do: a folder to go on from, progress, a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from graphkit.cli._output import check_folder

if TYPE_CHECKING:
    from torch import Tensor


SHOWN = 10  # pictures in a row


class Folder:
    """Where a run keeps its checkpoint, its pictures and its page.

    A folder with a run of the same settings is gone on with; with others it is left as it is.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        check_folder(folder, "--out")
        file = folder / "settings.json"
        if file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))
            changed = [
                f"{key} {found.get(key)}" for key in settings if found.get(key) != settings[key]
            ]
            if changed:
                raise ValueError(
                    f"--out: expected a new folder, or one with the same settings, got {folder}, "
                    f"where a run has {', '.join(changed)}"
                )
        file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        self.folder, self.settings = folder, settings
        self.checkpoint = folder / "checkpoint.safetensors"

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def grid(self, epoch: int, pictures: Tensor) -> None:
        from graphkit import plot

        plot.images(self / f"epoch-{epoch:04d}.png", pictures, columns=SHOWN)

    def page(
        self,
        title: str,
        curves: dict[str, list[float]],
        results: dict[str, Any],
        subtitle: str,
    ) -> Path:
        """The report: what came of it, the curves, the settings, and all grids, the last first."""
        from graphkit import plot, report

        drawn = self / "loss.png"
        plot.curves(drawn, curves, title=title, subtitle=subtitle, ylabel="loss")
        grids = sorted(self.folder.glob("epoch-*.png"), reverse=True)
        page = self / "report.html"
        report.page(
            page,
            title,
            [
                ("Result", results),
                ("Loss", drawn),
                *((f"After epoch {int(grid.stem.partition('-')[2])}", grid) for grid in grids),
                ("Settings", self.settings),
            ],
        )
        return page


@contextmanager
def progress(console: Console, title: str, epochs: int) -> Iterator[Any]:
    """A bar over epochs; gives a function of their number and of what to say."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[news]}"),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(title, total=epochs, news="")
        yield lambda number, news: bars.update(bar, completed=number, news=news)


def show(console: Console, title: str, results: dict[str, Any]) -> None:
    """Results as a table of two columns."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, show_header=False, title_style="bold", min_width=48)
    for name, value in results.items():
        table.add_row(
            name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value)
        )
    console.print(table)
