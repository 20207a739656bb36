"""The same networks in every library: who computes what, and with whose code.

Weights carry PyTorch Geometric's names, which are graphkit's, too; graphkit and PyTorch Geometric
load them as they are. Of DGL the layer of its own is taken where it computes the same function, and
its message-passing functions where it has none. ``index-add`` is what one writes without a library:
gather, compute, `index_add`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from workloads import Workload

HEADS = 4
AGGREGATORS, SCALERS = ("mean", "min", "max", "std"), ("identity", "amplification", "attenuation")
WITH_EDGES = {"gine", "nnconv", "mpnn"}
MAY_HAVE_EDGES = {"pna", "transformer"}  # they have where molecules are computed


@dataclass(frozen=True)
class Shape:
    """Of one layer: its features, heads, features of an edge (or None), degrees of the nodes."""

    i: int
    o: int
    heads: int
    edge_dim: int | None
    degrees: Tensor
    cached: bool


def takes_edges(layer: str, molecules: bool) -> bool:
    """Whether a layer of this name reads features of edges."""
    return layer in WITH_EDGES or (molecules and layer in MAY_HAVE_EDGES)


class Network(nn.Module):
    """Layers with ReLU between them."""

    def __init__(self, layers: list[nn.Module], with_edges: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.with_edges = with_edges

    def forward(self, x: Tensor, edges: Any, edge_attr: Tensor) -> Tensor:
        for k, layer in enumerate(self.layers):
            x = layer(x, edges, edge_attr) if self.with_edges else layer(x, edges)
            if k < len(self.layers) - 1:
                x = x.relu()
        return x


def network_of(
    system: str,
    layer: str,
    workload: Workload,
    degrees: Tensor,
    weights: dict[str, dict[str, Tensor]] | None = None,
) -> Network:
    """A workload's network in a system's library, with the weights, if they are given.

    Args:
        degrees: of the nodes; PNA wants their distribution.
    """
    with_edges = takes_edges(layer, workload.molecules)
    edge_dim = workload.edge_dim if with_edges else None
    layers = []
    for k, (i, o) in enumerate(pairwise(workload.widths)):
        heads = 1 if k == len(workload.widths) - 2 else HEADS
        shape = Shape(i, o, heads, edge_dim, degrees, not workload.molecules)
        if system in ("dgl", "index-add"):
            assert weights is not None
            make = dgl_layer if system == "dgl" else plain_layer
            layers.append(make(layer, *(part(weights[kind], k) for kind in weights), shape))
        else:
            layers.append(library_layer(library_of(system), layer, shape))
    network = Network(layers, with_edges)
    if weights is not None and system not in ("dgl", "index-add"):
        network.load_state_dict(weights["parameters"] | weights["buffers"])
    return network


def part(weights: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The weights of one layer by its own names."""
    start = f"layers.{layer}."
    return {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}


def library_of(system: str) -> Any:
    if system.startswith("graphkit"):
        import graphkit.nn as library
    else:
        import torch_geometric.nn as library
    return library


# ------------------------------------------------------------------ graphkit, PyTorch Geometric


def library_layer(library: Any, layer: str, s: Shape) -> nn.Module:
    """A layer of graphkit.nn or of torch_geometric.nn: the same call makes either."""
    o = s.o // s.heads
    edge = {} if s.edge_dim is None else {"edge_dim": s.edge_dim}
    match layer:
        case "gcn":
            # graphkit keeps the coefficients on the graph.
            keep = {"cached": True} if s.cached and "torch_geometric" in library.__name__ else {}
            return library.GCNConv(s.i, s.o, **keep)
        case "sage":
            return library.SAGEConv(s.i, s.o)
        case "sage-max":
            return library.SAGEConv(s.i, s.o, aggr="max")
        case "gin":
            return library.GINConv(perceptron(s.i, s.o, s.o))
        case "gine":
            return library.GINEConv(perceptron(s.i, s.o, s.o), edge_dim=s.edge_dim)
        case "gat":
            return library.GATConv(s.i, o, heads=s.heads)
        case "gatv2":
            return library.GATv2Conv(s.i, o, heads=s.heads)
        case "resgated":
            return library.ResGatedGraphConv(s.i, s.o)
        case "edgeconv":
            return library.EdgeConv(nn.Linear(2 * s.i, s.o))
        case "nnconv":
            return library.NNConv(s.i, s.o, perceptron(s.edge_dim or 0, 32, s.i * s.o))
        case "pna":
            deg = torch.bincount(s.degrees)
            return library.PNAConv(s.i, s.o, list(AGGREGATORS), list(SCALERS), deg, **edge)
        case "transformer":
            return library.TransformerConv(s.i, o, heads=s.heads, **edge)
        case "gate":
            return gate_layer(library)(s.i, s.o)
        case "mpnn":
            return mpnn_layer(library)(s.i, s.o, s.edge_dim)
    raise ValueError(f"layer: {layer!r} is unknown")


