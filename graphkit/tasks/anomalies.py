"""Anomalies among rows of numbers, found without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit.data.tables import read_table

DETECTORS = ("autoencoder", "isolation-forest", "pca", "one-class-svm")
LABELS = ("y", "label", "class", "anomaly")  # what a column of labels is usually called


class Rows(NamedTuple):
    """What is looked through."""

    x: np.ndarray
    """``[n, d]``"""
    y: np.ndarray | None
    """``[n]``, 1 for an anomaly, or None where nobody knows."""


def read_rows(file: Path, label: str | None = None) -> Rows:
    """Rows of a CSV with a heading, or of an npz with `X` and, if there are labels, `y`.

    Args:
        file: where they lie. Every column of a CSV but the label's is a feature.
        label: the column of labels; "y", "label", "class" or "anomaly", in whatever case, if there
            is one and none is named.

    Raises:
        ValueError: The file is something else, a cell is no finite number, or labels are not 0
            and 1.
    """
    if not file.is_file():
        raise ValueError(f"file: expected a CSV or npz, got {file}, which does not exist")
    x, y = _of_npz(file) if file.suffix == ".npz" else _of_csv(file, label)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"{file}: expected at least two rows of numbers, got shape {x.shape}")
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(
            f"{file}: expected finite numbers, got {x[row, column]} in row {row}, column {column}"
        )
    if y is not None and (y.shape != (len(x),) or set(np.unique(y)) != {0, 1}):
        raise ValueError(
            f"{file}: expected labels 0 and 1, both of them, one for each of the {len(x)} rows, "
            f"got {len(y)} with values {np.unique(y)[:5].tolist()}"
        )
    return Rows(x, y)


def _of_npz(file: Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with np.load(file) as loaded:
            y = loaded["y"].ravel() if "y" in loaded else None
            return loaded["X"].astype(np.float64), y
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{file}: expected an npz with X, of numbers ({error})") from None


def _of_csv(file: Path, label: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    table = read_table(file, "file", 1)
    if label is None:
        label = next((name for name in table.header if name.lower() in LABELS), None)
    elif label not in table.header:
        raise ValueError(f"label: expected one of {', '.join(table.header)}, got {label!r}")
    x = table.numbers([name for name in table.header if name != label]).astype(np.float64)
    return x, None if label is None else table.numbers([label])[:, 0]


def detector(name: str, features: int, seed: int = 0) -> Any:
    """A detector with scikit-learn's methods; its scores are the lower, the stranger.

    The autoencoder has one setting, whatever the set: two codes, one hidden layer of 32, 40 epochs.
    PCA keeps half of the features, and scores by minus its reconstruction error.

    Args:
        name: "autoencoder", "isolation-forest", "pca" or "one-class-svm".
        features: of a row, which should be on one scale.
        seed: of what is random.
    """
    if name == "autoencoder":
        from graphkit.generative import AutoencoderEstimator

        return AutoencoderEstimator(
            "deep", 2, layers=1, nodes=32, epochs=40, batch_size=128, random_state=seed
        )
    if name == "isolation-forest":
        from sklearn.ensemble import IsolationForest

        return IsolationForest(random_state=seed)
    if name == "pca":
        return _components(max(1, features // 2))
    if name == "one-class-svm":
        from sklearn.svm import OneClassSVM

        return OneClassSVM(nu=0.1)
    raise ValueError(f"detector: expected one of {', '.join(DETECTORS)}, got {name!r}")


def _components(kept: int) -> Any:
    from sklearn.decomposition import PCA

    class ByError(PCA):
        def score_samples(self, X: np.ndarray) -> np.ndarray:
            return -np.square(self.inverse_transform(self.transform(X)) - X).sum(axis=1)

    return ByError(kept)
