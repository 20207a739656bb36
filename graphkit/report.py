"""What a program says about its results: one table, or JSON."""

from __future__ import annotations

import base64
import html
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphkit

if TYPE_CHECKING:
    from rich.table import Table

    from graphkit.data import Available
    from graphkit.experiment import Outcome


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


def outcome_table(outcome: Outcome) -> Table:
    """One row: what an experiment reached, and beside it what was published."""
    from rich import box
    from rich.table import Table

    about = outcome.published
    unit = "runs" if outcome.protocol == "split" else "folds"
    notes = [
        f"{outcome.task} task, {len(outcome.seeds)} {unit}, {outcome.parameters:,} parameters",
        f"split: {outcome.split}",
        f"selection: {outcome.selection}",
    ]
    if about is not None:
        notes.append(f"published: {about.source}")
    if not outcome.complete:
        notes.append("interrupted: these are the runs that were finished")
    out = Table(box=box.SIMPLE_HEAD, caption="\n".join(notes), caption_justify="left")
    out.collapse_padding, out.pad_edge = True, False
    for heading in ("data", "model", "metric"):
        out.add_column(heading, no_wrap=True)
    for heading in ("mean ± deviation", "published", "s/epoch"):
        out.add_column(heading, justify="right", no_wrap=True)
    digits = 2 if outcome.unit == "%" else 3
    seconds = outcome.seconds_per_epoch
    out.add_row(
        outcome.dataset,
        outcome.model,
        f"{outcome.metric} {outcome.unit}".strip(),
        _spread(outcome.mean, outcome.std, digits) if outcome.values else "–",
        "–" if about is None else _spread(about.value, about.deviation, 2),
        "" if seconds is None else f"{seconds:.3g}",
    )
    for name, values in outcome.further.items():
        spread = statistics.stdev(values) if len(values) > 1 else None
        known = outcome.published_further.get(name)
        out.add_row(
            "",
            "",
            f"{name} {outcome.unit}".strip(),
            _spread(statistics.fmean(values), spread, digits),
            "–" if known is None else _spread(known.value, known.deviation, 2),
            "",
        )
    return out


def _spread(mean: float, deviation: float | None, digits: int) -> str:
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def outcome_json(outcome: Outcome, **further: Any) -> dict[str, Any]:
    """An experiment's outcome for `json.dump`, with what it took and the versions it ran on."""
    found = asdict(outcome)
    found["mean"] = outcome.mean if outcome.values else None
    found["std"] = outcome.std
    found["peak_memory_mb"] = peak_memory_mb()
    return {**found, "versions": versions(), "engine": engine(), **further}


def peak_memory_mb() -> float | None:
    """The most memory this process has held so far, on the GPU if one was used; None where the
    system does not tell."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def datasets_table(found: Sequence[Available], *, folder: Path) -> Table:
    """Data sets, one row each; those that are not at hand are dimmed."""
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, caption=f"Looked for in {folder}", caption_justify="left")
    out.collapse_padding, out.pad_edge = True, False
    out.add_column("name", no_wrap=True)
    out.add_column("predicts", no_wrap=True)
    for heading in ("graphs", "nodes", "edges", "x", "y"):
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column("", no_wrap=True)
    for entry in found:
        card, counts = entry.card, entry.card.statistics
        sizes = (counts.get(key) for key in ("graphs", "nodes", "edges", "features", "outputs"))
        out.add_row(
            card.name,
            "links" if card.kind == "link" else f"{card.level}s: {_KINDS[card.kind]}",
            *("" if size is None else _short(size) for size in sizes),
            entry.state,
            style=None if entry.state in ("bundled", "at hand") else "dim",
        )
    return out


_KINDS = {"multiclass": "class", "multilabel": "labels", "regression": "number"}


def _short(count: int) -> str:
    """1234567 as "1.23M"."""
    if count >= 10**6:
        return f"{count / 10**6:.3g}M"
    return f"{count / 10**3:.3g}k" if count >= 10**4 else str(count)


def versions() -> dict[str, str]:
    """Versions of graphkit, Python and the packages that results depend on."""
    packages = ("torch", "numpy", "numba", "triton", "scikit-learn", "networkx", "torch-geometric")
    found = {"graphkit": graphkit.__version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def device() -> str:
    """Where models can run beside the CPU, and whether layers have kernels there."""
    import torch

    from graphkit.engine.devices import has_kernels

    if not torch.cuda.is_available():
        return "cpu"
    served = has_kernels(torch.empty(0, device="cuda"))
    return "cuda" if served else "cuda, without kernels: they need triton and a GPU it serves"


def engine() -> str:
    """What serves the layers on this machine: "kernels", or "reference" without them."""
    from graphkit.engine.ops import kernels_wanted

    return "kernels" if kernels_wanted() else "reference"


def page(
    file: Path, title: str, parts: Sequence[tuple[str, str | Path | Mapping[str, Any]]]
) -> None:
    """A web page of its own, with its pictures inside: headings, and below each a sentence, a
    table of names and values, or a picture."""
    body = [f"<h1>{html.escape(title)}</h1>"]
    for heading, content in parts:
        body.append(f"<h2>{html.escape(heading)}</h2>")
        if isinstance(content, Path):
            data = base64.b64encode(content.read_bytes()).decode()
            body.append(f'<img src="data:image/png;base64,{data}" alt="{html.escape(heading)}">')
        elif isinstance(content, str):
            body.append(f"<p>{html.escape(content)}</p>")
        else:
            rows = (
                f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
                for name, value in content.items()
            )
            body.append(f"<table>{''.join(rows)}</table>")
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
        "color:#24292f}img{max-width:100%}th{text-align:left;font-weight:normal;color:#57606a;"
        "padding-right:2em}"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    file.write_text(
        f"<!doctype html><html><head>{head}</head><body>{''.join(body)}</body></html>\n",
        encoding="utf-8",
    )
