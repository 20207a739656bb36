"""Anomalies found without labels: an autoencoder beside three detectors of scikit-learn.

    python benchmarks/anomalies.py [--seeds 10] [--csv FILE]

On five sets of ADBench (Han et al. 2022) in the folder that `GRAPHKIT_DATA` names. Features are
standardised; every detector is fitted on all rows, without labels, and scores the same rows; labels
serve ROC-AUC and average precision alone. The autoencoder has one setting for all sets, whatever
their size; PCA keeps half of the features, and scores by its reconstruction error.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rows import about, put
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from graphkit.generative import AutoencoderEstimator

SETTINGS: dict[str, Any] = {
    "kind": "deep",
    "code": 2,
    "layers": 1,
    "nodes": 32,
    "epochs": 40,
    "lr": 1e-3,
    "batch_size": 128,
}


def by_autoencoder(x: np.ndarray, seed: int) -> np.ndarray:
    return -AutoencoderEstimator(**SETTINGS, random_state=seed).fit(x).score_samples(x)


def by_pca(x: np.ndarray, seed: int) -> np.ndarray:
    pca = PCA(max(1, x.shape[1] // 2), random_state=seed).fit(x)
    return ((pca.inverse_transform(pca.transform(x)) - x) ** 2).sum(axis=1)


def by_forest(x: np.ndarray, seed: int) -> np.ndarray:
    return -IsolationForest(random_state=seed).fit(x).score_samples(x)


def by_svm(x: np.ndarray, seed: int) -> np.ndarray:
    return -OneClassSVM(nu=0.1).fit(x).score_samples(x)


# With the number of seeds that change anything; None for all.
DETECTORS: dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], int | None]] = {
    "autoencoder": (by_autoencoder, None),
    "isolation forest": (by_forest, None),
    "pca": (by_pca, 1),
    "one-class svm": (by_svm, 1),
}


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
        name = file.stem.split("_", 1)[1]
        for detector, (scores_of, limit) in DETECTORS.items():
            start = time.perf_counter()
            auc, ap = [], []
            seeds = min(options.seeds, limit or options.seeds)
            for seed in track(range(seeds), f"{name} {detector}", transient=True):
                scores = scores_of(x, seed)
                auc.append(roc_auc_score(y, scores))
                ap.append(average_precision_score(y, scores))
            rows.append(
                {
                    "dataset": name,
                    "samples": len(x),
                    "anomalies": int(y.sum()),
                    "detector": detector,
                    "roc_auc": round(statistics.fmean(auc), 4),
                    "roc_auc_deviation": round(statistics.stdev(auc), 4) if seeds > 1 else "",
                    "ap": round(statistics.fmean(ap), 4),
                    "ap_deviation": round(statistics.stdev(ap), 4) if seeds > 1 else "",
                    "seeds": seeds,
                    "seconds": round((time.perf_counter() - start) / seeds, 2),
                    "settings": repr(SETTINGS) if detector == "autoencoder" else "",
                    **about("scikit-learn"),
                }
            )
            print(f"{name} {detector}: {rows[-1]['roc_auc']:.4f} {rows[-1]['ap']:.4f}", flush=True)
    for detector in DETECTORS:
        found = [row["roc_auc"] for row in rows if row["detector"] == detector]
        print(f"mean ROC-AUC of {detector}: {statistics.fmean(found):.4f}")
    if options.csv:
        put(rows, options.csv, ("dataset", "detector"))


if __name__ == "__main__":
    main()
