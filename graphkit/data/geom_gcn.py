"""WebKB, Wikipedia and film-actor graphs in the form of Pei et al. 2020 (Geom-GCN)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import directed
from graphkit.data._npz import open_arrays
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import features
from graphkit.data.split import Split
from graphkit.graph import Graph

_URL = "https://raw.githubusercontent.com/graphdml-uiuc-jlu/geom-gcn/master"
_NODES, _EDGES = "out1_node_feature_label.txt", "out1_graph_edges.txt"
_SPLITS = 10
_SETS = {  # name: title, folder, what its authors call it
    "texas": ("Texas", "webkb/texas/raw", "texas"),
    "wisconsin": ("Wisconsin", "webkb/wisconsin/raw", "wisconsin"),
    "cornell-geom-gcn": ("Cornell of Geom-GCN", "webkb/cornell/raw", "cornell"),
    "chameleon": ("Chameleon", "wikipedia_network/chameleon/geom_gcn/raw", "chameleon"),
    "squirrel": ("Squirrel", "wikipedia_network/squirrel/geom_gcn/raw", "squirrel"),
    "actor": ("Actor", "actor/raw", "film"),
}


def _files(name: str) -> list[RawFile]:
    _, folder, there = _SETS[name]
    tables = [
        RawFile(f"{folder}/{table}", f"{_URL}/new_data/{there}/{table}")
        for table in (_NODES, _EDGES)
    ]
    masks = [f"{there}_split_0.6_0.2_{k}.npz" for k in range(_SPLITS)]
    return tables + [RawFile(f"{folder}/{mask}", f"{_URL}/splits/{mask}") for mask in masks]


def _read(name: str, folder: Path) -> Dataset:
    """Read nodes, edges and splits.

    Edges are directed, as published, each given once; loops stay. Words are 0 or 1.
    """
    nodes, edges, *masks = (folder / file.path for file in _files(name))
    x, y = _read_nodes(nodes, sparse=name == "actor")
    ends = np.loadtxt(edges, skiprows=1, dtype=np.int64, ndmin=2).T
    graph = Graph(directed(ends, len(y)), len(y), x=x, node_attrs={"y": y})
    return Dataset(
        name=name,
        title=_SETS[name][0],
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph],
        num_outputs=int(y.max()) + 1,
        splits=[_read_split(mask) for mask in masks],
        split_name="10 fixed, 48/32/20",
    )


def _read_nodes(table: Path, *, sparse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and classes by the number of the node.

    Args:
        table: Number, features and class of every node, after a heading.
        sparse: Whether the features are the numbers of the words that occur, not 0 and 1.
    """
    import scipy.sparse

    with open(table, encoding="utf-8") as lines:
        next(lines)
        rows = [line.rstrip("\n").split("\t") for line in lines]
    words = [np.array(row[1].split(","), dtype=np.int64) for row in rows]
    if not sparse:
        words = [np.flatnonzero(present) for present in words]
        width = rows[0][1].count(",") + 1
    else:
        width = max(int(numbers.max()) for numbers in words) + 1
    order = np.argsort([int(row[0]) for row in rows])
    column = np.concatenate([words[k] for k in order])
    start = np.cumsum([0, *(len(words[k]) for k in order)])
    matrix = scipy.sparse.csr_matrix(
        (np.ones(len(column), dtype=np.float32), column, start), (len(rows), width)
    )
    y = torch.tensor([int(rows[k][2]) for k in order])
    return features(matrix), y


def _read_split(file: Path) -> Split:
    with open_arrays(file) as masks:
        return Split(
            *(torch.from_numpy(np.flatnonzero(masks[f"{part}_mask"])) for part in Split._fields)
        )


FAMILY = Family(
    title="Geom-GCN",
    names=("texas", "wisconsin", "cornell-geom-gcn", "chameleon", "actor"),
    files=_files,
    read=_read,
    further=tuple(_SETS),
    aliases={"film": "actor"},
)
