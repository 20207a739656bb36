"""Stand-ins for a message's tensors while it is traced: what one run of the message gives.

Every operation is noted as it was called. Nothing is turned into kernels here, see
:mod:`graphkit.engine.lower`.
"""

from __future__ import annotations

import itertools
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphkit.engine.expression import FusionError

ROWS = 1_000_003  # stands for the number of edges, a size no feature dimension has
PRIMITIVE = (bool, int, float, str, type(None), torch.dtype)
CONSTANT = "p"  # the side of what does not depend on nodes or edges


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
        layer: what is traced.
        dtype: of the arguments.
        of_rows: whether it is an update, of the rows, and not of the edges.
        message: the result.
        arguments: what it was computed from, by name.
        guards: what was read from the layer, as (owner, name, value).
    """

    layer: Any
    dtype: torch.dtype
    of_rows: bool = False
    message: Traced | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    guards: list[tuple[Any, str, Any]] = field(default_factory=list)
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def guard_module(self, module: nn.Module) -> None:
        """A submodule that the message calls must keep its settings."""
        for inner in module.modules():
            if isinstance(inner, _BatchNorm) and inner.training:
                what = "rows" if self.of_rows else "edges"
                raise FusionError(f"normalises over all {what} (batch norm in training)")
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


# ------------------------------------------------------------------ values


class Given(NamedTuple):
    """An argument of the message; or, with an owner, what is read from the layer at every call."""

    name: str
    owner: Any = None


class Apply(NamedTuple):
    """A torch function on other values, and the line of the message that called it."""

    func: Any
    args: tuple
    kwargs: dict[str, Any]
    file: str = ""
    line: int = 0
    number: int = 0  # of a dropout, among those of the message

    @property
    def name(self) -> str:
        return getattr(self.func, "__name__", str(self.func))

    @property
    def where(self) -> str:
        return place(self.file, self.line)

    @property
    def operands(self) -> list[Traced]:
        """The values it is applied to, constants among them."""
        return tensors(self.args, self.kwargs)  # type: ignore[return-value]

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)


class Traced(Tensor):
    """A stand-in: a meta tensor that knows how it comes about.

    Attributes:
        trace: what it belongs to.
        origin: how it comes about.
        side: ``i``, ``j`` or ``e`` for what depends on one end or the edges alone, row by row;
            ``p`` for what depends on neither; None for all else.
    """

    trace: Trace
    origin: Given | Apply
    side: str | None

    @staticmethod
    def of(meta: Tensor, trace: Trace, origin: Given | Apply, side: str | None) -> Traced:
        with torch._C.DisableTorchFunctionSubclass():
            out = meta.detach().as_subclass(Traced)
        out.trace, out.origin, out.side = trace, origin, side
        return out

    @property
    def features(self) -> tuple[int, ...]:
        return tuple(int(s) for s in plain(self).shape[1:])

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _PLAIN:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if func in _SHAPE:
            return _shape(func, args, kwargs)
        trace = next(a.trace for a in tensors(args, kwargs) if isinstance(a, Traced))
        return call(trace, func, args, kwargs)


def plain(t: Traced) -> Tensor:
    """The same meta tensor without its memory of how it came about."""
    with torch._C.DisableTorchFunctionSubclass():
        return t.as_subclass(Tensor)


def tensors(args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    flat: list[Tensor] = []
    for a in (*args, *kwargs.values()):
        if isinstance(a, Tensor):
            flat.append(a)
        elif isinstance(a, (list, tuple)):
            flat.extend(b for b in a if isinstance(b, Tensor))
    return flat


def replaced(a: Any, by: Callable[[Any], Any]) -> Any:
    """An argument with ``by`` applied to it, or to the entries of a list."""
    if isinstance(a, (list, tuple)):
        return type(a)(by(b) for b in a)
    return by(a)


# ------------------------------------------------------------------ one torch call

CAT = {torch.cat, torch.concat, torch.concatenate}
SUMS = {torch.sum, Tensor.sum, torch.mean, Tensor.mean}
# Functions that there are kernels for: filled by :mod:`graphkit.engine.rules`.
RULES: dict[Any, Callable[..., int]] = {}
# Those of them that work entry by entry, and give the dtype they are given; or what is true.
ELEMENTWISE: set[Any] = set()
COMPARING: set[Any] = set()
# Those that follow an aggregation in its kernel, and are computed before it elsewhere.
RULES_AFTER: dict[Any, Callable[..., int]] = {}
# Functions that plain torch computes before a kernel, given a check that every row of the result
# depends on the same row of the arguments alone: filled by :mod:`graphkit.engine.rowwise`.
ROWWISE: dict[Any, Callable[[Apply], bool]] = {}


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


def call(trace: Trace, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Note a call of a torch function."""

    def known(a: Any) -> Any:
        return lift(trace, a) if isinstance(a, Tensor) else a

    args = tuple(replaced(a, known) for a in args)
    kwargs = {k: replaced(a, known) for k, a in kwargs.items()}
    number = next(trace.count) if func is F.dropout else 0
    apply = Apply(func, args, kwargs, *_line_of_the_message(), number)
    sides = {a.side for a in apply.operands} - {CONSTANT}
    if sides:
        if func not in RULES and func not in ROWWISE:
            raise FusionError(f"calls {apply.name}, which has no kernel")
        if func not in _MAY_KNOW_ROWS and _counts_rows((*args, *kwargs.values())):
            raise FusionError("computes with the number of edges")
        if _in_place(apply):
            raise FusionError(f"{apply.name} in place")
        if func is F.dropout:
            if not apply.argument(2, "training", True) or apply.argument(1, "p", 0.5) == 0.0:
                return args[0]
            sides = sides if trace.of_rows else {None}  # every edge draws for itself
    side = CONSTANT if not sides else sides.pop() if len(sides) == 1 else None
    if side != CONSTANT and func in ROWWISE and not ROWWISE[func](apply):
        raise FusionError(f"calls {apply.name} across edges")
    out = _meta(apply)
    if isinstance(out, (list, tuple)):
        parts = (Apply(_part, (k, func, *args), kwargs, *apply[3:]) for k in range(len(out)))
        return tuple(_result(trace, o, p, side) for o, p in zip(out, parts, strict=True))
    return _result(trace, out, apply, side)


