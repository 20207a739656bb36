"""The edges of a graph, relation by relation."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit._memory import IdentityMemory
from graphkit.graph import Graph


class Relations:
    """A row for every destination and relation that an edge joins, the rows of a relation together.

    So what comes in by one relation can be aggregated, and mapped by that relation's matrix, with
    no more rows than there are edges, however many relations there are.

    Attributes:
        rows: bipartite Graph from the sources to the rows, its edges in their old order.
        destination: ``[rows]`` node that a row belongs to.
        sizes: number of rows of every relation.
    """

    def __init__(self, graph: Graph, edge_type: Tensor, num_relations: int) -> None:
        source, destination = graph.edge_index
        pairs, row = (edge_type * graph.num_dst + destination).unique(return_inverse=True)
        self.rows = Graph(torch.stack([source, row]), (graph.num_src, pairs.numel()))
        self.destination = pairs % max(graph.num_dst, 1)
        relation = pairs // max(graph.num_dst, 1)
        self.sizes: list[int] = torch.bincount(relation, minlength=num_relations).tolist()
        self._relation = relation[row]  # of every edge
        self._lookups: IdentityMemory[Graph] = IdentityMemory()

    @classmethod
    def of(cls, graph: Graph, edge_type: Tensor | None, num_relations: int) -> Relations:
        """Those of a graph; found again for the same ``edge_type``."""
        edge_type = graph.edge_type if edge_type is None else edge_type
        if edge_type is None:
            raise ValueError("edge_type: expected the relation of every edge, got None")
        memory = graph.cached("relations", IdentityMemory[Relations])
        found = memory.get(edge_type, num_relations)
        if found is None:
            _check(edge_type, graph.num_edges, num_relations)
            with torch.inference_mode(False):
                found = cls(graph, edge_type, num_relations)
            memory.put(edge_type, num_relations, found)
        return found

    def lookup(self, index: Tensor, num_embeddings: int) -> Graph:
        """The rows as reached from a table of embeddings, ``num_embeddings`` for every relation.

        Args:
            index: ``[sources]`` the embedding of every source.
        """
        found = self._lookups.get(index, num_embeddings)
        if found is None:
            low, high = (int(end) for end in index.aminmax()) if index.numel() else (0, -1)
            if low < 0 or high >= num_embeddings:
                raise ValueError(
                    f"x: expected indices from 0 to {num_embeddings - 1}, got {low} to {high}"
                )
            source, row = self.rows.edge_index
            entry = self._relation * num_embeddings + index[source]
            size = (len(self.sizes) * num_embeddings, self.rows.num_dst)
            found = Graph(torch.stack([entry, row]), size)
            self._lookups.put(index, num_embeddings, found)
        return found


def all_of(graph: Graph, num_nodes: int) -> Tensor:
    """0, 1, ...; the same tensor every time, so that what is derived from it is kept."""
    return graph.cached(("all_of", num_nodes), lambda: torch.arange(num_nodes, device=graph.device))


def _check(edge_type: Tensor, num_edges: int, num_relations: int) -> None:
    if edge_type.shape != (num_edges,) or edge_type.dtype != torch.int64:
        raise ValueError(
            f"edge_type: expected int64 of shape ({num_edges},), "
            f"got {edge_type.dtype} {tuple(edge_type.shape)}"
        )
    low, high = (int(end) for end in edge_type.aminmax()) if num_edges else (0, -1)
    if low < 0 or high >= num_relations:
        raise ValueError(
            f"edge_type: expected relations from 0 to {num_relations - 1}, got {low} to {high}"
        )
