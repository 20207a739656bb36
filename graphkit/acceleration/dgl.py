"""Layers of DGL on graphkit's engine.

A layer of DGL asks the graph that it is given to pass messages. An accelerated one is given a twin
of that graph, which has the same nodes, edges and frames of features, and runs DGL's built-in
messages and reductions on the engine. Whatever else it is asked for, the graph itself does.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.acceleration.derived import rebound
from graphkit.acceleration.swap import Swapped, once, paths_of, subclass, swap, swap_back, took
from graphkit.engine import ops, plan
from graphkit.graph import as_graph
from graphkit.nn.message_passing import MessagePassing, destination

__all__ = ["accelerate_layer", "is_accelerated", "is_layer", "paths_of", "restore_layer"]

LAYERS = ("GraphConv", "SAGEConv", "GATConv", "GINConv")
_OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}
_ENDINGS = {"u": "_j", "v": "_i", "e": ""}
_REDUCTIONS = ("sum", "mean", "max", "min")


def is_layer(module: nn.Module) -> bool:
    import dgl.nn

    return isinstance(module, tuple(getattr(dgl.nn, name) for name in LAYERS))


def is_accelerated(module: nn.Module) -> bool:
    return isinstance(module, _Accelerated)


def accelerate_layer(layer: Any) -> str | None:
    """Accelerate one layer; says why, if that cannot be."""
    if not is_accelerated(layer):
        try:
            swap(layer, accelerated_class(type(layer)))
        except TypeError as error:  # a class that does not let itself be subclassed
            return f"cannot be given another class: {error}"
    return None


def restore_layer(layer: Any) -> None:
    if is_accelerated(layer):
        swap_back(layer)


class _Accelerated(Swapped):
    """Comes before a class of layers, and gives them another graph."""


@once
def accelerated_class(plain: Any) -> type:
    forward = rebound(plain.forward, _substitutes()) or plain.forward
    return subclass(plain, (_Accelerated, plain), accelerated_class, forward=_forward_of(forward))


def _forward_of(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(_twin(a, self) for a in args)
        return forward(self, *args, **{name: _twin(a, self) for name, a in kwargs.items()})

    return called


# ------------------------------------------------------------------ the graph


def _twin(graph: Any, layer: Any) -> Any:
    """A graph that passes messages on the engine, for one call of a layer."""
    import dgl

    if not isinstance(graph, dgl.DGLGraph) or isinstance(graph, _OnEngine):
        return graph
    if graph.device.type != "cpu" or len(graph.canonical_etypes) != 1:
        took(layer, "DGL: a graph of several relations, or not on the CPU")
        return graph
    twin = object.__new__(_graph_class(type(graph)))
    # They share their frames: what is written to the one is found in the other.
    object.__setattr__(twin, "__dict__", vars(graph))
    twin._layer = layer
    return twin


@functools.cache
def _graph_class(plain: type) -> Any:
    body = {"__module__": plain.__module__, "__slots__": ("_layer",)}
    return type(plain.__name__, (_OnEngine, plain), body)


class _OnEngine:
    """Comes before a class of DGL's graphs."""

    __slots__ = ()

    def update_all(
        self: Any,
        message_func: Any,
        reduce_func: Any,
        apply_node_func: Any = None,
        etype: Any = None,
    ) -> None:
        out = None
        if apply_node_func is None and etype is None:
            out = _reduced(self, message_func, reduce_func)
        if out is None:
            took(self._layer, "DGL: a message or a reduction that is none for the engine")
            super().update_all(  # type: ignore[misc]
                message_func, reduce_func, apply_node_func, etype
            )
        else:
            took(self._layer, f"fused kernel ({reduce_func.name})")
            self.dstdata[reduce_func.out_field] = out


def _reduced(graph: Any, message: Any, reduction: Any) -> Tensor | None:
    """DGL's built-in message and reduction by the engine; None if they are none for it."""
    from dgl.function.message import BinaryMessageFunction, CopyMessageFunction
    from dgl.function.reducer import SimpleReduceFunction

    if type(reduction) is not SimpleReduceFunction or reduction.name not in _REDUCTIONS:
        return None
    frames = {"u": graph.srcdata, "v": graph.dstdata, "e": graph.edata}
    if type(message) is CopyMessageFunction:
        names, fields = message.name.split("_")[1:], (message.in_field,)
    elif type(message) is BinaryMessageFunction and message.binary_op in _OPERATORS:
        left, _, right = message.name.split("_")
        names, fields = (left, right), (message.lhs_field, message.rhs_field)
    else:
        return None
    tensors = [frames[n][f] for n, f in zip(names, fields, strict=True)]
    if not all(ops.runs_on_kernels(t) and t.layout == torch.strided for t in tensors):
        return None
    layer = _layer(message.name)
    values: dict[str, Any] = dict(zip(("a", "b"), _aligned(tensors), strict=False))
    return plan.propagate(layer, as_graph(graph), values, None, [plan.Reduction(reduction.name)])


def _aligned(tensors: list[Tensor]) -> list[Tensor]:
    """Of one rank, as DGL broadcasts them: new dimensions come behind that of the rows."""
    rank = max(2, *(t.dim() for t in tensors))
    return [t.reshape(t.shape[0], *[1] * (rank - t.dim()), *t.shape[1:]) for t in tensors]


@functools.cache
def _layer(message: str) -> Any:
    """A layer of graphkit with a built-in message of DGL, ``u_mul_e`` for one."""
    targets = [part for part in message.split("_") if part in _ENDINGS]
    names = [f"{name}{_ENDINGS[end]}" for name, end in zip("ab", targets, strict=False)]
    operate = _OPERATORS.get(message.split("_")[1], lambda a: a)

    def built_in(self: Any, **values: Tensor) -> Tensor:
        return operate(*(values[name] for name in names))

    parameters = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in ("self", *names)]
    built_in.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return type(message, (MessagePassing,), {"message": built_in})(node_dim=0)


def _edge_softmax(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def edge_softmax(graph: Any, logits: Any, *args: Any, **kwargs: Any) -> Any:
        ours = isinstance(graph, _OnEngine) and not args and not kwargs
        if not ours or not ops.runs_on_kernels(logits):
            return original(graph, logits, *args, **kwargs)
        found = as_graph(graph)
        return ops.segment_softmax(logits, destination(found), None, found.num_dst)

    return edge_softmax


@functools.cache
def _substitutes() -> dict[Any, Any]:
    import dgl.ops

    return {dgl.ops.edge_softmax: _edge_softmax(dgl.ops.edge_softmax)}
