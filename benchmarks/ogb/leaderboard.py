"""What the scripts for the Open Graph Benchmark share: seeds that are run once, and the row."""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from rows import about, machine, put, read

from graphkit import runtime
from graphkit.data import official_score
from graphkit.data.ogb_facts import SETS
from graphkit.experiment import count_parameters
from graphkit.metrics import METRICS

KEY = ("dataset", "model", "settings", "seed")
Run = Callable[[int], tuple[float, float, nn.Module]]
"""From a seed to the validation and test scores, and the model."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=10, help="0, 1, ...")
    parser.add_argument("--csv", type=Path, help="a line for every seed; what is there is kept")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")


def set_up(options: argparse.Namespace) -> None:
    """Settings of the process, as the device wants them."""
    runtime.keep_memory()
    if options.device != "cpu":
        torch.set_float32_matmul_precision("high")  # TF32


def score_of(dataset: str, prediction: Tensor, target: Tensor) -> float:
    """By the official evaluator where it is installed, else by ours, tested to say the same."""
    prediction, target = prediction.cpu(), target.cpu()
    try:
        return official_score(dataset, prediction, target)
    except ImportError:
        return METRICS[SETS[dataset].metric].score(prediction, target)


def best_epoch(
    model: nn.Module,
    learn: Callable[[], Iterator[None]],
    scores: Callable[[], tuple[float, float]],
    options: argparse.Namespace,
    said: str,
    steps: int = 1,
) -> tuple[float, float, nn.Module]:
    """Validation and test scores at the epoch with the best validation score, and its model.

    `learn` is an epoch, and yields after each of its `steps`; `scores` are those of validation and
    test, taken after every `options.every` epochs and the last.
    """
    best: tuple[float, float] = (-1.0, 0.0)
    kept: dict[str, Tensor] = {}
    told = max(options.every, options.epochs // 20)
    with Progress(transient=True) as progress:
        bar = progress.add_task(said, total=options.epochs * steps)
        for epoch in range(1, options.epochs + 1):
            model.train()
            for _ in learn():
                progress.advance(bar)
            if epoch % options.every and epoch < options.epochs:
                continue
            model.eval()
            with torch.no_grad():
                found = scores()
            if found[0] > best[0]:
                best, kept = found, copy.deepcopy(model.state_dict())
            if epoch % told == 0 or epoch == options.epochs:
                progress.console.print(f"  {epoch}: validation {100 * found[0]:.2f}")
    model.load_state_dict(kept)
    return (*best, model)


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
