"""The layers on DGL's graphs: its own where it computes the same function, else its operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from networks import Shape, Written, perceptron, scaled
from torch import Tensor, nn


def dgl_layer(
    name: str, parameters: dict[str, Tensor], buffers: dict[str, Tensor], s: Shape
) -> nn.Module:
    """A layer on DGL's graphs."""
    import dgl.nn as library

    o, conv, copies = s.o // s.heads, None, {}
    match name:
        case "gcn":
            conv = library.GraphConv(s.i, s.o, allow_zero_in_degree=True)
            copies = {"weight": parameters["lin.weight"].T, "bias": parameters["bias"]}
        case "sage":
            conv = library.SAGEConv(s.i, s.o, "mean")
            copies = {
                "fc_neigh.weight": parameters["lin_l.weight"],
                "fc_self.weight": parameters["lin_r.weight"],
                "fc_self.bias": parameters["lin_l.bias"],
            }
        case "gin" | "gine":
            library_conv = library.GINConv if name == "gin" else library.GINEConv
            conv = library_conv(perceptron(s.i, s.o, s.o))
            copies = {f"apply_func.{k[3:]}": v for k, v in parameters.items() if k[:3] == "nn."}
        case "gat":
            conv = library.GATConv(s.i, o, s.heads, allow_zero_in_degree=True)
            copies = {
                "fc.weight": parameters["lin.weight"],
                "attn_l": parameters["att_src"],
                "attn_r": parameters["att_dst"],
                "bias": parameters["bias"],
            }
        case "gatv2":
            conv = library.GATv2Conv(s.i, o, s.heads, allow_zero_in_degree=True)
            copies = {
                "fc_src.weight": parameters["lin_l.weight"],
                "fc_src.bias": parameters["lin_l.bias"],
                "fc_dst.weight": parameters["lin_r.weight"],
                "fc_dst.bias": parameters["lin_r.bias"],
                "attn": parameters["att"],
            }
        case "edgeconv":
            # theta (x_i - x_j) + phi x_i: DGL's difference has the other sign.
            conv = library.EdgeConv(s.i, s.o, allow_zero_in_degree=True)
            phi, theta = parameters["nn.weight"].split(s.i, dim=1)
            copies = {"theta.weight": -theta, "phi.weight": phi, "phi.bias": parameters["nn.bias"]}
            conv.theta.bias = None
        case "nnconv":
            conv = library.NNConv(s.i, s.o, perceptron(s.edge_dim or 0, 32, s.i * s.o), "sum")
            copies = {f"edge_func.{k[3:]}": v for k, v in parameters.items() if k[:3] == "nn."}
            copies["bias"] = parameters["bias"]
    if conv is not None:
        found = dict(conv.named_parameters())
        if found.keys() != copies.keys():
            raise ValueError(f"{name}: no weights for {found.keys() ^ copies.keys()}")
        with torch.no_grad():
            for key, value in copies.items():
                found[key].copy_(value)
    return Written(DGL[name], parameters, buffers, s, conv)


def dgl_sage_max(layer: Written, g: Any, x: Tensor, e: Tensor | None) -> Tensor:
    import dgl.ops

    return layer.linear("lin_l", dgl.ops.copy_u_max(g, x)) + layer.linear("lin_r", x)


def dgl_resgated(layer: Written, g: Any, x: Tensor, e: Tensor | None) -> Tensor:
    import dgl.ops

    k, q, v = (layer.linear(name, x) for name in ("lin_key", "lin_query", "lin_value"))
    gate = dgl.ops.u_add_v(g, q, k).sigmoid()
    return dgl.ops.u_mul_e_sum(g, v, gate) + layer.linear("lin_skip", x) + layer.w["bias"]


def dgl_gate(layer: Written, g: Any, x: Tensor, e: Tensor | None) -> Tensor:
    import dgl.ops

    a, b = layer.linear("a", x), layer.linear("b", x)
    return dgl.ops.u_mul_e_sum(g, b, dgl.ops.u_add_v(g, b, a).sigmoid())


def dgl_mpnn(layer: Written, g: Any, x: Tensor, e: Tensor | None) -> Tensor:
    import dgl.function as fn

    def message(edges):
        both = torch.cat([edges.dst["x"], edges.src["x"], edges.data["e"]], dim=-1)
        return {"m": layer.linear("lin", both).relu()}

    with g.local_scope():
        g.ndata["x"], g.edata["e"] = x, e
        g.update_all(message, fn.sum("m", "out"))
        return g.ndata["out"]


def dgl_transformer(layer: Written, g: Any, x: Tensor, e: Tensor | None) -> Tensor:
    import dgl.ops

    q, k, v = (layer.heads(layer.linear(f"lin_{s}", x)) for s in ("query", "key", "value"))
    score = dgl.ops.u_dot_v(g, k, q)
    along = None if e is None else layer.heads(layer.linear("lin_edge", e))
    if along is not None:
        score = score + dgl.ops.e_dot_v(g, along, q)
    alpha = dgl.ops.edge_softmax(g, score / math.sqrt(q.size(-1)))
    out = dgl.ops.u_mul_e_sum(g, v, alpha)
    if along is not None:
        out = out + dgl.ops.copy_e_sum(g, along * alpha)
    return out.flatten(1) + layer.linear("lin_skip", x)


def dgl_pna(layer: Written, g: Any, x: Tensor, e: Tensor | None) -> Tensor:
    import dgl.ops

    # The linear layer of a message, split as DGL's guide advises: nodes are fewer than edges.
    weights = layer.w["pre_nns.0.0.weight"].split(x.size(1), dim=1)
    to, of = F.linear(x, weights[0], layer.w["pre_nns.0.0.bias"]), F.linear(x, weights[1])
    m = dgl.ops.u_add_v(g, of, to)
    if e is not None:
        m = m + F.linear(layer.linear("edge_encoder", e), weights[2])
    degree = g.in_degrees().to(x.dtype)
    mean, low, high = (getattr(dgl.ops, f"copy_e_{s}")(g, m) for s in ("mean", "min", "max"))
    out = scaled(layer, degree, mean, low, high, dgl.ops.copy_e_mean(g, m * m))
    return layer.linear("lin", layer.linear("post_nns.0.0", torch.cat([x, out], dim=-1)))


DGL: dict[str, Callable[..., Tensor]] = {
    "gcn": lambda layer, g, x, e: layer.conv(g, x),
    "sage": lambda layer, g, x, e: layer.conv(g, x),
    "sage-max": dgl_sage_max,
    "gin": lambda layer, g, x, e: layer.conv(g, x),
    "gine": lambda layer, g, x, e: layer.conv(g, x, layer.linear("lin", e)),
    "gat": lambda layer, g, x, e: layer.conv(g, x).flatten(1),
    "gatv2": lambda layer, g, x, e: layer.conv(g, x).flatten(1) + layer.w["bias"],
    "resgated": dgl_resgated,
    "edgeconv": lambda layer, g, x, e: layer.conv(g, x),
    "nnconv": lambda layer, g, x, e: layer.conv(g, x, e) + layer.linear("lin", x),
    "pna": dgl_pna,
    "transformer": dgl_transformer,
    "gate": dgl_gate,
    "mpnn": dgl_mpnn,
}
