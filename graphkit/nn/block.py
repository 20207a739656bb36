"""The graph network block: edges, nodes and graph updated in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.aggr import aggregation
from graphkit.nn.inits import reset
from graphkit.nn.message_passing import destination

Update = Callable[..., Tensor]


class GraphNetwork(nn.Module):
    r"""Graph network block, Battaglia et al. 2018, algorithm 1: a graph in, a graph out.

    .. math::
        e'_k &= \phi^e(e_k, v_{s_k}, v_{r_k}, u) \\
        v'_i &= \phi^v\big(v_i, \textstyle\bigoplus_{k: r_k = i} e'_k, u\big) \\
        u' &= \phi^u\big(u, \textstyle\bigoplus_k e'_k, \bigoplus_i v'_i\big)

    Each update is any callable, module or not, on rows; None leaves what it would update as it is.
    What the graph does not have, and what is aggregated from it, is passed as None. Interaction
    networks, message passing, relation networks and deep sets are choices of the three.

    Args:
        update_edge: :math:`\phi^e`, called as ``update_edge(e, v_source, v_receiver, u)``.
        update_node: :math:`\phi^v`, called as ``update_node(v, edges, u)``.
        update_graph: :math:`\phi^u`, called as ``update_graph(u, edges, nodes)``.
        edges_to_node: aggregation of the edges into a node: a name, a list of them or a module.
        edges_to_graph: aggregation of the edges of a graph.
        nodes_to_graph: aggregation of the nodes of a graph.
    """

    def __init__(
        self,
        update_edge: Update | None = None,
        update_node: Update | None = None,
        update_graph: Update | None = None,
        *,
        edges_to_node: Any = "sum",
        edges_to_graph: Any = "sum",
        nodes_to_graph: Any = "sum",
    ) -> None:
        super().__init__()
        self.update_edge = update_edge
        self.update_node = update_node
        self.update_graph = update_graph
        self.edges_to_node = aggregation(edges_to_node)
        self.edges_to_graph = aggregation(edges_to_graph)
        self.nodes_to_graph = aggregation(nodes_to_graph)

    def reset_parameters(self) -> None:
        for child in self.children():
            reset(child)

    def forward(self, graph: Graph) -> Graph:
        """``graph`` with new ``edge_attr``, ``x`` and ``u``; a batch updates every graph's own."""
        if graph.is_bipartite:
            raise ValueError("graph: expected one set of nodes, got a bipartite graph")
        e, v, u = graph.edge_attr, graph.x, graph.u
        source, receiver = graph.edge_index
        if self.update_edge is not None:
            ends = (None, None) if v is None else (v[source], v[receiver])
            e = self.update_edge(e, *ends, None if u is None else u[graph.edge_batch])
            _check("update_edge", e, graph.num_edges, "edges")
        if self.update_node is not None:
            edges = None
            if e is not None:
                index = destination(graph)
                edges = self.edges_to_node(e, index, dim_size=graph.num_nodes, dim=0)
            v = self.update_node(v, edges, None if u is None else u[graph.batch])
            _check("update_node", v, graph.num_nodes, "nodes")
        if self.update_graph is not None:
            edges = nodes = None
            if e is not None:
                edges = self.edges_to_graph(e, graph.edge_batch, dim_size=graph.num_graphs, dim=0)
            if v is not None:
                nodes = self.nodes_to_graph(v, graph.batch, dim_size=graph.num_graphs, dim=0)
            u = self.update_graph(u, edges, nodes)
            _check("update_graph", u, graph.num_graphs, "graphs")
        return graph.replace(edge_attr=e, x=v, u=u)


def _check(name: str, value: Any, rows: int, what: str) -> None:
    if not isinstance(value, Tensor) or value.dim() == 0 or value.size(0) != rows:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name}: expected {rows} rows ({what}), got {got}")
