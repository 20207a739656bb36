"""Graph-level sets of the TU collection: molecules, proteins, pictures and social networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from graphkit.data._edges import once_each
from graphkit.data.dataset import Dataset, Kind
from graphkit.data.degrees import OneHotDegree
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.split import Split, split_at_random, split_folds
from graphkit.graph import Graph

_FOLDS = 10
_URL = "https://www.chrsmrrs.com/graphkerneldatasets"
_PARTS = {  # the parts of a set, and whether every set has them
    "A": True,
    "graph_indicator": True,
    "graph_labels": False,
    "graph_attributes": False,
    "node_labels": False,
    "edge_labels": False,
    "node_attributes": False,
}
_LISTED = ("MUTAG", "PROTEINS", "ENZYMES", "PTC_MR", "NCI109", "IMDB-BINARY")
# As Morris et al. 2020 spell them; those with times on nodes or edges are left out.
_FURTHER = """
AIDS alchemy_full BZR BZR_MD COX2 COX2_MD DHFR DHFR_MD ER_MD FRANKENSTEIN MCF-7 MCF-7H MOLT-4
MOLT-4H Mutagenicity NCI1 NCI-H23 NCI-H23H OVCAR-8 OVCAR-8H P388 P388H PC-3 PC-3H PTC_FM PTC_FR
PTC_MM SF-295 SF-295H SN12C SN12CH SW-620 SW-620H UACC257 UACC257H Yeast YeastH ZINC_full ZINC_test
ZINC_train ZINC_val DD KKI OHSU Peking_1 PROTEINS_full COIL-DEL COIL-RAG Cuneiform Fingerprint
FIRSTMM_DB Letter-high Letter-low Letter-med MSRC_9 MSRC_21 MSRC_21C DBLP_v1 deezer_ego_nets
github_stargazers IMDB-MULTI REDDIT-BINARY REDDIT-MULTI-5K REDDIT-MULTI-12K reddit_threads
twitch_egos TWITTER-Real-Graph-Partial COLORS-3 SYNTHETIC SYNTHETICnew Synthie TRIANGLES
"""
_ASSAYS = "AhR AR AR-LBD ARE aromatase ATAD5 ER ER-LBD HSE MMP p53 PPAR-gamma"
_TOX21 = [
    f"Tox21_{assay}_{part}"
    for assay in _ASSAYS.split()
    for part in ("training", "testing", "evaluation")
]
_TITLES = {
    title.lower().replace("_", "-"): title for title in (*_LISTED, *_FURTHER.split(), *_TOX21)
}


def _files(name: str) -> list[RawFile]:
    title = _TITLES[name]
    return [
        RawFile(
            path=f"tu/{title}/raw/{title}_{part}.txt",
            url=f"{_URL}/{title}.zip",
            member=f"{title}/{title}_{part}.txt",
            required=required,
        )
        for part, required in _PARTS.items()
    ]


def _read(name: str, folder: Path) -> Dataset:
    """Read the tables of a set.

    `x` is the one-hot label of every node; where there are only attributes, these; where there is
    neither, the one-hot degree, as in Xu et al. 2019. `edge_attr` is the one-hot label of every
    edge, if there are labels. Self-loops are left out, duplicated edges are given once. Targets are
    the classes of the graphs or, where the set has them instead, their attributes.
    """
    title = _TITLES[name]
    tables = {part: folder / file.path for part, file in zip(_PARTS, _files(name), strict=True)}
    tables = {part: table for part, table in tables.items() if table.is_file()}

    graph_of = _integers(tables["graph_indicator"]).ravel() - 1
    ends = _integers(tables["A"]).T - 1
    order = once_each(ends, len(graph_of), loops=False)
    x = None
    if "node_labels" in tables:
        x = _one_hot(_integers(tables["node_labels"]))
    elif "node_attributes" in tables:
        x = torch.from_numpy(_numbers(tables["node_attributes"]))
    edge_attr = None
    if "edge_labels" in tables:
        edge_attr = _one_hot(_integers(tables["edge_labels"]))[order]

    graphs = Graph(
        torch.from_numpy(ends[:, order]),
        len(graph_of),
        x=x,
        edge_attr=edge_attr,
        batch=torch.from_numpy(graph_of),
    ).unbatch()
    kind: Kind
    if "graph_attributes" in tables:
        kind, metric = "regression", "mae"
        y = torch.from_numpy(_numbers(tables["graph_attributes"]))
        outputs = y.size(1)
    elif "graph_labels" in tables:
        kind, metric = "multiclass", "accuracy"
        found, classes = np.unique(_integers(tables["graph_labels"]), return_inverse=True)
        y = torch.from_numpy(classes.ravel())
        outputs = len(found)
    else:
        raise DataError(f"{name}: expected {title}_graph_labels.txt or _graph_attributes.txt")
    if len(y) != len(graphs):
        raise DataError(f"{name}: expected a target for each of {len(graphs)} graphs, got {len(y)}")
    splits, split_name = _splits(y)
    graphs = [graph.replace(graph_attrs={"y": y[k : k + 1]}) for k, graph in enumerate(graphs)]
    return Dataset(
        name=name,
        title=title,
        level="graph",
        kind=kind,
        metric=metric,
        graphs=OneHotDegree(graphs) if x is None else graphs,
        num_outputs=outputs,
        splits=splits,
        split_name=split_name,
    )


def _splits(y: torch.Tensor) -> tuple[list[Split] | Callable[[int], Split], str]:
    """Ten folds as Xu et al. 2019 (GIN) draw them, and a ninth of the rest for validation.

    Targets that are no classes, and classes of fewer than ten graphs, leave chance alone.
    """
    if y.is_floating_point() or int(y.bincount().min()) < _FOLDS:
        tenth = len(y) // 10
        return (
            lambda seed: split_at_random(len(y), len(y) - 2 * tenth, tenth, seed=seed),
            "80/10/10 at random",
        )
    return split_folds(y, _FOLDS, val=1 / (_FOLDS - 1), seed=0), "10 folds, stratified"


def _one_hot(labels: np.ndarray) -> torch.Tensor:
    """Columns of labels, each counted from its lowest, as one-hot columns side by side."""
    columns = torch.from_numpy(labels - labels.min(axis=0)).unbind(dim=1)
    return torch.cat([torch.nn.functional.one_hot(column) for column in columns], dim=1).float()


def _integers(table: Path) -> np.ndarray:
    return np.loadtxt(table, delimiter=",", dtype=np.int64, ndmin=2)


def _numbers(table: Path) -> np.ndarray:
    return np.loadtxt(table, delimiter=",", dtype=np.float32, ndmin=2)


FAMILY = Family(
    title="TU",
    names=tuple(title.lower().replace("_", "-") for title in _LISTED),
    files=_files,
    read=_read,
    further=tuple(_TITLES),
)
