"""Which path a layer takes: one fused kernel, or gather, message and reduction.

A layer's message is traced at its first call of a kind (which arguments are tensors, their feature
shapes, dtype, training) and the plan is kept on the layer. A plan holds as long as everything that
the message read from the layer is unchanged. What cannot be fused returns None, with the reason
kept for :func:`explain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from graphkit.engine.expression import FusionError, Leaf
from graphkit.engine.fused import Aggregation, Fused
from graphkit.engine.ops import KERNEL_DTYPES, kernels_wanted
from graphkit.engine.trace import CHANGES, trace_message
from graphkit.engine.traced import Form, Trace, number
from graphkit.graph import Graph

MESSAGE_BYTES = 256 * 2**20  # more than this on the edges at once, and the plain path goes in parts

# Arguments that every step may ask for by name and the caller never passes.
STRUCTURE = {"edge_index", "edge_index_i", "edge_index_j", "index", "ptr", "size", "size_i"}
STRUCTURE |= {"size_j", "dim_size"}


class Reduction(NamedTuple):
    """One aggregation of a layer: its name, and for softmax its temperature."""

    name: str
    temperature: Tensor | float | None = None


class _Argument(NamedTuple):
    """How an argument of message is read from the call's values."""

    name: str
    stem: str
    side: str | None  # i, j, e, p; None for what is not a tensor
    row: int | None  # of a bipartite pair


@dataclass
class Plan:
    """A traced message, ready to run; or why it is not."""

    reason: str | None
    trace: Trace = field(default_factory=Trace)
    fused: Fused | None = None
    shape: tuple[int, ...] = ()
    masked: bool = False

    def holds(self) -> bool:
        return self.trace.holds()


def propagate(
    layer: Any,
    graph: Graph,
    values: dict[str, Any],
    edge_mask: Tensor | None,
    reductions: Sequence[Reduction] | None,
) -> Tensor | None:
    """Messages and their aggregations in one kernel; None where the plain path has to serve.

    Args:
        values: what was passed to ``propagate``, not gathered.
        reductions: the aggregations, or None if the layer has one of its own.
    """
    if reductions is None or torch.compiler.is_compiling() or not kernels_wanted():
        return None
    arguments = _arguments(layer, graph, values)
    if arguments is None:
        return None
    tensors = {a.name: _value(values, a) for a in arguments if a.side is not None}
    if any(tensor.numel() == 0 and 0 in tensor.shape[1:] for tensor in tensors.values()):
        return None  # no features
    if not _on_cpu(tensors.values(), edge_mask):
        return None
    plan = _plan(layer, arguments, tensors, values, edge_mask is not None, reductions)
    if plan.fused is None:
        return None
    return _run(plan, graph, values, tensors, edge_mask, reductions)


