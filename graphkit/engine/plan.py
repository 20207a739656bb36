"""Which path a layer takes: fused kernels, or gather, message and reduction.

A layer's message is traced at its first call of a kind (which arguments are tensors, their feature
shapes, dtype, training) and the plan is kept on the layer. A plan holds as long as everything that
the message read from the layer is unchanged. What cannot be fused returns None, with the reason
kept for :func:`explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from graphkit import runtime
from graphkit.engine import dense
from graphkit.engine.devices import has_kernels
from graphkit.engine.expression import FusionError, Leaf
from graphkit.engine.fused import LINEAR, Aggregation
from graphkit.engine.lower import Behind, Kernel, Run, Source, Stages, behind, joined
from graphkit.engine.ops import kernels_wanted
from graphkit.engine.trace import CHANGES, trace_step
from graphkit.engine.traced import CONSTANT, Form, Trace, Traced
from graphkit.graph import Graph

# Arguments that every step may ask for by name and the caller never passes.
STRUCTURE = {"edge_index", "edge_index_i", "edge_index_j", "index", "ptr", "size", "size_i"}
STRUCTURE |= {"size_j", "dim_size"}


class Reduction(NamedTuple):
    """One aggregation of a layer: its name, and for softmax its temperature.

    ``edge`` is none: the value stays on the edges.
    """

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
    """A traced message, ready to run; or why it is not.

    Attributes:
        kernels: for every part of the message, cut along its features.
        shape: features of a message.
        sides: where the tensors among the arguments lie.
        behind: the linear map that follows the aggregation, if one does.
        weighed: whether the first kernel also aggregates what the map's bias is multiplied by.
        update: the traced update of the layer, where it is part of the kernel.
    """

    reason: str | None
    trace: Trace | None = None
    stages: Stages | None = None
    kernels: list[Kernel] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    sides: dict[str, str] = field(default_factory=dict)
    behind: Behind | None = None
    weighed: bool = False
    update: Trace | None = None

    def holds(self) -> bool:
        return all(trace is None or trace.holds() for trace in (self.trace, self.update))

    def sources(self) -> list[Source]:
        """All that its kernels read."""
        assert self.stages is not None
        every = [*self.stages.kernels.values(), *self.kernels]
        return [source for kernel in every for source in kernel.sources]


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
    if reductions is None:
        return None
    return _serve(layer, "message", graph, values, edge_mask, reductions)[0]


def propagate_and_update(
    layer: Any,
    graph: Graph,
    values: dict[str, Any],
    edge_mask: Tensor | None,
    reductions: Sequence[Reduction] | None,
) -> tuple[Tensor | None, bool]:
    """As :func:`propagate`, and whether the layer's ``update`` is in the result already."""
    if reductions is None:
        return None, False
    following = _following(layer, graph, values)
    return _serve(layer, "message", graph, values, edge_mask, reductions, following)


def edge_values(layer: Any, graph: Graph, values: dict[str, Any]) -> Tensor | None:
    """What ``edge_update`` gives, by a kernel; None where the plain path has to serve."""
    return _serve(layer, "edge_update", graph, values, None, [Reduction("edge")])[0]


def _serve(
    layer: Any,
    step: str,
    graph: Graph,
    values: dict[str, Any],
    edge_mask: Tensor | None,
    reductions: Sequence[Reduction],
    following: list[_Argument] | None = None,
) -> tuple[Tensor | None, bool]:
    if torch.compiler.is_compiling() or not kernels_wanted():
        return None, False
    arguments = arguments_of(layer, step, graph, values)
    if arguments is None:
        return None, False
    tensors = {a.name: value_of(values, a) for a in arguments if a.side is not None}
    if any(tensor.numel() == 0 and 0 in tensor.shape[1:] for tensor in tensors.values()):
        return None, False  # no features
    if not on_kernels(graph, tensors.values(), edge_mask):
        return None, False
    masked = edge_mask is not None
    plan = _plan(layer, step, arguments, tensors, values, masked, reductions, following)
    if plan.stages is None:
        return None, False
    if edge_mask is not None:
        assert plan.trace is not None
        edge_mask = edge_mask.to(plan.trace.dtype)
    temperatures = tuple(r.temperature for r in reductions)
    run = Run(graph, {**values, **tensors}, plan.stages.kernels, edge_mask, temperatures)
    return _run(plan, run, reductions), plan.update is not None


