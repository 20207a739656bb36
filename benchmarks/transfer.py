"""Pre-training on one set of molecules, fine-tuning on a small one, against from scratch.

    python benchmarks/transfer.py [--source esol] [--target ogbg-molfreesolv] [--seeds 10]

A GIN encoder learns the source set's targets from all of its molecules that the target's validation
and test do not hold. It is saved, and loaded under a new head three times: thawed, frozen, and
not at all (from scratch). The settings are those of the recipe of GIN on molecules in all three,
the target's split is its own, the metric RMSE at the best validation epoch. Each seed has its own
pre-training.
"""

import argparse
import csv
import platform
import statistics
import sys
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch

from graphkit import report
from graphkit.convert import to_smiles
from graphkit.data import Dataset, Split, load
from graphkit.experiment import Experiment
from graphkit.nn import Predictor, load_encoder, save_encoder

RESULTS = Path(__file__).parent / "results" / "transfer.csv"
WAYS = ("from scratch", "fine-tuned", "frozen")


def canonical(dataset: Dataset, members: list[int]) -> set[str]:
    """Canonical SMILES of some molecules."""
    return {to_smiles(dataset.graphs[i]) for i in members}


def without(source: Dataset, hidden: set[str], seed: int) -> Dataset:
    """The molecules of `source` that are not among `hidden`: nine tenths to learn from."""
    kept = torch.tensor([i for i, g in enumerate(source.graphs) if to_smiles(g) not in hidden])
    kept = kept[torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed))]
    tenth = len(kept) // 10
    return replace(source, splits=[Split(kept[tenth:], kept[:tenth], kept[:tenth])])


class FromFile(Experiment):
    """An experiment whose encoder is read from a file."""

    file: Path
    frozen: bool

    def build(self, seed: int) -> Predictor:
        model = super().build(seed)
        if hasattr(self, "file"):
            model.encoder = load_encoder(self.file, lambda: model.encoder, frozen=self.frozen)
        return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="esol")
    parser.add_argument("--target", default="ogbg-molfreesolv")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=300)
    parser.add_argument("--csv", type=Path, default=RESULTS)
    args = parser.parse_args()
    settings = {"epochs": args.epochs, "hidden": args.hidden, "mlp_hidden": 2 * args.hidden}

    source, target = load(args.source), load(args.target)
    split = target.split(0)
    hidden = canonical(target, torch.cat([split.val, split.test]).tolist())
    values: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(args.seeds):
        pre = Experiment(without(source, hidden, seed), "gin", settings=settings)
        encoder = pre.train(seed).model.encoder
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "encoder.safetensors"
            save_encoder(encoder, file, lambda made=pre: made.build(0).encoder)
            for way in WAYS:
                experiment = FromFile(target, "gin", settings=settings)
                if way != "from scratch":
                    experiment.file, experiment.frozen = file, way == "frozen"
                values[way].append(experiment.train(seed).score)
                print(f"seed {seed}, {way}: {values[way][-1]:.3f}", file=sys.stderr, flush=True)
    known = len(pre.dataset.split(0).train) + len(pre.dataset.split(0).val)
    keep(values, args, known)


def keep(values: dict[str, list[float]], args: argparse.Namespace, known: int) -> None:
    """Show the table, and write it."""
    versions = report.versions()
    rows = [
        {
            "date": date.today().isoformat(),
            "source": args.source,
            "source_molecules": known,
            "target": args.target,
            "way": way,
            "metric": "rmse",
            "seeds": args.seeds,
            "mean": round(statistics.fmean(found), 3),
            "deviation": round(statistics.stdev(found), 3) if len(found) > 1 else "",
            "values": " ".join(f"{value:.3f}" for value in found),
            "epochs": args.epochs,
            "hidden": args.hidden,
            **{name: versions[name] for name in ("graphkit", "torch", "numpy", "python")},
            "machine": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
            "command": f"python benchmarks/transfer.py --source {args.source} "
            f"--target {args.target} --seeds {args.seeds} --epochs {args.epochs} "
            f"--hidden {args.hidden}",
        }
        for way, found in values.items()
    ]
    for row in rows:
        print(f"{row['way']:14} {row['mean']} ± {row['deviation']}")
    with args.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
