"""Stand-ins for a message's tensors while it is traced, and what one trace gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphkit.engine.expression import FusionError, Leaf, Program

ROWS = 1_000_003  # stands for the number of edges, a size no feature dimension has
PRIMITIVE = (bool, int, float, str, type(None), torch.dtype)

# How a tensor that does not depend on the edges is found at run time, given the call's values.
Recipe = Callable[[dict[str, Any]], Any]


class RowCount(int):
    """The number of edges while tracing: good for a view, but not to be computed with."""

    def _refuse(self, *_: Any) -> Any:
        raise FusionError("computes with the number of edges")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __float__ = _refuse


@dataclass
class Trace:
    """What one run of a message gave.

    Attributes:
        program, message: the expression and its node for the message.
        softmax: its softmaxes over the neighbourhood.
        shape: features of a message.
        leaves, scalars: for the program's leaves and numbers, where a call finds them.
        guards: what was read from the layer, as (owner, name, value).
        layer: what is traced.
        probing: the first run only collects the feature shapes that occur.
    """

    program: Program = field(default_factory=Program)
    message: int = -1
    softmax: list[int] = field(default_factory=list)
    shape: tuple[int, ...] = ()  # features of a message
    heads: int = 1
    channels: int = 1
    leaves: list[str | Recipe] = field(default_factory=list)  # names of arguments, recipes
    scalars: list[float | Recipe] = field(default_factory=list)
    guards: list[tuple[Any, str, Any]] = field(default_factory=list)
    dtype: torch.dtype | None = None
    layer: Any = None
    probing: bool = False  # the first run only collects shapes
    ranks: set[tuple[int, ...]] = field(default_factory=set)

    def guard_module(self, module: nn.Module) -> None:
        """A submodule that the message calls must keep its settings."""
        for inner in module.modules():
            for name, value in vars(inner).items():
                if isinstance(value, PRIMITIVE) and not name.startswith("_"):
                    self.guards.append((inner, name, value))
            self.guards += [(inner, name, child) for name, child in inner.named_children()]

    def holds(self) -> bool:
        """Whether everything that was read from the layer still is as it was."""
        for owner, name, value in self.guards:
            now = getattr(owner, name, None)
            if isinstance(value, Form):
                if not isinstance(now, Tensor) or Form.of(now) != value:
                    return False
            elif now is not value and now != value:
                return False
        return True


class Form(NamedTuple):
    """What a kernel relies on of a tensor whose values are read at every call."""

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        return cls(tensor.shape, tensor.dtype, tensor.device)


class Traced(Tensor):
    """A stand-in: a meta tensor that knows its node, or (a constant) how to be computed."""

    trace: Trace
    node: int | None
    recipe: Recipe | None

    @staticmethod
    def of(meta: Tensor, trace: Trace, node: int | None = None, recipe: Recipe | None = None):
        with torch._C.DisableTorchFunctionSubclass():
            out = meta.detach().as_subclass(Traced)
        out.trace, out.node, out.recipe = trace, node, recipe
        return out

    def found(self, values: dict[str, Any]) -> Tensor:
        """The constant itself, for a call with these values."""
        assert self.recipe is not None
        return self.recipe(values)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _PLAIN:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if func in _SHAPE:
            return _shape(func, args, kwargs)
        trace = next(a.trace for a in _tensors(args, kwargs) if isinstance(a, Traced))
        return _call(trace, func, args, kwargs)


def _tensors(args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    flat: list[Tensor] = []
    for a in (*args, *kwargs.values()):
        if isinstance(a, Tensor):
            flat.append(a)
        elif isinstance(a, (list, tuple)):
            flat.extend(b for b in a if isinstance(b, Tensor))
    return flat


def feature_shape(shape: Any) -> tuple[int, ...]:
    return tuple(int(s) for s in shape[1:])


# ------------------------------------------------------------------ one torch call

# Filled by :mod:`graphkit.engine.rules`: what a torch function becomes.
RULES: dict[Any, Callable[[Call], Any]] = {}


def _getters(*names: str) -> set[Any]:
    return {getattr(Tensor, name).__get__ for name in names}


# Answered by the meta tensor itself.
_PLAIN = {Tensor.dim, Tensor.is_floating_point, torch.is_floating_point, Tensor.is_complex}
_PLAIN |= {torch.is_complex, Tensor.element_size, Tensor.is_contiguous}
_PLAIN |= _getters("ndim", "dtype", "device", "requires_grad", "layout", "is_sparse", "is_cuda")
_PLAIN |= _getters("is_quantized", "is_nested")
_SHAPE = {Tensor.size} | _getters("shape")


def _shape(func: Any, args: Any, kwargs: Any) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        out = func(*args, **kwargs)
    if isinstance(out, int):
        return RowCount(out) if out == ROWS else out
    return tuple(RowCount(s) if s == ROWS else s for s in out)


def _call(trace: Trace, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = getattr(func, "__name__", str(func))
    traced = [a for a in _tensors(args, kwargs)]
    if all(not isinstance(a, Traced) or a.node is None for a in traced):
        return _constant(trace, func, args, kwargs)
    rule = RULES.get(func)
    if rule is None:
        raise FusionError(f"calls {name}, which has no kernel")
    return rule(Call(trace, func, name, args, kwargs))


def _constant(trace: Trace, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on parameters only: done in plain torch before the kernel runs."""

    def meta(a: Any) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)(meta(b) for b in a)
        return a.to("meta") if isinstance(a, Tensor) and not isinstance(a, Traced) else a

    def value(a: Any, values: dict[str, Any]) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)(value(b, values) for b in a)
        return lift(trace, a).found(values) if isinstance(a, Tensor) else a

    for a in _tensors(args, kwargs):
        lift(trace, a)  # a tensor that belongs to nothing is refused here
    with torch._C.DisableTorchFunctionSubclass():
        out = func(*meta(args), **{k: meta(v) for k, v in kwargs.items()})
    if not isinstance(out, Tensor):
        raise FusionError(f"looks at the value of a parameter ({func.__name__})")

    def recipe(values: dict[str, Any]) -> Any:
        named = {k: value(v, values) for k, v in kwargs.items()}
        return func(*(value(a, values) for a in args), **named)

    return Traced.of(out, trace, recipe=recipe)


