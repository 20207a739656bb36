"""The table of layers and options that are held against PyTorch Geometric, and the comparison.

A row is a layer with options, and the graphs it is compared on. To add one, add a line to `ROWS`.
``python -m tests.nn.parity`` compares everything and writes ``docs/layers_status.csv``.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import graphkit.nn
from graphkit.engine import plan

STATUS = Path(__file__).parents[2] / "docs" / "layers_status.csv"
COLUMNS = ("layer", "options", "graphs", "float32", "float64", "path")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
F_IN, F_EDGE, NODES = 6, 3, 12

ONE_SET = ("plain", "isolated nodes", "duplicated edges", "self-loops", "no edges")
ALL = (*ONE_SET, "bipartite")


@dataclass(frozen=True)
class Row:
    """A layer of both libraries, ``make(graphkit.nn)`` and ``make(torch_geometric.nn)``.

    Args:
        options: in words, as in the table of the documentation.
        graphs: the kinds of graph it takes.
        edges: the shape of its edge input after the number of edges; None if it has none.
        edges_name: the name of that input.
    """

    layer: str
    options: str
    make: Callable[[Any], nn.Module]
    graphs: tuple[str, ...] = ONE_SET
    edges: tuple[int, ...] | None = None
    edges_name: str = "edge_attr"

    @property
    def id(self) -> str:
        return f"{self.layer}({self.options})"


def mlp(first: int, last: int) -> nn.Sequential:
    # Smooth, so that rounding never carries an input over a kink.
    return nn.Sequential(nn.Linear(first, 8), nn.Tanh(), nn.Linear(8, last))


MEAN_EXTREMA = ("mean", "max", "min")
HISTOGRAM = torch.tensor([0, 1, 2, 4, 4, 2, 1])
SCALERS = ("identity", "amplification", "attenuation")
WEIGHT = {"edges": (), "edges_name": "edge_weight"}
FEATURES = {"edges": (F_EDGE,)}


class FromStart(nn.Module):
    """A layer that is called with the initial features too, which are made from the others."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Any, **edges: Tensor) -> Tensor:
        return self.layer(x, x.flip(-1), edge_index, **edges)


def matrices() -> nn.Sequential:
    return nn.Sequential(nn.Linear(F_EDGE, 5), nn.Tanh(), nn.Linear(5, 4 * F_IN))


def pna(m: Any, out: int = 4, aggr: Any = MEAN_EXTREMA, scale: Any = SCALERS, **kwargs: Any):
    return m.PNAConv(F_IN, out, list(aggr), list(scale), HISTOGRAM, **kwargs)


def gcn2(m: Any, *args: Any, **kwargs: Any) -> nn.Module:
    return FromStart(m.GCN2Conv(F_IN, 0.1, *args, **kwargs))


class Typed(nn.Module):
    """A layer that is called with types of the edges, which their ends tell."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.layer(x, edge_index, edge_index.sum(0) % 4)  # of five relations one is empty


def rgcn(m: Any, *args: Any, **kwargs: Any) -> nn.Module:
    return Typed(m.RGCNConv(*args, num_relations=5, **kwargs))


class Signed(nn.Module):
    """A layer that is called with edges of two kinds; every third edge is a hostile one."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any, edge_index: Tensor) -> Tensor:
        hostile = torch.arange(edge_index.size(1)) % 3 == 0
        return self.layer(x, edge_index[:, ~hostile], edge_index[:, hostile])


def signed(m: Any, *args: Any, **kwargs: Any) -> nn.Module:
    return Signed(m.SignedConv(*args, **kwargs))


