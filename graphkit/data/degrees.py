"""The degree as the only feature of nodes that have no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

from graphkit.graph import Graph


class OneHotDegree(Sequence[Graph]):
    """Graphs whose `x` is the one-hot degree of every node, made when a graph is asked for.

    There is a column for every degree that occurs in any of the graphs, as in Xu et al. 2019,
    section 7. All graphs together could take gigabytes: none is kept.

    Args:
        graphs: Graphs without `x`; an undirected edge counts once at either end.
    """

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self._graphs = graphs
        self.degrees = torch.cat([_degree(graph).unique() for graph in graphs]).unique()

    def __len__(self) -> int:
        return len(self._graphs)

    @overload
    def __getitem__(self, index: int) -> Graph: ...
    @overload
    def __getitem__(self, index: slice) -> list[Graph]: ...
    def __getitem__(self, index: int | slice) -> Graph | list[Graph]:
        if isinstance(index, slice):
            return [self._with_x(graph) for graph in self._graphs[index]]
        return self._with_x(self._graphs[index])

    def _with_x(self, graph: Graph) -> Graph:
        column: Tensor = torch.searchsorted(self.degrees, _degree(graph))
        x = torch.nn.functional.one_hot(column, len(self.degrees)).float()
        return graph.replace(x=x)


def _degree(graph: Graph) -> Tensor:
    """Unlike `Graph.in_degree` without sorting the edges, which most graphs here never need."""
    return graph.edge_index[1].bincount(minlength=graph.num_nodes)
