"""From a Python ``message`` to what it computes.

The function runs once, on stand-ins for its tensors: they live on the meta device, so that shapes,
dtypes and dimensions are real and control flow on them works, and every torch operation on them is
noted. What no engine can serve, or looks at a value, raises :class:`FusionError` with the line of
the message that did it, and the layer takes the plain path.
"""

from __future__ import annotations

import inspect
import itertools
import sys
import traceback
import types
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import rowwise, rules  # noqa: F401  (fill the tables of functions)
from graphkit.engine.expression import FusionError
from graphkit.engine.traced import (
    CONSTANT,
    PRIMITIVE,
    ROWS,
    Given,
    Index,
    RowCount,
    Trace,
    Traced,
    is_ours,
    place,
    read,
    softmax,
)

CHANGES = "changes self"  # how the reason begins where a message writes to its layer


def trace_step(layer: Any, step: str, values: dict[str, Any], sides: dict[str, str]) -> Trace:
    """Trace ``layer.message``, ``layer.edge_update`` or ``layer.update``.

    Args:
        step: which of them.
        values: what it is called with: tensors with one row per node or edge, None, or plain
            values, by the argument's name. Names that are missing belong to the edges' structure.
        sides: for tensors, where an argument is read: ``i``, ``j``, ``e`` or ``p``.

    Raises:
        FusionError: with the reason and the line.
    """
    floats = [v for k, v in values.items() if k in sides and v.is_floating_point()]
    if not floats:
        raise FusionError("has no floating-point argument")
    trace = Trace(layer, floats[0].dtype, step == "update")
    if trace.of_rows:
        trace.count = itertools.count(2**16)  # its dropouts are none of the message's
    arguments = {}
    for name in (p.name for p in layer._parameters_of[step]):
        arguments[name] = _argument(trace, name, values, sides)
    shadow = _shadow(layer, trace)
    try:
        out = getattr(shadow, step)(**arguments)
    except FusionError as error:
        raise FusionError(f"{error}{_where_it_happened(error)}") from None
    except Exception as error:
        # What fails on stand-ins is for the plain path to run, or to fail on in the user's terms.
        raise FusionError(f"{type(error).__name__}: {error}{_where_it_happened(error)}") from None
    if not isinstance(out, Traced) or out.side == CONSTANT:
        raise FusionError(f"the {step} is not computed from the edges' values")
    trace.message = out
    trace.arguments = arguments
    return trace


def _argument(trace: Trace, name: str, values: dict[str, Any], sides: dict[str, str]) -> Any:
    if name not in values:
        if name in ("index", "edge_index_i"):
            return torch.empty(ROWS, dtype=torch.long, device="meta").as_subclass(Index)
        return RowCount(ROWS) if name in ("size_i", "size_j", "dim_size") else None
    value = values[name]
    if name not in sides:
        return value
    side = sides[name]
    shape = value.shape if side == CONSTANT else (ROWS, *value.shape[1:])
    meta = torch.empty(shape, dtype=value.dtype, device="meta")
    return Traced.of(meta, trace, Given(name), side)


def _where_it_happened(error: BaseException) -> str:
    """The line of the user's code, outside torch and this package's engine."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not is_ours(frame.filename):
            return place(frame.filename, frame.lineno or 0)
    return ""


def _shadow(layer: Any, trace: Trace) -> Any:
    """A twin of the layer that notes what the message reads from it and refuses to be changed."""
    twin = object.__new__(_shadow_class(type(layer)))
    object.__setattr__(twin, "__dict__", {**layer.__dict__, "_shadow_of": (layer, trace)})
    return twin


def _shadow_class(cls: type) -> type:
    """A subclass made for it, kept with the class."""
    known = vars(cls).get("_traced_as")
    if known is None:
        namespace: dict[str, Any] = {
            "__getattribute__": _read,
            "__setattr__": _refuse_change,
            "__delattr__": _refuse_change,
        }
        for name in dir(cls):
            member = inspect.getattr_static(cls, name)  # the one that a call would find
            if isinstance(member, types.FunctionType) and _uses_softmax(member):
                namespace[name] = _with_our_softmax(member)
        known = type(cls)(cls.__name__, (cls,), namespace)
        cls._traced_as = known  # type: ignore[attr-defined]
    return known


def _foreign_softmax() -> Any:
    """PyTorch Geometric's softmax, if that library is in use."""
    module = sys.modules.get("torch_geometric.utils")
    return getattr(module, "softmax", None)


def _uses_softmax(function: types.FunctionType) -> bool:
    theirs = _foreign_softmax()
    return theirs is not None and function.__globals__.get("softmax") is theirs


def _with_our_softmax(function: types.FunctionType) -> types.FunctionType:
    """The same function, with PyTorch Geometric's softmax replaced by ours in its own globals."""
    twin = types.FunctionType(
        function.__code__,
        {**function.__globals__, "softmax": softmax},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _read(self: Any, name: str) -> Any:
    get = object.__getattribute__
    if name.startswith("__") or name in ("_parameters", "_buffers", "_modules"):
        return get(self, name)
    layer, trace = get(self, "__dict__")["_shadow_of"]
    try:
        value = get(self, name)
    except AttributeError:
        value = getattr(layer, name)  # parameters, buffers and modules; or the usual error
    if isinstance(value, Tensor):
        return read(trace, layer, name, value)
    if isinstance(value, nn.Module):
        trace.guards.append((layer, name, value))
        trace.guard_module(value)
    elif all(isinstance(v, PRIMITIVE) for v in (value if isinstance(value, tuple) else (value,))):
        trace.guards.append((layer, name, value))
    elif callable(value):
        if not isinstance(value, types.MethodType):
            trace.guards.append((layer, name, value))
    else:
        raise FusionError(f"reads self.{name}, a {type(value).__name__} that may change")
    return value


def _refuse_change(self: Any, name: str, value: Any = None) -> None:
    raise FusionError(f"{CHANGES}.{name}")