ROWS = [
    Row("GCNConv", "narrowing", lambda m: m.GCNConv(F_IN, 4)),
    Row("GCNConv", "widening", lambda m: m.GCNConv(F_IN, 9)),
    Row("GCNConv", "edge_weight", lambda m: m.GCNConv(F_IN, 4), **WEIGHT),
    Row("GCNConv", "edge_weight, widening", lambda m: m.GCNConv(F_IN, 9), **WEIGHT),
    Row("GCNConv", "edge_weight, improved", lambda m: m.GCNConv(F_IN, 4, improved=True), **WEIGHT),
    Row("GCNConv", "add_self_loops=False", lambda m: m.GCNConv(F_IN, 4, add_self_loops=False)),
    Row("GCNConv", "normalize=False", lambda m: m.GCNConv(F_IN, 4, normalize=False), **WEIGHT),
    Row("GCNConv", "bias=False", lambda m: m.GCNConv(F_IN, 4, bias=False)),
    Row("GCNConv", "aggr=max", lambda m: m.GCNConv(F_IN, 4, aggr="max")),
    Row("GCNConv", "flow reversed", lambda m: m.GCNConv(F_IN, 4, flow="target_to_source")),
    Row("SAGEConv", "narrowing", lambda m: m.SAGEConv(F_IN, 4), ALL),
    Row("SAGEConv", "widening", lambda m: m.SAGEConv(F_IN, 9), ALL),
    Row("SAGEConv", "aggr=max", lambda m: m.SAGEConv(F_IN, 4, aggr="max"), ALL),
    Row("SAGEConv", "aggr=min", lambda m: m.SAGEConv(F_IN, 4, aggr="min"), ALL),
    Row("SAGEConv", "aggr=sum", lambda m: m.SAGEConv(F_IN, 4, aggr="sum"), ALL),
    Row("SAGEConv", "aggr=std", lambda m: m.SAGEConv(F_IN, 4, aggr="std"), ("plain",)),
    Row("SAGEConv", "aggr=softmax", lambda m: m.SAGEConv(F_IN, 4, aggr="softmax"), ALL),
    Row(
        "SAGEConv",
        "aggr=[mean, max, softmax]",
        lambda m: m.SAGEConv(F_IN, 4, aggr=["mean", "max", "softmax"]),
        ALL,
    ),
    Row(
        "SAGEConv",
        "aggr=softmax, learnt",
        lambda m: m.SAGEConv(F_IN, 4, aggr="softmax", aggr_kwargs={"learn": True}),
        ALL,
    ),
    Row("SAGEConv", "project", lambda m: m.SAGEConv(F_IN, 4, project=True), ALL),
    Row("SAGEConv", "normalize", lambda m: m.SAGEConv(F_IN, 4, normalize=True), ALL),
    Row("SAGEConv", "root_weight=False", lambda m: m.SAGEConv(F_IN, 4, root_weight=False), ALL),
    Row("SAGEConv", "bias=False", lambda m: m.SAGEConv(F_IN, 4, bias=False), ALL),
    Row(
        "SAGEConv",
        "flow reversed",
        lambda m: m.SAGEConv(F_IN, 4, flow="target_to_source"),
    ),
    Row("GATConv", "one head", lambda m: m.GATConv(F_IN, 4), ALL),
    Row("GATConv", "heads=3", lambda m: m.GATConv(F_IN, 4, heads=3), ALL),
    Row("GATConv", "heads=3, concat=False", lambda m: m.GATConv(F_IN, 4, 3, concat=False), ALL),
    Row("GATConv", "residual", lambda m: m.GATConv(F_IN, 4, 2, residual=True), ALL),
    Row(
        "GATConv",
        "add_self_loops=False",
        lambda m: m.GATConv(F_IN, 4, 2, add_self_loops=False),
        ALL,
    ),
    Row("GATConv", "bias=False", lambda m: m.GATConv(F_IN, 4, 2, bias=False), ALL),
    Row("GATConv", "maps for both ends", lambda m: m.GATConv((F_IN, F_IN), 4, 2), ALL),
    Row("GATConv", "edge_dim", lambda m: m.GATConv(F_IN, 4, 2, edge_dim=F_EDGE), ALL, **FEATURES),
    Row(
        "GATConv",
        "edge_dim, fill_value=0.5",
        lambda m: m.GATConv(F_IN, 4, 2, edge_dim=F_EDGE, fill_value=0.5),
        ALL,
        **FEATURES,
    ),
    Row(
        "GATConv",
        "edge_dim, fill_value=max",
        lambda m: m.GATConv(F_IN, 4, 2, edge_dim=F_EDGE, fill_value="max"),
        ALL,
        **FEATURES,
    ),
    Row("GATConv", "edge_dim=1", lambda m: m.GATConv(F_IN, 4, 2, edge_dim=1), ALL, ()),
    Row("GATConv", "flow reversed", lambda m: m.GATConv(F_IN, 4, flow="target_to_source")),
    Row("GATv2Conv", "one head", lambda m: m.GATv2Conv(F_IN, 4), ALL),
    Row("GATv2Conv", "heads=3", lambda m: m.GATv2Conv(F_IN, 4, heads=3), ALL),
    Row("GATv2Conv", "heads=3, concat=False", lambda m: m.GATv2Conv(F_IN, 4, 3, concat=False), ALL),
    Row("GATv2Conv", "share_weights", lambda m: m.GATv2Conv(F_IN, 4, 2, share_weights=True), ALL),
    Row("GATv2Conv", "residual", lambda m: m.GATv2Conv(F_IN, 4, 2, residual=True), ALL),
    Row("GATv2Conv", "bias=False", lambda m: m.GATv2Conv(F_IN, 4, 2, bias=False), ALL),
    Row(
        "GATv2Conv",
        "add_self_loops=False",
        lambda m: m.GATv2Conv(F_IN, 4, 2, add_self_loops=False),
        ALL,
    ),
    Row(
        "GATv2Conv",
        "edge_dim",
        lambda m: m.GATv2Conv(F_IN, 4, 2, edge_dim=F_EDGE),
        ALL,
        **FEATURES,
    ),
    Row(
        "GATv2Conv",
        "edge_dim, fill_value=min",
        lambda m: m.GATv2Conv(F_IN, 4, 2, edge_dim=F_EDGE, fill_value="min"),
        ALL,
        **FEATURES,
    ),
    Row("TransformerConv", "one head", lambda m: m.TransformerConv(F_IN, 4), ALL),
    Row("TransformerConv", "heads=3", lambda m: m.TransformerConv(F_IN, 4, heads=3), ALL),
    Row(
        "TransformerConv",
        "heads=3, concat=False, beta",
        lambda m: m.TransformerConv(F_IN, 4, 3, concat=False, beta=True),
        ALL,
    ),
    Row("TransformerConv", "beta", lambda m: m.TransformerConv(F_IN, 4, 2, beta=True), ALL),
    Row(
        "TransformerConv",
        "root_weight=False",
        lambda m: m.TransformerConv(F_IN, 4, 2, root_weight=False),
        ALL,
    ),
    Row("TransformerConv", "bias=False", lambda m: m.TransformerConv(F_IN, 4, 2, bias=False), ALL),
    Row("TransformerConv", "maps for both ends", lambda m: m.TransformerConv((F_IN, F_IN), 4), ALL),
    Row(
        "TransformerConv",
        "edge_dim",
        lambda m: m.TransformerConv(F_IN, 4, 2, edge_dim=F_EDGE),
        ALL,
        **FEATURES,
    ),
    Row(
        "TransformerConv",
        "flow reversed",
        lambda m: m.TransformerConv(F_IN, 4, 2, flow="target_to_source"),
    ),
    Row("GPSConv", "conv=GCNConv", lambda m: m.GPSConv(F_IN, m.GCNConv(F_IN, F_IN), 2, act="tanh")),
    Row("GPSConv", "conv=None", lambda m: m.GPSConv(F_IN, None, heads=3, act="tanh")),
    Row(
        "GPSConv",
        "conv=GINEConv, norm=graph_norm",
        lambda m: m.GPSConv(F_IN, m.GINEConv(mlp(F_IN, F_IN)), act="elu", norm="graph_norm"),
        edges=(F_IN,),
    ),
    Row("GINConv", "eps=0", lambda m: m.GINConv(mlp(F_IN, 4)), ALL),
    Row("GINConv", "train_eps", lambda m: m.GINConv(mlp(F_IN, 4), eps=0.3, train_eps=True), ALL),
    Row("GINConv", "aggr=mean", lambda m: m.GINConv(mlp(F_IN, 4), aggr="mean"), ALL),
    Row("GINEConv", "edge_attr", lambda m: m.GINEConv(mlp(F_IN, 4)), ALL, (F_IN,)),
    Row(
        "GINEConv",
        "edge_dim, train_eps",
        lambda m: m.GINEConv(mlp(F_IN, 4), train_eps=True, edge_dim=F_EDGE),
        ALL,
        **FEATURES,
    ),
    Row("EdgeConv", "aggr=max", lambda m: m.EdgeConv(mlp(2 * F_IN, 4)), ALL),
    Row("EdgeConv", "aggr=mean", lambda m: m.EdgeConv(mlp(2 * F_IN, 4), aggr="mean"), ALL),
    Row("GraphConv", "narrowing", lambda m: m.GraphConv(F_IN, 4), ALL),
    Row("GraphConv", "widening", lambda m: m.GraphConv(F_IN, 9), ALL),
    Row("GraphConv", "edge_weight", lambda m: m.GraphConv(F_IN, 4), ALL, **WEIGHT),
    Row("GraphConv", "aggr=mean", lambda m: m.GraphConv(F_IN, 4, aggr="mean"), ALL),
    Row("GraphConv", "aggr=max", lambda m: m.GraphConv(F_IN, 4, aggr="max"), ALL, **WEIGHT),
    Row("GraphConv", "bias=False", lambda m: m.GraphConv(F_IN, 4, bias=False), ALL),
    Row("SGConv", "K=2, narrowing", lambda m: m.SGConv(F_IN, 4, 2)),
    Row("SGConv", "K=2, widening", lambda m: m.SGConv(F_IN, 9, 2)),
    Row("SGConv", "edge_weight", lambda m: m.SGConv(F_IN, 4), **WEIGHT),
    Row("SGConv", "add_self_loops=False", lambda m: m.SGConv(F_IN, 4, 2, add_self_loops=False)),
    Row("SGConv", "bias=False", lambda m: m.SGConv(F_IN, 4, bias=False)),
    Row("SGConv", "aggr=max", lambda m: m.SGConv(F_IN, 4, 2, aggr="max"), **WEIGHT),
    Row("SGConv", "flow reversed", lambda m: m.SGConv(F_IN, 4, 2, flow="target_to_source")),
    Row("TAGConv", "narrowing", lambda m: m.TAGConv(F_IN, 4)),
    Row("TAGConv", "widening", lambda m: m.TAGConv(F_IN, 9)),
    Row("TAGConv", "edge_weight", lambda m: m.TAGConv(F_IN, 4, K=2), **WEIGHT),
    Row("TAGConv", "edge_weight, widening", lambda m: m.TAGConv(F_IN, 9, K=2), **WEIGHT),
    Row("TAGConv", "normalize=False", lambda m: m.TAGConv(F_IN, 4, 2, normalize=False)),
    Row(
        "TAGConv",
        "normalize=False, edge_weight",
        lambda m: m.TAGConv(F_IN, 4, 2, normalize=False),
        **WEIGHT,
    ),
    Row("TAGConv", "bias=False", lambda m: m.TAGConv(F_IN, 4, bias=False)),
    Row("TAGConv", "flow reversed", lambda m: m.TAGConv(F_IN, 4, flow="target_to_source")),
    Row("APPNP", "K=4", lambda m: m.APPNP(4, 0.2)),
    Row("APPNP", "edge_weight", lambda m: m.APPNP(4, 0.2), **WEIGHT),
    Row("APPNP", "add_self_loops=False", lambda m: m.APPNP(4, 0.2, add_self_loops=False)),
    Row("APPNP", "normalize=False", lambda m: m.APPNP(4, 0.2, normalize=False)),
    Row(
        "APPNP",
        "normalize=False, edge_weight",
        lambda m: m.APPNP(4, 0.2, normalize=False),
        **WEIGHT,
    ),
    Row("APPNP", "flow reversed", lambda m: m.APPNP(4, 0.2, flow="target_to_source")),
    Row("GCN2Conv", "beta=1", lambda m: gcn2(m)),
    Row("GCN2Conv", "theta, layer", lambda m: gcn2(m, 0.5, 3)),
    Row("GCN2Conv", "shared_weights=False", lambda m: gcn2(m, 0.5, 3, False)),
    Row("GCN2Conv", "edge_weight", lambda m: gcn2(m, 0.5, 3), **WEIGHT),
    Row("GCN2Conv", "add_self_loops=False", lambda m: gcn2(m, add_self_loops=False)),
    Row("GCN2Conv", "normalize=False", lambda m: gcn2(m, normalize=False)),
    Row("GCN2Conv", "normalize=False, edge_weight", lambda m: gcn2(m, normalize=False), **WEIGHT),
    Row("GCN2Conv", "flow reversed", lambda m: gcn2(m, flow="target_to_source")),
    Row("ChebConv", "K=2, narrowing", lambda m: m.ChebConv(F_IN, 4, 2)),
    Row("ChebConv", "K=4, narrowing", lambda m: m.ChebConv(F_IN, 4, 4)),
    Row("ChebConv", "K=4, widening", lambda m: m.ChebConv(F_IN, 9, 4)),
    Row("ChebConv", "edge_weight", lambda m: m.ChebConv(F_IN, 4, 3), **WEIGHT),
    Row("ChebConv", "edge_weight, rw", lambda m: m.ChebConv(F_IN, 4, 3, "rw"), **WEIGHT),
    # Without edges L is 0, and PyTorch Geometric divides by its largest entry.
    Row("ChebConv", "no normalization", lambda m: m.ChebConv(F_IN, 4, 3, None), ONE_SET[:4]),
    Row(
        "ChebConv",
        "edge_weight, no normalization",
        lambda m: m.ChebConv(F_IN, 4, 3, None),
        ONE_SET[:4],
        **WEIGHT,
    ),
    Row("ChebConv", "bias=False", lambda m: m.ChebConv(F_IN, 4, 3, bias=False)),
    Row("ChebConv", "flow reversed", lambda m: m.ChebConv(F_IN, 4, 3, flow="target_to_source")),
    Row("ResGatedGraphConv", "defaults", lambda m: m.ResGatedGraphConv(F_IN, 4), ALL),
    Row("ResGatedGraphConv", "pair", lambda m: m.ResGatedGraphConv((F_IN, F_IN), 4), ALL),
    Row("ResGatedGraphConv", "act=tanh", lambda m: m.ResGatedGraphConv(F_IN, 4, nn.Tanh()), ALL),
    Row(
        "ResGatedGraphConv",
        "edge_dim",
        lambda m: m.ResGatedGraphConv(F_IN, 4, edge_dim=F_EDGE),
        ALL,
        **FEATURES,
    ),
    Row(
        "ResGatedGraphConv",
        "root_weight=False",
        lambda m: m.ResGatedGraphConv(F_IN, 4, root_weight=False),
        ALL,
    ),
    Row("ResGatedGraphConv", "bias=False", lambda m: m.ResGatedGraphConv(F_IN, 4, bias=False), ALL),
    Row("ResGatedGraphConv", "aggr=max", lambda m: m.ResGatedGraphConv(F_IN, 4, aggr="max"), ALL),
    Row(
        "ResGatedGraphConv",
        "flow reversed",
        lambda m: m.ResGatedGraphConv(F_IN, 4, flow="target_to_source"),
    ),
    Row("PNAConv", "mean, max, min", lambda m: pna(m)),
    Row("PNAConv", "std", lambda m: pna(m, aggr=("mean", "std")), ("plain",)),
    Row("PNAConv", "var", lambda m: pna(m, aggr=("var",))),
    Row("PNAConv", "linear scalers", lambda m: pna(m, scale=("linear", "inverse_linear"))),
    Row("PNAConv", "one scaler", lambda m: pna(m, aggr=("sum",), scale=("identity",))),
    Row("PNAConv", "train_norm", lambda m: pna(m, train_norm=True)),
    Row("PNAConv", "edge_dim", lambda m: pna(m, edge_dim=F_EDGE), **FEATURES),
    Row("PNAConv", "towers=2, edge_dim", lambda m: pna(m, towers=2, edge_dim=F_EDGE), **FEATURES),
    Row("PNAConv", "towers=2, divide_input", lambda m: pna(m, towers=2, divide_input=True)),
    Row("PNAConv", "pre_layers=2", lambda m: pna(m, towers=2, pre_layers=2, act="tanh")),
    Row("PNAConv", "post_layers=3", lambda m: pna(m, towers=2, post_layers=3, act="tanh")),
    Row("PNAConv", "flow reversed", lambda m: pna(m, flow="target_to_source")),
    Row("RGCNConv", "aggr=mean", lambda m: rgcn(m, F_IN, 4), ALL),
    Row("RGCNConv", "aggr=sum", lambda m: rgcn(m, F_IN, 4, aggr="sum"), ALL),
    Row("RGCNConv", "aggr=max", lambda m: rgcn(m, F_IN, 4, aggr="max"), ALL),
    Row("RGCNConv", "num_bases", lambda m: rgcn(m, F_IN, 4, num_bases=3), ALL),
    Row("RGCNConv", "num_blocks", lambda m: rgcn(m, (F_IN, F_IN), 4, num_blocks=2), ALL),
    Row("RGCNConv", "root_weight=False", lambda m: rgcn(m, F_IN, 4, root_weight=False), ALL),
    Row("RGCNConv", "bias=False", lambda m: rgcn(m, F_IN, 9, bias=False), ALL),
    Row("RGCNConv", "flow reversed", lambda m: rgcn(m, F_IN, 4, flow="target_to_source")),
    Row("SignedConv", "first_aggr, narrowing", lambda m: signed(m, F_IN, 4, True), ALL),
    Row("SignedConv", "first_aggr, widening", lambda m: signed(m, F_IN, 9, True), ALL),
    Row("SignedConv", "first_aggr=False", lambda m: signed(m, F_IN // 2, 4, False), ALL),
    Row("SignedConv", "aggr=max", lambda m: signed(m, F_IN // 2, 4, False, aggr="max"), ALL),
    Row("SignedConv", "bias=False", lambda m: signed(m, F_IN, 4, True, bias=False), ALL),
    Row(
        "SignedConv",
        "flow reversed",
        lambda m: signed(m, F_IN // 2, 4, False, flow="target_to_source"),
    ),
    Row("NNConv", "edge_attr", lambda m: m.NNConv(F_IN, 4, matrices()), ALL, **FEATURES),
    Row(
        "NNConv",
        "nn=Linear, aggr=mean",
        lambda m: m.NNConv((F_IN, F_IN), 4, nn.Linear(F_EDGE, 4 * F_IN, bias=False), "mean"),
        ALL,
        **FEATURES,
    ),
    Row("NNConv", "aggr=max", lambda m: m.NNConv(F_IN, 4, matrices(), "max"), ALL, **FEATURES),
    Row(
        "NNConv",
        "nn ends in Tanh",
        lambda m: m.NNConv(F_IN, 4, nn.Sequential(matrices(), nn.Tanh())),
        ALL,
        **FEATURES,
    ),
    Row(
        "NNConv",
        "root_weight=False, bias=False",
        lambda m: m.NNConv(F_IN, 4, matrices(), root_weight=False, bias=False),
        ALL,
        **FEATURES,
    ),
    Row("LGConv", "normalize", lambda m: m.LGConv()),
    Row("LGConv", "edge_weight", lambda m: m.LGConv(), **WEIGHT),
    Row("LGConv", "normalize=False, edge_weight", lambda m: m.LGConv(False), **WEIGHT),
    Row("LGConv", "flow reversed", lambda m: m.LGConv(flow="target_to_source")),
    Row("ARMAConv", "one layer", lambda m: m.ARMAConv(F_IN, 4, act=torch.tanh)),
    Row("ARMAConv", "stacks, layers", lambda m: m.ARMAConv(F_IN, 4, 2, 3, act=torch.tanh)),
    Row(
        "ARMAConv",
        "shared_weights, edge_weight",
        lambda m: m.ARMAConv(F_IN, 4, 2, 3, True, act=torch.tanh),
        **WEIGHT,
    ),
    Row("ARMAConv", "act=None, bias=False", lambda m: m.ARMAConv(F_IN, 4, act=None, bias=False)),
    Row("AGNNConv", "beta learnt", lambda m: m.AGNNConv()),
    Row("AGNNConv", "requires_grad=False", lambda m: m.AGNNConv(False)),
    Row("AGNNConv", "add_self_loops=False", lambda m: m.AGNNConv(add_self_loops=False)),
    Row("AGNNConv", "flow reversed", lambda m: m.AGNNConv(flow="target_to_source")),
    Row("GCN", "out_channels", lambda m: m.GCN(F_IN, 8, 3, 5, act="tanh"), **WEIGHT),
    Row("GCN", "norm=batch_norm, jk=cat", lambda m: m.GCN(F_IN, 8, 2, 5, act="tanh", **BN_JK)),
    Row("GraphSAGE", "jk=lstm", lambda m: m.GraphSAGE(F_IN, 8, 2, act="tanh", jk="lstm")),
    Row("GraphSAGE", "act_first", lambda m: m.GraphSAGE(F_IN, 8, 2, act="tanh", **FIRST)),
    Row("GIN", "norm=batch_norm, jk=last", lambda m: m.GIN(F_IN, 8, 2, act="tanh", **BN_LAST)),
    Row("GAT", "heads=2, out_channels", lambda m: m.GAT(F_IN, 8, 2, 5, act="tanh", heads=2)),
    Row("GAT", "v2, edge_dim, jk=max", lambda m: m.GAT(F_IN, 8, 2, act="tanh", **V2), **FEATURES),
]
BN_JK = {"norm": "batch_norm", "jk": "cat"}
BN_LAST = {"norm": "batch_norm", "jk": "last"}
FIRST = {"norm": "layer_norm", "act_first": True}
V2 = {"v2": True, "heads": 2, "jk": "max", "edge_dim": F_EDGE}


def edges_of(kind: str) -> tuple[Tensor, tuple[int, int]]:
    """Edges of a kind of graph, and the numbers of sources and destinations."""
    random = torch.Generator().manual_seed(ALL.index(kind))
    size = (NODES + 3, NODES) if kind == "bipartite" else (NODES, NODES)
    if kind == "no edges":
        return torch.empty(2, 0, dtype=torch.int64), size
    pairs = torch.cartesian_prod(torch.arange(size[0]), torch.arange(size[1])).t()
    if kind != "bipartite":
        pairs = pairs[:, pairs[0] != pairs[1]]
    edge_index = pairs[:, torch.randperm(pairs.size(1), generator=random)[:40]]
    if kind == "isolated nodes":
        edge_index = edge_index[:, (edge_index < NODES - 3).all(0)]
    elif kind == "duplicated edges":
        edge_index = torch.cat([edge_index, edge_index[:, :9], edge_index[:, :2]], dim=1)
    elif kind == "self-loops":
        edge_index = torch.cat([edge_index, torch.tensor([[0, 4, 5], [0, 4, 5]])], dim=1)
    return edge_index[:, torch.randperm(edge_index.size(1), generator=random)], size


def compare(row: Row, kind: str, dtype: torch.dtype) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Ours and PyG's: the output, then the gradient of every input and parameter, by name."""
    import torch_geometric.nn

    torch.manual_seed(1)
    edge_index, size = edges_of(kind)
    theirs = row.make(torch_geometric.nn).to(dtype)
    ours = row.make(graphkit.nn).to(dtype)
    for parameter in theirs.parameters():
        # Start values of 0 would hide what they are multiplied with.
        nn.init.normal_(parameter, std=0.5)
    ours.load_state_dict(theirs.state_dict(), strict=True)

    x = torch.randn(size[0], F_IN, dtype=dtype)
    inputs = {"x": x, "x_dst": torch.randn(size[1], F_IN, dtype=dtype)}
    if row.edges is not None:
        inputs[row.edges_name] = torch.rand(edge_index.size(1), *row.edges, dtype=dtype) + 0.1
    results = []
    for layer in (ours, theirs):
        leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
        given = {row.edges_name: leaves[row.edges_name]} if row.edges is not None else {}
        features = (leaves["x"], leaves["x_dst"]) if kind == "bipartite" else leaves["x"]
        out = layer(features, edge_index, **given)
        torch.manual_seed(2)
        out.backward(torch.randn(out.shape, dtype=dtype))
        grads = {f"gradient of {name}": leaf.grad for name, leaf in leaves.items()}
        grads |= {f"gradient of {name}": p.grad for name, p in layer.named_parameters()}
        results.append({"output": out.detach(), **grads})
    for name, found in results[0].items():
        expected = results[1][name]
        if found is None and expected is None:  # an input that nothing reads
            continue
        # No gradient where the other has one must mean that it is 0.
        found = torch.zeros_like(expected) if found is None else found
        expected = torch.zeros_like(found) if expected is None else expected
        yield name, found, expected


def difference(row: Row, dtype: torch.dtype) -> float:
    """The largest difference over all graphs of a row, relative to values above 1."""
    largest = 0.0
    for kind in row.graphs:
        for _, found, expected in compare(row, kind, dtype):
            if found.numel():
                gap = (found - expected).abs() / expected.abs().clamp(min=1)
                largest = max(largest, float(gap.max()))
    return largest


def path_of(row: Row) -> str:
    """Which way the engine takes: "fused", "plain", or both for the layers of a model."""
    torch.manual_seed(1)
    edge_index, _ = edges_of("plain")
    layer = row.make(graphkit.nn)
    given = {}
    if row.edges is not None:
        given[row.edges_name] = torch.rand(edge_index.size(1), *row.edges)
    layer(torch.randn(NODES, F_IN), edge_index, **given)
    layers = [m for m in layer.modules() if isinstance(m, graphkit.nn.MessagePassing)]
    paths = {"fused" if "fused" in plan.explain(one) else "plain" for one in layers}
    return " and ".join(sorted(paths)) or "no messages"


def status() -> list[dict[str, str]]:
    """The rows of ``docs/layers_status.csv``, computed."""
    table = []
    for row in ROWS:
        found = {dtype: difference(row, dtype) for dtype in TOLERANCE}
        classes = {
            dtype: f"< {limit:.0e}" if found[dtype] < limit else f"{found[dtype]:.0e}"
            for dtype, limit in TOLERANCE.items()
        }
        table.append(
            {
                "layer": row.layer,
                "options": row.options,
                "graphs": "; ".join(row.graphs),
                "float32": classes[torch.float32],
                "float64": classes[torch.float64],
                "path": path_of(row),
            }
        )
    return table


def main() -> None:
    with STATUS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(status())


if __name__ == "__main__":
    main()
