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
    if graph.device.type != "cpu":
        took(layer, "DGL: not on the CPU")
        return graph
    if len(graph.canonical_etypes) != 1:
        took(layer, "DGL: a graph of several relations")
        return graph
    twin = object.__new__(_graph_class(type(graph)))
    # One frame of features for both, so that what is written to one is found in the other.
    vars(twin)["__dict__"] = None
    object.__setattr__(twin, "__dict__", vars(graph))
    return _Bound(twin, layer) if False else twin


@functools.cache
def _graph_class(plain: type) -> type:
    return type(plain.__name__, (_OnEngine, plain), {"__module__": plain.__module__})


class _OnEngine:
    """Comes before a class of DGL's graphs."""


@functools.cache
def _substitutes() -> dict[Any, Any]:
    return {}