def row_ranges(layer: Any, graph: Graph, bytes_per_edge: int) -> list[tuple[int, int]]:
    """Runs of destinations for the plain path whose messages stay within the bound each.

    One run, whatever its size, where parts would not give the same: where the message keeps
    something on the layer, or a batch norm in it looks at all edges.
    """
    whole = [(0, graph.num_dst)]
    if torch.compiler.is_compiling():
        return whole
    if any(isinstance(m, _BatchNorm) and m.training for m in layer.modules()):
        return whole
    plans: dict[Any, Plan] = layer.__dict__.get("_plans", {})
    if any((plan.reason or "").startswith(CHANGES) for plan in plans.values()):
        return whole
    return _ranges(graph, bytes_per_edge)


def part_of(graph: Graph, first: int, last: int) -> tuple[Graph, Tensor]:
    """The edges that end in the destinations from ``first`` to before ``last``, and their numbers.

    Kept with the graph: its order is sorted once.
    """

    def build() -> tuple[Graph, Tensor]:
        order = graph.by_destination
        edge = order.edge[int(order.rowptr[first]) : int(order.rowptr[last])].long()
        source, destination = graph.edge_index.index_select(1, edge)
        index = torch.stack([source, destination - first])
        return Graph(index, (graph.num_src, last - first)), edge

    return graph.cached(("part", first, last), build)


