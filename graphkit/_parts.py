"""What a Graph consists of, and how to select from it, join several and split a batch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkit._attributes import (
    Kind,
    concat,
    join_graph_rows,
    split,
    split_graph_rows,
    take,
)
from graphkit._structure import Connectivity


class Parts(NamedTuple):
    """The contents of a Graph. `ptr` is None if it is no batch."""

    connectivity: Connectivity
    values: dict[str, Any]
    kinds: dict[str, Kind]
    ptr: tuple[Tensor, Tensor] | None
    """First source and first destination of every graph."""

    @property
    def num_graphs(self) -> int:
        return 1 if self.ptr is None else self.ptr[1].numel() - 1


def map_ends(value: Any, bipartite: bool, change: Callable[[Any, int], Any]) -> Any:
    """Change a node attribute; of a bipartite graph sources (end 0) and destinations (end 1)."""
    if not bipartite:
        return change(value, 1)
    return tuple(None if rows is None else change(rows, end) for end, rows in enumerate(value))


def members(ptr: Tensor, num_nodes: int | None = None) -> Tensor:
    """Number of the graph every node belongs to: [0, 2, 3] -> [0, 0, 1]."""
    numbers = torch.arange(ptr.numel() - 1, device=ptr.device)
    return numbers.repeat_interleave(ptr.diff(), output_size=num_nodes)


def select_nodes(parts: Parts, nodes: tuple[Tensor, Tensor]) -> Parts:
    """Keep the given sources and destinations, numbered in the order given, and their edges."""
    old = parts.connectivity
    ends = []
    for end, size in enumerate((old.num_src, old.num_dst)):
        place = nodes[end].new_full((size,), -1)
        place[nodes[end]] = torch.arange(nodes[end].numel(), device=place.device)
        ends.append(place[old.edge_index[end]])
    edge_index = torch.stack(ends)
    kept = (edge_index >= 0).all(0).nonzero().view(-1)
    # What is undirected stays so; what is not may become so by losing edges.
    undirected = True if old.known_undirected else None
    sizes = nodes[0].numel(), nodes[1].numel()

    def change(name: str, value: Any) -> Any:
        if parts.kinds[name] == "node":
            return map_ends(value, old.bipartite, lambda rows, end: take(rows, nodes[end]))
        return take(value, kept) if parts.kinds[name] == "edge" else value

    return Parts(
        Connectivity(edge_index.index_select(1, kept), *sizes, old.bipartite, undirected),
        {name: change(name, value) for name, value in parts.values.items()},
        parts.kinds,
        None if parts.ptr is None else _select_ptr(parts.ptr, nodes),
    )


def _select_ptr(ptr: tuple[Tensor, Tensor], nodes: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    selected = []
    for end in range(2):
        graph = members(ptr[end])[nodes[end]]
        if (graph.diff() < 0).any():
            raise ValueError("nodes: expected an order that leaves the graphs of the batch apart")
        count = torch.bincount(graph, minlength=ptr[end].numel() - 1)
        selected.append(torch.cat([count.new_zeros(1), count.cumsum(0)]))
    return selected[0], selected[1]


def select_edges(parts: Parts, edges: Tensor) -> Parts:
    """Keep all nodes and the given edges, in the order given."""
    old = parts.connectivity
    sizes = old.num_src, old.num_dst
    values = {
        name: take(value, edges) if parts.kinds[name] == "edge" else value
        for name, value in parts.values.items()
    }
    connectivity = Connectivity(old.edge_index.index_select(1, edges), *sizes, old.bipartite)
    return Parts(connectivity, values, parts.kinds, parts.ptr)


def join(graphs: list[Parts]) -> Parts:
    """One batch of graphs and batches, whose nodes and edges follow each other."""
    kinds, bipartite = graphs[0].kinds, graphs[0].connectivity.bipartite
    for number, graph in enumerate(graphs):
        if graph.kinds != kinds:
            raise ValueError(
                f"graphs: expected the attributes of number 0, {_spell(kinds)}, "
                f"got {_spell(graph.kinds)} in number {number}"
            )
        if graph.connectivity.bipartite != bipartite:
            raise ValueError(f"graphs: number {number} and number 0: only one is bipartite")
    ptr = _join_ptr(graphs, 1)
    values = {}
    for name, kind in kinds.items():
        rows = [graph.values[name] for graph in graphs]
        if kind == "graph":
            values[name] = join_graph_rows(rows, [graph.ptr is not None for graph in graphs])
        elif kind == "node" and bipartite:
            values[name] = tuple(_concat_ends(name, list(end)) for end in zip(*rows, strict=True))
        else:
            values[name] = concat(name, rows)
    connectivity = _join_connectivity([graph.connectivity for graph in graphs])
    return Parts(
        connectivity, values, kinds, (_join_ptr(graphs, 0), ptr) if bipartite else (ptr, ptr)
    )


def _spell(kinds: dict[str, Kind]) -> str:
    return "(" + ", ".join(f"{name} of {kind}" for name, kind in sorted(kinds.items())) + ")"


def _concat_ends(name: str, rows: list[Any]) -> Any:
    missing = sum(value is None for value in rows)
    if missing and missing < len(rows):
        raise ValueError(f"{name}: expected in all graphs or in none, got it in some")
    return None if missing else concat(name, rows)


def _join_ptr(graphs: list[Parts], end: int) -> Tensor:
    sizes = []
    for graph in graphs:
        if graph.ptr is not None:
            sizes += graph.ptr[end].diff().tolist()
        else:
            sizes.append((graph.connectivity.num_src, graph.connectivity.num_dst)[end])
    device = graphs[0].connectivity.edge_index.device
    return torch.tensor([0, *accumulate(sizes)], device=device)


def _join_connectivity(parts: list[Connectivity]) -> Connectivity:
    first_src = [0, *accumulate(part.num_src for part in parts)]
    first_dst = [0, *accumulate(part.num_dst for part in parts)]
    edge_index = torch.cat([part.edge_index for part in parts], dim=1)
    counts = torch.tensor([part.edge_index.size(1) for part in parts])
    first = torch.tensor([first_src[:-1], first_dst[:-1]]).repeat_interleave(counts, dim=1)
    edge_index += first.to(edge_index.device)
    known = {part.known_undirected for part in parts}
    undirected = False if False in known else None if None in known else True
    return Connectivity(edge_index, first_src[-1], first_dst[-1], parts[0].bipartite, undirected)


class Pack:
    """Graphs joined once, from which batches of some of them are picked by their numbers.

    A pick is what `join` of these graphs gives, by a few operations however many they are.
    """

    def __init__(self, graphs: list[Parts]) -> None:
        self._all = join(graphs)
        assert self._all.ptr is not None
        edges = torch.tensor([graph.connectivity.num_edges for graph in graphs])
        self._sizes = self._all.ptr[1].diff().cpu(), edges
        device = self._all.ptr[1].device
        self._counts = [sizes.to(device) for sizes in self._sizes]
        self._starts = [counts.cumsum(0) - counts for counts in self._counts]

    @staticmethod
    def fits(graphs: list[Parts]) -> bool:
        """Whether they can be joined, have one set of nodes, and all that they have is tensors."""

        def outline(kind: Kind, value: Any) -> Any:
            """What must be the same in all; None where it cannot be kept as one tensor."""
            if not isinstance(value, Tensor) or value.layout != torch.strided:
                return None
            if kind == "graph" and value.dim() and value.size(0) != 1:
                return None
            return kind, value.dtype, value.shape[1:], value.dim() == 0

        if not graphs or any(g.ptr is not None or g.connectivity.bipartite for g in graphs):
            return False
        outlines = [
            {name: outline(graph.kinds[name], value) for name, value in graph.values.items()}
            for graph in graphs
        ]
        return None not in outlines[0].values() and outlines.count(outlines[0]) == len(outlines)

    def pick(self, numbers: Tensor) -> Parts:
        """The batch of the graphs of these numbers, in this order."""
        old, here = self._all.connectivity, numbers.to(self._counts[0].device)
        counts = [counts[here] for counts in self._counts]
        totals = [int(sizes[numbers].sum()) for sizes in self._sizes]
        firsts = [count.cumsum(0) - count for count in counts]
        nodes, edges = (
            (start[here] - first).repeat_interleave(count, output_size=total)
            + torch.arange(total, device=here.device)
            for start, count, first, total in zip(self._starts, counts, firsts, totals, strict=True)
        )
        moved = firsts[0] - self._starts[0][here]
        ends = moved.repeat_interleave(counts[1], output_size=totals[1])
        of = {"node": nodes, "edge": edges, "graph": here}
        ptr = torch.cat([firsts[0].new_zeros(1), counts[0].cumsum(0)])
        undirected = True if old.known_undirected else None
        edge_index = old.edge_index.index_select(1, edges) + ends
        return Parts(
            Connectivity(edge_index, totals[0], totals[0], False, undirected),
            {
                name: take(rows, of[self._all.kinds[name]])
                for name, rows in self._all.values.items()
            },
            self._all.kinds,
            (ptr, ptr),
        )


def part(batch: Parts) -> list[Parts]:
    """The graphs of a batch; the reverse of `join`."""
    assert batch.ptr is not None
    old, count = batch.connectivity, batch.num_graphs
    sizes = [ptr.diff().tolist() for ptr in batch.ptr]
    graph = members(batch.ptr[1])[old.edge_index[1]]
    edge_counts = torch.bincount(graph, minlength=count).tolist()
    graph, order = graph.sort(stable=True)
    first = torch.stack([ptr[graph] for ptr in batch.ptr])
    edge_index = old.edge_index.index_select(1, order) - first
    pieces: dict[str, list[Any]] = {}
    for name, value in batch.values.items():
        if batch.kinds[name] == "graph":
            pieces[name] = split_graph_rows(value, count)
        elif batch.kinds[name] == "edge":
            pieces[name] = split(take(value, order), edge_counts)
        elif old.bipartite:
            ends = [_split_end(rows, sizes[end]) for end, rows in enumerate(value)]
            pieces[name] = list(zip(*ends, strict=True))
        else:
            pieces[name] = split(value, sizes[1])
    undirected = True if old.known_undirected else None
    return [
        Parts(
            Connectivity(
                edges.clone(memory_format=torch.contiguous_format),
                sizes[0][number],
                sizes[1][number],
                old.bipartite,
                undirected,
            ),
            {name: values[number] for name, values in pieces.items()},
            batch.kinds,
            None,
        )
        for number, edges in enumerate(edge_index.split(edge_counts, dim=1))
    ]


def _split_end(rows: Any, sizes: list[int]) -> list[Any]:
    return [None] * len(sizes) if rows is None else split(rows, sizes)
