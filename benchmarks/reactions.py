"""Reaction centres: which bonds of the reactants change, by majority, by forests and by networks.

    python benchmarks/reactions.py [--seeds 10] [--csv benchmarks/results/reactions.csv]

Reactions are made of ZINC's molecules (`graphkit.data.reaction_centres`), anew for every seed, and
of several sites the least crowded reacts. ``majority`` says that every bond is kept. ``forest`` is
a random forest on a bond and its two ends, each end with the mean and greatest features of its
neighbours: functional groups, but not what lies farther away. ``gin`` is message passing along
bonds, which it reads, of as many layers as `--layers`. Macro-F1 over the three classes, and the
share of reactions in which every bond is right; mean and deviation over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from rows import about, put
from torch import Tensor

from graphkit import Graph
from graphkit.data import Dataset, data_folder
from graphkit.data.reactions import reaction_centres
from graphkit.experiment import experiment_of
from graphkit.metrics import f1_macro

MODELS = ("majority", "forest", "gin")


def parts(dataset: Dataset) -> tuple[Graph, Graph]:
    """Training and test reactions."""
    split = dataset.split()
    chosen = ([dataset.graphs[i] for i in part.tolist()] for part in (split.train, split.test))
    first, second = (Graph.batch(graphs) for graphs in chosen)
    return first, second


def majority(dataset: Dataset, seed: int, options: argparse.Namespace) -> Tensor:
    train, test = parts(dataset)
    count = train.y.bincount(minlength=dataset.num_outputs).float()
    return count.expand(test.num_edges, -1)


def local(graph: Graph) -> np.ndarray:
    """Of every bond: its own features, and both ends' with their neighbours', in no order."""
    j, i = graph.edge_index
    x = graph.x
    index = i[:, None].expand(-1, x.size(1))
    mean = torch.zeros_like(x).scatter_reduce(0, index, x[j], "mean", include_self=False)
    most = torch.zeros_like(x).scatter_reduce(0, index, x[j], "amax", include_self=False)
    h = torch.cat([x, mean, most], dim=1)
    return torch.cat([h[i] + h[j], (h[i] - h[j]).abs(), graph.edge_attr], dim=1).numpy()


def forest(dataset: Dataset, seed: int, options: argparse.Namespace) -> Tensor:
    from sklearn.ensemble import RandomForestClassifier

    train, test = parts(dataset)
    model = RandomForestClassifier(100, random_state=seed)
    model.fit(local(train), train.y.numpy())
    return torch.from_numpy(model.predict_proba(local(test)))


def network(name: str, dataset: Dataset, seed: int, options: argparse.Namespace) -> Tensor:
    settings = {"hidden": 64, "code": 64, "layers": options.layers, "lr": 0.003, "normalize": False}
    experiment = experiment_of(dataset, name, epochs=options.epochs, settings=settings)
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{name}, seed {seed}", total=options.epochs)
        model = experiment.train(seed, lambda _: progress.advance(bar)).model
    test = parts(dataset)[1]
    with torch.no_grad():
        return model(test.x, test, test.edge_index, test.edge_attr)


def all_right(prediction: Tensor, test: Graph) -> float:
    """Share of reactions."""
    wrong = (prediction.argmax(dim=1) != test.y).float()
    return (
        1
        - torch.zeros(test.num_graphs)
        .scatter_reduce(0, test.edge_batch, wrong, "amax")
        .mean()
        .item()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--each", type=int, default=300, help="reactions of every name")
    parser.add_argument("--molecules", type=int, default=6000, help="to react")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    models = options.models or MODELS
    for name in models:
        if name not in MODELS:
            parser.error(f"MODEL: expected one of {', '.join(MODELS)}, got {name!r}")
    smiles = (data_folder() / "zinc_smiles" / "valid.txt").read_text().split()
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in models}
    for seed in range(options.seeds):
        order = torch.randperm(len(smiles), generator=torch.Generator().manual_seed(seed))
        chosen = [smiles[i] for i in order[: options.molecules].tolist()]
        dataset = reaction_centres(chosen, options.each, seed=seed)
        test = parts(dataset)[1]
        for name in models:
            start = time.perf_counter()
            if name in ("majority", "forest"):
                prediction = {"majority": majority, "forest": forest}[name](dataset, seed, options)
            else:
                prediction = network(name, dataset, seed, options)
            seconds = time.perf_counter() - start
            scores = 100 * f1_macro(prediction, test.y), 100 * all_right(prediction, test)
            found[name].append((*scores, seconds))
            print(f"seed {seed}, {name}: macro-F1 {scores[0]:.2f}, all right {scores[1]:.2f} %")
    rows = []
    for name, values in found.items():
        f1, right, seconds = zip(*values, strict=True)
        several = len(values) > 1
        rows.append(
            {
                "model": name,
                "f1_macro": round(statistics.fmean(f1), 2),
                "f1_macro_deviation": round(statistics.stdev(f1), 2) if several else "",
                "all_right": round(statistics.fmean(right), 2),
                "all_right_deviation": round(statistics.stdev(right), 2) if several else "",
                "values": " ".join(f"{value:.2f}" for value in f1),
                "seeds": options.seeds,
                "each": options.each,
                "molecules": options.molecules,
                "layers": options.layers if name == "gin" else "",
                "epochs": options.epochs if name == "gin" else "",
                "seconds": round(statistics.fmean(seconds), 1),
                **about("scikit-learn"),
                "rdkit": version("rdkit"),
            }
        )
        print(name, rows[-1]["f1_macro"], rows[-1]["f1_macro_deviation"], rows[-1]["all_right"])
    if options.csv:
        put(rows, options.csv, ("model",))


if __name__ == "__main__":
    main()
