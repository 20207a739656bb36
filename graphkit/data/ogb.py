"""The Open Graph Benchmark (Hu et al. 2020): its CSV files, its splits, its evaluators.

The reader is our own: nothing asks on the terminal, nothing is unpickled but arrays, and nothing
is written beside the files.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from graphkit.convert import ATOM_FEATURES, BOND_FEATURES
from graphkit.data._arrays import read_csv, read_saved_arrays, read_text
from graphkit.data.checks import check_split, check_targets
from graphkit.data.dataset import Dataset
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.links import LinkSplit, RankedLinks
from graphkit.data.ogb_facts import SETS, Facts, level
from graphkit.data.split import Split
from graphkit.graph import Graph

_URL = "http://snap.stanford.edu/ogb/data"


def _files(name: str) -> list[RawFile]:
    facts, here = SETS[name], _folder(name)
    inside = facts.archive.split("/")[-1]
    kind = level(name)
    raw = ["num-node-list", "num-edge-list", "edge", *(f"{part}-feat" for part in facts.features)]
    raw += [] if kind == "link" else [f"{kind}-label"]
    ending = ".pt" if kind == "link" else ".csv.gz"
    needed = [f"raw/{part}.csv.gz" for part in raw]
    needed += [f"raw/{_further_file(part)}" for part in facts.further]
    needed += [f"split/{facts.split}/{part}{ending}" for part in ("train", "valid", "test")]
    optional = ["RELEASE_v1.txt"]
    if name.startswith("ogbg-mol"):
        optional.append("mapping/mol.csv.gz")
    return [
        RawFile(f"{here}/{file}", f"{_URL}/{facts.archive}.zip", f"{inside}/{file}", file in needed)
        for file in (*needed, *optional)
    ]


def _further_file(name: str) -> str:
    # In ogbn-proteins it has another name than OGB's own table gives.
    return "species.csv.gz" if name == "node_species" else f"{name}.csv.gz"


def _folder(name: str) -> str:
    return f"ogb/{name.replace('-', '_')}"


def _read(name: str, folder: Path) -> Dataset:
    place = folder / _folder(name)
    releases = [file.name for file in place.glob("RELEASE_v*.txt")]
    if releases and "RELEASE_v1.txt" not in releases:
        raise DataError(f"{place}: expected release 1 of {name}, got {', '.join(releases)}")
    read = {"graph": _read_graphs, "node": _read_nodes, "link": _read_links}[level(name)]
    return read(name, SETS[name], place)  # what does not fit raises a ValueError; `load` explains


def _read_graphs(name: str, facts: Facts, place: Path) -> Dataset:
    graph = _read_graph(facts, place)
    y = _read_labels(facts, place / "raw/graph-label.csv.gz", graph.num_graphs)
    if name.startswith("ogbg-mol"):
        _check_features("node-feat.csv.gz", graph.x, ATOM_FEATURES)
        _check_features("edge-feat.csv.gz", graph.edge_attr, BOND_FEATURES)
    further: dict[str, Any] = {}
    molecules = place / "mapping/mol.csv.gz"
    if molecules.is_file():
        lines = csv.DictReader(StringIO(read_text(molecules), newline=""))
        further["smiles"] = [line["smiles"].strip() for line in lines]
    return Dataset(
        name=name,
        title=name,
        level="graph",
        kind=facts.kind,
        metric=facts.metric,
        graphs=graph.replace(graph_attrs={"y": y}).unbatch(),
        num_outputs=facts.outputs,
        splits=[_read_split(facts, place, graph.num_graphs)],
        split_name=facts.split,
        further=further,
    )


def _read_nodes(name: str, facts: Facts, place: Path) -> Dataset:
    graph = _read_graph(facts, place)
    y = _read_labels(facts, place / "raw/node-label.csv.gz", graph.num_nodes)
    return Dataset(
        name=name,
        title=name,
        level="node",
        kind=facts.kind,
        metric=facts.metric,
        graphs=[graph.replace(node_attrs={"y": y})],
        num_outputs=facts.outputs,
        splits=[_read_split(facts, place, graph.num_nodes)],
        split_name=facts.split,
    )


def _read_links(name: str, facts: Facts, place: Path) -> Dataset:
    """A set of links: `graph` has the training links; all parts are in ``further["links"]``.

    Members of the split are the published links, training, then validation, then test. Where the
    metric is a rank, every link of validation and test has targets to be ranked among.
    """
    graph = _read_graph(facts, place)
    folder = place / "split" / facts.split
    files = [folder / f"{part}.pt" for part in ("train", "valid", "test")]
    saved = [read_saved_arrays(file) for file in files]
    parts, n = list(zip(files, saved, strict=True)), graph.num_nodes
    split: LinkSplit | RankedLinks
    if facts.metric == "mrr":
        links = [_read_arcs(file, arrays, n) for file, arrays in parts]
        targets = [
            _read_nodes_of(file, arrays, "target_node_neg", (part.size(1), -1), n)
            for (file, arrays), part in zip(parts[1:], links[1:], strict=True)
        ]
        split = RankedLinks(graph, *links, *targets)
    else:
        links = [_read_pairs(file, arrays, "edge", n) for file, arrays in parts]
        negative = [_read_pairs(file, arrays, "edge_neg", n) for file, arrays in parts[1:]]
        split = LinkSplit(graph, *links, *negative)
    starts = np.cumsum([0, *(part.size(1) for part in links)]).tolist()
    members = [torch.arange(a, b) for a, b in pairwise(starts)]
    return Dataset(
        name=name,
        title=name,
        level="edge",
        kind=facts.kind,
        metric=facts.metric,
        graphs=[graph],
        num_outputs=facts.outputs,
        splits=[Split(*members)],
        split_name=facts.split,
        further={"links": split},
    )


def _read_graph(facts: Facts, place: Path) -> Graph:
    """All graphs of a set as one batch; the one graph of a node- or link-level set as it is."""
    raw = place / "raw"
    num_nodes = _read_counts(raw / "num-node-list.csv.gz")
    num_edges = _read_counts(raw / "num-edge-list.csv.gz")
    if len(num_nodes) != len(num_edges):
        raise DataError(
            f"{raw}: expected as many numbers of edges as of nodes, {len(num_nodes)}, "
            f"got {len(num_edges)}"
        )
    nodes, edges = int(num_nodes.sum()), int(num_edges.sum())
    ptr = torch.cat([num_nodes.new_zeros(1), num_nodes.cumsum(0)])
    ends = _read_rows(raw / "edge.csv.gz", np.int64, edges).T
    node_attrs: dict[str, Tensor] = {}
    edge_attrs: dict[str, Tensor] = {}
    if "node" in facts.features:
        node_attrs["x"] = _read_rows(raw / "node-feat.csv.gz", None, nodes)
    if "edge" in facts.features:
        edge_attrs["edge_attr"] = _read_rows(raw / "edge-feat.csv.gz", None, edges)
    for name in facts.further:
        of_nodes = name.startswith("node_")
        rows = _read_rows(raw / _further_file(name), None, nodes if of_nodes else edges).view(-1)
        if of_nodes:
            node_attrs[name] = rows
        else:
            edge_attrs[name] = rows.float() if name == "edge_weight" else rows
    if facts.inverse:  # both directions of an edge follow each other
        ends = torch.stack([ends, ends.flip(0)], dim=2).flatten(1)
        edge_attrs = {name: rows.repeat_interleave(2, dim=0) for name, rows in edge_attrs.items()}
    if len(num_nodes) > 1:
        each = num_edges * 2 if facts.inverse else num_edges
        ends = ends + ptr[:-1].repeat_interleave(each)
    return Graph(
        ends,
        nodes,
        ptr=ptr if len(num_nodes) > 1 else None,
        undirected=True if facts.inverse else None,
        node_attrs=node_attrs,
        edge_attrs=edge_attrs,
    )


def _read_counts(path: Path) -> Tensor:
    return _read_rows(path, np.int64).view(-1)


def _read_rows(path: Path, dtype: Any, expected: int | None = None) -> Tensor:
    """The numbers of a CSV; with dtype None as int64 if they all are whole, else as float32."""
    if dtype is None:
        try:
            rows = read_csv(path, np.int64)
        except DataError:
            rows = read_csv(path, np.float32)
    else:
        rows = read_csv(path, dtype)
    if expected is not None and len(rows) != expected:
        raise DataError(f"{path}: expected {expected} lines, got {len(rows)}")
    return torch.from_numpy(rows)


def _check_features(file: str, rows: Tensor, features: Mapping[str, tuple[Any, ...]]) -> None:
    sizes = torch.tensor([len(values) for values in features.values()])
    if rows.shape[1:] != sizes.shape or bool(((rows < 0) | (rows >= sizes)).any()):
        raise ValueError(f"{file}: expected the features of molecules, {', '.join(features)}")


def _read_labels(facts: Facts, path: Path, expected: int) -> Tensor:
    """``[n]`` classes; else ``[n, outputs]``, NaN where a label is missing."""
    rows = read_csv(path, np.float32, blank=True)
    columns = 1 if facts.kind == "multiclass" else facts.outputs
    if rows.shape != (expected, columns):
        raise DataError(f"{path}: expected {expected} lines of {columns}, got {rows.shape}")
    y = torch.from_numpy(rows)
    if facts.kind == "multiclass" and not bool(y.isnan().any()):
        y = y.long().view(-1)
    check_targets(y, facts.kind, facts.outputs)
    return y


def _read_split(facts: Facts, place: Path, n: int) -> Split:
    folder = place / "split" / facts.split
    split = Split(*(_read_counts(folder / f"{part}.csv.gz") for part in ("train", "valid", "test")))
    check_split(split, n)
    return split


def _read_pairs(file: Path, arrays: dict[str, Any], key: str, num_nodes: int) -> Tensor:
    """``[2, n]`` pairs of nodes, the lower one first."""
    pairs = arrays.get(key)
    if not _holds_nodes(pairs, (-1, 2), num_nodes):
        raise DataError(f"{file}: expected {key!r}, pairs of nodes from 0 to {num_nodes - 1}")
    return torch.from_numpy(pairs).sort(dim=1).values.T.contiguous()


def _read_arcs(file: Path, arrays: dict[str, Any], num_nodes: int) -> Tensor:
    """``[2, n]`` sources and targets."""
    source = _read_nodes_of(file, arrays, "source_node", (-1,), num_nodes)
    target = _read_nodes_of(file, arrays, "target_node", (len(source),), num_nodes)
    return torch.stack([source, target])


def _read_nodes_of(
    file: Path, arrays: dict[str, Any], key: str, shape: tuple[int, ...], num_nodes: int
) -> Tensor:
    """Numbers of nodes in this shape, -1 for any size."""
    nodes = arrays.get(key)
    if not _holds_nodes(nodes, shape, num_nodes):
        sizes = ", ".join("any" if size < 0 else str(size) for size in shape)
        raise DataError(
            f"{file}: expected {key!r}, nodes from 0 to {num_nodes - 1} of shape [{sizes}]"
        )
    return torch.from_numpy(nodes)


def _holds_nodes(found: Any, shape: tuple[int, ...], num_nodes: int) -> TypeGuard[np.ndarray]:
    return (
        isinstance(found, np.ndarray)
        and found.dtype == np.int64
        and found.ndim == len(shape)
        and all(size in (-1, got) for size, got in zip(shape, found.shape, strict=True))
        and found.size > 0
        and found.min() >= 0
        and found.max() < num_nodes
    )


FAMILY = Family(
    title="OGB",
    names=("ogbg-molbace", "ogbg-molesol", "ogbg-molfreesolv", "ogbg-molhiv", "ogbl-ddi"),
    files=_files,
    read=_read,
    further=tuple(SETS),
)
