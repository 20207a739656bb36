"""Linear maps, ReLU and dropout of large features on the CPU, with results from reused memory.

torch asks the system for fresh memory for every large result, and first touches of fresh pages take
longer than a ReLU (see :mod:`graphkit.engine.cpu.memory`). Here the same torch kernels compute the
same bits into the memory that the engine's own results live in, forward and backward. What is
small, on another device, compiled, transformed or under autocast is left to torch as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from graphkit.engine.cpu import memory

LARGE = 2**22  # bytes, from where fresh pages cost more than the way to reused ones
DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def serves(x: Tensor, width: int | None = None) -> bool:
    """Whether a result with the rows of `x`, and its features or so many, belongs here."""
    return (
        _is_plain(x)
        and x.size(0) * (x.size(1) if width is None else width) * x.element_size() >= LARGE
        and x.device.type == "cpu"
        and x.dtype in DTYPES
        and memory.SUPPORTED
    )


def _is_plain(x: Tensor) -> bool:
    """Whether nobody follows what is done with dense rows of features but torch's autograd."""
    return (
        not torch.compiler.is_compiling()
        and x.__class__ in (Tensor, nn.Parameter)
        and x.dim() == 2
        and x.layout == torch.strided
        and x.device.type in ("cpu", "cuda")
        and not torch.is_autocast_enabled(x.device.type)
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )


def _empty(x: Tensor, width: int | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """A place for a result with as many rows as x has."""
    return memory.empty(x.size(0), x.size(1) if width is None else width, dtype or x.dtype)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b``; where it is to be derived again, by torch alone."""
    again = torch.is_grad_enabled() or not serves(a, b.size(1))
    return a.mm(b) if again else torch.mm(a, b, out=_empty(a, b.size(1)))


# ------------------------------------------------------------------ linear maps


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        out = _empty(x, weight.size(0))
        if bias is None:
            return torch.mm(x, weight.t(), out=out)
        return torch.addmm(bias, x, weight.t(), out=out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        (g,) = gradients
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        dx = _product(g, weight) if to_x else None
        return dx, g.t().mm(x) if to_weight else None, g.sum(0) if to_bias else None


class _Added(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, out: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.mark_dirty(out)
        ctx.save_for_backward(x if ctx.needs_input_grad[2] else None, weight)
        return out.addmm_(x, weight.t())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        (g,) = gradients
        x, weight = ctx.saved_tensors
        _, to_x, to_weight = ctx.needs_input_grad
        return g, _product(g, weight) if to_x else None, g.t().mm(x) if to_weight else None


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r""":math:`x W^\top + b`, as :func:`torch.nn.functional.linear`."""
    if not serves(input, weight.size(0)) or weight.dtype != input.dtype:
        return F.linear(input, weight, bias)
    return _Linear.apply(input, weight, bias)  # type: ignore[return-value]


class _Joint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, *weights: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, *weights)
        ctx.sizes = [weight.size(0) for weight in weights]
        weight = torch.cat(weights).t()
        out = _empty(x, weight.size(1)) if serves(x, weight.size(1)) else None
        if bias is None:
            out = torch.mm(x, weight, out=out)
        else:
            out = torch.addmm(bias, x, weight, out=out)
        return out.split(ctx.sizes, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple:
        x, *weights = ctx.saved_tensors
        to_x, to_bias, *to_weights = ctx.needs_input_grad
        again = torch.is_grad_enabled()
        dx, db, dw = None, [], []
        for g, weight, size, wanted in zip(gradients, weights, ctx.sizes, to_weights, strict=True):
            dw.append(g.t().mm(x) if g is not None and wanted else None)
            if to_bias:
                db.append(x.new_zeros(size) if g is None else g.sum(0))
            if g is not None and to_x:
                # The gradients lie apart: to sum their products is to copy none of them.
                if dx is None:
                    dx = _product(g, weight)
                else:
                    dx = dx + g.mm(weight) if again else dx.addmm_(g, weight)
        return dx, torch.cat(db) if to_bias else None, *dw


def joint(x: Tensor, weights: Sequence[Tensor], bias: Tensor | None) -> Sequence[Tensor]:
    r""":math:`x W^\top + b` for every matrix, `x` read once.

    Args:
        bias: for all results side by side.
    """
    if not _is_plain(x) or any(weight.dtype != x.dtype for weight in weights):
        sizes = [weight.size(0) for weight in weights]
        return F.linear(x, torch.cat(list(weights)), bias).split(sizes, dim=-1)
    return _Joint.apply(x, bias, *weights)  # type: ignore[return-value]


def added(out: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    r""":math:`out + x W^\top`, written to `out`, which no backward pass may have kept."""
    if not serves(x, weight.size(0)) or weight.dtype != x.dtype:
        return out.addmm_(x, weight.t())
    return _Added.apply(out, x, weight)  # type: ignore[return-value]


# ------------------------------------------------------------------ entry by entry


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.shared = y.dim() == 1
        return torch.add(x, y, out=_empty(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        (g,) = gradients
        return g, g.sum(0) if ctx.shared and ctx.needs_input_grad[1] else g


def add(x: Tensor, y: Tensor) -> Tensor:
    """``x + y``, where `y` has the shape of `x` or of one row."""
    if not serves(x) or y.dtype != x.dtype or y.shape not in (x.shape, x.shape[1:]):
        return x + y
    return _Add.apply(x, y)  # type: ignore[return-value]


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = torch.clamp_min(x, 0, out=_empty(x))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (g,), (out,) = gradients, ctx.saved_tensors
        slope = torch.ops.aten.threshold_backward
        if torch.is_grad_enabled() or not serves(g):
            return slope(g, out, 0)
        return slope.grad_input(g, out, 0, grad_input=_empty(out))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), as :func:`torch.nn.functional.relu`."""
    if inplace or not serves(input):
        return F.relu(input, inplace)
    return _Relu.apply(input)  # type: ignore[return-value]


class _Kept(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(dropped)
        ctx.scale = scale
        return torch.mul(x, scale, out=_empty(x)).masked_fill_(dropped, 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        (dropped,) = ctx.saved_tensors
        return _Kept.apply(gradients[0], dropped, ctx.scale), None, None


def kept(x: Tensor, draw: Callable[[Tensor], Any], below: int, scale: float) -> Tensor:
    """Dropout: ``x * scale``, but 0 where a random number of 16 bits is below a bound.

    Args:
        x: what :func:`serves`.
        draw: fills a tensor of int64 with random bits.
    """
    words = memory.empty(1, (x.numel() + 3) // 4, torch.int64)
    draw(words)
    drawn = words.view(torch.int16).view(-1)[: x.numel()].view(x.shape)
    dropped = torch.lt(drawn, below, out=_empty(x, dtype=torch.bool))
    return _Kept.apply(x, dropped, scale)  # type: ignore[return-value]


# ------------------------------------------------------------------ other people's code


class _Reusing(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        ours = _OURS.get(func)
        return (func if ours is None else ours)(*args, **(kwargs or {}))


_OURS: dict[Any, Callable[..., Tensor]] = {
    F.linear: linear,
    F.relu: relu,
    torch.relu: relu,
    Tensor.relu: relu,
}


def reusing(*values: Any) -> AbstractContextManager[Any]:
    """Inside, the functions of torch that have a twin here are replaced by it.

    For modules that the caller did not write; nothing is replaced where none of the values is
    large.
    """
    return _Reusing() if any(serves(x) for x in values) else nullcontext()
