"""Linear maps that layers apply to nodes and edges apart, before they meet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkit.engine import dense, sparse
from graphkit.graph import Graph
from graphkit.nn.conv.attention import column
from graphkit.nn.linear import Linear, is_lazy


def joint(
    lins: Sequence[Linear], x: Tensor, biases: Sequence[Tensor | None] | None = None
) -> Sequence[Tensor]:
    """``lin(x)`` for every one of `lins`, with `x` (dense or sparse) read once.

    Args:
        biases: to take in place of their own.
    """
    if any(is_lazy(lin.weight) or lin.in_features != x.size(-1) for lin in lins):
        for lin in lins:
            lin(x)  # they take the size from x, or say that it does not fit
    biases = [lin.bias for lin in lins] if biases is None else biases
    return products(x, [lin.weight for lin in lins], biases)


def products(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]
) -> Sequence[Tensor]:
    r""":math:`x W^\top + b` for every pair of them."""
    sizes, bias = [weight.size(0) for weight in weights], None
    if any(b is not None for b in biases):
        zero = weights[0].new_zeros(max(sizes))
        pairs = zip(sizes, biases, strict=True)
        bias = torch.cat([zero[:size] if b is None else b for size, b in pairs])
    if x.layout == torch.strided:
        return dense.joint(x, weights, bias)
    out = sparse.matmul(x, torch.cat(list(weights)).t())
    return (out if bias is None else out + bias).split(sizes, dim=-1)


def edge_features(graph: Graph, edge_attr: Tensor | None, edge_dim: int | None) -> Tensor | None:
    """``[E, edge_dim]``, the graph's own where none are passed; None if there is no `edge_dim`."""
    if edge_dim is None:
        if edge_attr is not None:
            raise ValueError("edge_attr: expected None, as edge_dim was not given")
        return None
    edge_attr = graph.edge_attr if edge_attr is None else edge_attr
    if edge_attr is None:
        raise ValueError("edge_attr: expected features of the edges, as edge_dim asks for them")
    edge_attr = column(edge_attr)
    if edge_attr.shape != (graph.num_edges, edge_dim):
        raise ValueError(
            f"edge_attr: expected shape ({graph.num_edges}, {edge_dim}), "
            f"got {tuple(edge_attr.shape)}"
        )
    return edge_attr
