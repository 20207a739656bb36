"""What Triton's own language lacks of an expression's operations.

Everything is made of what its interpreter knows too, so that what is tested there is what a GPU
runs. Values are tiles ``[edges, heads, channels]`` that have 1 on every axis they do not vary over.
"""

from __future__ import annotations

import triton
import triton.language as tl

# ------------------------------------------------------------------ elementary functions


@triton.jit
def relu(x):
    return tl.where(x < 0, 0.0, x)


@triton.jit
def sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, x * 0))


@triton.jit
def maximum(a, b):
    return tl.where((b > a) | (b != b), b, a)


@triton.jit
def minimum(a, b):
    return tl.where((b < a) | (b != b), b, a)


@triton.jit
def expm1(x):
    """exp(x) - 1, whose cancellation near 0 x / log(exp(x)) makes good (Kahan)."""
    power = tl.exp(x)
    out = (power - 1) * (x / tl.log(power))
    out = tl.where(power == 1, x, out)
    out = tl.where(power - 1 == -1, -1.0, out)
    return tl.where(power == float("inf"), power, out)


@triton.jit
def log1p(x):
    """log(1 + x), made good in the same way."""
    total = 1 + x
    return tl.where(total == 1, x, tl.log(total) * (x / (total - 1)))


@triton.jit
def sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def tanh(x):
    """expm1(2x) / (expm1(2x) + 2), beyond 20 equal to the sign."""
    size = tl.where(tl.abs(x) > 20, 20.0, tl.abs(x))
    e = expm1(2 * size)
    out = e / (e + 2)
    return tl.where(x < 0, -out, out)


@triton.jit
def softplus(x):
    return relu(x) + log1p(tl.exp(-tl.abs(x)))


@triton.jit
def power(a, b):
    """a to the b, in float64: the logarithm's error grows with the exponent."""
    x, y = a.to(tl.float64), b.to(tl.float64)
    size = tl.exp(y * tl.log(tl.abs(x)))
    size = tl.where((y == 0) | (x == 1), y * 0 + 1, size)
    odd = 2 * tl.floor(y / 2) != y
    negative = tl.where(tl.floor(y) == y, tl.where(odd, -size, size), size * float("nan"))
    return tl.where(x < 0, negative, size).to(a.dtype)


# ------------------------------------------------------------------ maximum and minimum of a row


@triton.jit
def extreme(values, LARGEST: tl.constexpr):
    """The largest (smallest) over the edges' axis; NaN is larger and smaller than all."""
    nan = tl.max((values != values).to(tl.int32), 0, keep_dims=True) > 0
    if LARGEST:
        out = tl.max(tl.where(values == values, values, float("-inf")), 0, keep_dims=True)
    else:
        out = tl.min(tl.where(values == values, values, float("inf")), 0, keep_dims=True)
    return tl.where(nan, float("nan"), out)


@triton.jit
def note(best, number, value, next, here, LARGEST: tl.constexpr):
    """Let the next edges of a row compete with the best ones so far, which win when equal."""
    better = value > best if LARGEST else value < best
    wins = here & ((number < 0) | ((better | (value != value)) & (best == best)))
    return tl.where(wins, value, best), tl.where(wins, next, number)


@triton.jit
def winner(best, number, begin, LARGEST: tl.constexpr):
    """The best of all edges and its slot, the first among equals; 0 and -1 in a row without.

    Edges are numbered from the row's ``begin`` on, in 32 bits: a row has fewer than 2**31 of them.
    """
    last = 2**31 - 1
    top = extreme(tl.where(number < 0, float("-inf") if LARGEST else float("inf"), best), LARGEST)
    wins = (number >= 0) & ((best == top) | ((best != best) & (top != top)))
    first = tl.min(tl.where(wins, number, last), 0, keep_dims=True)
    return tl.where(first < last, top, 0.0), tl.where(first < last, begin + first, -1)


# ------------------------------------------------------------------ dropout


@triton.jit
def mix(h):
    """A bijective hash of 32 bits, that of ``reference.keep``."""
    h = (h ^ (h >> 16)) * 0x7FEB352D
    h = (h ^ (h >> 15)) * 0x846CA68B
    return h ^ (h >> 16)


@triton.jit
def keep(start, limit, scale, edge, feature, ACC: tl.constexpr):
    """``scale`` or 0, by a hash of seed (mixed into ``start``), edge and feature."""
    h = mix(tl.full([1, 1, 1], start, tl.uint32) ^ edge.to(tl.uint32))
    h = mix(h ^ (edge >> 32).to(tl.uint32))
    h = mix(h ^ feature.to(tl.uint32))
    survives = h >= tl.full([1, 1, 1], limit, tl.uint32)
    return tl.where(survives, tl.full([1, 1, 1], scale, ACC), 0.0)
