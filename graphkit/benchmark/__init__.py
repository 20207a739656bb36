"""Reproductions: experiments as files, run seed by seed, judged beside what was published."""

from __future__ import annotations

from graphkit.benchmark.config import Config, choose, read, read_all, write
from graphkit.benchmark.records import Record, Results, machine
from graphkit.benchmark.running import run
from graphkit.benchmark.summary import Summary, as_json, as_rows, summaries, table, verdict, welch
from graphkit.benchmark.tuning import tune

__all__ = [
    "Config",
    "Record",
    "Results",
    "Summary",
    "as_json",
    "as_rows",
    "choose",
    "machine",
    "read",
    "read_all",
    "run",
    "summaries",
    "table",
    "tune",
    "verdict",
    "welch",
    "write",
]
