"""Anomalies found without labels: an autoencoder beside three detectors of scikit-learn.

    python benchmarks/anomalies.py [--seeds 10] [--csv FILE]

On five sets of ADBench (Han et al. 2022) in the folder that `GRAPHKIT_DATA` names. Features are
standardised; every detector is fitted on all rows, without labels, and scores the same rows; labels
serve ROC-AUC and average precision alone. The autoencoder has one setting for all sets, whatever
their size, and two scores: its reconstruction error, and that with the code's distance from the
others (Denouden et al. 2018). PCA keeps half of the features, and scores by its reconstruction
error.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rows import about, put
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from graphkit.tasks.anomalies import DETECTORS, detector

ERROR = "autoencoder, error alone"
NAMES = (DETECTORS[0], ERROR, *DETECTORS[1:])

# With the number of seeds that change anything; None for all.
SEEDS = {"pca": 1, "one-class-svm": 1}


def scores_of(name: str, x: np.ndarray, seed: int) -> np.ndarray:
    """The higher, the stranger."""
    found = detector(name.partition(",")[0], x.shape[1], seed)
    if name == ERROR:
        found.set_params(score_by="error")
    return -found.fit(x).score_samples(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    folder = Path(os.environ.get("GRAPHKIT_DATA", ".")) / "anomaly"
    files = sorted(folder.glob("*.npz"), key=lambda f: f.stem.split("_", 1)[1])
    if not files:
        sys.exit(f"There are no sets in {folder}; GRAPHKIT_DATA names another place.")
    rows: list[dict[str, Any]] = []
    for file in files:
        with np.load(file) as loaded:
            x, y = StandardScaler().fit_transform(loaded["X"]), loaded["y"].ravel()
        dataset = file.stem.split("_", 1)[1]
        for name in NAMES:
            start = time.perf_counter()
            auc, ap = [], []
            seeds = min(options.seeds, SEEDS.get(name, options.seeds))
            for seed in track(range(seeds), f"{dataset} {name}", transient=True):
                scores = scores_of(name, x, seed)
                auc.append(roc_auc_score(y, scores))
                ap.append(average_precision_score(y, scores))
            rows.append(
                {
                    "dataset": dataset,
                    "samples": len(x),
                    "anomalies": int(y.sum()),
                    "detector": name,
                    "roc_auc": round(statistics.fmean(auc), 4),
                    "roc_auc_deviation": round(statistics.stdev(auc), 4) if seeds > 1 else "",
                    "ap": round(statistics.fmean(ap), 4),
                    "ap_deviation": round(statistics.stdev(ap), 4) if seeds > 1 else "",
                    "seeds": seeds,
                    "seconds": round((time.perf_counter() - start) / seeds, 2),
                    **about("scikit-learn"),
                }
            )
            print(f"{dataset} {name}: {rows[-1]['roc_auc']:.4f} {rows[-1]['ap']:.4f}", flush=True)
    for name in NAMES:
        found = [row["roc_auc"] for row in rows if row["detector"] == name]
        print(f"mean ROC-AUC of {name}: {statistics.fmean(found):.4f}")
    if options.csv:
        put(rows, options.csv, ("dataset", "detector"))


if __name__ == "__main__":
    main()
