"""A graph of your own, as CSV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graphkit.data.dataset import Dataset, Kind
from graphkit.data.features import features, sparse_features
from graphkit.data.links import split_edges
from graphkit.data.tables import Table, read_table
from graphkit.data.targets import read_targets
from graphkit.graph import Graph

_WEIGHT = "weight"


def load_csv(
    folder: Path | str, *, name: str | None = None, directed: bool = False, kind: Kind | None = None
) -> Dataset:
    """A graph of your own: a folder with ``edges.csv`` and, if you have them, ``nodes.csv`` and
    ``labels.csv``.

    See `load_edge_list` for what they hold.

    Args:
        folder: The folder.
        name: What to call it; the folder's name if not given.
        directed, kind: As in `load_edge_list`.
    """
    place = Path(folder).expanduser()
    further = [place / f"{table}.csv" for table in ("nodes", "labels")]
    nodes, labels = (table if table.is_file() else None for table in further)
    return load_edge_list(
        place / "edges.csv",
        nodes,
        labels,
        name=name or place.absolute().name,
        directed=directed,
        kind=kind,
    )


def load_edge_list(
    edges: Path | str,
    nodes: Path | str | None = None,
    labels: Path | str | None = None,
    *,
    name: str | None = None,
    directed: bool = False,
    kind: Kind | None = None,
) -> Dataset:
    """A graph of your own, as CSV files with headings.

    Nodes are called what you like; `further["names"]` says who is which number. Without features
    `x` is the sparse identity matrix, so that a model learns a vector for each node.

    Args:
        edges: A row for every edge. The first two columns are its ends, a column "weight" becomes
            `edge_weight`, others are numbers and become `edge_attr`.
        nodes: A row for every node: its name, then numbers, which become `x`.
        labels: A row for every node of which something is known: its name, then the targets, and,
            if you want to say so yourself, a column "split" with "train", "val" and "test".
            Without `labels`, links are to be predicted.
        name: What to call it; the name of the file of edges if not given.
        directed: Whether messages pass along an edge only as it is written. If not, they pass
            both ways, and an edge given in both directions is one, with the mean of both values.
        kind: What is predicted; see below.

    One column of labels that are whole numbers or text is taken for classes, several columns of 0
    and 1 for labels, and anything else for numbers; `kind` overrules this. A blank is a target
    that is not known. Where there is no column "split", 60, 20 and 20 % are drawn by the seed.

    Raises:
        ValueError: Names the file, the line, what was expected and what came.
    """
    table = read_table(Path(edges).expanduser(), "edges", 2)
    about = None if nodes is None else read_table(Path(nodes).expanduser(), "nodes", 1)
    known = None if labels is None else read_table(Path(labels).expanduser(), "labels", 2)
    names = _names(table, about, known)
    graph = _graph(table, names, directed)
    graph = graph.replace(x=_features(about, graph.num_nodes))
    called = name or table.path.stem
    if known is None:
        return Dataset(
            name=called,
            title=called,
            level="edge",
            kind="link",
            metric="roc_auc",
            graphs=[graph],
            num_outputs=1,
            splits=lambda seed: split_edges(graph, 0.85, 0.05, seed=seed),
            split_name="85/5/10 % of the links by seed",
            further={"names": list(names)},
        )
    targets = read_targets(known, names, kind)
    return Dataset(
        name=called,
        title=called,
        level="node",
        kind=targets.kind,
        metric=targets.metric,
        graphs=[graph.replace(node_attrs={"y": targets.y})],
        num_outputs=targets.num_outputs,
        splits=targets.splits,
        split_name=targets.split_name,
        further={"names": list(names), **targets.further},
    )


def _names(edges: Table, nodes: Table | None, labels: Table | None) -> dict[str, int]:
    """Numbers of the nodes by name: as `nodes` has them, else in the order in which they come."""
    if nodes is None:
        ends = (name for row in edges.rows for name in row[:2])
        others = () if labels is None else (row[0] for row in labels.rows)
        return {name: k for k, name in enumerate(dict.fromkeys((*ends, *others)))}
    names: dict[str, int] = {}
    for row, line in zip(nodes.rows, nodes.lines, strict=True):
        if row[0] in names:
            raise ValueError(
                f"{nodes.path}: expected every node once, got {row[0]!r} again in line {line}"
            )
        names[row[0]] = len(names)
    for row, line in zip(edges.rows, edges.lines, strict=True):
        for end in row[:2]:
            if end not in names:
                raise ValueError(
                    f"{edges.path}: expected nodes that {nodes.path.name} has, got {end!r} in "
                    f"line {line}"
                )
    return names


def _graph(edges: Table, names: dict[str, int], directed: bool) -> Graph:
    ends = torch.tensor([[names[end] for end in row[:2]] for row in edges.rows]).T
    further = [column for column in edges.header[2:] if column != _WEIGHT]
    weight = edge_attr = None
    if _WEIGHT in edges.header[2:]:
        weight = torch.from_numpy(edges.numbers([_WEIGHT])[:, 0])
    if further:
        edge_attr = torch.from_numpy(edges.numbers(further))
    graph = Graph(ends, len(names), edge_weight=weight, edge_attr=edge_attr)
    return graph if directed else graph.to_undirected()


def _features(nodes: Table | None, n: int) -> Tensor:
    import scipy.sparse

    if nodes is None or len(nodes.header) == 1:
        return sparse_features(scipy.sparse.identity(n, dtype=np.float32))
    return features(scipy.sparse.csr_matrix(nodes.numbers(nodes.header[1:])))
