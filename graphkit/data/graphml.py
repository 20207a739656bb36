"""Graphs of your own, as a folder of GraphML files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.data.dataset import Dataset, Kind
from graphkit.data.degrees import OneHotDegree
from graphkit.data.tables import Table, read_table
from graphkit.data.targets import read_targets
from graphkit.graph import Graph

_LABELS, _LABEL, _WEIGHT = "labels.csv", "label", "weight"


def load_graphml(
    folder: Path | str, *, name: str | None = None, kind: Kind | None = None
) -> Dataset:
    """Graphs of your own: a folder with one ``.graphml`` file for each.

    Attributes of nodes become `x` and those of edges `edge_attr`, in the order of their names:
    numbers as they are, text one-hot, with a column for every value in any of the files. The
    attribute ``weight`` of edges becomes `edge_weight`. Nodes without attributes get their one-hot
    degree. An undirected graph holds every edge in both directions.

    What is to be predicted stands in ``labels.csv`` in the folder: the name of the file without
    its ending, then targets, then, if you want to say so yourself, a column "split"; as in
    `load_edge_list`. Without that file it is the attribute ``label`` of every graph.

    Args:
        folder: The folder. Nothing is written there.
        name: What to call the set; the folder's name if not given.
        kind: What is predicted, as in `load_edge_list`.

    Returns:
        A graph-level Dataset; `further["names"]` are the names of the files.

    Raises:
        ValueError: Names the file, what was expected and what came.
    """
    place = Path(folder).expanduser()
    files = sorted(place.glob("*.graphml"))
    if not files:
        raise ValueError(f"folder: expected .graphml files in it, got {place} without any")
    networks = [_read(file) for file in files]
    nodes = _Columns([[data for _, data in net.nodes(data=True)] for net in networks], files)
    edges = _Columns([[data for *_, data in net.edges(data=True)] for net in networks], files)
    graphs = [_graph(k, net, nodes, edges) for k, net in enumerate(networks)]
    names = {file.stem: k for k, file in enumerate(files)}
    targets = read_targets(_labels(place, files, networks), names, kind)
    graphs = [
        graph.replace(graph_attrs={"y": targets.y[k : k + 1].clone()})
        for k, graph in enumerate(graphs)
    ]
    called = name or place.absolute().name
    return Dataset(
        name=called,
        title=called,
        level="graph",
        kind=targets.kind,
        metric=targets.metric,
        graphs=graphs if nodes.names else OneHotDegree(graphs),
        num_outputs=targets.num_outputs,
        splits=targets.splits,
        split_name=targets.split_name,
        further={"names": list(names), **targets.further},
    )


def _read(file: Path) -> Any:
    from xml.etree.ElementTree import ParseError

    import networkx

    try:
        network = networkx.read_graphml(file)
    except (ParseError, networkx.NetworkXError, ValueError, KeyError) as error:
        raise ValueError(f"{file}: expected GraphML, got what cannot be read: {error}") from error
    if len(network) == 0:
        raise ValueError(f"{file}: expected a graph with nodes, got none")
    return network


def _labels(place: Path, files: Sequence[Path], networks: Sequence[Any]) -> Table:
    if (place / _LABELS).is_file():
        return read_table(place / _LABELS, "labels", 2)
    for file, network in zip(files, networks, strict=True):
        if _LABEL not in network.graph:
            raise ValueError(
                f"{file}: expected the attribute 'label' on the graph, as there is no "
                f"{place / _LABELS}; got {sorted(network.graph)}"
            )
    rows = [
        [file.stem, str(network.graph[_LABEL])]
        for file, network in zip(files, networks, strict=True)
    ]
    return Table(place, ["graph", _LABEL], rows, list(range(1, len(rows) + 1)))


class _Columns:
    """Attributes of the nodes, or of the edges, of several graphs, as numbers.

    Args:
        rows: Of every graph the attributes of its members.
        files: Where they come from.
    """

    def __init__(self, rows: list[list[dict[str, Any]]], files: Sequence[Path]) -> None:
        self.rows = rows
        self.names = sorted({name for graph in rows for row in graph for name in row})
        for file, graph in zip(files, rows, strict=True):
            for row in graph:
                missing = [name for name in self.names if name not in row]
                if missing:
                    raise ValueError(
                        f"{file}: expected the attribute {missing[0]!r} everywhere, as it is on "
                        "others, got none on one"
                    )
        self.values = {name: self._texts(name) for name in self.names}

    def _texts(self, name: str) -> list[str]:
        """All values of an attribute that is text; empty for one that is a number."""
        found = {row[name] for graph in self.rows for row in graph}
        if all(isinstance(value, int | float) for value in found):
            return []
        return sorted(map(str, found))

    def tensor(self, graph: int, names: Sequence[str]) -> Tensor:
        """``[members, columns]``: numbers as they are, text one-hot."""
        columns = [np.zeros((len(self.rows[graph]), 0), dtype=np.float32)]
        for name in names:
            cells = [row[name] for row in self.rows[graph]]
            values = self.values[name]
            if values:
                column = np.array([[str(cell) == value for value in values] for cell in cells])
            else:
                column = np.array(cells, dtype=np.float32)[:, None]
            columns.append(column.reshape(len(cells), -1).astype(np.float32))
        return torch.from_numpy(np.concatenate(columns, axis=1))


def _graph(k: int, network: Any, nodes: _Columns, edges: _Columns) -> Graph:
    number = {name: place for place, name in enumerate(network)}
    ends = torch.tensor([[number[a], number[b]] for a, b, *_ in network.edges]).view(-1, 2).T
    further = [name for name in edges.names if name != _WEIGHT]
    edge_attr = edges.tensor(k, further) if further else None
    weight = edges.tensor(k, [_WEIGHT])[:, 0] if _WEIGHT in edges.names else None
    graph = Graph(
        ends,
        len(number),
        x=nodes.tensor(k, nodes.names) if nodes.names else None,
        edge_attr=edge_attr,
        edge_weight=weight,
    )
    return graph if network.is_directed() else graph.to_undirected()