def _ranges(graph: Graph, bytes_per_edge: int) -> list[tuple[int, int]]:
    most = runtime.message_bytes()
    if graph.num_edges * bytes_per_edge <= most:
        return [(0, graph.num_dst)]
    room = max(1, most // bytes_per_edge)
    rowptr = graph.by_destination.rowptr
    ranges, first = [], 0
    while first < graph.num_dst:
        last = int(torch.searchsorted(rowptr, int(rowptr[first]) + room, right=True)) - 1
        last = min(max(last, first + 1), graph.num_dst)
        ranges.append((first, last))
        first = last
    return ranges


def explain(module: nn.Module, *inputs: Any) -> str:
    """In words: which path every layer in a module took at its last calls, and why not the fused.

    Args:
        module: a layer, or a model of some.
        *inputs: call the module with these first. A single Graph stands for its features and
            itself.
    """
    if inputs:
        if len(inputs) == 1 and isinstance(inputs[0], Graph):
            inputs = (inputs[0].x, inputs[0])
        with torch.no_grad():
            module(*inputs)
    lines = []
    for name, layer in module.named_modules():
        if hasattr(layer, "_parameters_of"):
            lines.append((f"{name}: " if name else "") + _explained(layer))
    return "\n".join(lines) or f"{type(module).__name__}: no message passing in it"


def _explained(layer: Any) -> str:
    plans: dict[Any, Plan] = layer.__dict__.get("_plans", {})
    if not plans:
        return f"{type(layer).__name__}: not called yet"
    texts = []
    for plan in plans.values():
        if plan.stages is None:
            texts.append(f"gather, message, reduction: {plan.reason}")
            continue
        names = ", ".join(a.reduce for a in plan.kernels[0].fused.aggregations)
        texts.append("; ".join([f"fused kernel ({names})", *plan.stages.notes]))
    return f"{type(layer).__name__}: " + "; ".join(dict.fromkeys(texts))


# ------------------------------------------------------------------ the call


def arguments_of(
    layer: Any, step: str, graph: Graph, values: dict[str, Any]
) -> list[_Argument] | None:
    """The arguments of a step; None if one of them has no place in a kernel."""
    found = []
    node_dim: int = layer.node_dim
    for parameter in layer._parameters_of[step]:
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


def _following(layer: Any, graph: Graph, values: dict[str, Any]) -> list[_Argument] | None:
    """The arguments of an update of the layer's own, but for what was aggregated; None if there is
    none, or if one of them has no place in a kernel."""
    others = layer._parameters_of["update"][1:]
    if layer.node_dim not in (0, -2) or not layer._updates:
        return None
    found = []
    for parameter in others:
        name = parameter.name
        value = values.get(name, parameter.default)
        if value is parameter.empty or name in STRUCTURE or isinstance(value, (tuple, list)):
            return None
        side = None
        if isinstance(value, Tensor):
            side = CONSTANT if value.dim() < 2 else "i"
            placed = value.device == graph.device and value.layout == torch.strided
            if not placed or (side == "i" and value.shape[0] != graph.num_dst):
                return None
        found.append(_Argument(name, name, side, None))
    return found


def value_of(values: dict[str, Any], argument: _Argument) -> Any:
    value = values[argument.stem]
    if argument.row is not None and isinstance(value, (tuple, list)):
        return value[argument.row]
    return value


def on_kernels(graph: Graph, tensors: Any, edge_mask: Tensor | None) -> bool:
    """Whether all of a call's tensors are where the graph is, in a form that kernels read."""
    device = graph.device
    for tensor in (*tensors, *(() if edge_mask is None else (edge_mask,))):
        if tensor.device != device or tensor.layout != torch.strided:
            return False
        if tensor.is_floating_point() and not has_kernels(tensor):
            return False
    return True


def _plan(
    layer: Any,
    step: str,
    arguments: list[_Argument],
    tensors: dict[str, Tensor],
    values: dict[str, Any],
    masked: bool,
    reductions: Sequence[Reduction],
    following: list[_Argument] | None,
) -> Plan:
    after = None
    if following is not None:
        after = {a.name: values[a.name] for a in following if a.name in values}
    key = (
        step,
        layer.training,
        masked,
        tuple((r.name, _form(r.temperature)) for r in reductions),
        tuple(_kind(a, tensors if a.side is not None else values) for a in arguments),
        None if following is None else tuple(_kind(a, values) for a in following),
    )
    plans: dict[Any, Plan] = layer.__dict__.setdefault("_plans", {})
    plan = plans.get(key)
    if plan is None or not plan.holds():
        plain = {a.name: value_of(values, a) for a in arguments if a.side is None}
        sides = {a.name: a.side for a in arguments if a.side is not None}
        for parameter in layer._parameters_of[step]:
            known = parameter.name in tensors or parameter.name in plain
            if not known and parameter.name not in STRUCTURE:
                if parameter.default is parameter.empty:
                    return Plan(f"{parameter.name} is missing")
                plain[parameter.name] = parameter.default
        given = {**plain, **tensors}
        plan = plans[key] = make(layer, step, given, sides, masked, reductions, following, after)
    return plan


def _kind(argument: _Argument, values: dict[str, Any]) -> Any:
    """What a plan relies on of an argument."""
    name, side = argument.name, argument.side
    if side is None:
        return name, _hashable(value_of(values, argument) if argument.stem in values else None)
    return name, side, values[name].shape[side != CONSTANT :], values[name].dtype


def _form(temperature: Tensor | float | None) -> Any:
    return Form.of(temperature) if isinstance(temperature, Tensor) else temperature


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def make(
    layer: Any,
    step: str,
    values: dict[str, Any],
    sides: dict[str, str],
    masked: bool,
    reductions: Sequence[Reduction],
    following: Sequence[_Argument] | None = None,
    after: dict[str, Any] | None = None,
) -> Plan:
    """A plan of a step, and of an update that follows it, where there is one."""
    try:
        trace = trace_step(layer, step, values, sides)
        plan, reason = None, ""
        if following is not None and after is not None:
            try:
                plan = _with_update(layer, trace, masked, reductions, following, after)
            except FusionError as error:
                reason = str(error)
        plan = plan or _fuse(layer, trace, masked, reductions)
        if reason and plan.stages is not None:
            plan.stages.note(f"the update after the kernel: {reason}")
        plan.sides = sides
        return plan
    except FusionError as error:
        return Plan(str(error))


def _with_update(
    layer: Any,
    trace: Trace,
    masked: bool,
    reductions: Sequence[Reduction],
    following: Sequence[_Argument],
    values: dict[str, Any],
) -> Plan:
    """One kernel for the message, its aggregation and the update.

    Raises:
        FusionError: that is not possible.
    """
    message = trace.message
    assert message is not None
    if len(reductions) != 1 or reductions[0].name not in LINEAR:
        raise FusionError(f"follows {', '.join(r.name for r in reductions)}")
    first = layer._parameters_of["update"][0].name
    stands_in = torch.empty(1, *message.features, dtype=message.dtype, device="meta")
    sides = {a.name: a.side for a in following if a.side is not None} | {first: "i"}
    update = trace_step(layer, "update", {**values, first: stands_in}, sides)
    plan = _fuse(layer, trace, masked, reductions, update)
    assert plan.stages is not None
    if plan.stages.edge_bytes:
        raise FusionError("values on the edges come before, which may be taken in parts")
    return plan


def _fuse(
    layer: Any,
    trace: Trace,
    masked: bool,
    reductions: Sequence[Reduction],
    update: Trace | None = None,
) -> Plan:
    message = trace.message
    assert message is not None
    shape, node_dim = message.features, layer.node_dim
    if node_dim != 0 and len(shape) + 1 + node_dim != 0:
        raise FusionError(f"a message of shape {shape} and node_dim={node_dim}")
    stages = Stages(trace)
    moved, weighed = None, False
    if all(r.name in ("sum", "mean") for r in reductions):
        moved = behind(trace, message)
    if moved is not None:
        stages.note("the linear map of the message after the aggregation")
        parts = moved.parts
        weighed = moved.linear.bias is not None and (masked or moved.coefficient is not None)
    else:
        cut = joined(message) if message.side is None and len(shape) == 1 else None
        parts = cut or [message]
    if update is not None:
        if moved is not None or len(parts) > 1:
            raise FusionError("the message ends with a linear map, or is joined")
        kernel = _kernel(stages, message, None, False, masked, reductions, update)
        stages.note("the update in the kernel")
        assert update.message is not None
        shape = update.message.features
        return Plan(None, trace, stages, [kernel], shape, update=update)
    kernels = []
    for part in parts:
        extra = moved.coefficient if moved is not None and weighed and not kernels else None
        weight = weighed and not kernels
        kernels.append(_kernel(stages, part, extra, weight, masked, reductions))
    return Plan(None, trace, stages, kernels, shape, {}, moved, weighed)


def _kernel(
    stages: Stages,
    part: Traced,
    coefficient: Traced | None,
    weighed: bool,
    masked: bool,
    reductions: Sequence[Reduction],
    update: Trace | None = None,
) -> Kernel:
    """The aggregations of a part of the message, and of its coefficient where that is asked for."""
    lowered = stages.lower(part, *([] if coefficient is None else [coefficient]))
    p, (message, *rest) = lowered.program, lowered.nodes
    if masked:
        mask = p.leaf(Leaf("e", False, False))
        lowered.sources.append(Source("e", _mask))
        message = p("mul", message, mask)
        rest = [p("mul", node, mask) for node in rest] or [mask]
    aggregations, softmax = [], []
    for position, r in enumerate(reductions):
        if r.name != "softmax":
            aggregations.append(Aggregation(r.name, message))
            continue
        if lowered.softmax:
            raise FusionError("a softmax of a softmax")
        if isinstance(r.temperature, Tensor):
            if r.temperature.numel() not in (1, lowered.channels) or lowered.heads > 1:
                raise FusionError("a softmax temperature per channel of several heads")
            scale = p.leaf(Leaf(CONSTANT, False, r.temperature.numel() > 1))
            lowered.sources.append(Source(CONSTANT, _temperature(position)))
        else:
            scale = lowered.number(float(r.temperature or 1.0))
        alpha = p("softmax", p("mul", message, scale))
        softmax.append(alpha)
        aggregations.append(Aggregation("sum", p("mul", message, alpha)))
    if weighed:
        aggregations += [Aggregation(r.name, rest[0]) for r in reductions]
    after = None
    if update is not None:
        if lowered.softmax:
            raise FusionError("follows a softmax")
        after = lowered.after(update, next(iter(update.arguments.values())))
    return lowered.kernel(aggregations, softmax, after)


def _temperature(position: int) -> Callable[[Run], Tensor]:
    return lambda run: run.temperatures[position]


def _mask(run: Run) -> Tensor:
    assert run.mask is not None
    return run.mask.view(-1, 1)


def _run(plan: Plan, run: Run, reductions: Sequence[Reduction]) -> Tensor:
    graph = run.graph
    assert plan.stages is not None
    on_edges = reductions[0].name == "edge"
    ranges = [] if on_edges else _ranges(graph, plan.stages.edge_bytes)
    if len(ranges) < 2:
        return outcome(plan, run, reductions)
    # Values on the nodes are computed once for all parts; those on the edges part by part, and
    # again in the backward pass instead of being kept.
    on_nodes = [source for source in plan.sources() if source.side in ("i", "j")]
    tensors = [run.read(source) for source in on_nodes]
    outs = []
    for first, last in ranges:

        def part(*values: Tensor, first: int = first, last: int = last) -> Tensor:
            inner = _part(plan, run, first, last)
            for source, value in zip(on_nodes, values, strict=True):
                inner.memo[id(source)] = value[first:last] if source.side == "i" else value
            return outcome(plan, inner, reductions)

        outs.append(checkpoint(part, *tensors, use_reentrant=False))
    return torch.cat(outs)


def _part(plan: Plan, run: Run, first: int, last: int) -> Run:
    """The same call for the edges of some destinations."""
    graph, edge = part_of(run.graph, first, last)
    values = dict(run.values)
    for name, side in plan.sides.items():
        if side == "i":
            values[name] = values[name][first:last]
        elif side == "e":
            values[name] = values[name].index_select(0, edge)
    mask = None if run.mask is None else run.mask.index_select(0, edge)
    return Run(graph, values, run.stages, mask, run.temperatures)


def outcome(plan: Plan, run: Run, reductions: Sequence[Reduction]) -> Tensor:
    graph, count = run.graph, len(reductions)
    results = [kernel(run) for kernel in plan.kernels]
    outs = []
    for k in range(count):
        parts = [result[k] for result in results]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if plan.behind is not None:
            linear = plan.behind.linear
            out = dense.linear(out, linear.matrix(run))
            if linear.bias is not None:
                weight = results[0][count + k] if plan.weighed else _received(graph, reductions[k])
                bias = run.value(linear.bias).to(out.dtype)  # autocast makes products shorter
                out = torch.addcmul(out, weight.to(out.dtype), bias)
        rows = graph.num_edges if reductions[k].name == "edge" else graph.num_dst
        shape = (rows, *plan.shape)
        # No view where none is needed: what is added in place would be copied there and back.
        as_it_is = out.shape == shape and not out.is_meta  # a compiled call ends with the view
        outs.append(out if as_it_is else out.view(shape))
    return outs[0] if count == 1 else torch.cat(outs, dim=-1)


def _received(graph: Graph, reduction: Reduction) -> Tensor:
    """``[destinations, 1]``: what a sum or mean makes of 1 on every edge."""

    def build() -> Tensor:
        degree = graph.by_destination.degree.view(-1, 1)
        return degree.clamp(max=1) if reduction.name == "mean" else degree

    return graph.cached(("received", reduction.name), build)
