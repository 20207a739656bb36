"""COLLAB in the form and with the folds of Xu et al. 2019 (GIN)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data.dataset import Dataset
from graphkit.data.degrees import OneHotDegree
from graphkit.data.family import Family, RawFile
from graphkit.data.split import Split
from graphkit.graph import Graph

# The folds are in the archive too; GIN's own repository packs all of its sets together.
_URL = (
    "https://github.com/yeweiysh/IHGNN/raw/dcb2c23cdc06f3ed8cc1dd0f0dced9ddd9156bad/data/COLLAB.zip"
)
_ARCHIVE = RawFile("social/COLLAB_gin/COLLAB.zip", _URL)
_FOLDS = 10


def _read(name: str, folder: Path) -> Dataset:
    """Read the archive without unpacking it.

    The text holds the number of graphs; for each its number of nodes and its class; for each of
    these a tag, its degree and its neighbours. `x` is the one-hot degree, made when a graph is
    asked for. A ninth of what is not in a fold validates.
    """
    with zipfile.ZipFile(folder / _ARCHIVE.path) as archive:
        numbers = np.fromstring(archive.read("COLLAB/COLLAB.txt").decode(), np.int64, sep=" ")
        tests = [
            np.loadtxt(io.BytesIO(archive.read(f"COLLAB/10fold_idx/test_idx-{k}.txt")), np.int64)
            for k in range(1, _FOLDS + 1)
        ]
    graphs = _graphs(numbers)
    y = torch.cat([graph.y for graph in graphs])
    return Dataset(
        name=name,
        title="COLLAB",
        level="graph",
        kind="multiclass",
        metric="accuracy",
        graphs=OneHotDegree(graphs),
        num_outputs=int(y.max()) + 1,
        splits=[_split(y.numpy(), test) for test in tests],
        split_name="10 fixed folds",
    )


def _graphs(numbers: np.ndarray) -> list[Graph]:
    graphs: list[Graph] = []
    place = 1
    for _ in range(numbers[0]):
        n, label = numbers[place : place + 2].tolist()
        place += 2
        neighbours: list[np.ndarray] = []
        for _ in range(n):
            degree = int(numbers[place + 1])
            neighbours.append(numbers[place + 2 : place + 2 + degree])
            place += 2 + degree
        source = np.repeat(np.arange(n), [len(own) for own in neighbours])
        edge_index = both_ways(np.stack([source, np.concatenate(neighbours)]), n)
        y = torch.tensor([label])
        graphs.append(Graph(edge_index, n, graph_attrs={"y": y}, undirected=True))
    return graphs


def _split(y: np.ndarray, test: np.ndarray) -> Split:
    from sklearn.model_selection import train_test_split

    others = np.setdiff1d(np.arange(len(y)), test)
    train, val = train_test_split(
        others, test_size=1 / (_FOLDS - 1), stratify=y[others], random_state=0
    )
    return Split(*(torch.from_numpy(np.sort(part)) for part in (train, val, test)))


FAMILY = Family(title="COLLAB", names=("collab",), files=lambda name: [_ARCHIVE], read=_read)
