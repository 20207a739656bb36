"""What a data set is: graphs, what to predict on them, and which part is for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from graphkit.data.split import Split
from graphkit.graph import Graph

Level = Literal["node", "edge", "graph"]
"""What a prediction is made on."""

Kind = Literal["multiclass", "multilabel", "regression", "link"]
"""What is predicted.

"multiclass": `y` int64, one class each. "multilabel": `y` float with a column for every label, 0
or 1, NaN where it is not known; a single yes or no is one column. "regression": `y` float with a
column for every target, NaN where it is not known. "link": whether two nodes are joined.
"""


@dataclass(frozen=True)
class Dataset:
    """A data set with its published split and metric.

    Attributes:
        name: What it is loaded by, in lower case: "cora".
        title: How papers write it: "Cora".
        level, kind: What is predicted, and on what.
        metric: The published metric; a name of `graphkit.metrics`.
        graphs: All graphs; one, if nodes or edges are predicted. Of a node-level set `y` is a
            node attribute, -1 of a node that has no class and is in no part; of a graph-level set
            a graph attribute of every graph, ``[1]`` for classes and ``[1, num_outputs]`` else.
        num_outputs: Classes, labels or targets; 1 for links.
        splits: The published splits, in order; or, where the protocol draws them, a function from
            a seed to one. Members are nodes or graphs.
        split_name: What its authors call the split: "public", "scaffold", "10 fixed, 48/32/20".
        further: Whatever else belongs to it: names of classes, SMILES, published links.
    """

    name: str
    title: str
    level: Level
    kind: Kind
    metric: str
    graphs: Sequence[Graph]
    num_outputs: int
    splits: Sequence[Split] | Callable[[int], Split]
    split_name: str
    further: dict[str, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The one graph of a node- or edge-level set."""
        if len(self.graphs) != 1:
            raise ValueError(f"{self.name}: has {len(self.graphs)} graphs: use `graphs`")
        return self.graphs[0]

    @property
    def num_features(self) -> int:
        """Columns of `x`; 0 if there is none."""
        x = self.graphs[0].x
        return 0 if x is None else x.size(-1)

    @property
    def num_edge_features(self) -> int:
        """Columns of `edge_attr`; 0 if there is none."""
        edge_attr = self.graphs[0].edge_attr
        return 0 if edge_attr is None else edge_attr.size(-1)

    @property
    def y(self) -> Tensor:
        """Targets of all members: of the nodes, or of the graphs one after the other."""
        if self.level == "graph":
            return torch.cat([graph.y for graph in self.graphs])
        return self.graph.y

    def split(self, seed: int = 0) -> Split:
        """The split for a seed: of several fixed ones they take turns."""
        if callable(self.splits):
            return self.splits(seed)
        return self.splits[seed % len(self.splits)]

    def map(self, function: Callable[[Graph], Graph]) -> Dataset:
        """The same set with every graph changed."""
        return replace(self, graphs=[function(graph) for graph in self.graphs])

    def __repr__(self) -> str:
        count = "1 graph" if len(self.graphs) == 1 else f"{len(self.graphs)} graphs"
        return (
            f"Dataset({self.name!r}: {self.level} {self.kind}, {count}, "
            f"{self.num_outputs} outputs, split {self.split_name!r}, metric {self.metric!r})"
        )
