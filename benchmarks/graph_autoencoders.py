"""Graph autoencoders: links of citation graphs that were taken out, AUC and AP in per cent.

    python benchmarks/graph_autoencoders.py [cora citeseer pubmed] [--seeds 10] [--csv FILE]

What `graphkit run DATASET MODEL` does, one after the other. The protocol is that of Kipf & Welling
2016: 85/5/10 % of the links for training, validation and test, as many pairs without a link beside
them, a split of its own for every seed; the epoch with the best validation AUC is tested, once. All
settings, and the published numbers, come from the models' recipes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rows import about, put

from graphkit import runtime
from graphkit.data import load
from graphkit.experiment import Outcome, experiment_of


def row_of(outcome: Outcome, seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = {"dataset": outcome.dataset, "model": outcome.model}
    for metric, values, published in (
        ("auc", outcome.values, outcome.published),
        ("ap", outcome.further["ap"], outcome.published_further["ap"]),
    ):
        row |= {
            metric: round(statistics.fmean(values), 2),
            f"{metric}_deviation": round(statistics.stdev(values), 2) if len(values) > 1 else "",
            f"{metric}_published": "" if published is None else published.value,
            f"{metric}_values": " ".join(f"{value:.2f}" for value in values),
        }
    return row | {"seeds": len(outcome.seeds), "seconds": round(seconds)} | about()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="*", default=["cora", "citeseer"])
    parser.add_argument(
        "--models", nargs="+", default=["gae", "vgae", "arga", "arvga", "maskgae"], metavar="MODEL"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="of a run, if not the recipe's")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    runtime.keep_memory()
    for name in options.datasets:
        dataset = load(name)
        for model in options.models:
            experiment = experiment_of(dataset, model, epochs=options.epochs)
            start = time.perf_counter()
            with Progress(transient=True, console=Console(stderr=True)) as progress:
                epochs = options.seeds * experiment.settings["epochs"]
                bar = progress.add_task(f"{name} {model}", total=epochs)
                outcome = experiment.run(
                    range(options.seeds), on_epoch=lambda *_, p=progress, b=bar: p.advance(b)
                )
            if not outcome.complete:
                raise KeyboardInterrupt
            row = row_of(outcome, time.perf_counter() - start)
            print(name, model, row["auc"], row["auc_deviation"], row["ap"], flush=True)
            if options.csv:
                put([row], options.csv, ("dataset", "model"))


if __name__ == "__main__":
    main()
