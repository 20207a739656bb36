"""What the attention layers have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.engine import ops
from graphkit.graph import Graph, SelfLoops


def pair_of(x: Tensor | tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
    """The features of the sources and of the destinations."""
    source, root = (x, x) if isinstance(x, Tensor) else x
    for features in (source, root):
        if features is not None and features.dim() != 2:
            raise ValueError(f"x: expected shape [nodes, features], got {tuple(features.shape)}")
    return source, root


def column(edge_attr: Tensor) -> Tensor:
    """``[E]`` as ``[E, 1]``."""
    return edge_attr.unsqueeze(-1) if edge_attr.dim() == 1 else edge_attr


def scores(x: Tensor, *att: Tensor) -> tuple[Tensor, ...]:
    r""":math:`a_h^\top x_h` of every node and head, ``[nodes, heads]``, for several ``a``.

    One product with block-diagonal matrices, instead of products as large as ``x`` that are summed.

    Args:
        x: ``[nodes, heads, channels]``.
        *att: ``[1, heads, channels]`` each.
    """
    heads = x.size(1)
    eye = torch.eye(heads, dtype=x.dtype, device=x.device).unsqueeze(1)
    blocks = [(a.squeeze(0).unsqueeze(-1) * eye).flatten(0, 1) for a in att]
    return (x.flatten(1) @ torch.cat(blocks, dim=1)).chunk(len(att), dim=1)


def add_loops(
    layer: Any,
    edge_index: Any,
    nodes: tuple[Tensor, Tensor | None],
    size: tuple[int, int] | None,
    edge_attr: Tensor | None,
) -> tuple[Graph | SelfLoops, Tensor | None]:
    """What a layer attends over, and its edge features, with self-loops if it wants them."""
    graph = layer.graph_of(edge_index, size, nodes)
    if edge_attr is None and layer.edge_dim is not None:
        edge_attr = graph.edge_attr if graph.edge_attr is not None else graph.edge_weight
    if edge_attr is not None and edge_attr.size(0) != graph.num_edges:
        raise ValueError(
            f"edge_attr: expected {graph.num_edges} rows (edges), got {tuple(edge_attr.shape)}"
        )
    if not layer.add_self_loops:
        return graph, edge_attr
    loops = graph.self_loops
    if edge_attr is None:
        return loops, None
    fill = layer.fill_value
    if isinstance(fill, str):
        fill = _reduced(graph, edge_attr, "sum" if fill == "add" else fill)
    return loops, loops.extend(edge_attr, fill, keep=False)


def edges_of(graph: Graph | SelfLoops) -> Tensor:
    """``[2, E']``: the edges that were attended over."""
    return (graph.graph if isinstance(graph, SelfLoops) else graph).edge_index


def _reduced(graph: Graph, edge_attr: Tensor, reduce: str) -> Tensor:
    """For every loop: `edge_attr` reduced over the edges that come into its node from others."""
    no_loop, index = graph.cached("no_loop", lambda: _without_loops(graph))
    rows = edge_attr.index_select(0, no_loop)
    reduced = ops.segment_reduce(rows, index, None, graph.num_dst, 0, reduce)
    return reduced[: min(graph.num_src, graph.num_dst)]


def _without_loops(graph: Graph) -> tuple[Tensor, Tensor]:
    """The edges that are no loops, and where they end."""
    source, destination = graph.edge_index
    no_loop = (source != destination).nonzero().view(-1)
    return no_loop, destination.index_select(0, no_loop)
