"""Models of any depth from one kind of layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.conv import GATConv, GATv2Conv, GCNConv, GINConv, PNAConv, SAGEConv
from graphkit.nn.dropout import Dropout
from graphkit.nn.inits import reset
from graphkit.nn.message_passing import MessagePassing
from graphkit.nn.models.jumping_knowledge import JumpingKnowledge
from graphkit.nn.models.mlp import MLP
from graphkit.nn.resolver import activation_of, norm_of, takes_batch
from graphkit.nn.virtual_node import VirtualNode


class BasicGNN(nn.Module):
    r"""Layers of one kind, each followed by normalisation, activation and dropout:
    :math:`h^{(l+1)} = \mathrm{dropout}(\sigma(\mathrm{norm}(\mathrm{conv}(h^{(l)}))))`.

    A subclass names its layer in :meth:`init_conv`. Every model is an encoder of nodes: give it no
    ``out_channels`` and put a head on it (:class:`Predictor`), or let its last layer map to
    ``out_channels``.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input; a pair
            (sources, destinations) where the layer takes one.
        hidden_channels: size of the hidden features.
        num_layers: number of layers.
        out_channels: size of the output; default is `hidden_channels`.
        dropout: probability after every hidden layer (GAT: of leaving out edges, too).
        act: name of an activation in torch.nn, a callable or None.
        act_first: apply the activation before the normalisation.
        act_kwargs: arguments of the activation.
        norm: "batch_norm", "layer_norm", "graph_norm", "pair_norm", a module or None.
        norm_kwargs: arguments of the normalisation.
        residual: add the input of a layer to its result, :math:`h^{(l+1)} + h^{(l)}`, wherever
            the two have one size (He et al. 2016).
        plain_last: leave normalisation, activation and dropout out of the last layer. Where a
            head reads the features of a graph, it is better off with them.
        virtual_node: tie all nodes of a graph to a :class:`~graphkit.nn.VirtualNode`, before every
            layer; `in_channels` must be `hidden_channels` then.
        jk: None; or how to combine the features of all layers, "last", "cat", "max" or "lstm",
            after which a linear map gives the output.
        **kwargs: of the layers.
    """

    supports_edge_weight: bool
    supports_edge_attr: bool

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        act: str | Callable[[Tensor], Tensor] | None = "relu",
        act_first: bool = False,
        act_kwargs: dict[str, Any] | None = None,
        norm: str | Callable[..., Tensor] | None = None,
        norm_kwargs: dict[str, Any] | None = None,
        jk: str | None = None,
        residual: bool = False,
        plain_last: bool = True,
        virtual_node: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.out_channels = hidden_channels if out_channels is None else out_channels
        self.dropout = Dropout(dropout)
        self.act = activation_of(act, **(act_kwargs or {}))
        self.act_first = act_first
        self.norm = norm if isinstance(norm, str) else None
        self.norm_kwargs = norm_kwargs
        self.jk_mode = jk
        self.residual = residual

        if not plain_last and self.out_channels != hidden_channels:
            raise ValueError(
                f"plain_last: expected True, as out_channels={out_channels} differs from "
                f"hidden_channels={hidden_channels}, got False"
            )
        if virtual_node and in_channels != hidden_channels:
            raise ValueError(
                f"virtual_node: expected False, as in_channels={in_channels} differs from "
                f"hidden_channels={hidden_channels}, got True"
            )
        self.plain_last = plain_last and jk is None
        to_output = self.plain_last and out_channels is not None
        pair = isinstance(in_channels, (tuple, list))
        hidden = (hidden_channels, hidden_channels) if pair else hidden_channels
        self.convs = nn.ModuleList()
        for i in range(num_layers):
            last = i == num_layers - 1
            self.convs.append(
                self.init_conv(
                    in_channels if i == 0 else hidden,
                    self.out_channels if last and jk is None else hidden_channels,
                    to_output=last and to_output,
                    **kwargs,
                )
            )
        one = norm_of(norm, hidden_channels, **(norm_kwargs or {}))
        after_hidden = nn.Identity() if one is None else one
        after_last = nn.Identity() if self.plain_last else after_hidden
        self.norms = nn.ModuleList(
            copy.deepcopy(after_last if i == num_layers - 1 else after_hidden)  # type: ignore[misc]
            for i in range(num_layers)
        )
        self.virtual = VirtualNode(hidden_channels, num_layers, dropout) if virtual_node else None
        self.supports_norm_batch = isinstance(one, nn.Module) and takes_batch(one)
        if jk is not None:
            if jk != "last":
                self.jk = JumpingKnowledge(jk, hidden_channels, num_layers)
            width = hidden_channels * (num_layers if jk == "cat" else 1)
            self.lin = nn.Linear(width, self.out_channels)

    def init_conv(
        self, in_channels: Any, out_channels: int, to_output: bool, **kwargs: Any
    ) -> MessagePassing:
        """A layer; ``to_output`` says that it is the last and maps to the output."""
        raise NotImplementedError(f"{type(self).__name__} must define init_conv")

    def reset_parameters(self) -> None:
        for child in self.children():
            reset(child)

    def forward(
        self,
        x: Tensor,
        edge_index: Any,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """``[N, out_channels]``; ``batch`` and ``batch_size`` are for normalisations that work
        graph by graph, and for the virtual node; they are
        taken from a batched Graph if not given."""
        by_graph = self.supports_norm_batch or self.virtual is not None
        if batch is None and by_graph and isinstance(edge_index, Graph):
            batch, batch_size = edge_index.batch, edge_index.num_graphs
        edges = {}
        if self.supports_edge_weight:
            edges["edge_weight"] = edge_weight
        if self.supports_edge_attr:
            edges["edge_attr"] = edge_attr
        xs, v = [], None
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if self.virtual is not None:
                x, v = self.virtual(x, v, i, batch, batch_size)
            before, x = x, conv(x, edge_index, **edges)
            if i == self.num_layers - 1 and self.plain_last:
                return x
            if self.act is not None and self.act_first:
                x = self.act(x)
            x = norm(x, batch, batch_size) if self.supports_norm_batch else norm(x)
            if self.act is not None and not self.act_first:
                x = self.act(x)
            x = self.dropout(x)
            if self.residual and isinstance(before, Tensor) and before.shape == x.shape:
                x = x + before
            xs.append(x)
        if self.jk_mode is None:
            return x
        return self.lin(self.jk(xs) if hasattr(self, "jk") else x)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_layers={self.num_layers})"
        )


class GCN(BasicGNN):
    """Layers :class:`~graphkit.nn.GCNConv`; Kipf & Welling 2017. See :class:`BasicGNN`."""

    supports_edge_weight = True
    supports_edge_attr = False

    def init_conv(
        self, in_channels: Any, out_channels: int, to_output: bool, **kwargs: Any
    ) -> MessagePassing:
        return GCNConv(in_channels, out_channels, **kwargs)


class GraphSAGE(BasicGNN):
    """Layers :class:`~graphkit.nn.SAGEConv`; Hamilton et al. 2017. See :class:`BasicGNN`."""

    supports_edge_weight = False
    supports_edge_attr = False

    def init_conv(
        self, in_channels: Any, out_channels: int, to_output: bool, **kwargs: Any
    ) -> MessagePassing:
        return SAGEConv(in_channels, out_channels, **kwargs)


class GIN(BasicGNN):
    """Layers :class:`~graphkit.nn.GINConv`, each with a two-layer :class:`MLP`; Xu et al. 2019.

    See :class:`BasicGNN`.
    """

    supports_edge_weight = False
    supports_edge_attr = False

    def init_conv(
        self, in_channels: Any, out_channels: int, to_output: bool, **kwargs: Any
    ) -> MessagePassing:
        mlp = MLP(
            [in_channels, out_channels, out_channels],
            act=self.act,
            act_first=self.act_first,
            norm=self.norm,
            norm_kwargs=self.norm_kwargs,
        )
        return GINConv(mlp, **kwargs)


class GAT(BasicGNN):
    """Layers :class:`~graphkit.nn.GATConv`; Veličković et al. 2018. See :class:`BasicGNN`.

    Args:
        v2: take :class:`~graphkit.nn.GATv2Conv` (Brody et al. 2022).
        heads, concat: as in the layers. Hidden features are divided among concatenated heads; a
            layer that maps to the output averages them.
    """

    supports_edge_weight = False
    supports_edge_attr = True

    def init_conv(
        self,
        in_channels: Any,
        out_channels: int,
        to_output: bool,
        v2: bool = False,
        heads: int = 1,
        concat: bool = True,
        **kwargs: Any,
    ) -> MessagePassing:
        concat = concat and not to_output
        if concat and out_channels % heads:
            raise ValueError(
                f"heads: expected a divisor of {out_channels} features, as the heads are "
                f"concatenated, got {heads}"
            )
        conv = GATv2Conv if v2 else GATConv
        return conv(
            in_channels,
            out_channels // heads if concat else out_channels,
            heads=heads,
            concat=concat,
            dropout=self.dropout.p,
            **kwargs,
        )


class PNA(BasicGNN):
    """Layers :class:`~graphkit.nn.PNAConv`; Corso et al. 2020. See :class:`BasicGNN`; the layers
    need ``aggregators``, ``scalers`` and ``deg``.
    """

    supports_edge_weight = False
    supports_edge_attr = True

    def init_conv(
        self, in_channels: Any, out_channels: int, to_output: bool, **kwargs: Any
    ) -> MessagePassing:
        return PNAConv(in_channels, out_channels, **kwargs)
