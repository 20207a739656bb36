"""Graph convolution of Kipf & Welling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit._compiled import ADDRESS, graph_at, loops_at
from graphkit._structure import Address
from graphkit.engine import dense
from graphkit.graph import Graph, SelfLoops, as_graph
from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.inits import zeros
from graphkit.nn.linear import Linear, is_lazy
from graphkit.nn.message_passing import MessagePassing, reduce_edges


def gcn_norm(
    edge_index: Any,
    edge_weight: Tensor | None = None,
    num_nodes: int | None = None,
    improved: bool = False,
    add_self_loops: bool = True,
    flow: str = "source_to_target",
    dtype: torch.dtype | None = None,
) -> tuple[Graph, Tensor]:
    r"""Symmetric normalisation :math:`D^{-1/2} (A + I) D^{-1/2}`, one coefficient per edge.

    Nodes that have a self-loop keep it and its weight; the others get one of weight 1. Without
    weights the result follows from the edges alone and is kept with the graph, so that all layers
    and epochs share it.

    Args:
        edge_index: a Graph, or anything graph-like. Its own ``edge_weight`` serves where none is
            passed.
        edge_weight: ``[E]`` weights, default 1.
        num_nodes: number of nodes, if the graph does not tell.
        improved: weight 2 for the self-loops.
        add_self_loops: whether to add them at all.
        flow: "source_to_target" normalises by what flows into row 1 of ``edge_index``.
        dtype: of the coefficients, if there are no weights.

    Returns:
        The graph with self-loops, and its ``[E']`` coefficients.
    """
    graph, weight = _normalized(
        as_graph(edge_index, None if num_nodes is None else (num_nodes, num_nodes)),
        edge_weight,
        improved,
        add_self_loops,
        flow,
        dtype or torch.get_default_dtype(),
    )
    return graph.graph if isinstance(graph, SelfLoops) else graph, weight


def _normalized(
    graph: Graph,
    weight: Tensor | None,
    improved: bool,
    add_self_loops: bool,
    flow: str,
    dtype: torch.dtype,
) -> tuple[Graph | SelfLoops, Tensor]:
    end = _end(graph, flow)
    fill = 2.0 if improved else 1.0
    weight = graph.edge_weight if weight is None else weight
    if weight is not None and weight.shape != (graph.num_edges,):
        raise ValueError(
            f"edge_weight: expected shape ({graph.num_edges},), got {tuple(weight.shape)}"
        )

    def coefficients(weight: Tensor) -> Tensor:
        if not add_self_loops:
            return _symmetric(graph, weight, end)
        return _symmetric(graph.self_loops.graph, graph.self_loops.extend(weight, fill), end)

    def of_edges_alone() -> Tensor:
        return coefficients(torch.ones(graph.num_edges, dtype=dtype, device=graph.device))

    if weight is None:
        if torch.compiler.is_compiling():
            edges = graph.self_loops.graph if add_self_loops else graph
            address = edges._connectivity.address
            found = torch.ops.graphkit.gcn_norm(*address, edges.num_edges, fill, end, dtype)
        else:
            key = ("gcn_norm", fill, add_self_loops, end, dtype)
            found = graph.cached(key, of_edges_alone)
    else:
        found = coefficients(weight)
    return graph.self_loops if add_self_loops else graph, found


def _end(graph: Graph, flow: str) -> int:
    """The row of ``edge_index`` that messages flow into, in a graph with one set of nodes."""
    if flow not in ("source_to_target", "target_to_source"):
        raise ValueError(f"flow: expected 'source_to_target' or 'target_to_source', got {flow!r}")
    if graph.num_src != graph.num_dst:
        raise ValueError(
            "edge_index: expected a graph with one set of nodes, "
            f"got {graph.num_src} sources and {graph.num_dst} destinations"
        )
    return 1 if flow == "source_to_target" else 0


def _factors(
    graph: Graph, add_self_loops: bool, flow: str, dtype: torch.dtype
) -> tuple[Graph | SelfLoops, Tensor]:
    """Where all weights are 1, an edge's coefficient is the product of two of these ``[N, 1]``,
    which lie nearer than as many coefficients as edges. They are kept with the graph."""
    end = _end(graph, flow)

    def build() -> Tensor:
        edges = graph.self_loops.graph if add_self_loops else graph
        ones = torch.ones(edges.num_edges, dtype=dtype, device=graph.device)
        return _inverse_root_degree(edges, ones, end).view(-1, 1)

    found = graph.cached(("gcn_factors", add_self_loops, end, dtype), build)
    return graph.self_loops if add_self_loops else graph, found


def _symmetric(graph: Graph, weight: Tensor, end: int) -> Tensor:
    """Every weight over the root of the degrees at both ends; degrees are counted at `end`."""
    scale = _inverse_root_degree(graph, weight, end)
    source, destination = graph._connectivity.places
    return scale[source] * weight * scale[destination]


def _inverse_root_degree(graph: Graph, weight: Tensor, end: int) -> Tensor:
    degree = reduce_edges(graph if end == 1 else graph.reverse(), weight, "sum")
    alone = degree == 0  # its root has no derivative, so it is set aside first
    return degree.masked_fill(alone, 1.0).pow(-0.5).masked_fill(alone, 0.0)


@torch.library.custom_op(
    "graphkit::gcn_norm",
    mutates_args=(),
    schema=f"({ADDRESS}, SymInt places, float fill, int end, ScalarType dtype) -> Tensor",
)
def _gcn_norm(
    edge_index: Tensor,
    num_src: int,
    num_dst: int,
    looped: bool,
    turned: bool,
    places: int,
    fill: float,
    end: int,
    dtype: torch.dtype,
) -> Tensor:
    """For compiled programs: a copy of the coefficients that are kept with the graph."""
    address = Address(edge_index, num_src, num_dst, False, turned)
    flow = "source_to_target" if end == 1 else "target_to_source"
    _, found = _normalized(graph_at(address), None, fill == 2.0, looped, flow, dtype)
    taken = loops_at(address).taken if looped else None
    return found.clone() if taken is None else found.new_zeros(places).index_copy(0, taken, found)


@_gcn_norm.register_fake
def _(
    edge_index: Tensor,
    num_src: int,
    num_dst: int,
    looped: bool,
    turned: bool,
    places: int,
    fill: float,
    end: int,
    dtype: torch.dtype,
) -> Tensor:
    return edge_index.new_empty(places, dtype=dtype)


class GCNConv(MessagePassing):
    r"""Graph convolution, Kipf & Welling 2017, eq. 2.

    .. math::
        x'_i = \Theta \sum_{j \in N(i) \cup \{i\}} a_{ji} x_j + b, \quad
        a = \hat D^{-1/2} (A + I) \hat D^{-1/2}, \quad
        \hat d_i = \sum_{j \in N(i) \cup \{i\}} e_{ji}

    The linear map comes before or after the aggregation, whichever is narrower.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        improved: add the self-loops with weight 2.
        cached: keep the coefficients of the first call and use them in all later ones. Only a
            weighted graph gains from it; without weights they are kept with the graph anyway.
        add_self_loops: default is as `normalize`.
        normalize: compute the coefficients; else ``edge_weight`` is taken as it is.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]`` (dense or sparse), ``edge_weight`` ``[E]``; output ``[N, out]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool | None = None,
        normalize: bool = True,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        if add_self_loops and not normalize:
            raise ValueError("add_self_loops: expected False, as normalize=False, got True")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.improved = improved
        self.cached = cached
        self.add_self_loops = normalize if add_self_loops is None else add_self_loops
        self.normalize = normalize
        self.lin = Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        zeros(self.bias)
        self._cached_edge_index: tuple[Graph | SelfLoops, Tensor] | None = None

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        if isinstance(x, (tuple, list)):
            raise ValueError("x: expected one set of nodes, got a pair; try SAGEConv or GraphConv")
        graph = self.graph_of(edge_index, None, x)
        factor = None
        if self.normalize and self._is_plain(graph, edge_weight):
            graph, factor = _factors(graph, self.add_self_loops, self.flow, x.dtype)
        elif self.normalize:
            graph, edge_weight = self._coefficients(graph, edge_weight, x.dtype)
        given = {"edge_weight": edge_weight, "factor": factor}
        mapped_first = narrows(x, self.out_channels) or is_lazy(self.lin.weight)
        if mapped_first or not commutes(self, GCNConv):
            out = self.propagate(graph, x=self.lin(x), **given)
        else:
            out = self.propagate(graph, x=x, **given)
            return dense.linear(out, self.lin.weight, self.bias)
        return out if self.bias is None else dense.add(out, self.bias)

    def message(
        self,
        x_j: Tensor,
        edge_weight: Tensor | None,
        factor_i: Tensor | None = None,
        factor_j: Tensor | None = None,
    ) -> Tensor:
        if factor_i is not None and factor_j is not None:
            return factor_j * factor_i * x_j
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def _is_plain(self, graph: Graph, edge_weight: Tensor | None) -> bool:
        """Whether the coefficients follow from the degrees, and nobody else asks for them."""
        return (
            edge_weight is None
            and graph.edge_weight is None
            and not self.improved
            and not self.cached
            and type(self).message is GCNConv.message
            and not torch.compiler.is_compiling()
        )

    def _coefficients(
        self, graph: Graph, edge_weight: Tensor | None, dtype: torch.dtype
    ) -> tuple[Graph | SelfLoops, Tensor]:
        found = self._cached_edge_index
        if found is None:
            found = _normalized(
                graph, edge_weight, self.improved, self.add_self_loops, self.flow, dtype
            )
        if self.cached:
            self._cached_edge_index = found
        return found
