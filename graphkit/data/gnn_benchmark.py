"""Citation, co-author and co-purchase graphs that are kept as two sparse matrices.

CitationFull is from Bojchevski & Günnemann 2018, Amazon and Coauthor from Shchur et al. 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data._npz import open_arrays
from graphkit.data.components import largest_component
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import features
from graphkit.data.split import Split, split_per_class, split_stratified
from graphkit.graph import Graph

_CITATION = "https://github.com/abojchevski/graph2gauss/raw/master/data"
_SHCHUR = "https://github.com/shchur/gnn-benchmark/raw/master/data/npz"
_SETS = {  # name: title, file, URL
    "citationfull-cora": ("Cora, full", "citation_full/cora/raw/cora.npz", _CITATION),
    "citationfull-cora-ml": ("Cora-ML", "citation_full/cora_ml/raw/cora_ml.npz", _CITATION),
    "citationfull-citeseer": (
        "CiteSeer, full",
        "citation_full/citeseer/raw/citeseer.npz",
        _CITATION,
    ),
    "dblp": ("DBLP", "citation_full/dblp/raw/dblp.npz", _CITATION),
    "citationfull-pubmed": ("PubMed, full", "citation_full/pubmed/raw/pubmed.npz", _CITATION),
    "amazon-computers": (
        "Amazon Computers",
        "amazon/Computers/raw/amazon_electronics_computers.npz",
        _SHCHUR,
    ),
    "amazon-photo": ("Amazon Photo", "amazon/Photo/raw/amazon_electronics_photo.npz", _SHCHUR),
    "coauthor-cs": ("Coauthor CS", "coauthor/CS/raw/ms_academic_cs.npz", _SHCHUR),
    "coauthor-physics": ("Coauthor Physics", "coauthor/Physics/raw/ms_academic_phy.npz", _SHCHUR),
}
_TRAIN, _VAL = 20, 30


def _files(name: str) -> list[RawFile]:
    _, path, url = _SETS[name]
    return [RawFile(path, f"{url}/{path.rsplit('/', 1)[-1]}")]


def _read(name: str, folder: Path) -> Dataset:
    """Read the one file of a set.

    Edges go both ways; loops are left out. Words are 0 or 1. Of Amazon and Coauthor only the
    largest connected component is kept, as Shchur et al. 2018 do; `further["nodes"]` are the
    numbers of its nodes in the whole.
    """
    import scipy.sparse

    title, path, url = _SETS[name]
    with open_arrays(folder / path) as arrays:
        adjacency, words = (
            scipy.sparse.csr_matrix(
                tuple(arrays[f"{part}_{array}"] for array in ("data", "indices", "indptr")),
                arrays[f"{part}_shape"],
            )
            for part in ("adj", "attr")
        )
        labels = arrays["labels"]
    adjacency, y = adjacency.tocoo(), torch.from_numpy(labels).long()
    whole = Graph(
        both_ways(np.stack([adjacency.row, adjacency.col]), len(y)),
        len(y),
        x=features(words > 0),
        node_attrs={"y": y, "number": torch.arange(len(y))},
        undirected=True,
    )
    part = largest_component(whole) if url == _SHCHUR else whole
    graph, nodes, y = part.replace(number=None), part.number, part.y
    splits, split_name = _splits(y)
    return Dataset(
        name=name,
        title=title,
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph],
        num_outputs=int(y.max()) + 1,
        splits=splits,
        split_name=split_name if url != _SHCHUR else f"{split_name}, largest component",
        further={"nodes": nodes},
    )


def _splits(y: torch.Tensor) -> tuple[Callable[[int], Split], str]:
    """20 and 30 labels of every class, or where a class has not as many, 60 and 20 %."""
    if int(y.bincount().min()) > _TRAIN + _VAL:
        return lambda seed: split_per_class(y, _TRAIN, _VAL, seed=seed), "20/30 per class by seed"
    return lambda seed: split_stratified(y, 0.6, 0.2, seed=seed), "60/20/20 by seed"


FAMILY = Family(
    title="CitationFull, Amazon, Coauthor",
    names=("dblp", "amazon-computers", "coauthor-cs", "coauthor-physics"),
    files=_files,
    read=_read,
    further=tuple(_SETS),
    aliases={
        "citationfull-dblp": "dblp",
        "cora-full": "citationfull-cora",
        "cora-ml": "citationfull-cora-ml",
    },
)
