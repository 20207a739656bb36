"""Networks of pages and of streamers (Rozemberczki, Allen & Sarkar 2021, MUSAE)."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import features
from graphkit.data.split import Split, split_per_class, split_stratified
from graphkit.graph import Graph

_URL = "https://github.com/benedekrozemberczki/MUSAE/raw/master/input"
_COUNTRIES = ("de", "engb", "es", "fr", "ptbr", "ru")
_NAMES = ("facebook", *(f"twitch-{country}" for country in _COUNTRIES))
_PAGE_FEATURES, _STREAMER_FEATURES = 4714, 3170


def _files(name: str) -> list[RawFile]:
    stem = "facebook" if name == "facebook" else name.removeprefix("twitch-").upper()
    folder = "social/musae_facebook" if name == "facebook" else f"social/twitch_{stem}"
    return [
        RawFile(f"{folder}/{stem}_edges.csv", f"{_URL}/edges/{stem}_edges.csv"),
        RawFile(f"{folder}/{stem}.json", f"{_URL}/features/{stem}.json"),
        RawFile(f"{folder}/{stem}_target.csv", f"{_URL}/target/{stem}_target.csv"),
    ]


def _read(name: str, folder: Path) -> Dataset:
    """Read edges, features and targets.

    Edges go both ways; loops are left out. `x` is sparse, 1 where a node has a feature. Streamers
    of all countries share the same 3,170 features. Whether one is for adults is one label.
    """
    edges, lists, targets = (folder / file.path for file in _files(name))
    ends = np.loadtxt(edges, delimiter=",", skiprows=1, dtype=np.int64, ndmin=2).T
    with open(targets, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    further: dict[str, list[str]] = {}
    splits: Callable[[int], Split]
    if name == "facebook":
        x = _features(lists, len(rows), _PAGE_FEATURES)
        rows.sort(key=lambda row: int(row["id"]))
        kinds = sorted({row["page_type"] for row in rows})
        y = classes = torch.tensor([kinds.index(row["page_type"]) for row in rows])
        further["classes"] = kinds
        splits, split_name = _few_labels(classes), "20/30 per class by seed"
    else:
        x = _features(lists, len(rows), _STREAMER_FEATURES)
        rows.sort(key=lambda row: int(row["new_id"]))
        classes = torch.tensor([int(row["mature"] == "True") for row in rows])
        y = classes[:, None].float()
        splits, split_name = _many_labels(classes), "60/20/20 by seed"
    graph = Graph(both_ways(ends, len(y)), len(y), x=x, node_attrs={"y": y}, undirected=True)
    return Dataset(
        name=name,
        title="Facebook page-page" if name == "facebook" else f"Twitch {name[7:].upper()}",
        level="node",
        kind="multiclass" if name == "facebook" else "multilabel",
        metric="accuracy" if name == "facebook" else "roc_auc",
        graphs=[graph],
        num_outputs=len(further["classes"]) if further else 1,
        splits=splits,
        split_name=split_name,
        further=further,
    )


def _features(lists: Path, num_nodes: int, width: int) -> torch.Tensor:
    """Of every node the features that it has; some are named several times."""
    import scipy.sparse

    found = json.loads(lists.read_text(encoding="utf-8"))
    own = [np.unique(np.array(found.get(str(node), []), np.int64)) for node in range(num_nodes)]
    start = np.cumsum([0, *map(len, own)])
    column = np.concatenate(own)
    ones = np.ones(len(column), dtype=np.float32)
    return features(scipy.sparse.csr_matrix((ones, column, start), (num_nodes, width)))


def _few_labels(classes: torch.Tensor) -> Callable[[int], Split]:
    return lambda seed: split_per_class(classes, 20, 30, seed=seed)


def _many_labels(classes: torch.Tensor) -> Callable[[int], Split]:
    return lambda seed: split_stratified(classes, 0.6, 0.2, seed=seed)


FAMILY = Family(
    title="MUSAE",
    names=("facebook", "twitch-engb", "twitch-ptbr"),
    files=_files,
    read=_read,
    further=_NAMES,
)
