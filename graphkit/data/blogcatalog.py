"""Bloggers, who is whose friend, and the groups they joined (Tang & Liu 2009)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import sparse_features
from graphkit.data.split import split_at_random
from graphkit.graph import Graph

_TABLES = ("nodes", "edges", "groups", "group-edges")


def _files(name: str) -> list[RawFile]:
    return [RawFile(f"social/{name}/{table}.csv") for table in _TABLES]


def _read(name: str, folder: Path) -> Dataset:
    """Read the four tables; nodes and groups are numbered from 1 in them.

    Bloggers have no features: `x` is the identity, sparse, so that the first layer of a model
    learns a vector for each.
    """
    import scipy.sparse

    nodes, edges, groups, members = (
        np.loadtxt(folder / file.path, delimiter=",", dtype=np.int64, ndmin=2) - 1
        for file in _files(name)
    )
    n = len(nodes)
    y = torch.zeros(n, len(groups))
    y[members[:, 0], members[:, 1]] = 1
    graph = Graph(
        both_ways(edges.T, n),
        n,
        x=sparse_features(scipy.sparse.identity(n)),
        node_attrs={"y": y},
        undirected=True,
    )
    return Dataset(
        name=name,
        title="BlogCatalog",
        level="node",
        kind="multilabel",
        metric="f1",
        graphs=[graph],
        num_outputs=len(groups),
        splits=lambda seed: split_at_random(n, round(0.6 * n), round(0.2 * n), seed=seed),
        split_name="60/20/20 by seed",
    )


FAMILY = Family(title="BlogCatalog", names=("blogcatalog",), files=_files, read=_read)
