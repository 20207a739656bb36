"""Principal neighbourhood aggregation of Corso et al."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine.plan import Reduction
from graphkit.graph import Graph, as_graph
from graphkit.nn.aggr import Aggregation, MultiAggregation
from graphkit.nn.conv.joint import edge_features, products
from graphkit.nn.conv.normalized import graph_for
from graphkit.nn.inits import reset
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing
from graphkit.nn.resolver import activation_of

SCALERS = ("identity", "amplification", "attenuation", "linear", "inverse_linear")


class PNAConv(MessagePassing):
    r"""Principal neighbourhood aggregation, Corso et al. 2020, eqs. 5 to 8.

    .. math::
        x'_i = U\Big(x_i \,\Vert\, \big\Vert_s \, s(d_i) \bigoplus_{j \in N(i)} M(x_i, x_j, e_{ji})
        \Big), \quad \textstyle\bigoplus = [\mu \,\Vert\, \sigma \,\Vert\, \max \,\Vert\, \min]

    with any aggregations, and scalers :math:`s` of the degree: 1, amplification
    :math:`\log(d_i + 1) / \delta`, attenuation :math:`\delta / \log(d_i + 1)`, linear
    :math:`d_i / \bar d`, inverse linear :math:`\bar d / d_i`; :math:`\delta` and :math:`\bar d` are
    means over the training set. A node without neighbours gets 0 from all.

    The first layer of :math:`M` is computed on nodes and on edges apart and added along the edges,
    and scaling comes after the first layer of :math:`U`.

    Args:
        in_channels: size of the input features.
        out_channels: size of the output features.
        aggregators: names of aggregations, see :class:`MessagePassing`.
        scalers: some of "identity", "amplification", "attenuation", "linear", "inverse_linear".
        deg: histogram of degrees: how many nodes of the training set have 0, 1, ... neighbours.
            See :meth:`get_degree_histogram`.
        edge_dim: size of the edge features, if there are any.
        towers: number of independent :math:`M` and :math:`U`, whose outputs are concatenated.
        pre_layers, post_layers: number of layers of :math:`M` and of :math:`U`.
        divide_input: give every tower a part of the features; else all of them.
        act: activation between the layers, by name or a module.
        act_kwargs: its arguments, for a name.
        train_norm: learn :math:`\delta` and :math:`\bar d`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, ``edge_attr`` ``[E, edge_dim]``; output ``[N, out]``.
    """

    aggr_module: _Scaled

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        aggregators: Sequence[str],
        scalers: Sequence[str],
        deg: Tensor,
        edge_dim: int | None = None,
        towers: int = 1,
        pre_layers: int = 1,
        post_layers: int = 1,
        divide_input: bool = False,
        act: str | nn.Module = "relu",
        act_kwargs: dict[str, Any] | None = None,
        train_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        _check_sizes(in_channels, out_channels, towers, divide_input)
        super().__init__(_Scaled(aggregators, scalers, deg, train_norm), node_dim=0, **kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.edge_dim = edge_dim
        self.towers = towers
        self.divide_input = divide_input
        self.F_in = in_channels // towers if divide_input else in_channels
        self.F_out = out_channels // towers
        size, out = self.F_in, self.F_out
        if edge_dim is not None:
            self.edge_encoder = Linear(edge_dim, size)
        parts = 2 if edge_dim is None else 3
        ways = len(aggregators) * len(scalers) + 1

        def layers(first: int, width: int, count: int) -> nn.Sequential:
            modules: list[nn.Module] = [Linear(first, width)]
            for _ in range(count - 1):
                modules += [_activation(act, act_kwargs or {}), Linear(width, width)]
            return nn.Sequential(*modules)

        self.pre_nns = nn.ModuleList(layers(parts * size, size, pre_layers) for _ in range(towers))
        self.post_nns = nn.ModuleList(layers(ways * size, out, post_layers) for _ in range(towers))
        self.lin = Linear(out_channels, out_channels)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for child in self.children():
            if child is not self.aggr_module:
                reset(child)

    def forward(self, x: Tensor, edge_index: Any, edge_attr: Tensor | None = None) -> Tensor:
        graph = graph_for(self, x, edge_index)
        edge_attr = self._checked(graph, x, edge_attr)
        # The first layers of M and U, cut into what each of them reads.
        M, M_bias = _first(self.pre_nns)
        U, U_bias = _first(self.post_nns)
        of_root, of_sent, *of_edge = M.split(self.F_in, dim=-1)
        of_self, of_scaled = U.split([self.F_in, U.size(-1) - self.F_in], dim=-1)

        root, sent, own = self._on_nodes(x, [of_root, of_sent, of_self], [M_bias, None, U_bias])
        edge = None if edge_attr is None else self._on_edges(edge_attr, of_edge[0])
        out = self.propagate(graph, root=(None, root), sent=(sent, None), edge=edge)
        received = graph if self.flow == "source_to_target" else graph.reverse()
        out = own + self._scaled(out, of_scaled, received.in_degree)
        return self.lin(_further(self.post_nns, out).flatten(1))

    def message(self, root_i: Tensor, sent_j: Tensor, edge: Tensor | None) -> Tensor:
        h = root_i + sent_j if edge is None else root_i + sent_j + edge
        return _further(self.pre_nns, h)

    def _on_nodes(
        self, x: Tensor, weights: list[Tensor], biases: list[Tensor | None]
    ) -> Sequence[Tensor]:
        """``[N, towers, out]`` for every one of the weights ``[towers, out, in]``."""
        if not self.divide_input:
            flat = [None if b is None else b.flatten() for b in biases]
            outs = products(x, [w.flatten(0, 1) for w in weights], flat)
            return [out.unflatten(-1, (self.towers, -1)) for out in outs]
        outs = _per_tower(x.unflatten(-1, (self.towers, -1)), torch.cat(weights, 1))
        outs = outs.split([w.size(1) for w in weights], dim=-1)
        return [out if b is None else out + b for out, b in zip(outs, biases, strict=True)]

    def _on_edges(self, edge_attr: Tensor, weight: Tensor) -> Tensor:
        # The encoder and this part of M are one linear map, put together before it meets edges.
        weight, encoder = weight.flatten(0, 1), self.edge_encoder
        out = F.linear(edge_attr, weight @ encoder.weight, weight @ encoder.bias)
        return out.unflatten(-1, (self.towers, -1))

    def _scaled(self, aggregated: Tensor, weight: Tensor, degree: Tensor) -> Tensor:
        """The weight's product with all scaled aggregations, scaled after it."""
        factors = self.aggr_module.factors(degree, aggregated.dtype)
        count = factors.size(1)
        weight = weight.unflatten(-1, (count, -1)).transpose(1, 2).flatten(1, 2)
        mapped = _per_tower(aggregated, weight).unflatten(-1, (count, -1))
        return (mapped * factors.view(-1, 1, count, 1)).sum(2)

    def _checked(self, graph: Graph, x: Tensor, edge_attr: Tensor | None) -> Tensor | None:
        if x.size(-1) != self.in_channels:
            raise ValueError(
                f"x: expected {self.in_channels} features in the last dimension, "
                f"got shape {tuple(x.shape)}"
            )
        return edge_features(graph, edge_attr, self.edge_dim)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"towers={self.towers}, edge_dim={self.edge_dim})"
        )

    @staticmethod
    def get_degree_histogram(loader: Iterable[Any]) -> Tensor:
        """How many nodes have 0, 1, ... incoming edges, over all graphs that come."""
        total = torch.zeros(1, dtype=torch.int64)
        for graph in loader:
            count = torch.bincount(as_graph(graph).in_degree.cpu(), minlength=total.numel())
            count[: total.numel()] += total
            total = count
        return total