def row_ranges(layer: Any, graph: Graph, bytes_per_edge: int) -> list[tuple[int, int]]:
    """Runs of destinations for the plain path whose messages stay within ``MESSAGE_BYTES`` each.

    One run, whatever its size, where parts would not give the same: where the message keeps
    something on the layer, or a batch norm in it looks at all edges.
    """
    whole = [(0, graph.num_dst)]
    if graph.num_edges * bytes_per_edge <= MESSAGE_BYTES or torch.compiler.is_compiling():
        return whole
    if any(isinstance(m, _BatchNorm) and m.training for m in layer.modules()):
        return whole
    plans: dict[Any, Plan] = layer.__dict__.get("_plans", {})
    if any((plan.reason or "").startswith(CHANGES) for plan in plans.values()):
        return whole
    room = max(1, MESSAGE_BYTES // bytes_per_edge)
    rowptr = graph.by_destination.rowptr
    ranges, first = [], 0
    while first < graph.num_dst:
        last = int(torch.searchsorted(rowptr, int(rowptr[first]) + room, right=True)) - 1
        last = min(max(last, first + 1), graph.num_dst)
        ranges.append((first, last))
        first = last
    return ranges


def explain(layer: Any) -> str:
    """In words: which path the layer took at its last calls, and why not the fused one."""
    plans: dict[Any, Plan] = layer.__dict__.get("_plans", {})
    if not plans:
        return f"{type(layer).__name__}: not called yet"
    lines = []
    for plan in plans.values():
        if plan.fused is not None:
            names = ", ".join(a.reduce for a in plan.fused.aggregations)
            lines.append(f"fused kernel ({names})")
        else:
            lines.append(f"gather, message, reduction: {plan.reason}")
    return f"{type(layer).__name__}: " + "; ".join(dict.fromkeys(lines))


# ------------------------------------------------------------------ the call


def _arguments(layer: Any, graph: Graph, values: dict[str, Any]) -> list[_Argument] | None:
    """The arguments of message; None if one of them has no place in a kernel."""
    found = []
    node_dim: int = layer.node_dim
    for parameter in layer._parameters_of["message"]:
        name = parameter.name
        if name in values:
            value, stem, side, row = values[name], name, None, None
            if isinstance(value, Tensor):
                per_edge = value.dim() > 0 and value.shape[0] == graph.num_edges
                side = "e" if per_edge else "p"
        elif name in STRUCTURE:
            continue
        else:
            stem, ending = name[:-2], name[-1]
            if name[-2:] not in ("_i", "_j") or stem not in values:
                continue  # its default; or the plain path says that it is missing
            value, side, row = values[stem], ending, int(ending == "i")
            if isinstance(value, (tuple, list)):
                value = value[row]
            if not isinstance(value, Tensor):
                side = None
            elif node_dim != 0 and value.dim() + node_dim != 0:
                return None  # nodes are not counted in the first dimension
        found.append(_Argument(name, stem, side, row))
    return found


def _value(values: dict[str, Any], argument: _Argument) -> Any:
    value = values[argument.stem]
    if argument.row is not None and isinstance(value, (tuple, list)):
        return value[argument.row]
    return value


def _on_cpu(tensors: Any, edge_mask: Tensor | None) -> bool:
    for tensor in (*tensors, *(() if edge_mask is None else (edge_mask,))):
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            return False
        if tensor.is_floating_point() and tensor.dtype not in KERNEL_DTYPES:
            return False
    return not torch.is_autocast_enabled("cpu")


def _plan(
    layer: Any,
    arguments: list[_Argument],
    tensors: dict[str, Tensor],
    values: dict[str, Any],
    masked: bool,
    reductions: Sequence[Reduction],
) -> Plan:
    key = (
        layer.training,
        masked,
        tuple((r.name, _form(r.temperature)) for r in reductions),
        tuple(
            (a.name, a.side, tensors[a.name].shape[a.side != "p" :], tensors[a.name].dtype)
            if a.side is not None
            else (a.name, _hashable(_value(values, a)))
            for a in arguments
        ),
    )
    plans: dict[Any, Plan] = layer.__dict__.setdefault("_plans", {})
    plan = plans.get(key)
    if plan is None or not plan.holds():
        plain = {a.name: _value(values, a) for a in arguments if a.side is None}
        sides = {a.name: a.side for a in arguments if a.side is not None}
        for parameter in layer._parameters_of["message"]:
            known = parameter.name in tensors or parameter.name in plain
            if not known and parameter.name not in STRUCTURE:
                if parameter.default is parameter.empty:
                    return Plan(f"{parameter.name} is missing")
                plain[parameter.name] = parameter.default
        plan = plans[key] = _make(layer, {**plain, **tensors}, sides, masked, reductions)
    return plan


def _form(temperature: Tensor | float | None) -> Any:
    return Form.of(temperature) if isinstance(temperature, Tensor) else temperature


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def _make(
    layer: Any,
    values: dict[str, Any],
    sides: dict[str, str],
    masked: bool,
    reductions: Sequence[Reduction],
) -> Plan:
    try:
        trace = trace_message(layer, values, sides)
        return _fuse(layer, trace, masked, reductions)
    except FusionError as error:
        return Plan(str(error))


def _fuse(layer: Any, trace: Trace, masked: bool, reductions: Sequence[Reduction]) -> Plan:
    node_dim: int = layer.node_dim
    if node_dim != 0 and len(trace.shape) + 1 + node_dim != 0:
        raise FusionError(f"a message of shape {trace.shape} and node_dim={node_dim}")
    p, message, softmax = trace.program, trace.message, list(trace.softmax)
    if masked:
        message = p("mul", message, p.leaf(Leaf("e", False, False)))
    for r in reductions:
        if isinstance(r.temperature, Tensor) and (
            r.temperature.numel() not in (1, trace.channels) or trace.heads > 1
        ):
            raise FusionError("a softmax temperature per channel of several heads")
    aggregations = []
    for position, r in enumerate(reductions):
        if r.name != "softmax":
            aggregations.append(Aggregation(r.name, message))
            continue
        if trace.softmax:
            raise FusionError("a softmax of a softmax")
        if isinstance(r.temperature, Tensor):
            scale = p.leaf(Leaf("p", False, r.temperature.numel() > 1))
            trace.leaves.append(_temperature(position))
        else:
            scale = number(trace, float(r.temperature or 1.0))
        alpha = p("softmax", p("mul", message, scale))
        softmax.append(alpha)
        aggregations.append(Aggregation("sum", p("mul", message, alpha)))
    assert trace.dtype is not None
    fused = Fused(p, aggregations, softmax, trace.heads, trace.channels, trace.dtype)
    return Plan(None, trace, fused, trace.shape, masked)


def _temperature(position: int):
    return lambda values: values["reductions"][position].temperature


def _run(
    plan: Plan,
    graph: Graph,
    values: dict[str, Any],
    tensors: dict[str, Tensor],
    edge_mask: Tensor | None,
    reductions: Sequence[Reduction],
) -> Tensor:
    trace, fused = plan.trace, plan.fused
    assert fused is not None
    leaves = []
    for bound in trace.leaves:
        if isinstance(bound, str):
            tensor = tensors[bound]
            leaves.append(tensor.view(-1, 1) if tensor.dim() == 1 else tensor.flatten(1))
        else:
            leaves.append(bound({**values, "reductions": reductions}).reshape(1, -1))
    if plan.masked:
        assert edge_mask is not None
        leaves.append(edge_mask.to(trace.dtype).view(-1, 1))
    scalars = [s(values) if callable(s) else s for s in trace.scalars]
    outs = [o.view(graph.num_dst, *plan.shape) for o in fused(graph, leaves, scalars)]
    return outs[0] if len(outs) == 1 else torch.cat(outs, dim=-1)
