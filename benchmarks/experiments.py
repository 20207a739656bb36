"""Run the experiments of `experiments.yaml`, and keep their outcomes in `results/experiments.csv`.

    python benchmarks/experiments.py planetoid            # a group
    python benchmarks/experiments.py planetoid cora-gcn   # of it, one

Data sets are looked for in the folder that `GRAPHKIT_DATA` names, else downloaded. A row grows seed
by seed: what is broken off goes on where it stopped when it is run again, and what has all its
seeds is left alone. A row of other settings is replaced.
"""

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rows import machine, put, read

from graphkit import data, report
from graphkit.experiment import PROTOCOLS, Outcome, Trained, count_parameters

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "experiments.csv"
KEY = ("dataset", "task", "model", "protocol", "changed")


def name_of(entry: dict[str, Any]) -> str:
    parts = (entry["dataset"], entry["model"], entry.get("protocol"), entry.get("task"))
    return "-".join(part for part in parts if part)


def run(entry: dict[str, Any], table: Path, console: Console, device: str = "cpu") -> None:
    """Run one experiment; its row grows seed by seed, and goes on from those it has."""
    kind = PROTOCOLS[entry.get("protocol", "split")]
    changed = entry.get("settings", {})
    experiment = kind(
        data.load(entry["dataset"]),
        entry["model"],
        level=entry.get("task"),
        settings=changed,
        device=device,
    )
    outcome = experiment.outcome()
    before = found(row_of(entry, outcome, device), table)
    if before is not None and outcome.protocol != "gin":  # which looks at all folds at once
        outcome.values = [float(value) for value in before["values"].split()]
        outcome.seeds = list(range(len(outcome.values)))
        outcome.parameters = int(before["parameters"])
        console.print(f"  {len(outcome.seeds)} seeds are there")

    def on_seed(trained: Trained, score: float) -> None:
        console.print(f"  {trained.seed}: {score:.2f}")
        if outcome.protocol != "gin":
            outcome.seeds.append(trained.seed)
            outcome.values.append(score)
            outcome.parameters = count_parameters(trained.model)
            put([row_of(entry, outcome, device)], table, KEY)

    new = experiment.run(range(len(outcome.seeds), entry["seeds"]), on_seed=on_seed)
    if not new.complete:
        raise KeyboardInterrupt
    if outcome.protocol == "gin":
        outcome = new
        put([row_of(entry, outcome, device)], table, KEY)
    outcome.complete = True
    console.print(report.outcome_table(outcome))


def row_of(entry: dict[str, Any], outcome: Outcome, device: str = "cpu") -> dict[str, Any]:
    """An experiment's row, with the seeds that are finished."""
    changed, count = entry.get("settings", {}), len(outcome.seeds)
    published = outcome.published
    versions = report.versions()
    given = [f"--protocol {outcome.protocol}"] if outcome.protocol != "split" else []
    given += [f"--task {outcome.task}"] if "task" in entry else []
    given += [f"--set {name}={value}" for name, value in changed.items()]
    given += [f"--device {device}"] if device != "cpu" else []
    return {
        "date": date.today().isoformat(),
        "dataset": outcome.dataset,
        "split": outcome.split,
        "task": outcome.task,
        "model": outcome.model,
        "protocol": outcome.protocol,
        "changed": json.dumps(changed) if changed else "",
        "metric": outcome.metric,
        "unit": outcome.unit,
        "seeds": count,
        "mean": round(outcome.mean, 3) if count else "",
        "deviation": round(outcome.std or 0.0, 3),
        "values": " ".join(f"{value:.3f}" for value in outcome.values),
        "published": "" if published is None else published.value,
        "published_deviation": "" if published is None else published.deviation or "",
        "source": "" if published is None else published.source,
        "selection": outcome.selection,
        "parameters": outcome.parameters,
        "settings": json.dumps(outcome.settings),
        "engine": report.engine(),
        **{name: versions[name] for name in ("graphkit", "torch", "numpy", "python")},
        "machine": machine(device),
        "command": " ".join(
            ["graphkit run", entry["dataset"], entry["model"], f"--seeds {count}", *given]
        ),
    }


def found(row: dict[str, Any], table: Path) -> dict[str, str] | None:
    """The row of the same experiment, run with the same settings."""
    same = [old for old in read(table) if all(old[key] == str(row[key]) for key in KEY)]
    return same[0] if same and same[0]["settings"] == row["settings"] else None


def main() -> None:
    groups = yaml.safe_load((HERE / "experiments.yaml").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("group", choices=list(groups))
    parser.add_argument("names", nargs="*", help="of the group only these, such as cora-gcn")
    parser.add_argument("--csv", type=Path, default=RESULTS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    console = Console(stderr=True)
    known = [name_of(entry) for entry in groups[args.group]]
    for name in args.names:
        if name not in known:
            parser.error(f"expected one of {', '.join(known)}; got {name}")
    for entry in groups[args.group]:
        if not args.names or name_of(entry) in args.names:
            console.rule(name_of(entry))
            run(entry, args.csv, console, args.device)


if __name__ == "__main__":
    main()