def _part(k: int, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    """One of the tensors that a function returns."""
    return func(*args, **kwargs)[k]


def _result(trace: Trace, out: Any, apply: Apply, side: str | None) -> Traced:
    if not isinstance(out, Tensor):
        if side == CONSTANT:
            raise FusionError(f"looks at the value of a parameter ({apply.name})")
        raise FusionError(f"calls {apply.name}, which gives a {type(out).__name__}")
    if side != CONSTANT and (out.dim() == 0 or out.shape[0] != ROWS):
        raise FusionError(f"{apply.name} gives {list(out.shape)}: not one row per edge")
    return Traced.of(out, trace, apply, side)


def _usual_meta(apply: Apply) -> Tensor | None:
    """The form of what the most usual calls give: torch imports its compiler to find it, which
    takes seconds. None for all others, and where something does not fit."""
    operands = [plain(a) for a in apply.operands]
    if len({a.dtype for a in operands}) != 1 or not operands[0].is_floating_point():
        return None
    shape: Any = None
    if apply.func in ELEMENTWISE:
        with torch._C.DisableTorchFunctionSubclass():
            shape = torch.broadcast_tensors(*operands)[0].shape
    elif (
        apply.func is F.linear
        and operands[0].dim() > 0
        and operands[1].dim() == 2
        and operands[0].shape[-1] == operands[1].shape[1]
    ):
        shape = (*operands[0].shape[:-1], operands[1].shape[0])
    elif (
        apply.func in CAT
        and apply.argument(1, "dim", 0) == -1
        and len({a.shape[:-1] for a in operands}) == 1
    ):
        shape = (*operands[0].shape[:-1], sum(a.shape[-1] for a in operands))
    elif (
        apply.func in SUMS
        and apply.argument(1, "dim") == -1
        and not apply.kwargs.keys() - {"dim", "keepdim"}
        and operands[0].dim() > 0
    ):
        kept = (1,) if apply.argument(2, "keepdim", False) else ()
        shape = (*operands[0].shape[:-1], *kept)
    if shape is None:
        return None
    dtype = torch.bool if apply.func in COMPARING else operands[0].dtype
    return torch.empty(shape, dtype=dtype, device="meta")


def _meta(apply: Apply) -> Any:
    """The form of what a call gives."""
    usual = _usual_meta(apply)
    if usual is not None:
        return usual

    def stand_in(a: Any) -> Any:
        return plain(a) if isinstance(a, Traced) else a

    args = tuple(replaced(a, stand_in) for a in apply.args)
    kwargs = {k: replaced(a, stand_in) for k, a in apply.kwargs.items()}
    with torch._C.DisableTorchFunctionSubclass():
        return apply.func(*args, **kwargs)


# The functions to which the number of edges is a size.
_MAY_KNOW_ROWS = {Tensor.view, Tensor.reshape, torch.reshape, Tensor.expand}


def _counts_rows(values: Any) -> bool:
    return any(
        _counts_rows(v) if isinstance(v, (list, tuple)) else isinstance(v, RowCount) for v in values
    )


# The functions with an argument `inplace`, which is the last one.
_MAY_BE_IN_PLACE = {F.relu, F.relu6, F.elu, F.selu, F.celu, F.leaky_relu, F.silu, F.mish}
_MAY_BE_IN_PLACE |= {F.hardtanh, F.hardswish, F.hardsigmoid, F.threshold, F.dropout}


def _in_place(apply: Apply) -> bool:
    if apply.func not in _MAY_BE_IN_PLACE:
        return False
    positional = apply.args[3:] if apply.func is F.dropout else apply.args[1:]
    return bool(apply.kwargs.get("inplace")) or any(a is True for a in positional)


def lift(trace: Trace, tensor: Tensor) -> Traced:
    """A real tensor met in the message: a parameter of a submodule, or nothing we may keep."""
    if isinstance(tensor, Traced):
        return tensor
    if isinstance(tensor, Index):
        raise FusionError("computes with the edges' index")
    for owner in trace.layer.modules():
        for name, value in (*owner._parameters.items(), *owner._buffers.items()):
            if value is tensor:
                return read(trace, owner, name, tensor)
    raise FusionError("uses a tensor that is neither an argument nor a parameter of the layer")


def read(trace: Trace, owner: Any, name: str, tensor: Tensor) -> Traced:
    """A tensor of a module, whose form is watched and whose values are read at every call."""
    trace.guards.append((owner, name, Form.of(tensor)))
    meta = torch.empty_like(tensor, device="meta")
    return Traced.of(meta, trace, Given(name, owner), CONSTANT)


class Index(Tensor):
    """The destinations of the edges: may only be handed to softmax, and counted."""

    def numel(self) -> int:
        return RowCount(ROWS)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise FusionError(f"computes with the edges' index ({getattr(func, '__name__', func)})")


def softmax(src: Any, index: Any = None, ptr: Any = None, num_nodes: Any = None, dim: int = 0):
    """Stands for every softmax over the neighbourhood while a message is traced."""
    if not isinstance(src, Traced) or src.side == CONSTANT:
        raise FusionError("a softmax that is not over the destination's edges")
    if not isinstance(index, Index) or dim != 0:
        raise FusionError("a softmax that is not over the destination's edges")
    apply = Apply(softmax, (src,), {}, *_line_of_the_message())
    return Traced.of(plain(src), src.trace, apply, None)


# ------------------------------------------------------------------ lines of the user's code

_OURS = (str(Path(__file__).parent), torch.__file__.removesuffix("__init__.py"))


def place(file: str, line: int) -> str:
    """``file:line: code`` in brackets; nothing where it is not known."""
    return f" ({file}:{line}: {linecache.getline(file, line).strip()})" if file else ""


def is_ours(file: str) -> bool:
    """Whether a file belongs to torch or to this package's engine, and not to the user."""
    return file.startswith(_OURS)


def _line_of_the_message() -> tuple[str, int]:
    frame = sys._getframe(1)
    while frame is not None:
        if not is_ours(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "", 0
