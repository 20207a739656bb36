"""Threads of Reddit: who answered whom; a discussion or not (Rozemberczki, Kiss & Sarkar 2020)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data.dataset import Dataset
from graphkit.data.degrees import OneHotDegree
from graphkit.data.family import Family, RawFile
from graphkit.data.split import split_folds
from graphkit.graph import Graph

_URL = "https://github.com/benedekrozemberczki/karateclub/raw/master/dataset/graph_level/reddit10k"
_FOLDS = 10


def _files(name: str) -> list[RawFile]:
    return [
        RawFile(f"social/{name}/{table}", f"{_URL}/{table}")
        for table in ("graphs.json", "target.csv")
    ]


def _read(name: str, folder: Path) -> Dataset:
    """Read graphs and targets. Edges go both ways; loops are left out; `x` is the degree."""
    edges, targets = (folder / file.path for file in _files(name))
    found = json.loads(edges.read_text(encoding="utf-8"))
    number, y = np.loadtxt(targets, delimiter=",", skiprows=1, dtype=np.int64).T
    graphs = [
        _graph(np.array(found[str(thread)]).T, label)
        for thread, label in zip(number, torch.from_numpy(y), strict=True)
    ]
    return Dataset(
        name=name,
        title="Reddit threads, 10k",
        level="graph",
        kind="multiclass",
        metric="accuracy",
        graphs=OneHotDegree(graphs),
        num_outputs=2,
        splits=split_folds(torch.from_numpy(y), _FOLDS, val=1 / (_FOLDS - 1), seed=0),
        split_name="10 folds, stratified",
    )


def _graph(ends: np.ndarray, label: torch.Tensor) -> Graph:
    n = int(ends.max()) + 1
    return Graph(both_ways(ends, n), n, graph_attrs={"y": label.view(1)}, undirected=True)


FAMILY = Family(title="Reddit threads", names=("reddit10k",), files=_files, read=_read)
