"""What every torch operation in a message becomes: nodes of the expression.

A function that is not here has no kernel, and the message takes the plain path.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.engine.expression import COMPARISONS, FusionError
from graphkit.engine.fused import computed_alike
from graphkit.engine.lower import Call, Run
from graphkit.engine.traced import COMPARING, ELEMENTWISE, RULES, RULES_AFTER, plain


def _rule(*functions: Any):
    def register(rule: Callable[[Call], int]):
        for function in functions:
            RULES[function] = rule
        return rule

    return register


def _elementwise_rule(*functions: Any):
    ELEMENTWISE.update(functions)
    return _rule(*functions)


def _elementwise(build: Callable[..., int], count: int):
    """A rule for an operation on ``count`` tensors or numbers, by their nodes."""

    def rule(call: Call) -> int:
        operands = [call.node(a) for a in call.args[:count]]
        if len(operands) != count:
            raise FusionError(f"{call.name} with arguments by name")
        return build(call, *operands)

    return rule


def _unary(op: str):
    return _elementwise(lambda call, a: call.p(op, a), 1)


def _binary(op: str, swap: bool = False):
    def build(call: Call, a: int, b: int) -> int:
        if call.kwargs.get("alpha", 1) != 1 or call.kwargs.get("rounding_mode") is not None:
            raise FusionError(f"{call.name} with {call.kwargs}")
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
    _elementwise_rule(*_functions)(_unary(_op))
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
    _elementwise_rule(*_functions)(_binary(_op))
    if _op in COMPARISONS:
        COMPARING.update(_functions)
_elementwise_rule(T.__rsub__, torch.rsub)(_binary("sub", swap=True))
_elementwise_rule(T.__rtruediv__, T.__rdiv__)(_binary("div", swap=True))
_elementwise_rule(T.__rpow__)(_binary("pow", swap=True))
_elementwise_rule(torch.square, T.square)(_elementwise(lambda c, a: c.p("mul", a, a), 1))
_rule(torch.reciprocal, T.reciprocal)(_elementwise(lambda c, a: c.p("div", c.p.literal(1.0), a), 1))
_rule(torch.rsqrt, T.rsqrt)(
    _elementwise(lambda c, a: c.p("div", c.p.literal(1.0), c.p("sqrt", a)), 1)
)


def _activation(*functions: Any):
    """Register a function of one tensor, given as ``build(call, node) -> node``."""

    def register(build: Callable[[Call, int], int]):
        def rule(call: Call) -> int:
            return build(call, call.node(call.argument(0, "input")))

        _elementwise_rule(*functions)(rule)
        return build

    return register


_activation(F.relu)(lambda call, a: call.p("relu", a))
_activation(F.silu)(lambda call, a: call.p("mul", a, call.p("sigmoid", a)))
_activation(F.logsigmoid)(lambda call, a: call.p("neg", call.p("softplus", call.p("neg", a))))
_activation(F.relu6)(lambda call, a: _clamp(call, a, 0.0, 6.0))


@_activation(F.leaky_relu)
def _leaky_relu(call: Call, a: int) -> int:
    p, slope = call.p, call.lowered.number(call.argument(1, "negative_slope", 0.01))
    return p("where", p("gt", a, p.literal(0.0)), a, p("mul", slope, a))


def _exponential(call: Call, a: int, alpha: float, scale: float) -> int:
    """scale * (x above 0, alpha (exp(x) - 1) below)."""
    p = call.p
    below = p("mul", call.lowered.number(alpha), p("expm1", a))
    both = p("where", p("gt", a, p.literal(0.0)), a, below)
    return p("mul", call.lowered.number(scale), both)


_activation(F.elu)(lambda call, a: _exponential(call, a, call.argument(1, "alpha", 1.0), 1.0))
_activation(F.selu)(lambda call, a: _exponential(call, a, 1.6732632423543772, 1.0507009873554805))


@_activation(F.gelu)
def _gelu(call: Call, a: int) -> int:
    p = call.p
    if call.argument(1, "approximate", "none") == "tanh":
        inner = p("add", a, p("mul", p.literal(0.044715), p("mul", a, p("mul", a, a))))
        bump = p("tanh", p("mul", p.literal(math.sqrt(2 / math.pi)), inner))
    else:
        bump = p("erf", p("mul", p.literal(math.sqrt(0.5)), a))
    return p("mul", p("mul", p.literal(0.5), a), p("add", p.literal(1.0), bump))


@_activation(F.softplus)
def _softplus(call: Call, a: int) -> int:
    p = call.p
    beta = call.lowered.number(call.argument(1, "beta", 1.0))
    threshold = call.lowered.number(call.argument(2, "threshold", 20.0))
    scaled = p("mul", beta, a)
    soft = p("div", p("softplus", scaled), beta)
    return p("where", p("gt", scaled, threshold), a, soft)


@_activation(F.hardtanh)
def _hardtanh(call: Call, a: int) -> int:
    return _clamp(call, a, call.argument(1, "min_val", -1.0), call.argument(2, "max_val", 1.0))


def _clamp(call: Call, a: int, low: float | None, high: float | None) -> int:
    if low is not None:
        bound = call.lowered.number(low)
        a = call.p("where", call.p("lt", a, bound), bound, a)
    if high is not None:
        bound = call.lowered.number(high)
        a = call.p("where", call.p("gt", a, bound), bound, a)
    return a


@_rule(torch.clamp, T.clamp, torch.clip, T.clip, T.clamp_min, T.clamp_max)
def _clamped(call: Call) -> int:
    if call.name == "clamp_max":
        low, high = None, call.argument(1, "max")
    else:
        low, high = call.argument(1, "min"), call.argument(2, "max")
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise FusionError("clamps between tensors")
    return _clamp(call, call.node(call.args[0]), low, high)


@_rule(torch.where, T.where)
def _where(call: Call) -> int:
    cond, yes, no = (
        call.args if call.func is torch.where else (call.args[1], call.args[0], call.args[2])
    )
    return call.p("where", call.as_it_is(cond), call.node(yes), call.node(no))


@_rule(T.masked_fill, torch.masked_fill)
def _masked_fill(call: Call) -> int:
    x, mask, value = call.args
    return call.p("where", call.as_it_is(mask), call.node(value), call.node(x))


@_rule(torch.max, torch.min, T.max, T.min)
def _max(call: Call) -> int:
    if len(call.args) != 2 or not isinstance(call.args[1], Tensor):
        raise FusionError(f"{call.name} over a dimension")
    return _binary("maximum" if call.name == "max" else "minimum")(call)


@_rule(F.prelu, torch.prelu)
def _prelu(call: Call) -> int:
    x, weight = call.args
    if plain(weight).numel() > 1 and call.rank != 2:
        raise FusionError("prelu with a slope for every channel of several heads")
    p, a = call.p, call.node(x)
    slope = call.node(weight)
    return p("where", p("gt", a, p.literal(0.0)), a, p("mul", slope, a))


@_rule(T.detach, torch.detach)
def _detach(call: Call) -> int:
    return call.p("stop", call.node(call.args[0]))


@_rule(T.contiguous, T.clone, torch.clone)
def _same(call: Call) -> int:
    return call.as_it_is(call.args[0])


@_rule(T.to, T.type_as, T.float, T.double, T.bfloat16, T.half)
def _cast(call: Call) -> int:
    if not computed_alike(call.out.dtype, call.args[0].dtype) or call.out.device.type != "meta":
        raise FusionError(f"casts {call.args[0].dtype} to {call.out.dtype}")
    return call.node(call.args[0])


@_rule(T.view, T.reshape, torch.reshape, T.unsqueeze, torch.unsqueeze, T.squeeze, torch.squeeze,
       T.flatten, torch.flatten, T.expand, T.expand_as, T.view_as, T.__getitem__)  # fmt: skip
def _view(call: Call) -> int:
    x = call.args[0]
    if call.func is T.__getitem__:
        key = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
        if not key or any(k is not None and k is not Ellipsis and k != slice(None) for k in key):
            raise FusionError("takes a part of the features or of the edges")
    before, after = call.axes(x), call.axes(call.out)
    if call.out.dtype != x.dtype:
        raise FusionError(f"views {x.dtype} as {call.out.dtype}")
    if before != after and not (call.name.startswith("expand") and before <= after):
        raise FusionError(f"{call.name} turns features {x.features} about")
    return call.as_it_is(x, plain(x).dim())


@_rule(torch.sum, T.sum, torch.mean, T.mean)
def _channel_reduction(call: Call) -> int:
    x, p, channels = call.args[0], call.p, call.lowered.channels
    before, after = x.features, call.out.features
    if math.prod(after) * channels != math.prod(before) or before[-1] != channels:
        raise FusionError(f"{call.name} from features {before} to {after}")
    inner = call.node(x, plain(x).dim())
    if call.axes(x) == (call.lowered.heads > 1, False):
        return inner  # one channel: nothing to sum
    out = p("channel_sum", inner)
    return p("mul", out, call.lowered.number(1.0 / channels)) if call.name == "mean" else out


def _batch_norm(call: Call) -> int:
    """In evaluation: a scale and a shift of every feature."""
    x, p = call.node(call.args[0]), call.p
    if call.argument(5, "training", False):
        raise FusionError("normalises over all rows (batch norm in training)")
    mean, var, weight, bias = (
        call.argument(k, name)
        for k, name in enumerate(("running_mean", "running_var", "weight", "bias"), 1)
    )
    if mean is None or var is None:
        raise FusionError("a batch norm without statistics")
    eps = call.lowered.number(float(call.argument(7, "eps", 1e-5)))
    x = p("sub", x, call.node(mean))
    x = p("div", x, p("sqrt", p("add", call.node(var), eps)))
    x = x if weight is None else p("mul", x, call.node(weight))
    return x if bias is None else p("add", x, call.node(bias))


RULES_AFTER[F.batch_norm] = _batch_norm


@_rule(F.dropout)
def _dropout(call: Call) -> int:
    x, rate, p = call.args[0], call.argument(1, "p", 0.5), call.p
    inner = call.node(x)
    if call.lowered.heads > 1 and not call.axes(x)[0]:
        raise FusionError("drops what all heads share")
    key = ("seed", call.number)

    def seed(run: Run) -> float:
        """Drawn from torch's generator, so that ``torch.manual_seed`` rules it; once in a call."""
        if key not in run.memo:
            run.memo[key] = float(torch.randint(2**31 - 1, ()).item())
        return run.memo[key]

    number = call.lowered.number
    of_row = call.out.trace.of_rows
    keep = p.keep(number(lambda _: float(rate)), number(seed), p.wide[inner], call.number, of_row)
    return p("mul", inner, keep)
