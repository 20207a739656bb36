"""Layers of PyTorch Geometric on graphkit's engine.

An accelerated layer is the same object with the same attributes, of a class that is made for it: a
subclass of its own class, which differs in how messages are propagated. ``message``, ``aggregate``
and ``update`` stay what they are; they are read as those of a layer of graphkit are. Where a call
is none for the engine, PyTorch Geometric's own ``propagate`` serves.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.acceleration.aggregations import Aggregated
from graphkit.acceleration.deferred import Deferred, settled
from graphkit.acceleration.derived import graph_of, rebound, substitutes
from graphkit.acceleration.rewrites import rewritten
from graphkit.acceleration.swap import (
    WRITES,
    Swapped,
    once,
    paths_of,
    subclass,
    swap,
    swap_back,
    took,
)
from graphkit.engine import dense, ops, plan
from graphkit.engine.devices import has_kernels
from graphkit.graph import Graph
from graphkit.nn.message_passing import destination

# Asked for by name, and given by the structure of the graph.
_SPECIAL = plan.STRUCTURE | {"adj_t"}
# What the engine has no stand-in for.
_NOT_TRACED = {"edge_index", "edge_index_j", "size", "adj_t"}


@dataclass
class _Call:
    """One call of a layer's ``forward``.

    Attributes:
        root: the first edges among its arguments.
        defers: whether values of edges may wait until somebody looks at them.
        written: attributes that ``message`` would have written, and how to have them written.
    """

    layer: nn.Module
    root: Tensor | None
    defers: bool
    written: dict[str, Deferred] = field(default_factory=dict)


_calls: ContextVar[_Call | None] = ContextVar("graphkit_acceleration_call", default=None)


# ------------------------------------------------------------------ taking and leaving a layer

__all__ = ["accelerate_layer", "is_accelerated", "is_layer", "paths_of", "restore_layer"]


def is_layer(module: nn.Module) -> bool:
    from torch_geometric.nn import MessagePassing

    return isinstance(module, MessagePassing)


def is_accelerated(module: nn.Module) -> bool:
    return isinstance(module, _Accelerated)


def obstacle(layer: Any) -> str | None:
    """Why a layer has to stay as it is; None if it need not."""
    for name in ("propagate", "edge_updater"):
        if not _is_theirs(inspect.getattr_static(type(layer), name), name):
            return f"has a {name} of its own"
        bound = vars(layer).get(name)
        if bound is not None and not _is_theirs(getattr(bound, "__func__", None), name):
            return f"was given a {name} of its own"
    return None


def _is_theirs(function: Any, name: str) -> bool:
    """Whether a method is PyTorch Geometric's: the base class's, or one that it rendered."""
    from torch_geometric.nn import MessagePassing

    rendered = getattr(function, "__module__", "").endswith(f"_{name}")
    return function is vars(MessagePassing)[name] or (rendered and function.__qualname__ == name)


def accelerate_layer(layer: Any) -> str | None:
    """Accelerate one layer; says why, if that cannot be."""
    if is_accelerated(layer):
        return None
    reason = obstacle(layer)
    if reason is not None:
        return reason
    try:
        swap(layer, accelerated_class(type(layer)))
    except TypeError as error:  # a class that does not let itself be subclassed
        return f"cannot be given another class: {error}"
    if not layer.explain and layer.decomposed_layers == 1:
        vars(layer).pop("propagate", None)  # what PyTorch Geometric leaves there is the class's own
    return None


def restore_layer(layer: Any) -> None:
    if not is_accelerated(layer):
        return
    bound = vars(layer).get("propagate")
    if isinstance(bound, MethodType) and bound.__func__ is _Accelerated.propagate:
        del vars(layer)["propagate"]
    swap_back(layer)


@once
def accelerated_class(plain: Any) -> type:
    again = {}
    for name in dir(plain):
        member = inspect.getattr_static(plain, name)
        twin = rebound(member, substitutes()) if isinstance(member, FunctionType) else None
        if twin is not None:
            again[name] = twin
    return subclass(
        plain,
        (_Accelerated, subclass(plain, (plain,), accelerated_class, **again)),
        accelerated_class,
        forward=_forward_of(again.get("forward", plain.forward)),
        _messages={},
        _jinja_propagate=_Accelerated.propagate,  # put back after an explanation
    )


def _forward_of(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_recorded():
            return self._plain.forward(self, *args, **kwargs)
        with _calling(self, args, kwargs), dense.reusing(*args, *kwargs.values()):
            return settled(forward(self, *args, **kwargs))

    return called


def _is_recorded() -> bool:
    """Whether torch is making a program of its own of the code that runs."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


