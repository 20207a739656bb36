"""Counter-based random numbers: the number drawn depends on a key and a count alone.

So whatever is drawn for one node does not depend on which thread draws it, or when. The generator
is SplitMix64 (Steele, Lea & Flood 2014): the finaliser of a sequence of odd steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types

from graphkit.engine.cpu.compile import emitted

STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@njit
def mix(word):
    """64 bits that look random, one for one."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@njit
def key_of(seed, number):
    """The key of the stream with this number."""
    return mix(seed + mix(np.uint64(number) + STEP) * STEP)


@njit
def bits(key, count):
    """The number ``count`` of a stream, 64 bits."""
    return mix(key + np.uint64(count + 1) * STEP)


@njit
def below(key, count, bound):
    """A whole number from 0 to ``bound`` - 1, for bounds up to 2**32.

    The upper 64 bits of the product of 64 random bits and the bound: no value is more likely than
    another by more than bound / 2**64.
    """
    word, factor = bits(key, count), np.uint64(bound)
    carry = ((word & _LOW) * factor) >> _HALF
    return np.int64(((word >> _HALF) * factor + carry) >> _HALF)


@njit
def far_below(key, count, bound):
    """As `below`, for bounds up to 2**63."""
    word, factor = bits(key, count), np.uint64(bound)
    high, low, upper, lower = word >> _HALF, word & _LOW, factor >> _HALF, factor & _LOW
    middle = high * lower + ((low * lower) >> _HALF)
    carry = (middle & _LOW) + low * upper
    return np.int64(high * upper + (middle >> _HALF) + (carry >> _HALF))


@njit
def unit(key, count):
    """A number in (0, 1]."""
    return np.float64((bits(key, count) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53


@emitted
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``; any index will do."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(function, [place, *(ir.Constant(i32, value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.int64), emit
