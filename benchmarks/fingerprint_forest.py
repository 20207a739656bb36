"""Random forests on Morgan fingerprints of molecules: what a graph network has to beat.

    python benchmarks/fingerprint_forest.py ogbg-molesol ogbg-molfreesolv

500 trees on 2,048 bits of radius 2, trained on the training part of the official split and scored
on its test part by OGB's evaluator, once for each of ten seeds. Several labels have a forest each,
which learns from the molecules whose label is known. Nothing is chosen on the validation part.
Rows go to `results/molecules.csv`, in the place of older ones.
"""

import argparse
import statistics
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from rows import put
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from graphkit import __version__
from graphkit.convert import fingerprint
from graphkit.data import Dataset, load, official_score

RESULTS = Path(__file__).parent / "results" / "molecules.csv"
MODEL = "random forest, Morgan fingerprints"
TREES, RADIUS, BITS = 500, 2, 2048
# A forest with settings of its own, on a split of the same procedure, which does not tell mirror
# images apart: of ESOL it is the same split, of BACE one molecule in twenty differs.
PUBLISHED = {
    "ogbg-molesol": "1.741 ± 0.026",
    "ogbg-mollipo": "0.962 ± 0.003",
    "ogbg-molbace": "85.1 ± 0.7",
    "ogbg-molbbbp": "71.9 ± 0.7",
}
SOURCE = "DeepChem MoleculeNet leaderboard"


def predict(dataset: Dataset, x: np.ndarray, seed: int) -> np.ndarray:
    """``[n_test, num_outputs]`` predictions for the test part: numbers, or shares of the votes."""
    train, _, test = (part.numpy() for part in dataset.split())
    columns = []
    for y in dataset.y[train].numpy().T:
        known = ~np.isnan(y)
        if dataset.kind == "regression":
            forest = RandomForestRegressor(TREES, random_state=seed, n_jobs=-1)
            forest.fit(x[train][known], y[known])
            columns.append(forest.predict(x[test]))
        else:
            forest = RandomForestClassifier(TREES, random_state=seed, n_jobs=-1)
            forest.fit(x[train][known], y[known].astype(int))
            yes = list(forest.classes_).index(1)
            columns.append(forest.predict_proba(x[test])[:, yes])
    return np.stack(columns, axis=1)


def row_of(name: str, seeds: int) -> dict[str, object]:
    dataset = load(name)
    if dataset.kind not in ("regression", "multilabel") or "smiles" not in dataset.further:
        raise SystemExit(f"{name}: expected a set of molecules with SMILES")
    molecules = [fingerprint(smiles, RADIUS, BITS) for smiles in dataset.further["smiles"]]
    x = torch.stack(molecules).numpy()
    target = dataset.y[dataset.split().test]
    percent = dataset.kind == "multilabel"
    values = []
    for seed in range(seeds):
        prediction = torch.from_numpy(predict(dataset, x, seed)).to(target.dtype)
        values.append(official_score(name, prediction, target) * (100 if percent else 1))
        print(f"{name}, seed {seed}: {values[-1]:.3f}", flush=True)
    return {
        "date": date.today().isoformat(),
        "dataset": name,
        "split": dataset.split_name,
        "model": MODEL,
        "metric": dataset.metric + (", %" if percent else ""),
        "seeds": seeds,
        "mean": f"{statistics.mean(values):.3f}",
        "deviation": f"{statistics.stdev(values):.3f}" if seeds > 1 else "",
        "values": " ".join(f"{value:.3f}" for value in values),
        "published": PUBLISHED.get(name, ""),
        "source": SOURCE if name in PUBLISHED else "",
        "graphkit": __version__,
        **{package: version(package) for package in ("torch", "rdkit", "ogb", "scikit-learn")},
        "command": f"python benchmarks/fingerprint_forest.py {name} --seeds {seeds}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="+", help="such as ogbg-molesol")
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    for name in args.dataset:
        put([row_of(name, args.seeds)], RESULTS, ("dataset", "model"))


if __name__ == "__main__":
    main()
