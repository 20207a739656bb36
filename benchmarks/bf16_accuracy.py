"""Does bfloat16 in memory cost accuracy? Node classification with and without it.

    python benchmarks/bf16_accuracy.py [--datasets cora pubmed] [--models gcn sage] [--seeds 10]

The settings are the recipes', the seeds the same. "bfloat16" is training and evaluation under
``torch.autocast("cpu", torch.bfloat16)``: matrix products and what they give to the layers are
bfloat16, sums over neighbourhoods are taken in float32, weights and Adam stay float32. Data sets
are looked for in the folder that `GRAPHKIT_DATA` names, else downloaded.
"""

import argparse
import csv
import platform
import statistics
from datetime import date
from pathlib import Path

import torch

from graphkit import data, report, runtime
from graphkit.experiment import Experiment

RESULTS = Path(__file__).parent / "results" / "bf16_accuracy.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=["cora", "pubmed"])
    parser.add_argument("--models", nargs="+", default=["gcn", "sage"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--csv", type=Path, default=RESULTS)
    args = parser.parse_args()
    runtime.keep_memory()
    versions = report.versions()
    rows = []
    for dataset in args.datasets:
        for model in args.models:
            experiment = Experiment(data.load(dataset), model)
            plain: list[float] = []
            for precision in ("float32", "bfloat16"):
                short = precision == "bfloat16"
                # Its cache would hold the weights of the first step for as long as this lasts.
                with torch.autocast("cpu", torch.bfloat16, enabled=short, cache_enabled=False):
                    outcome = experiment.run(range(args.seeds))
                if not outcome.complete:
                    raise KeyboardInterrupt
                plain = plain or outcome.values
                differences = [b - a for a, b in zip(plain, outcome.values, strict=True)]
                print(
                    f"{dataset} {model} {precision}: {outcome.mean:.2f} ± {outcome.std or 0:.2f}",
                    flush=True,
                )
                rows.append(
                    {
                        "date": date.today().isoformat(),
                        "dataset": outcome.dataset,
                        "split": outcome.split,
                        "model": outcome.model,
                        "precision": precision,
                        "metric": outcome.metric,
                        "unit": outcome.unit,
                        "seeds": len(outcome.seeds),
                        "mean": round(outcome.mean, 3),
                        "deviation": round(outcome.std or 0.0, 3),
                        "mean_difference": round(statistics.fmean(differences), 3),
                        "values": " ".join(f"{value:.3f}" for value in outcome.values),
                        "selection": outcome.selection,
                        "engine": report.engine(),
                        **{name: versions[name] for name in ("graphkit", "torch", "python")},
                        "machine": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
                        "command": f"python benchmarks/bf16_accuracy.py --datasets {dataset} "
                        f"--models {model} --seeds {args.seeds}",
                    }
                )
            with args.csv.open("w", newline="") as file:
                table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                table.writeheader()
                table.writerows(rows)


if __name__ == "__main__":
    main()