class _Scaled(Aggregation):
    """The aggregations, and the factors that their results are to be scaled with."""

    avg_deg_lin: Tensor
    avg_deg_log: Tensor

    def __init__(
        self, aggr: Sequence[str], scaler: Sequence[str], deg: Tensor, train_norm: bool
    ) -> None:
        super().__init__()
        for name in scaler:
            if name not in SCALERS:
                raise ValueError(f"scalers: expected some of {SCALERS}, got {name!r}")
        if not isinstance(deg, Tensor) or deg.dim() != 1 or not deg[1:].sum() > 0:
            raise ValueError(
                "deg: expected a histogram [degrees] with nodes that have neighbours, got "
                f"{deg if isinstance(deg, Tensor) else type(deg).__name__}"
            )
        self.aggr = MultiAggregation(aggr)
        self.scaler = tuple(scaler)
        share = deg.double() / deg.sum()
        degree = torch.arange(deg.numel(), device=deg.device)
        self._start = float((degree * share).sum()), float((degree.log1p() * share).sum())
        for name in ("avg_deg_lin", "avg_deg_log"):
            if train_norm:
                self.register_parameter(name, nn.Parameter(torch.empty(1)))
            else:
                self.register_buffer(name, torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.aggr.reset_parameters()
        nn.init.constant_(self.avg_deg_lin, self._start[0])
        nn.init.constant_(self.avg_deg_log, self._start[1])

    def reductions(self) -> list[Reduction] | None:
        return self.aggr.reductions()

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.aggr(*args, **kwargs)

    def factors(self, degree: Tensor, dtype: torch.dtype) -> Tensor:
        """``[N, scalers]``."""
        d = degree.to(dtype)
        of: dict[str, Callable[[], Tensor]] = {
            "identity": lambda: torch.ones_like(d),
            "amplification": lambda: d.log1p() / self.avg_deg_log,
            # What a node without neighbours has to be scaled is 0; it must not become NaN.
            "attenuation": lambda: self.avg_deg_log / d.clamp(min=1).log1p(),
            "linear": lambda: d / self.avg_deg_lin,
            "inverse_linear": lambda: self.avg_deg_lin / d.clamp(min=1),
        }
        return torch.stack([of[name]() for name in self.scaler], dim=1)


def _first(nets: nn.ModuleList) -> tuple[Tensor, Tensor]:
    """Weights ``[towers, out, in]`` and biases ``[towers, out]`` of the first layers."""
    lins: list[Linear] = [net[0] for net in nets]  # type: ignore[index]
    return torch.stack([lin.weight for lin in lins]), torch.stack([lin.bias for lin in lins])


def _further(nets: nn.ModuleList, h: Tensor) -> Tensor:
    """All but the first layers, on ``[rows, towers, features]``."""
    if len(nets[0]) == 1:  # type: ignore[arg-type]
        return h
    return torch.stack([net[1:](h[:, t]) for t, net in enumerate(nets)], dim=1)  # type: ignore


def _per_tower(x: Tensor, weight: Tensor) -> Tensor:
    """``[N, towers, in]`` times ``[towers, out, in]``."""
    if weight.size(0) == 1:
        return (x.squeeze(1) @ weight.squeeze(0).t()).unsqueeze(1)
    return torch.einsum("nti,toi->nto", x, weight)


def _activation(act: str | nn.Module, kwargs: dict[str, Any]) -> nn.Module:
    module = activation_of(act, **kwargs)
    if not isinstance(module, nn.Module):
        raise TypeError(f"act: expected a name or a module, got {type(act).__name__}")
    return module


def _check_sizes(in_channels: int, out_channels: int, towers: int, divide_input: bool) -> None:
    if in_channels < 1:
        raise ValueError(f"in_channels: expected the size of the features, got {in_channels}")
    divided = {"out_channels": out_channels} | (
        {"in_channels": in_channels} if divide_input else {}
    )
    for name, size in divided.items():
        if size % towers:
            raise ValueError(f"{name}: expected a multiple of towers={towers}, got {size}")
