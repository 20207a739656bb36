"""The layers without a library: gather, compute, `index_add`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from networks import Shape, Written, scaled
from torch import Tensor, nn


@dataclass(frozen=True)
class Ends:
    """The graph of ``index-add``: both ends of every edge, and what follows from them."""

    source: Tensor
    destination: Tensor
    degree: Tensor
    with_loops: tuple[Tensor, Tensor, Tensor]  # both ends, and GCN's coefficient

    @classmethod
    def of(cls, edge_index: Tensor, nodes: int) -> Ends:
        source, destination = edge_index
        degree = torch.bincount(destination, minlength=nodes)
        own = torch.arange(nodes)
        j, i = torch.cat([source, own]), torch.cat([destination, own])
        scale = (degree + 1.0).rsqrt()
        return cls(source, destination, degree.float(), (j, i, scale[j] * scale[i]))


def added(m: Tensor, i: Tensor, nodes: int) -> Tensor:
    return m.new_zeros(nodes, *m.shape[1:]).index_add(0, i, m)


def extreme(m: Tensor, i: Tensor, nodes: int, reduce: str) -> Tensor:
    index = i.view(-1, *[1] * (m.dim() - 1)).expand_as(m)
    zeros = m.new_zeros(nodes, *m.shape[1:])
    return zeros.scatter_reduce(0, index, m, reduce, include_self=False)


def softmax(score: Tensor, i: Tensor, nodes: int) -> Tensor:
    score = (score - extreme(score.detach(), i, nodes, "amax")[i]).exp()
    return score / added(score, i, nodes)[i]


def plain_gcn(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    j, i, a = g.with_loops
    h = layer.linear("lin", x)
    return added(a.unsqueeze(-1) * h[j], i, len(x)) + layer.w["bias"]


def plain_sage(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    mean = added(x[g.source], g.destination, len(x)) / g.degree.clamp(min=1).unsqueeze(-1)
    return layer.linear("lin_l", mean) + layer.linear("lin_r", x)


def plain_sage_max(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    high = extreme(x[g.source], g.destination, len(x), "amax")
    return layer.linear("lin_l", high) + layer.linear("lin_r", x)


def plain_gin(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    m = x[g.source] if e is None else (x[g.source] + layer.linear("lin", e)).relu()
    return layer.perceptron("nn", (1 + layer.w["eps"]) * x + added(m, g.destination, len(x)))


def plain_gat(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    (j, i, _), h = g.with_loops, layer.heads(layer.linear("lin", x))
    of, to = (h * layer.w["att_src"]).sum(-1), (h * layer.w["att_dst"]).sum(-1)
    alpha = softmax(F.leaky_relu(of[j] + to[i], 0.2), i, len(x))
    return added(alpha.unsqueeze(-1) * h[j], i, len(x)).flatten(1) + layer.w["bias"]


def plain_gatv2(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    j, i, _ = g.with_loops
    of, to = (layer.heads(layer.linear(f"lin_{side}", x)) for side in "lr")
    of = of[j]
    alpha = softmax((F.leaky_relu(of + to[i], 0.2) * layer.w["att"]).sum(-1), i, len(x))
    return added(alpha.unsqueeze(-1) * of, i, len(x)).flatten(1) + layer.w["bias"]


def plain_resgated(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    k, q, v = (layer.linear(name, x) for name in ("lin_key", "lin_query", "lin_value"))
    m = torch.sigmoid(k[g.destination] + q[g.source]) * v[g.source]
    return added(m, g.destination, len(x)) + layer.linear("lin_skip", x) + layer.w["bias"]


def plain_edgeconv(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    x_i, x_j = x[g.destination], x[g.source]
    m = layer.linear("nn", torch.cat([x_i, x_j - x_i], dim=-1))
    return extreme(m, g.destination, len(x), "amax")


def plain_nnconv(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    assert e is not None
    theta = layer.perceptron("nn", e).view(len(e), x.size(1), -1)
    m = (x[g.source].unsqueeze(1) @ theta).squeeze(1)
    return added(m, g.destination, len(x)) + layer.linear("lin", x) + layer.w["bias"]


def plain_pna(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    along = [] if e is None else [layer.linear("edge_encoder", e)]
    both = torch.cat([x[g.destination], x[g.source], *along], dim=-1)
    m, i, n = layer.linear("pre_nns.0.0", both), g.destination, len(x)
    degree = g.degree.clamp(min=1).unsqueeze(-1)
    mean, square = added(m, i, n) / degree, added(m * m, i, n) / degree
    low, high = extreme(m, i, n, "amin"), extreme(m, i, n, "amax")
    out = torch.cat([x, scaled(layer, g.degree, mean, low, high, square)], dim=-1)
    return layer.linear("lin", layer.linear("post_nns.0.0", out))


def plain_transformer(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    q, k, v = (layer.heads(layer.linear(f"lin_{s}", x)) for s in ("query", "key", "value"))
    k, v = k[g.source], v[g.source]
    if e is not None:
        along = layer.heads(layer.linear("lin_edge", e))
        k, v = k + along, v + along
    score = (q[g.destination] * k).sum(-1) / math.sqrt(q.size(-1))
    alpha = softmax(score, g.destination, len(x))
    out = added(alpha.unsqueeze(-1) * v, g.destination, len(x))
    return out.flatten(1) + layer.linear("lin_skip", x)


def plain_gate(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    a, b = layer.linear("a", x), layer.linear("b", x)
    b_j = b[g.source]
    return added(torch.sigmoid(a[g.destination] + b_j) * b_j, g.destination, len(x))


def plain_mpnn(layer: Written, g: Ends, x: Tensor, e: Tensor | None) -> Tensor:
    assert e is not None
    m = layer.linear("lin", torch.cat([x[g.destination], x[g.source], e], dim=-1)).relu()
    return added(m, g.destination, len(x))


PLAIN: dict[str, Callable[..., Tensor]] = {
    "gcn": plain_gcn,
    "sage": plain_sage,
    "sage-max": plain_sage_max,
    "gin": plain_gin,
    "gine": plain_gin,
    "gat": plain_gat,
    "gatv2": plain_gatv2,
    "resgated": plain_resgated,
    "edgeconv": plain_edgeconv,
    "nnconv": plain_nnconv,
    "pna": plain_pna,
    "transformer": plain_transformer,
    "gate": plain_gate,
    "mpnn": plain_mpnn,
}


def plain_layer(
    name: str, parameters: dict[str, Tensor], buffers: dict[str, Tensor], s: Shape
) -> nn.Module:
    """A layer on the ends of the edges."""
    return Written(PLAIN[name], parameters, buffers, s)
