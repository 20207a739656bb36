"""Models by name, built from a recipe's settings for a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn import (
    APPNP,
    GCNII,
    MLP,
    ChebConv,
    ConvStack,
    Dropout,
    GATConv,
    GATv2Conv,
    GCNConv,
    GCNEConv,
    GINConv,
    GINEConv,
    GPSConv,
    GraphConv,
    Linear,
    PNAConv,
    ResGatedGraphConv,
    SAGEConv,
    SGConv,
)
from graphkit.nn.encoders import CategoricalEncoder

Settings = SimpleNamespace


@dataclass(frozen=True)
class Interface:
    """What a model is built between.

    Attributes:
        features: Columns of `x`; or, where they hold categories, the number of each column's.
        edges: The same of `edge_attr`; 0 if there is none.
        outputs: Size of the output; of an encoder under a head, of its features.
        plain_last: Whether the last layer's result is the prediction itself, or is read by a head.
        degrees: Counts, for who asks, ``[d]`` how many nodes of the training graphs have 0, 1, ...
            incoming edges.
    """

    features: int | list[int]
    edges: int | list[int]
    outputs: int
    plain_last: bool
    degrees: Callable[[], Tensor]


Build = Callable[[int, Interface, Settings], nn.Module]
"""From the number of features that come in, the interface and the settings to the layers."""


class Encoder(nn.Module):
    """Features of the nodes from a graph: what prepares the input, and layers."""

    def __init__(self, inputs: nn.Module, layers: nn.Module) -> None:
        super().__init__()
        self.inputs = inputs
        self.layers = layers

    def forward(self, x: Tensor, graph: Any) -> Tensor:
        return self.layers(self.inputs(x), graph)


def build(name: str, interface: Interface, settings: Settings) -> Encoder:
    """The encoder of that name."""
    features = interface.features
    if isinstance(features, list):
        inputs: nn.Module = CategoricalEncoder(features, settings.hidden)
        features = settings.hidden
    else:
        inputs = Dropout(settings.input_dropout)
    return Encoder(inputs, MODELS[name](features, interface, settings))


def degrees_of(graphs: Sequence[Graph]) -> Tensor:
    """Histogram of the in-degrees in all graphs."""
    return torch.bincount(torch.cat([graph.in_degree for graph in graphs]).long())


class _WithCategories(nn.Module):
    """A layer that is given the embeddings of its edges' categories."""

    def __init__(self, conv: nn.Module, sizes: list[int], channels: int) -> None:
        super().__init__()
        self.conv = conv
        self.edges = CategoricalEncoder(sizes, channels)

    def forward(self, x: Tensor, graph: Any) -> Tensor:
        return self.conv(x, graph, edge_attr=self.edges(graph.edge_attr))


def _norm_kwargs(norm: str | None) -> dict[str, Any] | None:
    """The last batch of an epoch may be a molecule of one atom, which has no statistics."""
    return {"allow_single_element": True} if norm == "batch_norm" else None


def _stack(conv: Callable[[int, int, bool, int | None, Interface, Settings], nn.Module]) -> Build:
    """Layers of a kind: ``conv(in, out, to_output, edge_dim, interface, settings)``."""

    def build(features: int, io: Interface, s: Settings) -> nn.Module:
        def layer(in_channels: int, out_channels: int, to_output: bool) -> nn.Module:
            if isinstance(io.edges, list):
                made = conv(in_channels, out_channels, to_output, in_channels, io, s)
                return _WithCategories(made, io.edges, in_channels)
            return conv(in_channels, out_channels, to_output, io.edges or None, io, s)

        return ConvStack(
            layer,
            features,
            s.hidden,
            s.layers,
            io.outputs,
            dropout=s.dropout,
            act=s.act,
            norm=s.norm,
            norm_kwargs=_norm_kwargs(s.norm),
            residual=s.residual,
            jk=s.jk,
            plain_last=io.plain_last,
            virtual_node=s.virtual_node,
        )

    return build


def _gat(kind: type) -> Build:
    def conv(
        i: int, o: int, to_output: bool, edge_dim: int | None, io: Interface, s: Settings
    ) -> nn.Module:
        heads = s.out_heads if to_output else s.heads
        width = o if to_output else o // s.heads
        options = {"dropout": s.attention_dropout, "edge_dim": edge_dim}
        return kind(i, width, heads=heads, concat=not to_output, **options)

    return _stack(conv)


def _mlp_of(i: int, o: int, s: Settings) -> nn.Module:
    norm = "batch_norm"
    return MLP([i, s.mlp_hidden or o, o], norm=norm, norm_kwargs=_norm_kwargs(norm))


def _gin(i: int, o: int, _: bool, edge_dim: int | None, io: Interface, s: Settings) -> nn.Module:
    if edge_dim is None:
        return GINConv(_mlp_of(i, o, s), train_eps=s.train_eps)
    own = None if isinstance(io.edges, list) else edge_dim
    return GINEConv(_mlp_of(i, o, s), train_eps=s.train_eps, edge_dim=own)


def _gine(i: int, o: int, _: bool, edge_dim: int | None, io: Interface, s: Settings) -> nn.Module:
    if edge_dim is None:
        raise ValueError("model: gine needs features on the edges, and these graphs have none")
    return _gin(i, o, _, edge_dim, io, s)


