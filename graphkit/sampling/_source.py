"""What is sampled from: a checked graph, its attributes, and its rows in the wanted direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit._attributes import take
from graphkit._checks import check_index, describe
from graphkit._parts import Parts
from graphkit._structure import Adjacency, Connectivity
from graphkit.engine.cpu.sample.frontier import Drawn, Frontiers, Rows
from graphkit.graph import Graph, as_graph

FLOWS = ("source_to_target", "target_to_source")


def check_graph(graph: Any) -> Graph:
    """A graph that can be sampled from."""
    graph = as_graph(graph)
    if graph.is_bipartite:
        raise ValueError("graph: expected one set of nodes, got a bipartite graph")
    if graph.device.type != "cpu":
        raise ValueError(f"graph: expected it on the CPU, where sampling runs, got {graph.device}")
    return graph


def rows_towards(graph: Graph, flow: str) -> Adjacency:
    """Edges sorted by the nodes that messages flow to."""
    if flow not in FLOWS:
        raise ValueError(f"flow: expected one of {', '.join(FLOWS)}, got {flow!r}")
    return graph.by_destination if flow == FLOWS[0] else graph.by_source


def check_weights(graph: Graph, name: str) -> Tensor:
    """The edge attribute of this name, as weights."""
    weight = graph.edge_attrs.get(name)
    if weight is None:
        known = ", ".join(graph.edge_attrs) or "none"
        raise ValueError(f"weight_attr: expected an attribute of edges ({known}), got {name!r}")
    if not isinstance(weight, Tensor) or weight.dim() != 1:
        raise TypeError(f"weight_attr: expected {name} to have shape [E], got {describe(weight)}")
    return check_nonnegative(f"weight_attr: {name}", weight)


def check_nonnegative(name: str, weight: Tensor) -> Tensor:
    weight = weight.detach().double()
    wrong = (~(weight.isfinite() & (weight >= 0))).nonzero().view(-1)
    if wrong.numel():
        first = int(wrong[0])
        raise ValueError(
            f"{name}: expected finite weights of at least 0, got {float(weight[first])} "
            f"at edge {first}"
        )
    return weight


def check_nodes(name: str, nodes: Any, num_nodes: int) -> Tensor:
    """`nodes`, a mask or distinct numbers, or None for all, as owned contiguous numbers."""
    if nodes is None:
        return torch.arange(num_nodes)
    return check_index(name, nodes, num_nodes, distinct=True).contiguous().clone()


def check_seeds(name: str, seeds: Any, num_nodes: int) -> Tensor:
    """`seeds`, numbers of nodes, contiguous."""
    if not isinstance(seeds, Tensor) or seeds.dim() != 1 or seeds.dtype != torch.int64:
        raise TypeError(f"{name}: expected int64 of one dimension, got {describe(seeds)}")
    if seeds.numel():
        low, high = (int(end) for end in seeds.aminmax())
        if low < 0 or high >= num_nodes:
            worst = low if low < 0 else high
            raise ValueError(f"{name}: expected nodes from 0 to {num_nodes - 1}, got {worst}")
    return seeds.contiguous()


@dataclass(eq=False)
class Source:
    """Attributes and edges to take batches from. It can be sent to worker processes.

    Tensors are sent through shared memory, but a Graph is sent without its sorted edges: so they
    are held here, one by one.
    """

    node_attrs: dict[str, Any]
    edge_attrs: dict[str, Any]
    graph_attrs: dict[str, Any]
    rows: Rows
    num_nodes: int
    turned: bool
    """Whether the rows are sources: messages flow against the edges."""

    @classmethod
    def of(cls, graph: Graph, rows: Rows, flow: str = FLOWS[0]) -> Source:
        whole = {} if graph.is_batch else dict(graph.graph_attrs)
        attrs = dict(graph.node_attrs), dict(graph.edge_attrs), whole
        return cls(*attrs, rows, graph.num_nodes, flow != FLOWS[0])

    def frontiers(self) -> Frontiers:
        return Frontiers(self.num_nodes, self.rows.col.dtype)

    def node(self, name: str, index: Tensor) -> Any:
        """One attribute of V of these nodes, or None."""
        value = self.node_attrs.get(name)
        return None if value is None else take(value, index)

    def nodes(self, index: Tensor) -> dict[str, Any]:
        """Attributes of V of these nodes."""
        return {name: take(value, index) for name, value in self.node_attrs.items()}

    def edges(self, index: Tensor) -> dict[str, Any]:
        """Attributes of E of these edges."""
        return {name: take(value, index) for name, value in self.edge_attrs.items()}


@dataclass(eq=False)
class SubgraphDrawn:
    """A subgraph as plain tensors, which a worker process can send."""

    drawn: Drawn
    node_attrs: dict[str, Any]
    edge_attrs: dict[str, Any]
    graph_attrs: dict[str, Any]
    turned: bool

    @classmethod
    def of(cls, source: Source, nodes: Tensor, drawn: Drawn, **more: Any) -> SubgraphDrawn:
        return cls(
            drawn,
            {**source.nodes(nodes), "n_id": nodes},
            {**source.edges(drawn.edge), "e_id": drawn.edge},
            {**source.graph_attrs, **more},
            source.turned,
        )

    def finish(self) -> Graph:
        size = self.node_attrs["n_id"].numel()
        graph = sorted_graph(self.drawn, (size, size), bipartite=False)
        return (graph.reverse() if self.turned else graph).replace(
            node_attrs=self.node_attrs,
            edge_attrs=self.edge_attrs,
            graph_attrs=self.graph_attrs,
        )


def join(hops: Sequence[Drawn]) -> Drawn:
    """The edges of several hops, each of which goes on with the nodes after those of the last."""
    ptrs, done = [hops[0].ptr[:1]], 0
    for hop in hops:
        ptrs.append(hop.ptr[1:] + done)
        done += hop.col.numel()
    return Drawn(
        torch.cat(ptrs),
        torch.cat([hop.col for hop in hops]),
        torch.cat([hop.edge_index for hop in hops], dim=1),
        torch.cat([hop.edge for hop in hops]),
    )


def sorted_graph(drawn: Drawn, sizes: tuple[int, int], bipartite: bool) -> Graph:
    """A Graph of edges that come sorted by destination: nothing is checked or sorted again."""
    connectivity = Connectivity(drawn.edge_index, *sizes, bipartite)
    num_edges, (num_src, num_dst) = drawn.col.numel(), sizes
    dtype = np.int32 if max(num_edges, *sizes) < 2**31 else np.int64
    # NumPy, as starting torch's threads for so little would take longer.
    rowptr = np.full(num_dst + 1, num_edges, dtype)  # last may be nodes nothing was drawn for
    rowptr[: drawn.ptr.numel()] = drawn.ptr.numpy()
    places = _places(num_edges, dtype)
    col = torch.from_numpy(drawn.col.numpy().astype(dtype, copy=False))
    order = Adjacency(torch.from_numpy(rowptr), col, places, places, num_dst, num_src)
    connectivity.memo("by_destination", lambda: order)
    return Graph._of(Parts(connectivity, {}, {}, None))


_longest: dict[type, Tensor] = {}


def _places(count: int, dtype: type) -> Tensor:
    """The numbers 0, 1, ... of edges that are sorted already; all such graphs share one tensor."""
    known = _longest.get(dtype)
    if known is None or known.numel() < count:
        known = _longest[dtype] = torch.from_numpy(np.arange(count + count // 4, dtype=dtype))
    return known[:count]
