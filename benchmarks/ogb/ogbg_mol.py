"""Properties of molecules: ogbg-molhiv, ogbg-molpcba and the small ogbg-mol sets.

    python benchmarks/ogb/ogbg_mol.py molhiv gin --virtual-node --csv benchmarks/results/ogb.csv
    python benchmarks/ogb/ogbg_mol.py molesol pna --seeds 10

Models: ``gcn`` and ``gin`` in the form of the benchmark's own examples (5 layers of 300 features,
batch norm, dropout 0.5, the mean of all atoms), with `--virtual-node` or without; ``pna``,
``gatedgcn`` and ``gps``; ``mlp``, which sees atoms and no bonds. Random forests on fingerprints are
next door, in `benchmarks/fingerprint_forest.py`. The settings are those of the models' recipes.
The models have 300 parameters more than the leaderboard states: one more category of chirality,
which the benchmark's features have had since. The epoch with the best validation score is tested,
once.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from leaderboard import add_options, run_seeds, set_up
from rich.progress import Progress
from torch import nn

from graphkit.data import load
from graphkit.experiment import Experiment, experiment_of
from graphkit.metrics import METRICS

MODELS = ("gcn", "gin", "pna", "gatedgcn", "gps", "mlp")
SETS = ("molhiv", "molpcba", "molesol", "molfreesolv", "mollipo", "molbace", "molbbbp")


def trained(experiment: Experiment, seed: int, short: bool) -> tuple[float, float, nn.Module]:
    epochs = experiment.settings["epochs"]
    # The cache of autocast would hold the weights of the first step for as long as this lasts.
    autocast = torch.autocast(
        experiment.device.type, torch.bfloat16, enabled=short, cache_enabled=False
    )
    with autocast, Progress(transient=True) as progress:
        bar = progress.add_task(f"{experiment.recipe.name}, seed {seed}", total=epochs)

        def tell(epoch: Any) -> None:
            progress.advance(bar)
            if epoch.number % 10 == 0:
                said = f"{abs(epoch.score[0]):.4f}, {epoch.seconds:.2f} s"
                progress.console.print(f"  {epoch.number}: validation {said}")

        done = experiment.train(seed, tell)
    return abs(done.fit.best.score[0]), done.score, done.model


def main() -> None:
    parser = argparse.ArgumentParser(description="the molecules of the Open Graph Benchmark")
    parser.add_argument("dataset", choices=SETS)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--virtual-node", action="store_true")
    for name, kind in (("epochs", int), ("hidden", int), ("batch-size", int), ("lr", float)):
        parser.add_argument(f"--{name}", type=kind, help="if not the recipe's")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of matrix products, by autocast",
    )
    add_options(parser)
    options = parser.parse_args()
    set_up(options)
    name = f"ogbg-{options.dataset}"
    dataset = load(name)
    unit = 100 if METRICS[dataset.metric].higher_is_better else 1
    given = {n: getattr(options, n) for n in ("epochs", "hidden", "batch_size", "lr")}
    settings: dict[str, Any] = {n: value for n, value in given.items() if value is not None}
    if options.model == "gin" and "hidden" in settings:
        settings["mlp_hidden"] = 2 * settings["hidden"]
    if options.virtual_node:
        settings["virtual_node"] = True
    experiment = experiment_of(dataset, options.model, settings=settings, device=options.device)
    said = {
        n: experiment.settings[n]
        for n in ("epochs", "hidden", "layers", "batch_size", "lr", "virtual_node")
        if n in experiment.settings
    }
    short = options.precision == "bfloat16"
    if short:
        said["precision"] = options.precision

    def run(seed: int) -> tuple[float, float, nn.Module]:
        return trained(experiment, seed, short)

    run_seeds(name, options.model, said, run, options, unit=unit)


if __name__ == "__main__":
    main()
