"""Graphs whose neighbours are mostly not alike, in the form of Platonov et al. 2023."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data._npz import open_arrays
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import features
from graphkit.data.split import Split
from graphkit.graph import Graph

_URL = "https://github.com/yandex-research/heterophilous-graphs/raw/main/data"
_OWN, _GEOM_GCN = "10 fixed, 50/25/25", "10 fixed, 48/32/20"
_SETS = {  # name: title, folder and file, split
    "minesweeper": ("Minesweeper", "heterophilous/minesweeper/raw/minesweeper.npz", _OWN),
    "tolokers": ("Tolokers", "heterophilous/tolokers/raw/tolokers.npz", _OWN),
    "questions": ("Questions", "heterophilous/questions/raw/questions.npz", _OWN),
    "roman-empire": ("Roman-empire", "heterophilous/roman_empire/raw/roman_empire.npz", _OWN),
    "amazon-ratings": (
        "Amazon-ratings",
        "heterophilous/amazon_ratings/raw/amazon_ratings.npz",
        _OWN,
    ),
    "chameleon-filtered": (
        "Chameleon, filtered",
        "heterophilous/chameleon_filtered/raw/chameleon_filtered.npz",
        _GEOM_GCN,
    ),
    "squirrel-filtered": (
        "Squirrel, filtered",
        "heterophilous/squirrel_filtered/raw/squirrel_filtered.npz",
        _GEOM_GCN,
    ),
    "cornell": ("Cornell", "webkb/cornell_fixed.npz", _GEOM_GCN),
}


def _files(name: str) -> list[RawFile]:
    return [RawFile(_SETS[name][1], f"{_URL}/{name.replace('-', '_')}.npz")]


def _read(name: str, folder: Path) -> Dataset:
    """Read the one file of a set.

    Edges go both ways; loops are left out. Two classes are one label, yes or no, and scored by
    ROC-AUC; more are scored by accuracy.
    """
    import scipy.sparse

    title, path, split_name = _SETS[name]
    with open_arrays(folder / path) as arrays:
        x = features(scipy.sparse.csr_matrix(arrays["node_features"]))
        y = torch.from_numpy(arrays["node_labels"]).long()
        edge_index = both_ways(arrays["edges"].T, len(y))
        masks = [arrays[f"{part}_masks"] for part in Split._fields]
    classes = int(y.max()) + 1
    binary = classes == 2
    graph = Graph(
        edge_index,
        len(y),
        x=x,
        node_attrs={"y": y[:, None].float() if binary else y},
        undirected=True,
    )
    return Dataset(
        name=name,
        title=title,
        level="node",
        kind="multilabel" if binary else "multiclass",
        metric="roc_auc" if binary else "accuracy",
        graphs=[graph],
        num_outputs=1 if binary else classes,
        splits=[
            Split(*(torch.from_numpy(np.flatnonzero(mask)) for mask in parts))
            for parts in zip(*masks, strict=True)
        ],
        split_name=split_name,
    )


FAMILY = Family(
    title="Heterophilous graphs",
    names=("minesweeper", "tolokers", "cornell"),
    files=_files,
    read=_read,
    further=tuple(_SETS),
)
