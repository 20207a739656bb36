"""From a Python ``message`` to an expression.

The function runs once, on stand-ins for its tensors: they live on the meta device, so that shapes,
dtypes and dimensions are real and control flow on them works, and every torch operation on them
becomes a node. Whatever has no node, or looks at a value, raises :class:`Unsupported` with the line
of the message that did it, and the layer takes the plain path.
"""

from __future__ import annotations

import math
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine.expression import Leaf, Program, Unsupported

CHANGES = "changes self"  # how the reason begins where a message writes to its layer
ROWS = 1_000_003  # stands for the number of edges, a size no feature dimension has

# How a tensor that does not depend on the edges is found at run time, given the call's values.
Recipe = Callable[[dict[str, Any]], Any]


class _RowCount(int):
    """The number of edges while tracing: good for a view, but not to be computed with."""

    def _refuse(self, *_: Any) -> Any:
        raise Unsupported("computes with the number of edges")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __float__ = _refuse


@dataclass
class Trace:
    """What one run of a message gave."""

    program: Program = field(default_factory=Program)
    message: int = -1
    softmax: list[int] = field(default_factory=list)
    shape: tuple[int, ...] = ()  # features of a message
    heads: int = 1
    channels: int = 1
    leaves: list[tuple[str, str] | Recipe] = field(default_factory=list)  # argument and side
    scalars: list[float | Recipe] = field(default_factory=list)
    guards: list[tuple[Any, str, Any]] = field(default_factory=list)
    dtype: torch.dtype | None = None
    layer: nn.Module | None = None
    probing: bool = False  # the first run only collects shapes
    ranks: set[tuple[int, ...]] = field(default_factory=set)

    def guard_module(self, module: nn.Module) -> None:
        """A submodule that the message calls must keep its settings."""
        for inner in module.modules():
            for name, value in vars(inner).items():
                if isinstance(value, _PRIMITIVE) and not name.startswith("_"):
                    self.guards.append((inner, name, value))

    def holds(self) -> bool:
        """Whether everything that was read from the layer still is as it was."""
        for owner, name, value in self.guards:
            now = getattr(owner, name, None)
            if now is not value and now != value:
                return False
        return True


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


def _features(shape: Any) -> tuple[int, ...]:
    return tuple(int(s) for s in shape[1:])


# ------------------------------------------------------------------ one torch call

_PLAIN = {
    Tensor.dim, Tensor.ndim.__get__, Tensor.dtype.__get__, Tensor.device.__get__,
    Tensor.requires_grad.__get__, Tensor.is_floating_point, torch.is_floating_point,
    Tensor.layout.__get__, Tensor.is_sparse.__get__, Tensor.is_complex, torch.is_complex,
    Tensor.is_cuda.__get__, Tensor.__len__, Tensor.element_size, Tensor.is_contiguous,
    Tensor.is_quantized.__get__, Tensor.is_nested.__get__,
}  # fmt: skip
_SHAPE = {Tensor.shape.__get__, Tensor.size}


def _shape(func: Any, args: Any, kwargs: Any) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        out = func(*args, **kwargs)
    if isinstance(out, int):
        return _RowCount(out) if out == ROWS else out
    return tuple(_RowCount(s) if s == ROWS else s for s in out)


