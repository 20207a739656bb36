"""PyTorch Geometric's aggregations in the engine's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graphkit.engine import plan
from graphkit.engine.plan import Reduction
from graphkit.graph import Graph
from graphkit.nn.message_passing import MessagePassing, destination


@dataclass
class Aggregated:
    """How a layer's messages are aggregated.

    Attributes:
        reductions: what the engine does, one result behind the other.
        scaled: the module that scales these by the degrees of the nodes, or None.
    """

    reductions: list[Reduction]
    scaled: Any = None

    @classmethod
    def by(cls, layer: Any) -> Aggregated | None:
        """That of a layer; None if the engine has no such reduction."""
        from torch_geometric.nn import MessagePassing, aggr

        module = layer.aggr_module
        if type(layer).aggregate is not MessagePassing.aggregate or module is None:
            return None
        if module._forward_hooks or module._forward_pre_hooks:
            return None
        scaled = module if type(module) is aggr.DegreeScalerAggregation else None
        reductions = _reductions(module if scaled is None else scaled.aggr)
        return None if reductions is None else cls(reductions, scaled)

    def reduce(self, layer: Any, message: Any, graph: Graph) -> Any:
        """The reductions of messages that lie on the edges; None if they have no kernel."""
        if not isinstance(message, Tensor) or message.dim() < 2:
            return None
        if layer.node_dim not in (0, -message.dim()) or message.size(0) != graph.num_edges:
            return None
        out = plan.propagate(_ON_EDGES, graph, {"m": message}, None, self.reductions)
        return None if out is None else self.finish(out, graph)

    def finish(self, out: Tensor, graph: Graph) -> Tensor:
        if self.scaled is None:
            return out
        # Its own formulas, on what is already aggregated.
        given: Any = _Given(self.scaled, out)
        return type(self.scaled).forward(
            given, out, destination(graph), dim_size=graph.num_dst, dim=0
        )


class _Given:
    """A module whose inner aggregation is done."""

    def __init__(self, module: Any, out: Tensor) -> None:
        self.module, self.out = module, out

    def aggr(self, *_: Any) -> Tensor:
        return self.out

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


class _OnEdges(MessagePassing):
    def message(self, m: Tensor) -> Tensor:
        return m


_ON_EDGES = _OnEdges(node_dim=0)


def _reductions(module: Any) -> list[Reduction] | None:
    from torch_geometric.nn import aggr

    plain = {
        aggr.SumAggregation: "sum",
        aggr.MeanAggregation: "mean",
        aggr.MaxAggregation: "max",
        aggr.MinAggregation: "min",
    }
    kind = type(module)
    if kind in plain:
        return [Reduction(plain[kind])]
    if kind is aggr.VarAggregation and not module.semi_grad:
        return [Reduction("var")]
    if kind is aggr.StdAggregation and not module.var_aggr.semi_grad:
        return [Reduction("std")]
    if kind is aggr.SoftmaxAggregation and (module.learn or not module.semi_grad):
        return [Reduction("softmax", module.t)]
    if kind is aggr.MultiAggregation and (module.mode == "cat" or len(module.aggrs) == 1):
        parts = [_reductions(part) for part in module.aggrs]
        return None if None in parts else [r for part in parts if part for r in part]
    return None
