"""What the attention layers have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkit.graph import Graph, SelfLoops
from graphkit.nn.message_passing import reduce_edges


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


def attended(graph: Graph | SelfLoops, weight: Any) -> tuple[Tensor, Tensor]:
    """``[2, E']``: the edges that were attended over, and their ``[E', heads]`` attention."""
    return graph.listed(weight) if isinstance(graph, SelfLoops) else (graph.edge_index, weight)


def _reduced(graph: Graph, edge_attr: Tensor, reduce: str) -> Tensor:
    """For every loop: `edge_attr` reduced over the edges that come into its node from others."""
    if reduce not in _NEUTRAL:
        raise ValueError(f"fill_value: expected a number or one of {[*_NEUTRAL]}, got {reduce!r}")
    source, destination = graph.edge_index
    is_loop = (source == destination).view(-1, *[1] * (edge_attr.dim() - 1))
    others = torch.where(is_loop, _NEUTRAL[reduce], edge_attr)
    reduced = reduce_edges(graph, others, "sum" if reduce == "mean" else reduce)
    count = reduce_edges(graph, (~is_loop).to(edge_attr.dtype), "sum")
    if reduce == "mean":
        reduced = reduced / count.clamp(min=1)
    elif reduce != "sum":
        reduced = torch.where(count > 0, reduced, 0.0)
    return reduced[: min(graph.num_src, graph.num_dst)]


# What an edge that is left out counts for.
_NEUTRAL = {"sum": 0.0, "mean": 0.0, "max": -torch.inf, "min": torch.inf}