def perceptron(i: int, hidden: int, o: int) -> nn.Module:
    return nn.Sequential(nn.Linear(i, hidden), nn.ReLU(), nn.Linear(hidden, o))


def gate_layer(library: Any) -> Any:
    """A layer that a user wrote, whose message is elementwise."""

    class Gate(library.MessagePassing):
        def __init__(self, i: int, o: int) -> None:
            super().__init__(aggr="sum")
            self.a, self.b = nn.Linear(i, o), nn.Linear(i, o)

        def forward(self, x, edge_index):
            return self.propagate(edge_index, a=self.a(x), b=self.b(x))

        def message(self, a_i, b_j):
            return torch.sigmoid(a_i + b_j) * b_j

    return Gate


def mpnn_layer(library: Any) -> Any:
    """A layer that a user wrote, whose message is a linear layer of both ends and the edge."""

    class MPNN(library.MessagePassing):
        def __init__(self, i: int, o: int, edge_dim: int) -> None:
            super().__init__(aggr="sum")
            self.lin = nn.Linear(2 * i + edge_dim, o)

        def forward(self, x, edge_index, edge_attr):
            return self.propagate(edge_index, x=x, edge_attr=edge_attr)

        def message(self, x_i, x_j, edge_attr):
            return self.lin(torch.cat([x_i, x_j, edge_attr], dim=-1)).relu()

    return MPNN


# ------------------------------------------------------------------ weights


def fresh_weights(network: nn.Module, seed: int) -> dict[str, dict[str, Tensor]]:
    """Parameters with random entries, no bias zero, and buffers, by their names."""
    generator = torch.Generator().manual_seed(seed)
    parameters = {}
    for name, value in network.named_parameters():
        scale = 0.1 if value.dim() < 2 else 0.5 * value.size(-1) ** -0.5
        parameters[name] = scale * torch.randn(value.shape, generator=generator)
    return {"parameters": parameters, "buffers": dict(network.named_buffers())}


class Written(nn.Module):
    """A layer as a function of its weights, the graph and the features.

    Attributes:
        w: the weights by PyTorch Geometric's names; buffers, too.
        conv: a layer of the library's own, with the same weights, where the function calls one.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        shape: Shape,
        conv: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.function, self.shape, self.conv = function, shape, conv
        own = {name: nn.Parameter(value.clone()) for name, value in parameters.items()}
        self.parameters_of = nn.ParameterDict({n.replace(".", "/"): p for n, p in own.items()})
        self.w = own | buffers

    def forward(self, x: Tensor, edges: Any, edge_attr: Tensor | None = None) -> Tensor:
        return self.function(self, edges, x, edge_attr)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))

    def perceptron(self, name: str, x: Tensor) -> Tensor:
        return self.linear(f"{name}.2", self.linear(f"{name}.0", x).relu())

    def heads(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), self.shape.heads, -1)


def scaled(layer: Written, degree: Tensor, mean: Tensor, low: Tensor, high: Tensor, square: Tensor):
    """PNA's aggregations times its scalers, from which one linear layer makes the output."""
    var = (square - mean * mean).clamp(min=1e-5)
    std = torch.where(var > 1e-5, var.sqrt(), 0.0)
    out = torch.cat([mean, low, high, std], dim=-1)
    log, usual = (degree + 1).log().unsqueeze(-1), layer.w["aggr_module.avg_deg_log"]
    seen = degree.clamp(min=1).add(1).log().unsqueeze(-1)
    return torch.cat([out, out * (log / usual), out * (usual / seen)], dim=-1)


# ------------------------------------------------------------------ DGL


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


# ------------------------------------------------------------------ without a library


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