def _gcn(i: int, o: int, _: bool, edge_dim: int | None, io: Interface, s: Settings) -> nn.Module:
    if edge_dim is None:
        return GCNConv(i, o)
    return GCNEConv(i, o, edge_dim=None if isinstance(io.edges, list) else edge_dim)


def _pna(i: int, o: int, _: bool, edge_dim: int | None, io: Interface, s: Settings) -> nn.Module:
    return PNAConv(
        i,
        o,
        aggregators=s.aggregators,
        scalers=s.scalers,
        deg=io.degrees(),
        edge_dim=edge_dim,
        towers=s.towers if i % s.towers == 0 and o % s.towers == 0 else 1,
    )


def _sage(i: int, o: int, *rest: Any) -> nn.Module:
    aggregator = rest[-1].aggregator
    if aggregator not in ("mean", "gcn"):
        raise ValueError(f"aggregator: expected mean or gcn, got {aggregator!r}")
    if aggregator == "mean":
        return SAGEConv(i, o)
    return _WithItself(SAGEConv(i, o, root_weight=False))


class _WithItself(nn.Module):
    """A layer to which every node is one of its own neighbours."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.conv(x, graph.self_loops.graph)


def _graphconv(i: int, o: int, *_: Any) -> nn.Module:
    return GraphConv(i, o)


def _cheb(i: int, o: int, _: bool, edge_dim: int | None, io: Interface, s: Settings) -> nn.Module:
    return ChebConv(i, o, s.K)


def _gatedgcn(i: int, o: int, _: bool, edge_dim: int | None, *rest: Any) -> nn.Module:
    return ResGatedGraphConv(i, o, edge_dim=edge_dim)


class _GPS(nn.Module):
    """Layers of local messages and global attention between two linear maps."""

    def __init__(self, features: int, io: Interface, s: Settings) -> None:
        super().__init__()
        self.first = Linear(features, s.hidden)
        self.layers = nn.ModuleList()
        for _ in range(s.layers):
            edge_dim = s.hidden if isinstance(io.edges, list) else io.edges or None
            local = _gin(s.hidden, s.hidden, False, edge_dim, io, s)
            if isinstance(io.edges, list):
                local = _WithCategories(local, io.edges, s.hidden)
            self.layers.append(
                GPSConv(
                    s.hidden,
                    local,
                    heads=s.heads,
                    dropout=s.dropout,
                    norm=s.norm,
                    norm_kwargs=_norm_kwargs(s.norm),
                )
            )
        self.last = Linear(s.hidden, io.outputs) if io.plain_last else nn.Identity()

    def forward(self, x: Tensor, graph: Any) -> Tensor:
        h = self.first(x)
        for layer in self.layers:
            h = layer(h, graph, graph.batch)
        return self.last(h)


class _Propagated(nn.Module):
    """Predict, then propagate."""

    def __init__(self, predict: nn.Module, propagate: nn.Module) -> None:
        super().__init__()
        self.predict = predict
        self.propagate = propagate

    def forward(self, x: Tensor, graph: Any) -> Tensor:
        return self.propagate(self.predict(x), graph)


class _NodesAlone(nn.Module):
    """A model that heeds no edges."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, graph: Any) -> Tensor:
        return self.model(x)


def _perceptron(features: int, io: Interface, s: Settings) -> MLP:
    return MLP(
        [features, *[s.hidden] * (s.layers - 1), io.outputs],
        dropout=s.dropout,
        act=s.act,
        norm=s.norm,
        norm_kwargs=_norm_kwargs(s.norm),
        plain_last=io.plain_last,
    )


def _mlp(features: int, io: Interface, s: Settings) -> nn.Module:
    return _NodesAlone(_perceptron(features, io, s))


def _appnp(features: int, io: Interface, s: Settings) -> nn.Module:
    propagate = APPNP(s.K, s.alpha, dropout=s.edge_dropout)
    return _Propagated(_perceptron(features, io, s), propagate)


def _gcn2(features: int, io: Interface, s: Settings) -> nn.Module:
    return GCNII(
        features,
        s.hidden,
        s.layers,
        io.outputs,
        alpha=s.alpha,
        theta=s.theta,
        dropout=s.dropout,
    )


def _sgc(features: int, io: Interface, s: Settings) -> nn.Module:
    return SGConv(features, io.outputs, K=s.K)


READ_EDGES = {"gcn", "gat", "gatv2", "gin", "gine", "pna", "gatedgcn", "gps"}
"""Those that can use features of edges."""

MODELS: dict[str, Build] = {
    "gcn": _stack(_gcn),
    "sage": _stack(_sage),
    "gat": _gat(GATConv),
    "gatv2": _gat(GATv2Conv),
    "gin": _stack(_gin),
    "gine": _stack(_gine),
    "pna": _stack(_pna),
    "cheb": _stack(_cheb),
    "sgc": _sgc,
    "appnp": _appnp,
    "gcn2": _gcn2,
    "graphconv": _stack(_graphconv),
    "gatedgcn": _stack(_gatedgcn),
    "gps": _GPS,
    "mlp": _mlp,
}
"""Encoders by name."""
