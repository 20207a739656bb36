"""What a program says about its results: one table, or JSON."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import graphkit

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One row: a task, a model, and what it reached with every seed.

    Attributes:
        task, data, model, metric: In words.
        seeds, values: The seeds, and the test metric that each of them gave.
        details: For every seed whatever else is worth keeping, in numbers.
        seconds_per_epoch: One for each seed; empty where nothing is trained.
    """

    task: str
    data: str
    model: str
    metric: str
    seeds: list[int]
    values: list[float]
    seconds_per_epoch: list[float] = field(default_factory=list)
    details: list[dict[str, float]] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation; None for a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def table(results: Sequence[Result], *, title: str, caption: str) -> Table:
    """All results, one row each. A row without training time is a baseline, and is dimmed."""
    from rich import box
    from rich.table import Table

    out = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, title_style="bold")
    out.collapse_padding, out.pad_edge = True, False  # so that it fits 80 columns
    for heading in ("task", "data", "model", "metric"):
        out.add_column(heading, overflow="fold")
    out.add_column("mean ± deviation", justify="right", no_wrap=True)
    out.add_column("s/epoch", justify="right", no_wrap=True)
    for row in results:
        spread = "" if row.deviation is None else f" ± {row.deviation:.3f}"
        seconds = row.seconds_per_epoch
        out.add_row(
            row.task,
            row.data,
            row.model,
            row.metric,
            f"{row.mean:.3f}{spread}",
            f"{statistics.fmean(seconds):.3g}" if seconds else "",
            style=None if seconds else "dim",
        )
    return out


def as_json(results: Sequence[Result], **further: Any) -> dict[str, Any]:
    """Results with the versions and settings they were made with, ready for `json.dump`."""
    rows = [{**asdict(row), "mean": row.mean, "deviation": row.deviation} for row in results]
    return {"versions": versions(), "engine": engine(), "results": rows, **further}


def versions() -> dict[str, str]:
    """Versions of graphkit, Python and the packages that results depend on."""
    packages = ("torch", "numpy", "numba", "scikit-learn", "networkx", "torch-geometric")
    found = {"graphkit": graphkit.__version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def engine() -> str:
    """What serves the layers on this machine's CPU: "kernels", or "reference" without them."""
    from graphkit.engine.ops import kernels_wanted

    return "kernels" if kernels_wanted() else "reference"
