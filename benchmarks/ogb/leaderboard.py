"""What the scripts for the Open Graph Benchmark share: seeds that are run once, and the row."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from rows import about, machine, put, read

from graphkit.experiment import count_parameters

KEY = ("dataset", "model", "settings", "seed")
Run = Callable[[int], tuple[float, float, nn.Module]]
"""From a seed to the validation and test scores, and the model."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=10, help="0, 1, ...")
    parser.add_argument("--csv", type=Path, help="a line for every seed; what is there is kept")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")


def run_seeds(
    dataset: str,
    model: str,
    settings: dict[str, Any],
    run: Run,
    options: argparse.Namespace,
    unit: float = 100,
) -> None:
    """Run the seeds that the file lacks, and print the row for the leaderboard: mean and unbiased
    deviation of the test and the validation scores at the epochs with the best validation ones.

    Scores are told times `unit`: 100 for shares, 1 for errors.
    """
    said = ", ".join(f"{name} {value}" for name, value in settings.items())
    key = {"dataset": dataset, "model": model, "settings": said}
    known = {
        int(row["seed"]): row
        for row in (read(options.csv) if options.csv else [])
        if all(row[name] == value for name, value in key.items())
    }
    rows = []
    for seed in range(options.seeds):
        if seed in known:
            rows.append(known[seed])
            continue
        val, test, trained = run(seed)
        row = {**key, "seed": seed, "val": round(unit * val, 3), "test": round(unit * test, 3)}
        row |= {"parameters": count_parameters(trained)} | about(device=options.device)
        rows.append(row)
        print(f"{dataset} {model} seed {seed}: val {row['val']}, test {row['test']}", flush=True)
        if options.csv:
            put([row], options.csv, KEY)

    def spread(name: str) -> str:
        values = [float(row[name]) for row in rows]
        deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        return f"{statistics.fmean(values):.2f}{deviation}"

    print(
        f"{dataset} | {model} | test {spread('test')} | validation {spread('val')} | "
        f"{len(rows)} seeds | {int(rows[0]['parameters']):,} parameters | {machine(options.device)}"
    )
    print(f"made by: python {' '.join(sys.argv)}")