def _call(trace: Trace, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = getattr(func, "__name__", str(func))
    traced = [a for a in _tensors(args, kwargs)]
    if all(not isinstance(a, Traced) or a.node is None for a in traced):
        return _constant(trace, func, args, kwargs)
    rule = _RULES.get(func)
    if rule is None:
        raise Unsupported(f"calls {name}, which has no kernel")
    return rule(_Call(trace, func, name, args, kwargs))


def _constant(trace: Trace, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on parameters only: done in plain torch before the kernel runs."""

    def meta(a: Any) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)(meta(b) for b in a)
        return a.to("meta") if isinstance(a, Tensor) and not isinstance(a, Traced) else a

    def value(a: Any, values: dict[str, Any]) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)(value(b, values) for b in a)
        return _lift(trace, a).recipe(values) if isinstance(a, Tensor) else a

    for a in _tensors(args, kwargs):
        _lift(trace, a)  # a tensor that belongs to nothing is refused here
    with torch._C.DisableTorchFunctionSubclass():
        out = func(*meta(args), **{k: meta(v) for k, v in kwargs.items()})
    if not isinstance(out, Tensor):
        raise Unsupported(f"looks at the value of a parameter ({func.__name__})")

    def recipe(values: dict[str, Any]) -> Any:
        named = {k: value(v, values) for k, v in kwargs.items()}
        return func(*(value(a, values) for a in args), **named)

    return Traced.of(out, trace, recipe=recipe)


def _lift(trace: Trace, tensor: Tensor) -> Traced:
    """A real tensor met in the message: a parameter of a submodule, or nothing we may keep."""
    if isinstance(tensor, Traced):
        return tensor
    owners = _owners(trace, tensor)
    if not owners:
        raise Unsupported("uses a tensor that is neither an argument nor a parameter of the layer")
    owner, name = owners[0]
    trace.guards.append((owner, name, tensor))
    meta = torch.empty_like(tensor, device="meta")
    return Traced.of(meta, trace, recipe=lambda _: getattr(owner, name))


def _owners(trace: Trace, tensor: Tensor) -> list[tuple[nn.Module, str]]:
    layer: nn.Module = trace.layer  # type: ignore[attr-defined]
    return [
        (module, name)
        for module in layer.modules()
        for name, value in (*module._parameters.items(), *module._buffers.items())
        if value is tensor
    ]


class _Call:
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
            a = _lift(self.trace, a)
            if a.node is not None:
                if a.dim() != rank:
                    raise Unsupported(f"{self.name} broadcasts the edges' dimension away")
                return a.node
            return _parameter(self.trace, a, rank)
        if isinstance(a, (bool, int, float)):
            return number(self.trace, a)
        raise Unsupported(f"{self.name} takes a {type(a).__name__}")

    def result(self, node: int, meta: Tensor | None = None) -> Traced:
        meta = self.meta() if meta is None else meta
        if meta.dim() == 0 or meta.shape[0] != ROWS:
            raise Unsupported(f"{self.name} gives {list(meta.shape)}: not one row per edge")
        _axes(self.trace, _features(meta.shape))
        return Traced.of(meta, self.trace, node=node)


def number(trace: Trace, value: float) -> int:
    if float(value) in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0):
        return trace.program.literal(float(value))
    trace.scalars.append(float(value))
    return trace.program.scalar()


def _axes(trace: Trace, features: tuple[int, ...]) -> tuple[bool, bool]:
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
    raise Unsupported(f"mixes features of shape {features} and {(heads, channels)}")


def _parameter(trace: Trace, a: Traced, rank: int) -> int:
    shape = tuple(a.shape)
    if len(shape) > rank or (len(shape) == rank and shape[0] != 1):
        raise Unsupported(f"broadcasts a parameter of shape {shape} over edges")
    features = (1,) * (rank - 1 - len(shape)) + (shape[1:] if len(shape) == rank else shape)
    heads, channels = _axes(trace, features)
    if a.dtype != trace.dtype:
        raise Unsupported(f"mixes {a.dtype} and {trace.dtype}")
    trace.leaves.append(a.recipe)  # type: ignore[arg-type]
    return trace.program.leaf(Leaf("p", heads, channels))


# ------------------------------------------------------------------ rules: torch -> nodes

_RULES: dict[Any, Callable[[_Call], Any]] = {}


def _rule(*functions: Any):
    def register(rule: Callable[[_Call], Any]):
        for function in functions:
            _RULES[function] = rule
        return rule

    return register


def _elementwise(build: Callable[..., int], count: int):
    """A rule for an operation on ``count`` tensors or numbers, by their nodes."""

    def rule(call: _Call) -> Traced:
        meta = call.meta()
        operands = [call.node(a, meta.dim()) for a in call.args[:count]]
        if len(operands) != count:
            raise Unsupported(f"{call.name} with arguments by name")
        return call.result(build(call, *operands), meta)

    return rule


def _unary(op: str):
    return _elementwise(lambda call, a: call.p(op, a), 1)


def _binary(op: str, swap: bool = False):
    def build(call: _Call, a: int, b: int) -> int:
        if call.kwargs.get("alpha", 1) != 1 or call.kwargs.get("rounding_mode") is not None:
            raise Unsupported(f"{call.name} with {call.kwargs}")
        return call.p(op, b, a) if swap else call.p(op, a, b)

    return _elementwise(build, 2)


T = Tensor
for _op, _functions in {
    "neg": [torch.neg, torch.negative, T.neg, T.__neg__, T.negative],
    "exp": [torch.exp, T.exp],
    "expm1": [torch.expm1, T.expm1, torch.special.expm1],
    "log": [torch.log, T.log],
    "sqrt": [torch.sqrt, T.sqrt],
    "abs": [torch.abs, T.abs, T.__abs__, torch.absolute],
    "sign": [torch.sign, T.sign],
    "sigmoid": [torch.sigmoid, T.sigmoid, F.sigmoid, torch.special.expit],
    "tanh": [torch.tanh, T.tanh, F.tanh],
    "erf": [torch.erf, T.erf, torch.special.erf],
    "relu": [torch.relu, T.relu],
}.items():
    _rule(*_functions)(_unary(_op))
for _op, _functions in {
    "add": [torch.add, T.add, T.__add__, T.__radd__],
    "sub": [torch.sub, torch.subtract, T.sub, T.__sub__],
    "mul": [torch.mul, torch.multiply, T.mul, T.multiply, T.__mul__, T.__rmul__],
    "div": [torch.div, torch.divide, torch.true_divide, T.div, T.__truediv__],
    "pow": [torch.pow, T.pow, T.__pow__],
    "maximum": [torch.maximum, T.maximum],
    "minimum": [torch.minimum, T.minimum],
    "gt": [torch.gt, T.gt, T.__gt__], "ge": [torch.ge, T.ge, T.__ge__],
    "lt": [torch.lt, T.lt, T.__lt__], "le": [torch.le, T.le, T.__le__],
    "eq": [torch.eq, T.eq, T.__eq__], "ne": [torch.ne, T.ne, T.__ne__],
}.items():  # fmt: skip
    _rule(*_functions)(_binary(_op))
_rule(T.__rsub__, torch.rsub)(_binary("sub", swap=True))
_rule(T.__rtruediv__, T.__rdiv__)(_binary("div", swap=True))
_rule(T.__rpow__)(_binary("pow", swap=True))
_rule(torch.square, T.square)(_elementwise(lambda c, a: c.p("mul", a, a), 1))
_rule(torch.reciprocal, T.reciprocal)(_elementwise(lambda c, a: c.p("div", c.p.literal(1.0), a), 1))
_rule(torch.rsqrt, T.rsqrt)(
    _elementwise(lambda c, a: c.p("div", c.p.literal(1.0), c.p("sqrt", a)), 1)
)


@_rule(F.relu, F.silu, F.gelu, F.elu, F.leaky_relu, F.softplus, F.logsigmoid, F.relu6, F.hardtanh, F.selu)  # fmt: skip
def _activation(call: _Call) -> Traced:
    p, name = call.p, call.func.__name__
    if call.kwargs.get("inplace") or True in call.args[1:]:
        raise Unsupported(f"{name} in place")
    x = call.args[0] if call.args else call.kwargs["input"]
    meta = torch.empty(x.shape, dtype=x.dtype, device="meta")
    a = call.node(x, len(meta.shape))
    zero, one = p.literal(0.0), p.literal(1.0)
    if name == "relu":
        out = p("relu", a)
    elif name == "silu":
        out = p("mul", a, p("sigmoid", a))
    elif name == "leaky_relu":
        slope = number(call.trace, call.argument(1, "negative_slope", 0.01))
        out = p("where", p("gt", a, zero), a, p("mul", slope, a))
    elif name in ("elu", "selu"):
        alpha, scale = call.argument(1, "alpha", 1.0), 1.0
        if name == "selu":
            alpha, scale = 1.6732632423543772, 1.0507009873554805
        low = p("mul", number(call.trace, alpha), p("expm1", a))
        out = p("mul", number(call.trace, scale), p("where", p("gt", a, zero), a, low))
    elif name == "gelu":
        half = p("mul", p.literal(0.5), a)
        if call.argument(1, "approximate", "none") == "tanh":
            cube = p("mul", a, p("mul", a, a))
            inner = p("add", a, p("mul", p.literal(0.044715), cube))
            bump = p("tanh", p("mul", p.literal(math.sqrt(2 / math.pi)), inner))
        else:
            bump = p("erf", p("mul", p.literal(math.sqrt(0.5)), a))
        out = p("mul", half, p("add", one, bump))
    elif name == "softplus":
        beta, threshold = call.argument(1, "beta", 1.0), call.argument(2, "threshold", 20.0)
        scaled = p("mul", number(call.trace, beta), a)
        soft = p("div", p("softplus", scaled), number(call.trace, beta))
        out = p("where", p("gt", scaled, number(call.trace, threshold)), a, soft)
    elif name == "logsigmoid":
        out = p("neg", p("softplus", p("neg", a)))
    else:
        low, high = (0.0, 6.0) if name == "relu6" else (-1.0, 1.0)
        if name == "hardtanh":
            low, high = call.argument(1, "min_val", low), call.argument(2, "max_val", high)
        out = _clamp(call, a, low, high)
    return call.result(out, meta)


def _clamp(call: _Call, a: int, low: float | None, high: float | None) -> int:
    if low is not None:
        bound = number(call.trace, low)
        a = call.p("where", call.p("lt", a, bound), bound, a)
    if high is not None:
        bound = number(call.trace, high)
        a = call.p("where", call.p("gt", a, bound), bound, a)
    return a


@_rule(torch.clamp, T.clamp, torch.clip, T.clip, T.clamp_min, T.clamp_max)
def _clamped(call: _Call) -> Traced:
    if call.name == "clamp_max":
        low, high = None, call.argument(1, "max")
    else:
        low, high = call.argument(1, "min"), call.argument(2, "max")
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise Unsupported("clamps between tensors")
    meta = call.meta()
    return call.result(_clamp(call, call.node(call.args[0], meta.dim()), low, high), meta)


@_rule(torch.where, T.where)
def _where(call: _Call) -> Traced:
    cond, yes, no = (
        call.args if call.func is torch.where else (call.args[1], call.args[0], call.args[2])
    )
    meta = call.meta()
    condition = call.node(cond, meta.dim())
    nodes = [call.node(a, meta.dim()) for a in (yes, no)]
    return call.result(call.p("where", condition, *nodes), meta)


@_rule(T.masked_fill, torch.masked_fill)
def _masked_fill(call: _Call) -> Traced:
    meta = call.meta()
    x, mask, value = (call.node(a, meta.dim()) for a in call.args)
    return call.result(call.p("where", mask, value, x), meta)


@_rule(torch.max, torch.min, T.max, T.min)
def _max(call: _Call) -> Traced:
    if len(call.args) != 2 or not isinstance(call.args[1], Tensor):
        raise Unsupported(f"{call.name} over a dimension")
    return _binary("maximum" if call.name == "max" else "minimum")(call)


@_rule(T.detach, torch.detach)
def _detach(call: _Call) -> Traced:
    x = call.args[0]
    return Traced.of(x, call.trace, node=call.p("stop", x.node))


@_rule(T.contiguous, T.clone, torch.clone)
def _same(call: _Call) -> Traced:
    return call.args[0]


@_rule(T.to, T.type_as, T.float, T.double)
def _cast(call: _Call) -> Traced:
    meta = call.meta()
    if meta.dtype != call.args[0].dtype or meta.device.type != "meta":
        raise Unsupported(f"casts {call.args[0].dtype} to {meta.dtype}")
    return call.args[0]


@_rule(T.view, T.reshape, torch.reshape, T.unsqueeze, torch.unsqueeze, T.squeeze, torch.squeeze,
       T.flatten, torch.flatten, T.expand, T.expand_as, T.view_as, T.__getitem__)  # fmt: skip
def _view(call: _Call) -> Traced:
    x = call.args[0]
    if call.func is T.__getitem__:
        key = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
        if not key or any(k is not None and k is not Ellipsis and k != slice(None) for k in key):
            raise Unsupported("takes a part of the features or of the edges")
    if any(isinstance(a, Traced) for a in call.args[1:]) and call.name not in (
        "expand_as",
        "view_as",
    ):
        raise Unsupported(f"{call.name} by a tensor")
    meta = call.meta()
    if meta.dim() == 0 or meta.shape[0] != ROWS:
        raise Unsupported(f"{call.name} moves the edges' dimension")
    trace = call.trace
    before, after = (_axes(trace, _features(s)) for s in (x.shape, meta.shape))
    if before != after and not (call.name.startswith("expand") and before <= after):
        raise Unsupported(f"{call.name} turns features {_features(x.shape)} about")
    return Traced.of(meta, trace, node=x.node)


@_rule(torch.sum, T.sum, torch.mean, T.mean)
def _channel_reduction(call: _Call) -> Traced:
    x, meta = call.args[0], call.meta()
    if meta.dim() == 0 or meta.shape[0] != ROWS:
        raise Unsupported(f"{call.name} over the edges")
    trace, p = call.trace, call.p
    before, after = _features(x.shape), _features(meta.shape)
    trace.ranks |= {before, after}
    if trace.probing:
        return Traced.of(meta, trace, node=x.node)
    if math.prod(after) * trace.channels != math.prod(before) or before[-1] != trace.channels:
        raise Unsupported(f"{call.name} from features {before} to {after}")
    if _axes(trace, before) == (trace.heads > 1, False):
        return Traced.of(meta, trace, node=x.node)  # one channel: nothing to sum
    out = p("channel_sum", x.node)
    if call.name == "mean":
        out = p("mul", out, number(trace, 1.0 / trace.channels))
    return Traced.of(meta, trace, node=out)


@_rule(F.dropout)
def _dropout(call: _Call) -> Traced:
    x, rate, training = call.args[0], call.argument(1, "p", 0.5), call.argument(2, "training", True)
    if not training or rate == 0.0:
        return x
    trace, p = call.trace, call.p
    if trace.heads > 1 and not _axes(trace, _features(x.shape))[0]:
        raise Unsupported("drops what all heads share")
    trace.scalars += [float(rate), _seed]
    keep = p.keep(p.scalar(), p.scalar(), p.wide[x.node], len(trace.scalars))
    return Traced.of(x, trace, node=p("mul", x.node, keep))


def _seed() -> float:
    """Drawn from torch's generator, so that ``torch.manual_seed`` rules it."""
    return float(torch.randint(2**31 - 1, ()).item())


def softmax(src: Any, index: Any = None, ptr: Any = None, num_nodes: Any = None, dim: int = 0):
    """Stands for every softmax over the neighbourhood while a message is traced."""
    if not isinstance(src, Traced) or src.node is None or not isinstance(index, _Index) or dim != 0:
        raise Unsupported("a softmax that is not over the destination's edges")
    p, trace = src.trace.program, src.trace
    for known in trace.softmax:
        if p.depends(src.node, known):
            raise Unsupported("a softmax of a softmax")
    node = p("softmax", src.node)
    if node not in trace.softmax:
        trace.softmax.append(node)
    return Traced.of(src, trace, node=node)


class _Index(Tensor):
    """The destinations of the edges: may only be handed to softmax."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise Unsupported(f"computes with the edges' index ({getattr(func, '__name__', func)})")


# ------------------------------------------------------------------ running the message


def trace_message(layer: nn.Module, values: dict[str, Any], sides: dict[str, str]) -> Trace:
    """Trace ``layer.message``.

    Args:
        values: what it is called with: tensors with one row per node or edge, None, or plain
            values, by the argument's name. Names that are missing belong to the edges' structure.
        sides: for tensors, where an argument is read: ``i``, ``j``, ``e`` or ``p``.

    Raises:
        Unsupported: with the reason and the line.
    """
    probe = _run(layer, values, sides, None)
    if any(len(shape) > 2 for shape in probe.ranks):
        raise Unsupported("more than two feature dimensions")
    pairs = [shape for shape in probe.ranks if len(shape) == 2]
    if pairs:
        axes = max(s[0] for s in pairs), max(s[1] for s in pairs)
    else:
        axes = 1, max((s[0] for s in probe.ranks if s), default=1)
    return _run(layer, values, sides, axes)


def _run(
    layer: nn.Module, values: dict[str, Any], sides: dict[str, str], axes: tuple[int, int] | None
) -> Trace:
    trace = Trace(layer=layer, probing=axes is None)
    trace.heads, trace.channels = axes or (1, 1)
    floats = [v for k, v in values.items() if k in sides and v.is_floating_point()]
    if not floats:
        raise Unsupported("has no floating-point argument")
    trace.dtype = floats[0].dtype
    arguments = {}
    for name in (p.name for p in layer._parameters_of["message"]):  # type: ignore[union-attr]
        arguments[name] = _argument(trace, name, values, sides)
    shadow = _shadow(layer, trace)
    try:
        out = shadow.message(**arguments)
    except Unsupported as error:
        raise Unsupported(f"{error}{_where_it_happened(error)}") from None
    except Exception as error:
        # What fails on stand-ins is for the plain path to run, or to fail on in the user's terms.
        raise Unsupported(f"{type(error).__name__}: {error}{_where_it_happened(error)}") from None
    if not isinstance(out, Traced) or out.node is None:
        raise Unsupported("the message is not computed from the edges' values")
    trace.message, trace.shape = out.node, _features(out.shape)
    if not trace.probing and _axes(trace, trace.shape) != (
        trace.heads > 1,
        trace.program.wide[out.node],
    ):
        raise Unsupported(f"a message of shape {trace.shape} is the same along some features")
    return trace


def _argument(trace: Trace, name: str, values: dict[str, Any], sides: dict[str, str]) -> Any:
    if name not in values:
        if name in ("index", "edge_index_i"):
            return torch.empty(ROWS, dtype=torch.long, device="meta").as_subclass(_Index)
        return _RowCount(ROWS) if name in ("size_i", "size_j", "dim_size") else None
    value = values[name]
    if name not in sides:
        return value
    side = sides[name]
    features = value.shape if side == "p" else value.shape[1:]
    meta = torch.empty((ROWS, *features), dtype=value.dtype, device="meta")
    if side == "p":
        meta = torch.empty(features, dtype=value.dtype, device="meta")
        return Traced.of(meta, trace, recipe=lambda call: call[name])
    if value.dtype != trace.dtype:
        raise Unsupported(f"{name} has {value.dtype}, others {trace.dtype}")
    trace.leaves.append((name, side))
    node = trace.program.leaf(Leaf(side, *_axes(trace, _features(meta.shape))))
    return Traced.of(meta, trace, node=node)


def _where_it_happened(error: BaseException) -> str:
    """The line of the user's code, outside torch and this package's engine."""
    ours = (__file__, torch.__file__.removesuffix("__init__.py"))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(ours):
            return f" ({frame.filename}:{frame.lineno}: {frame.line})"
    return ""


_PRIMITIVE = (bool, int, float, str, type(None), torch.dtype)


def _shadow(layer: nn.Module, trace: Trace) -> Any:
    """A twin of the layer that notes what the message reads from it and refuses to be changed."""
    twin = object.__new__(_shadow_class(type(layer)))
    object.__setattr__(twin, "__dict__", {**layer.__dict__, "_shadow_of": (layer, trace)})
    return twin


_SHADOWS: dict[type, type] = {}


def _shadow_class(cls: type) -> type:
    if cls not in _SHADOWS:
        namespace: dict[str, Any] = {
            "__getattribute__": _read,
            "__setattr__": _refuse_change,
            "__delattr__": _refuse_change,
        }
        for base in reversed(cls.__mro__):
            for name, member in vars(base).items():
                if isinstance(member, types.FunctionType) and _uses_softmax(member):
                    namespace[name] = _with_our_softmax(member)
        shadow = type.__new__(type(cls), f"{cls.__name__}", (cls,), namespace)
        _SHADOWS[cls] = shadow
    return _SHADOWS[cls]


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
        meta = torch.empty_like(value, device="meta")
        return Traced.of(meta, trace, recipe=lambda _: getattr(layer, name))
    if isinstance(value, nn.Module):
        trace.guard_module(value)
    elif isinstance(value, _PRIMITIVE):
        trace.guards.append((layer, name, value))
    elif isinstance(value, tuple) and all(isinstance(v, _PRIMITIVE) for v in value):
        trace.guards.append((layer, name, value))
    elif callable(value):
        if not isinstance(value, types.MethodType):
            trace.guards.append((layer, name, value))
    else:
        raise Unsupported(f"reads self.{name}, a {type(value).__name__} that may change")
    return value


def _refuse_change(self: Any, name: str, value: Any = None) -> None:
    raise Unsupported(f"{CHANGES}.{name}")