def lift(trace: Trace, tensor: Tensor) -> Traced:
    """A real tensor met in the message: a parameter of a submodule, or nothing we may keep."""
    if isinstance(tensor, Traced):
        return tensor
    owners = _owners(trace, tensor)
    if not owners:
        raise FusionError("uses a tensor that is neither an argument nor a parameter of the layer")
    owner, name = owners[0]
    trace.guards.append((owner, name, Form.of(tensor)))
    meta = torch.empty_like(tensor, device="meta")
    return Traced.of(meta, trace, recipe=lambda _: getattr(owner, name))


def _owners(trace: Trace, tensor: Tensor) -> list[tuple[nn.Module, str]]:
    return [
        (module, name)
        for module in trace.layer.modules()
        for name, value in (*module._parameters.items(), *module._buffers.items())
        if value is tensor
    ]


class Call:
    """The arguments of one operation, as nodes with a common layout."""

    def __init__(self, trace: Trace, func: Any, name: str, args: Any, kwargs: dict[str, Any]):
        self.trace, self.func, self.name, self.args, self.kwargs = trace, func, name, args, kwargs
        self.p = trace.program

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    def meta(self) -> Tensor:
        def plain(a: Any) -> Any:
            if isinstance(a, Tensor):
                return a if isinstance(a, Traced) else torch.empty_like(a, device="meta")
            return type(a)(plain(b) for b in a) if isinstance(a, (list, tuple)) else a

        with torch._C.DisableTorchFunctionSubclass():
            out = self.func(*plain(self.args), **{k: plain(v) for k, v in self.kwargs.items()})
        return out

    def node(self, a: Any, rank: int) -> int:
        """The node of a tensor or number that meets per-edge values of ``rank`` dimensions."""
        if isinstance(a, Tensor):
            a = lift(self.trace, a)
            if a.node is not None:
                if a.dim() != rank:
                    raise FusionError(f"{self.name} broadcasts the edges' dimension away")
                return a.node
            return parameter(self.trace, a, rank)
        if isinstance(a, (bool, int, float)):
            return number(self.trace, a)
        raise FusionError(f"{self.name} takes a {type(a).__name__}")

    def result(self, node: int, meta: Tensor | None = None) -> Traced:
        meta = self.meta() if meta is None else meta
        if meta.dim() == 0 or meta.shape[0] != ROWS:
            raise FusionError(f"{self.name} gives {list(meta.shape)}: not one row per edge")
        axes(self.trace, feature_shape(meta.shape))
        return Traced.of(meta, self.trace, node=node)


def number(trace: Trace, value: float) -> int:
    if float(value) in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0):
        return trace.program.literal(float(value))
    trace.scalars.append(float(value))
    return trace.program.scalar()


def axes(trace: Trace, features: tuple[int, ...]) -> tuple[bool, bool]:
    """Which of (heads, channels) a feature shape has."""
    trace.ranks.add(features)
    if trace.probing:
        return False, True
    heads, channels = trace.heads, trace.channels
    if len(features) == 2:
        if features[0] in (1, heads) and features[1] in (1, channels):
            return features[0] > 1, features[1] > 1
    elif all(f == 1 for f in features):
        return False, False
    elif len(features) == 1:
        if features[0] == heads * channels:
            return heads > 1, channels > 1
        if features[0] == heads:
            return True, False
        if features[0] == channels:
            return False, True
    raise FusionError(f"mixes features of shape {features} and {(heads, channels)}")


def parameter(trace: Trace, a: Traced, rank: int) -> int:
    shape = tuple(a.shape)
    if len(shape) > rank or (len(shape) == rank and shape[0] != 1):
        raise FusionError(f"broadcasts a parameter of shape {shape} over edges")
    features = (1,) * (rank - 1 - len(shape)) + (shape[1:] if len(shape) == rank else shape)
    heads, channels = axes(trace, features)
    if a.dtype != trace.dtype:
        raise FusionError(f"mixes {a.dtype} and {trace.dtype}")
    trace.leaves.append(a.recipe)  # type: ignore[arg-type]
    return trace.program.leaf(Leaf("p", heads, channels))


def softmax(src: Any, index: Any = None, ptr: Any = None, num_nodes: Any = None, dim: int = 0):
    """Stands for every softmax over the neighbourhood while a message is traced."""
    if not isinstance(src, Traced) or src.node is None or not isinstance(index, Index) or dim != 0:
        raise FusionError("a softmax that is not over the destination's edges")
    p, trace = src.trace.program, src.trace
    for known in trace.softmax:
        if p.depends(src.node, known):
            raise FusionError("a softmax of a softmax")
    node = p("softmax", src.node)
    if node not in trace.softmax:
        trace.softmax.append(node)
    return Traced.of(src, trace, node=node)


class Index(Tensor):
    """The destinations of the edges: may only be handed to softmax."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise FusionError(f"computes with the edges' index ({getattr(func, '__name__', func)})")
