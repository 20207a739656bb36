"""What the layers that spread features along normalised edges have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.graph import Graph, SelfLoops
from graphkit.nn.conv.gcn_conv import gcn_norm
from graphkit.nn.message_passing import MessagePassing

Weighted = tuple[Graph | SelfLoops, Tensor | None]


def graph_for(layer: MessagePassing, x: Tensor, edge_index: Any) -> Graph:
    """The graph with one set of nodes that `x` belongs to."""
    if isinstance(x, (tuple, list)):
        raise ValueError("x: expected one set of nodes, got a pair")
    return layer.graph_of(edge_index, None, x)


def weight_for(graph: Graph, edge_weight: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """One weight per edge, of a dtype; the graph's own where none is passed."""
    weight = graph.edge_weight if edge_weight is None else edge_weight
    if weight is not None and weight.shape != (graph.num_edges,):
        raise ValueError(
            f"edge_weight: expected shape ({graph.num_edges},), got {tuple(weight.shape)}"
        )
    return None if weight is None else weight.to(dtype)


def normalized(
    layer: MessagePassing,
    x: Tensor,
    edge_index: Any,
    edge_weight: Tensor | None,
    *,
    add_self_loops: bool = False,
    normalize: bool = True,
) -> Weighted:
    """What `layer` propagates along, and the coefficient of every edge of it.

    Without `normalize` these are the graph and its weights as they are; None if it has none.
    """
    graph = graph_for(layer, x, edge_index)
    weight = weight_for(graph, edge_weight, x.dtype)
    if not normalize:
        return graph, weight
    _, coefficients = gcn_norm(
        graph, weight, add_self_loops=add_self_loops, flow=layer.flow, dtype=x.dtype
    )
    return graph.self_loops if add_self_loops else graph, coefficients
