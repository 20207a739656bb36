"""What the seeds of a configuration gave, beside what was published."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from graphkit.benchmark.config import Config
from graphkit.benchmark.records import Record
from graphkit.experiment import Published, recipe_of
from graphkit.experiment.folds import at_one_epoch
from graphkit.metrics import METRICS

if TYPE_CHECKING:
    from rich.table import Table

Verdict = Literal["within", "better", "worse"]
# Run as other models are, but heeding no edges, or no more than their number.
BASELINES = ("mlp", "sign-degrees", "popularity")


@dataclass(frozen=True)
class Summary:
    """A configuration's seeds by one metric.

    Attributes:
        published: The number to compare with, if there is one.
        tolerance: How far from it still counts as it.
    """

    config: Config
    metric: str
    unit: str
    seeds: list[int]
    values: list[float]
    parameters: int
    machine: str
    published: Published | None

    @property
    def is_baseline(self) -> bool:
        """Whether the model heeds no edges, or learns nothing of what passes along them."""
        return self.config.model in BASELINES or recipe_of(self.config.model).kind == "baseline"

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation; None for a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def tolerance(self) -> float:
        return tolerance(self.published, self.unit, self.config.tolerance)

    @property
    def verdict(self) -> Verdict | None:
        """None without a published number."""
        if self.published is None:
            return None
        higher = METRICS[self.metric].higher_is_better
        return verdict(self.mean, self.published.value, self.tolerance, higher_is_better=higher)

    @property
    def p(self) -> float | None:
        """Of Welch's test; None where the source tells too little for it."""
        return None if self.published is None else welch(self.values, self.published)


def tolerance(published: Published | None, unit: str, stated: float | None = None) -> float:
    """The stated one; else the larger of one published deviation and 1: a point of a score in per
    cent, of others one per cent of the number."""
    if stated is not None or published is None:
        return stated or 0.0
    one = 1.0 if unit == "%" else 0.01 * abs(published.value)
    return max(published.deviation or 0.0, one)


def verdict(
    mean: float, published: float, tolerance: float, *, higher_is_better: bool = True
) -> Verdict:
    """Whether a mean lies within the tolerance of a published one, or is better, or worse."""
    # Means of scores in whole per mille are no sharper than this.
    if abs(mean - published) <= tolerance + 1e-9:
        return "within"
    return "better" if (mean > published) == higher_is_better else "worse"


def welch(values: Sequence[float], published: Published) -> float | None:
    """Two-sided p of Welch's t-test against a published mean, deviation and number of seeds.

    Returns:
        None if these were not published, if a side has fewer than two seeds, or if neither
        varies. It takes the seeds of each side as independent draws; of fixed splits, which both
        sides share, they are not.
    """
    if published.deviation is None or published.seeds is None:
        return None
    if len(values) < 2 or published.seeds < 2:
        return None
    deviation = statistics.stdev(values)
    if deviation == published.deviation == 0:
        return None
    from scipy.stats import ttest_ind_from_stats

    found = ttest_ind_from_stats(
        statistics.fmean(values),
        deviation,
        len(values),
        published.value,
        published.deviation,
        published.seeds,
        equal_var=False,
    )
    return float(found.pvalue)


def summaries(
    configs: Iterable[Config], records: Iterable[Record], *, seeds: int | None = None
) -> list[Summary]:
    """All that has been run of the configurations, by data set, on every machine.

    Beside each data set baselines come first.

    Args:
        configs: The configurations.
        records: Of any configurations; of others they are passed over.
        seeds: Count only so many seeds, not all that the configurations ask for.
    """
    found = []
    by_config: dict[str, dict[str, dict[int, Record]]] = {}
    for record in records:
        machines = by_config.setdefault(record.config, {})
        machines.setdefault(record.machine, {}).setdefault(record.seed, record)
    for config in configs:
        wanted = seeds or config.seeds
        for of_machine in by_config.get(config.name, {}).values():
            runs = [of_machine[seed] for seed in sorted(of_machine) if seed < wanted]
            if runs:
                found += _of_one(config, runs)
    return sorted(
        found,
        key=lambda s: (
            (s.config.dataset, s.config.task, s.config.protocol),
            (not s.is_baseline, s.config.name),
        ),
    )


def _of_one(config: Config, runs: Sequence[Record]) -> list[Summary]:
    """One for the metric, and one for every further metric."""
    values = [run.value for run in runs if run.value is not None]
    if len(values) < len(runs):
        values = at_one_epoch([run.curve for run in runs])
    seeds, first = [run.seed for run in runs], runs[0]
    about = (first.parameters, first.machine)
    found = [Summary(config, first.metric, first.unit, seeds, values, *about, config.reference())]
    for name in first.further:
        further = [run.further[name] for run in runs]
        reference = config.reference(name)
        found.append(Summary(config, name, first.unit, seeds, further, *about, reference))
    return found


def as_rows(found: Iterable[Summary]) -> list[dict[str, str]]:
    """Rows of a table for people: one for each summary, in their order."""
    return [
        {
            "dataset": s.config.dataset,
            "task": s.config.task,
            "model": s.config.model + (" (baseline)" if s.is_baseline else ""),
            "protocol": s.config.protocol,
            "metric": s.metric,
            "seeds": str(len(s.seeds)),
            "measured": _spread(s.mean, s.deviation, s.unit),
            "published": ""
            if s.published is None
            else _spread(s.published.value, s.published.deviation, s.unit),
            "verdict": s.verdict or "",
            "p": "" if s.p is None else f"{s.p:.2g}",
            "source": "" if s.published is None else s.published.source,
            "shortened": s.config.shortened,
            "tuned": _budget(s.config.tuned),
        }
        for s in found
    ]


def _budget(tuned: Mapping[str, Any]) -> str:
    """What a search for settings took, see :func:`~graphkit.benchmark.tune`."""
    if not {"trials", "seeds"} <= tuned.keys():
        return ""
    return f"on validation, {tuned['trials']} trials of {tuned['seeds']} seeds"


def _spread(mean: float, deviation: float | None, unit: str) -> str:
    digits = 2 if unit == "%" else 3
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def as_json(found: Iterable[Summary]) -> list[dict[str, Any]]:
    """All of it, ready for `json.dump`."""
    return [
        {
            **asdict(s),
            "mean": s.mean,
            "deviation": s.deviation,
            "tolerance": None if s.published is None else s.tolerance,
            "verdict": s.verdict,
            "p": s.p,
        }
        for s in found
    ]


def table(found: Sequence[Summary]) -> Table:
    """Obtained against published, one row for each summary."""
    from rich import box
    from rich.table import Table

    caption = (
        "within, better, worse: than published, by the tolerance; p: Welch's t-test, where the "
        "source gives deviation and seeds"
    )
    out = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left")
    out.collapse_padding, out.pad_edge = True, False
    for heading in ("configuration", "metric"):
        out.add_column(heading, overflow="fold")
    for heading in ("seeds", "measured", "published", "verdict", "p"):
        out.add_column(heading, justify="right", no_wrap=heading != "verdict")
    for s, row in zip(found, as_rows(found), strict=True):
        short = len(s.seeds) < s.config.seeds
        seeds = f"{len(s.seeds)}/{s.config.seeds}" if short else str(len(s.seeds))
        cells = (row[key] for key in ("measured", "published", "verdict", "p"))
        out.add_row(
            s.config.name + (f" (tuned {row['tuned']})" if row["tuned"] else ""),
            s.metric,
            seeds,
            *cells,
            style="dim" if s.is_baseline else None,
        )
    return out
