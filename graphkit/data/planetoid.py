"""Cora, CiteSeer and PubMed with the public split."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphkit.data._arrays import ArrayUnpickler
from graphkit.data._edges import both_ways
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import features
from graphkit.data.split import Split
from graphkit.graph import Graph

_URL = "https://github.com/tkipf/gcn/raw/master/gcn/data"
_TITLES = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}
_PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
_VALIDATION = 500


def _files(name: str) -> list[RawFile]:
    return [
        RawFile(f"planetoid/{_TITLES[name]}/raw/ind.{name}.{part}", f"{_URL}/ind.{name}.{part}")
        for part in _PARTS
    ]


def _read(name: str, folder: Path) -> Dataset:
    """Read the eight files of a set.

    Nodes are numbered: the labelled ones of the training part, the other known ones, then those
    of the test part, whose rows in the files `tx` and `ty` are in the order of `test.index`.
    Self-loops are left out and duplicated edges are given once. Nodes of the test range that are
    missing in the files (15 of CiteSeer's) have edges, but no features; they are in no part and
    count as class 0.
    """
    import scipy.sparse

    *tables, index = (folder / file.path for file in _files(name))
    _, tx, allx, y, ty, ally, neighbours = (_unpickle(table) for table in tables)
    test = np.loadtxt(index, dtype=np.int64)
    known, last = allx.shape[0], int(test.max()) + 1
    x = scipy.sparse.lil_matrix((last, allx.shape[1]), dtype=np.float32)
    x[:known] = allx
    x[test] = tx
    label = np.zeros((last, ally.shape[1]))
    label[:known] = ally
    label[test] = ty
    ends = [(a, b) for a, others in neighbours.items() for b in others]
    graph = Graph(
        both_ways(np.array(ends, dtype=np.int64).T, last),
        last,
        x=features(x.tocsr()),
        node_attrs={"y": torch.from_numpy(label.argmax(axis=1))},
        undirected=True,
    )
    train = len(y)
    split = Split(
        torch.arange(train),
        torch.arange(train, train + _VALIDATION),
        torch.from_numpy(np.sort(test)),
    )
    return Dataset(
        name=name,
        title=_TITLES[name],
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph],
        num_outputs=ally.shape[1],
        splits=[split],
        split_name="public",
    )


class _Unpickler(ArrayUnpickler):
    """Makes sparse matrices and dictionaries, too, of what Python 2 wrote."""

    def find_class(self, module: str, name: str) -> Any:
        import scipy.sparse

        further = {
            ("scipy.sparse.csr", "csr_matrix"): scipy.sparse.csr_matrix,
            ("scipy.sparse._csr", "csr_matrix"): scipy.sparse.csr_matrix,
            ("collections", "defaultdict"): defaultdict,
            ("__builtin__", "list"): list,
        }
        return further.get((module, name)) or super().find_class(module, name)


def _unpickle(file: Path) -> Any:
    return _Unpickler(io.BytesIO(file.read_bytes()), encoding="latin1").load()


FAMILY = Family(title="Planetoid", names=tuple(_TITLES), files=_files, read=_read, pickled=True)