@contextlib.contextmanager
def _calling(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
    edges = (a for a in (*args, *kwargs.values()) if _is_edge_index(a))
    # Who asks for attention gets what the messages were weighted with, dropout included.
    call = _Call(layer, next(edges, None), kwargs.get("return_attention_weights") is None)
    token = _calls.set(call)
    try:
        yield
        for name, deferred in call.written.items():
            if vars(layer).get(name) is deferred:
                # Somebody may read it later. The next messages are computed step by step at once.
                _ = deferred.value
                vars(layer)[WRITES] = True
    finally:
        _calls.reset(token)


def _is_edge_index(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.dim() == 2
        and value.size(0) == 2
        and not (value.is_floating_point() or value.is_complex())
    )


# ------------------------------------------------------------------ an accelerated layer


class _Accelerated(Swapped):
    """Comes before a class of layers, and takes over the propagation of messages."""

    _messages: dict[Any, type]

    def propagate(self: Any, edge_index: Any, size: Any = None, **kwargs: Any) -> Any:
        if _is_recorded():
            return self._plain.propagate(self, edge_index, size=size, **kwargs)
        edges = _edges_of(self, edge_index, size, kwargs, self._user_args)
        if isinstance(edges, str):
            took(self, f"PyTorch Geometric: {edges}")
            return self._plain.propagate(self, edge_index, size=size, **settled(kwargs))
        return edges.propagate()

    def edge_updater(self: Any, edge_index: Any, size: Any = None, **kwargs: Any) -> Any:
        if _is_recorded():
            return self._plain.edge_updater(self, edge_index, size=size, **kwargs)
        edges = _edges_of(self, edge_index, size, kwargs, self._edge_user_args)
        if isinstance(edges, str):
            return self._plain.edge_updater(self, edge_index, size=size, **kwargs)
        if edges.call is None or not edges.call.defers:
            return edges.updated()
        return _EdgeUpdate.of(edges)

    def __setstate__(self: Any, state: Any) -> None:
        # PyTorch Geometric renders functions onto the class here: onto the layer's own.
        accelerated, self.__class__ = type(self), self._plain
        try:
            self.__setstate__(state)
        finally:
            self.__class__ = accelerated


class _EdgeUpdate(Deferred):
    """What ``edge_update`` makes of these edges."""

    edges: _Edges

    @staticmethod
    def of(edges: _Edges) -> _EdgeUpdate:
        out = torch.empty(0).as_subclass(_EdgeUpdate)
        out.make, out.made, out.edges = edges.updated, None, edges
        return out


def _edges_of(
    layer: Any, edge_index: Any, size: Any, kwargs: dict[str, Any], asked: list[str]
) -> _Edges | str:
    """The edges of a call whose steps ask for these; or why PyTorch Geometric should see to it."""
    if layer.explain:
        return "explains"
    if layer.decomposed_layers > 1:
        return "decomposed layers"
    if any(vars(layer)[name] for name in _HOOKS):
        return "has hooks"
    if any(step in vars(layer) for step in _STEPS):
        return "was given a message of its own"
    if not _is_edge_index(edge_index):
        return "a sparse adjacency matrix" if isinstance(edge_index, Tensor) else "no edge_index"
    if edge_index.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return "not on the CPU" if edge_index.device.type != "cpu" else "autocast"
    values = {name: value for name, value in kwargs.items() if not isinstance(value, Deferred)}
    if not all(_is_for_kernels(t) for value in values.values() for t in _ends(value)):
        return "tensors of a dtype, device or layout that has no kernels"
    try:
        sizes = _sizes(layer, edge_index, size, values, asked)
        if None in sizes:
            return "the numbers of nodes follow from the edges alone"
        call = _calls.get()
        call = call if call is not None and call.layer is layer else None
        given = graph_of(edge_index, sizes, None if call is None else call.root)
    except (ValueError, IndexError, TypeError):
        return "edges or sizes that do not fit"  # and PyTorch Geometric says how
    graph = given.reverse() if layer.flow == "target_to_source" else given
    return _Edges(layer, edge_index, graph, sizes, kwargs, call)


_STEPS = ("message", "aggregate", "update", "edge_update")
_HOOKS = [
    f"_{step}_forward_{when}"
    for step in ("propagate", "message_and_aggregate", *_STEPS)
    if step != "update"
    for when in ("pre_hooks", "hooks")
]


def _ends(value: Any) -> tuple[Tensor, ...]:
    ends = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(end for end in ends if isinstance(end, Tensor))


def _is_for_kernels(tensor: Tensor) -> bool:
    floating = tensor.is_floating_point()
    return tensor.layout == torch.strided and (not floating or has_kernels(tensor))


def _sizes(
    layer: Any, edge_index: Tensor, size: Any, values: dict[str, Any], asked: list[str]
) -> Any:
    """Numbers of nodes in row 0 and row 1, found as PyTorch Geometric finds them."""
    found = layer._check_input(edge_index, size)
    for _, row, value in _on_nodes(layer, values, asked):
        layer._set_size(found, row, value)
    first, second = found
    sizes = (second if first is None else first), (first if second is None else second)
    for end, _, value in _on_nodes(layer, values, asked):
        row = end if layer.flow == "source_to_target" else 1 - end
        if value.size(layer.node_dim) != sizes[row]:
            raise ValueError("kernels would read beyond the tensor")
    return sizes


def _on_nodes(
    layer: Any, values: dict[str, Any], asked: list[str]
) -> Iterator[tuple[int, int, Tensor]]:
    """Of all tensors on nodes: the end of edges they are read at, the row whose size they tell."""
    for name in asked:
        if name[-2:] not in ("_i", "_j") or name[:-2] not in values:
            continue
        value, end = values[name[:-2]], int(name.endswith("_i"))
        if isinstance(value, (tuple, list)):
            first, second = value
            for row, one in enumerate((first, second)):
                if isinstance(one, Tensor):
                    yield row, row, one
        elif isinstance(value, Tensor):
            yield end, end if layer.flow == "source_to_target" else 1 - end, value


@dataclass
class _Edges:
    """The edges of one call, and the values that its steps ask for.

    Attributes:
        graph: messages run from its row 0 to its row 1, whatever the layer's ``flow``.
        sizes: numbers of nodes in row 0 and row 1 of ``edge_index``.
    """

    layer: Any
    edge_index: Tensor
    graph: Graph
    sizes: tuple[int, int]
    values: dict[str, Any]
    call: _Call | None

    # -------------------------------------------------------------- one kernel, or step by step

    def propagate(self) -> Any:
        layer = self.layer
        aggregated = Aggregated.by(layer)
        out, reason = None, "an aggregation of its own"
        if aggregated is not None:
            out, reason = self._fused(aggregated)
            if out is None and any(isinstance(v, Deferred) for v in self.values.values()):
                self.values = settled(self.values)
                out, reason = self._fused(aggregated)
        if out is None:
            took(layer, f"gather, message, reduction: {reason}")
            self.values = settled(self.values)
            message = layer.message(**self.arguments("message"))
            reduced = None if aggregated is None else aggregated.reduce(layer, message, self.graph)
            if reduced is None:
                reduced = layer.aggregate(message, **self.arguments("aggregate"))
            out = reduced
        else:
            took(layer, reason)
        return layer.update(out, **self.arguments("update"))

    def _fused(self, aggregated: Aggregated) -> tuple[Any, str]:
        """What one kernel gives, and its name; or None, and why not."""
        if any(m._forward_hooks or m._forward_pre_hooks for m in self._parts()):
            return None, "a module in the layer has hooks"
        rewriting = rewritten(self.layer, self.values)
        if rewriting is None:
            kind, values = self._own_message()
        else:
            values, names = rewriting.values, rewriting.names
            kind = _message_class(self.layer, "rewritten", names, rewriting.message)
        if isinstance(kind, str):
            return None, kind
        twin = object.__new__(kind)
        object.__setattr__(twin, "__dict__", vars(self.layer))
        out = plan.propagate(twin, self.graph, values, None, aggregated.reductions)
        if out is None:
            return None, _reason(self.layer)
        for name in kind._writes:
            self._defer_writing(name)
        names = ", ".join(r.name for r in aggregated.reductions)
        return aggregated.finish(out, self.graph), f"fused kernel ({names})"

    def _parts(self) -> Iterator[nn.Module]:
        """The modules inside of the layer, some of which its message may call."""
        return (module for module in self.layer.modules() if module is not self.layer)

    def _own_message(self) -> tuple[Any, dict[str, Any]]:
        """A class whose message is the layer's, on what its edge update is computed from; and the
        values for it. Or the reason why there is none."""
        layer = self.layer
        message = _parameters(type(layer).message)
        updates = {
            name: value.edges
            for name, value in self.values.items()
            if isinstance(value, _EdgeUpdate) and value.made is None
        }
        if len(updates) > 1 or any(not self._is_on_the_same(e) for e in updates.values()):
            updates = {}
        values = {
            name: value if name in updates else settled(value)
            for name, value in self.values.items()
        }
        if not updates:
            parameters, call, writes = message, None, _writes(type(layer).message)
            if _NOT_TRACED & parameters.keys():
                return f"asks for {', '.join(_NOT_TRACED & parameters.keys())}", values
            if writes and (WRITES in vars(layer) or self.call is None or not self.call.defers):
                return f"{plan.CHANGES}.{writes[0]}", values
            key = type(layer).message
            if key not in layer._messages:
                call = _with_notes(key)
            return _message_class(layer, key, list(parameters.values()), call, writes), values
        ((name, update),) = updates.items()
        del values[name]
        asked = _parameters(type(layer).edge_update)
        if _NOT_TRACED & {*asked, *message} or _writes(type(layer).message):
            return "asks for the edges", values
        # What both steps are given alike is read once.
        shared = {n for n, v in update.values.items() if n in values and _is_same(v, values[n])}
        renamed = {
            p: p if p in _SPECIAL or p in shared or p[:-2] in shared else f"{name}__{p}"
            for p in asked
        }
        for n, value in update.values.items():
            if n not in shared:
                values[f"{name}__{n}"] = value
        merged = {p: parameter for p, parameter in message.items() if p != name}
        for p, parameter in asked.items():
            merged[renamed[p]] = parameter.replace(name=renamed[p])
        key = (name, tuple(renamed.items()), type(layer).message, type(layer).edge_update)
        step = None if key in layer._messages else _with_update(type(layer), name, renamed, message)
        return _message_class(layer, key, list(merged.values()), step), values

    def _is_on_the_same(self, other: _Edges) -> bool:
        return other.edge_index is self.edge_index and other.sizes == self.sizes

    def _defer_writing(self, name: str) -> None:
        """Let ``message`` write its attribute when somebody reads it."""
        assert self.call is not None
        attributes = vars(self.layer)
        before = attributes.get(name)

        def write() -> Any:
            now = attributes[name]
            attributes[name] = before
            self.layer.message(**self.arguments("message"))
            written = attributes[name]
            if now is not deferred:
                attributes[name] = now
            return written

        deferred = Deferred.by(write)
        self.call.written[name] = attributes[name] = deferred

    def updated(self) -> Tensor:
        return self.layer.edge_update(**self.arguments("edge_update"))

    # -------------------------------------------------------------- what the steps are called with

    def arguments(self, step: str) -> dict[str, Any]:
        names = self.layer.inspector.get_param_names(step)
        found = {name: self._argument(name) for name in names}
        return self.layer.inspector.collect_param_data(step, found)

    def _argument(self, name: str) -> Any:
        if name in _SPECIAL:
            return self._structure(name)
        if name[-2:] not in ("_i", "_j"):
            return self.values.get(name, inspect.Parameter.empty)
        end = 1 if name.endswith("_i") else 0
        value = self.values.get(name[:-2], inspect.Parameter.empty)
        if isinstance(value, (tuple, list)):
            value = value[end]
        if not isinstance(value, Tensor):
            return value
        return ops.gather(value, self._index(end), self.layer.node_dim)

    def _index(self, end: int) -> Tensor:
        return destination(self.graph if end == 1 else self.graph.reverse())

    def _structure(self, name: str) -> Any:
        if name in ("index", "edge_index_i"):
            return self._index(1)
        if name == "edge_index_j":
            return self._index(0)
        if name in ("size_i", "dim_size"):
            return self.graph.num_dst
        if name == "size_j":
            return self.graph.num_src
        if name == "size":
            return list(self.sizes)
        return self.edge_index if name == "edge_index" else None


# ------------------------------------------------------------------ messages for the engine


@functools.cache
def _parameters(step: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    found = list(inspect.signature(step).parameters.values())[1:]
    return {p.name: p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


@functools.cache
def _writes(step: FunctionType) -> tuple[str, ...]:
    """Attributes that a step writes, to whatever object."""
    found = (i.argval for i in dis.get_instructions(step) if i.opname == "STORE_ATTR")
    return tuple(dict.fromkeys(found))


def _message_class(
    layer: Any,
    key: Any,
    parameters: list[inspect.Parameter],
    message: Callable[..., Any] | None,
    writes: tuple[str, ...] = (),
) -> Any:
    """A class of layers with another message, for the engine to read."""
    known = layer._messages.get(key)
    if known is None:
        body = {
            "message": message,
            "_parameters_of": {"message": parameters},
            "_writes": writes,
        }
        cls = type(layer)
        make: Any = type(cls)
        known = make(cls.__name__, (cls,), body)
        layer._messages[key] = known
    return known


def _with_notes(message: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, **arguments: Any) -> Any:
        return message(_Notes(self), **arguments)

    return noted if _writes(message) else message


def _with_update(
    cls: Any, name: str, renamed: dict[str, str], asked: dict[str, Any]
) -> Callable[..., Any]:
    def message(self: Any, **arguments: Any) -> Any:
        updated = cls.edge_update(self, **{p: arguments[new] for p, new in renamed.items()})
        own = {p: arguments[p] for p in asked if p != name}
        return cls.message(self, **own, **{name: updated})

    return message


class _Notes:
    """A layer while it is traced, whose message may write attributes; they end here."""

    def __init__(self, layer: Any) -> None:
        object.__setattr__(self, "_layer", layer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
    return one is other


def _reason(layer: Any) -> str:
    """Why the last plan that was made is none; the engine keeps it."""
    reasons = [p.reason for p in vars(layer).get("_plans", {}).values() if p.reason]
    return reasons[-1] if reasons else "features of another form"
