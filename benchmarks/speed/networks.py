"""The same networks in every library: who computes what, and with whose code.

Weights carry PyTorch Geometric's names, which are graphkit's, too; graphkit and PyTorch Geometric
load them as they are. Layers on DGL's graphs are in dgl_layers.py, and those that one writes
without a library in plain_layers.py.
"""

from __future__ import annotations

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
            layers.append(writer_of(system)(layer, *(part(weights[n], k) for n in weights), shape))
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


def writer_of(system: str) -> Callable[..., nn.Module]:
    if system == "dgl":
        from dgl_layers import dgl_layer as writer
    else:
        from plain_layers import plain_layer as writer
    return writer


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
