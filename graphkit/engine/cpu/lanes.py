"""Arithmetic on vectors of floats in LLVM: what the row kernel is made of.

A :class:`Lanes` emits operations on one vector type (or on plain floats, with one lane). The
elementary functions are written out, because a call to the C library would leave the vector unit;
the rare ones (erf, a general power) are called lane by lane.
"""

from __future__ import annotations

import math

from llvmlite import ir

FLAGS = ("contract",)  # a * b + c as one operation; nothing that would hide a NaN
# ln 2 in two parts, by bits: an exponent times the first is exact.
LN2 = {
    32: (0.693145751953125, 1.4286068202862268e-06),
    64: (0.6931471803691238, 1.9082149292705877e-10),
}
# How entries of a tensor lie in memory; "bf16" is the upper half of a float.
STORED: dict[str, ir.Type] = {
    "f64": ir.DoubleType(),
    "f32": ir.FloatType(),
    "f16": ir.HalfType(),
    "bf16": ir.IntType(16),
    "i32": ir.IntType(32),
}
SIZE = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i32": 4}
_I64 = ir.IntType(64)


class Lanes:
    """Operations on ``count`` floats of ``bits`` bits at once.

    Args:
        builder: the LLVM builder to emit with.
        bits: 32 or 64.
        count: lanes; 1 stands for plain floats.
    """

    def __init__(self, builder: ir.IRBuilder, bits: int, count: int) -> None:
        self.builder, self.bits, self.count = builder, bits, count
        self.float = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.int = ir.IntType(bits)
        self.type = self._of(self.float)
        self.size, self.stored = bits // 8, f"f{bits}"

    def _of(self, scalar: ir.Type) -> ir.Type:
        return scalar if self.count == 1 else ir.VectorType(scalar, self.count)

    # -------------------------------------------------------------- constants, loads, stores

    def constant(self, value: float) -> ir.Value:
        if self.count == 1:
            return ir.Constant(self.float, value)
        return ir.Constant(self.type, [ir.Constant(self.float, value)] * self.count)

    def integer(self, value: int, bits: int | None = None) -> ir.Value:
        kind = self.int if bits is None else ir.IntType(bits)
        value &= (1 << kind.width) - 1
        if self.count == 1:
            return ir.Constant(kind, value)
        return ir.Constant(self._of(kind), [ir.Constant(kind, value)] * self.count)

    def splat(self, value: ir.Value) -> ir.Value:
        """One number in every lane."""
        if self.count == 1:
            return value
        kind = ir.VectorType(value.type, self.count)
        one = self.builder.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.count), None)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def iota(self, bits: int) -> ir.Value:
        """0, 1, 2, ..."""
        kind = ir.IntType(bits)
        if self.count == 1:
            return ir.Constant(kind, 0)
        return ir.Constant(
            ir.VectorType(kind, self.count), [ir.Constant(kind, k) for k in range(self.count)]
        )

    def mask(self, count: ir.Value) -> ir.Value:
        """The first ``count`` (an int64) lanes."""
        lanes = self.splat(self.builder.trunc(count, ir.IntType(32)))
        return self.builder.icmp_signed("<", self.iota(32), lanes)

    def _pointer(self, address: ir.Value, kind: ir.Type) -> ir.Value:
        return self.builder.inttoptr(address, kind.as_pointer())

    def load(self, address: ir.Value, mask: ir.Value | None = None, stored: str = "") -> ir.Value:
        """Consecutive entries from ``address`` on, where ``mask`` is set.

        Args:
            stored: how they lie in memory, if not as they are computed with. Floats become such
                of these lanes, integers stay what they are.
        """
        stored = stored or self.stored
        kind = self._of(STORED[stored])
        pointer = self._pointer(address, kind)
        if mask is None or self.count == 1:
            return self._read(self.builder.load(pointer, align=SIZE[stored]), stored)
        name = f"llvm.masked.load.{self._suffix(kind)}.p0"
        align = ir.Constant(ir.IntType(32), SIZE[stored])
        function = self._intrinsic(name, kind, [pointer.type, ir.IntType(32), mask.type, kind])
        found = self.builder.call(function, [pointer, align, mask, ir.Constant(kind, None)])
        return self._read(found, stored)

    def store(
        self, value: ir.Value, address: ir.Value, mask: ir.Value | None = None, stored: str = ""
    ) -> None:
        """The opposite of :meth:`load`; what is stored shorter is rounded to nearest even."""
        stored = stored or self.stored
        value = self._written(value, stored)
        pointer = self._pointer(address, value.type)
        align = SIZE[stored]
        if mask is None or self.count == 1:
            self.builder.store(value, pointer, align=align)
            return
        name = f"llvm.masked.store.{self._suffix(value.type)}.p0"
        kinds = [value.type, pointer.type, ir.IntType(32), mask.type]
        function = self._intrinsic(name, ir.VoidType(), kinds)
        self.builder.call(function, [value, pointer, ir.Constant(ir.IntType(32), align), mask])

    def _read(self, value: ir.Value, stored: str) -> ir.Value:
        if stored in (self.stored, "i32"):
            return value
        if stored == "bf16":
            b = self.builder
            high = b.shl(b.zext(value, self._of(ir.IntType(32))), self.integer(16, 32))
            value = b.bitcast(high, self._of(ir.FloatType()))
            return value if self.bits == 32 else b.fpext(value, self.type)
        cast = self.builder.fpext if SIZE[stored] < self.size else self.builder.fptrunc
        return cast(value, self.type)

    def _written(self, value: ir.Value, stored: str) -> ir.Value:
        if stored in (self.stored, "i32"):
            return value
        b = self.builder
        if stored != "bf16":
            cast = b.fptrunc if SIZE[stored] < self.size else b.fpext
            return cast(value, self._of(STORED[stored]))
        value = value if self.bits == 32 else b.fptrunc(value, self._of(ir.FloatType()))
        bits = b.bitcast(value, self._of(ir.IntType(32)))
        # Half a unit of the last place is added, a little less where that place is even.
        odd = b.and_(b.lshr(bits, self.integer(16, 32)), self.integer(1, 32))
        rounded = b.add(bits, b.add(odd, self.integer(0x7FFF, 32)))
        nan = b.fcmp_unordered("uno", value, value)
        rounded = b.select(nan, self.integer(0x7FC00000, 32), rounded)
        return b.trunc(b.lshr(rounded, self.integer(16, 32)), self._of(ir.IntType(16)))

    def _suffix(self, kind: ir.Type) -> str:
        scalar = kind.element if isinstance(kind, ir.VectorType) else kind
        if isinstance(scalar, ir.IntType):
            name = f"i{scalar.width}"
        else:
            name = next(name for name, known in STORED.items() if known == scalar)
        return name if self.count == 1 else f"v{self.count}{name}"

    def _intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        module = self.builder.module
        known = module.globals.get(name)
        if known is None:
            known = ir.Function(module, ir.FunctionType(result, arguments), name)
        return known

    def _call(self, name: str, *operands: ir.Value) -> ir.Value:
        """An LLVM intrinsic that exists for vectors."""
        kind = operands[0].type
        full = f"llvm.{name}.{self._suffix(kind)}"
        function = self._intrinsic(full, kind, [v.type for v in operands])
        return self.builder.call(function, operands)

    def _library(self, name: str, *operands: ir.Value) -> ir.Value:
        """A function of the C library, lane by lane."""
        name = name + ("f" if self.bits == 32 else "")
        function = self._intrinsic(name, self.float, [self.float] * len(operands))
        if self.count == 1:
            return self.builder.call(function, operands)
        out = ir.Constant(self.type, ir.Undefined)
        for lane in range(self.count):
            at = ir.Constant(ir.IntType(32), lane)
            part = [self.builder.extract_element(v, at) for v in operands]
            out = self.builder.insert_element(out, self.builder.call(function, part), at)
        return out

    def total(self, value: ir.Value) -> ir.Value:
        """The sum of the lanes, pairwise."""
        width = self.count
        while width > 1:
            width //= 2
            undefined = ir.Constant(value.type, ir.Undefined)

            def half(start: int, of=value, none=undefined, size=width) -> ir.Value:
                kind = ir.VectorType(ir.IntType(32), size)
                picks = [ir.Constant(ir.IntType(32), start + k) for k in range(size)]
                return self.builder.shuffle_vector(of, none, ir.Constant(kind, picks))

            value = self.builder.fadd(half(0), half(width))
        if self.count == 1:
            return value
        return self.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    # -------------------------------------------------------------- operations by name

    def apply(self, op: str, *a: ir.Value) -> ir.Value:
        """The operation ``op`` of an expression."""
        return getattr(self, f"_{op}")(*a)

    def _add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fadd(a, b, flags=FLAGS)

    def _sub(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fsub(a, b, flags=FLAGS)

    def _mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fmul(a, b, flags=FLAGS)

    def _div(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fdiv(a, b)

    def _neg(self, a: ir.Value) -> ir.Value:
        return self.builder.fneg(a)

    def _stop(self, a: ir.Value) -> ir.Value:
        return a

    def _abs(self, a: ir.Value) -> ir.Value:
        return self._call("fabs", a)

    def _sqrt(self, a: ir.Value) -> ir.Value:
        return self._call("sqrt", a)

    def _compare(self, how: str, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fcmp_ordered(how, a, b)

    def _gt(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._compare(">", a, b)

    def _ge(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._compare(">=", a, b)

    def _lt(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._compare("<", a, b)

    def _le(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._compare("<=", a, b)

    def _eq(self, a: ir.Value, b: ir.Value) -> ir.Value:
        if isinstance(a.type, ir.IntType) or "i32" in str(a.type):
            return self.builder.icmp_signed("==", a, b)
        return self._compare("==", a, b)

    def _ne(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fcmp_unordered("!=", a, b)

    def _where(self, condition: ir.Value, yes: ir.Value, no: ir.Value) -> ir.Value:
        return self.builder.select(condition, yes, no)

    def _relu(self, a: ir.Value) -> ir.Value:
        zero = self.constant(0.0)
        return self._where(self._lt(a, zero), zero, a)

    def _sign(self, a: ir.Value) -> ir.Value:
        zero = self.constant(0.0)
        below = self._where(self._lt(a, zero), self.constant(-1.0), zero)
        return self._where(self._gt(a, zero), self.constant(1.0), below)

    def _maximum(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._where(self.beats(b, a, "row_max"), b, a)

    def _minimum(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._where(self.beats(b, a, "row_min"), b, a)

    def beats(self, new: ir.Value, old: ir.Value, reduce: str) -> ir.Value:
        """Whether ``new`` takes ``old``'s place: NaN beats every number, and the first stays."""
        how = ">" if reduce == "row_max" else "<"
        better = self.builder.fcmp_unordered(how, new, old)
        return self.builder.and_(better, self.builder.fcmp_ordered("ord", old, old))

    def row_start(self, reduce: str) -> ir.Value:
        """What an accumulator starts from."""
        return self.constant({"row_sum": 0.0, "row_max": -math.inf, "row_min": math.inf}[reduce])

    # -------------------------------------------------------------- elementary functions

    def _bits(self, a: ir.Value) -> ir.Value:
        return self.builder.bitcast(a, self._of(self.int))

    def _from_bits(self, a: ir.Value) -> ir.Value:
        return self.builder.bitcast(a, self.type)

    def _polynomial(self, x: ir.Value, coefficients: list[float]) -> ir.Value:
        """Horner's rule; coefficients from the constant one upwards."""
        out = self.constant(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            out = self._add(self._mul(out, x), self.constant(c))
        return out

    def _clip(self, a: ir.Value, low: float, high: float) -> ir.Value:
        """Into [low, high]; NaN passes."""
        bottom, top = self.constant(low), self.constant(high)
        a = self._where(self._lt(a, bottom), bottom, a)
        return self._where(self._gt(a, top), top, a)

    def _power_of_two(self, n: ir.Value) -> ir.Value:
        """2**n for integer lanes within the exponent's range."""
        bias, shift = (127, 23) if self.bits == 32 else (1023, 52)
        b = self.builder
        return self._from_bits(b.shl(b.add(n, self.integer(bias)), self.integer(shift)))

    def _exp(self, a: ir.Value) -> ir.Value:
        """exp(n ln 2 + r) = 2**n exp(r), with exp(r) by its series on |r| <= ln(2)/2."""
        low, high = (-105.0, 89.5) if self.bits == 32 else (-746.0, 710.0)
        x = self._clip(a, low, high)
        n = self._call("rint", self._mul(x, self.constant(1 / math.log(2))))
        first, second = LN2[self.bits]
        r = self._sub(x, self._mul(n, self.constant(first)))
        r = self._sub(r, self._mul(n, self.constant(second)))
        terms = 8 if self.bits == 32 else 14
        series = self._polynomial(r, [1 / math.factorial(k) for k in range(terms)])
        # NaN has no integer: its lanes are put back at the end.
        whole = self._where(self.builder.fcmp_ordered("ord", n, n), n, self.constant(0.0))
        exponent = self.builder.fptosi(whole, self._of(self.int))
        half = self.builder.ashr(exponent, self.integer(1))
        rest = self.builder.sub(exponent, half)
        # Two factors, so that subnormal and infinite results come out right.
        out = self._mul(self._mul(series, self._power_of_two(half)), self._power_of_two(rest))
        return self._where(self.builder.fcmp_unordered("uno", a, a), a, out)

    def _expm1(self, a: ir.Value) -> ir.Value:
        """By its own series near 0, where exp(x) - 1 cancels."""
        terms = 9 if self.bits == 32 else 15
        series = [1 / math.factorial(k + 1) for k in range(terms)]
        near = self._mul(a, self._polynomial(self._clip(a, -0.5, 0.5), series))
        far = self._sub(self._exp(a), self.constant(1.0))
        return self._where(self._lt(self._abs(a), self.constant(0.5)), near, far)

    def _sigmoid(self, a: ir.Value) -> ir.Value:
        one = self.constant(1.0)
        return self._div(one, self._add(one, self._exp(self._neg(a))))

    def _tanh(self, a: ir.Value) -> ir.Value:
        """expm1(2x) / (expm1(2x) + 2), beyond 20 equal to the sign."""
        x = self._clip(a, -20.0, 20.0)
        e = self._expm1(self._add(x, x))
        return self._div(e, self._add(e, self.constant(2.0)))

    def _atanh_series(self, s: ir.Value, terms: int) -> ir.Value:
        """2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...) = log((1 + s) / (1 - s))."""
        squared = self._mul(s, s)
        return self._mul(s, self._polynomial(squared, [2 / (2 * k + 1) for k in range(terms)]))

    def _log(self, a: ir.Value) -> ir.Value:
        """log(2**n m) = n ln 2 + log m, with m in [sqrt(1/2), sqrt(2)]."""
        b = self.builder
        shift = 23 if self.bits == 32 else 52
        tiny = self.constant(2.0 ** (-126 if self.bits == 32 else -1022))
        lift = 2.0 ** (25 if self.bits == 32 else 54)
        small = self._lt(a, tiny)
        x = self._where(small, self._mul(a, self.constant(lift)), a)
        offset = self._where(small, self.constant(-math.log2(lift)), self.constant(0.0))
        # Take the exponent after shifting the range of m to [sqrt(1/2), sqrt(2)].
        root_half = 0x3F3504F3 if self.bits == 32 else 0x3FE6A09E667F3BCD
        raw = b.sub(self._bits(x), self.integer(root_half))
        n = b.ashr(raw, self.integer(shift))
        mantissa = b.add(b.and_(raw, self.integer((1 << shift) - 1)), self.integer(root_half))
        m = self._from_bits(mantissa)
        one = self.constant(1.0)
        s = self._div(self._sub(m, one), self._add(m, one))
        log_m = self._atanh_series(s, 6 if self.bits == 32 else 12)
        exponent = self._add(b.sitofp(n, self.type), offset)
        first, second = LN2[self.bits]
        out = self._add(log_m, self._mul(exponent, self.constant(second)))
        out = self._add(out, self._mul(exponent, self.constant(first)))
        zero, infinity = self.constant(0.0), self.constant(math.inf)
        out = self._where(self._eq(a, zero), self.constant(-math.inf), out)
        out = self._where(self._lt(a, zero), self.constant(math.nan), out)
        passes = b.or_(self._eq(a, infinity), b.fcmp_unordered("uno", a, a))
        return self._where(passes, a, out)

    def _softplus(self, a: ir.Value) -> ir.Value:
        """max(x, 0) + log1p(exp(-|x|)), the logarithm by log1p(u) = 2 atanh(u / (2 + u))."""
        u = self._exp(self._neg(self._abs(a)))
        s = self._div(u, self._add(u, self.constant(2.0)))
        log1p = self._atanh_series(s, 9 if self.bits == 32 else 18)
        return self._add(self._relu(a), log1p)

    def _erf(self, a: ir.Value) -> ir.Value:
        return self._library("erf", a)

    def _pow(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._library("pow", a, b)

    # -------------------------------------------------------------- dropout

    def keep(
        self, rate: ir.Value, seed: ir.Value, stream: int, edge: ir.Value, feature: ir.Value
    ) -> ir.Value:
        """1 / (1 - rate) or 0, by a hash of seed, edge and feature (see reference.keep).

        Args:
            rate, seed: doubles.
            edge: the edge's number, an int64.
            feature: the lanes' positions among the features, int32.
        """
        b = self.builder
        i32 = ir.IntType(32)
        h = b.add(b.fptoui(seed, i32), ir.Constant(i32, (stream * 0x9E3779B9) & 0xFFFFFFFF))
        h = _mix(b, b.xor(_mix(b, h), b.trunc(edge, i32)))
        h = _mix(b, b.xor(h, b.trunc(b.lshr(edge, ir.Constant(_I64, 32)), i32)))
        lanes = _mix(b, b.xor(self.splat(h), feature), self)
        limit = b.fptoui(b.fmul(rate, ir.Constant(ir.DoubleType(), 4294967296.0)), _I64)
        top = ir.Constant(_I64, 0xFFFFFFFF)
        limit = b.trunc(b.select(b.icmp_unsigned(">", limit, top), top, limit), i32)
        survives = b.icmp_unsigned(">=", lanes, self.splat(limit))
        one = ir.Constant(ir.DoubleType(), 1.0)
        scale = b.fdiv(one, b.fsub(one, rate))
        scale = b.fptrunc(scale, self.float) if self.bits == 32 else scale
        return self._where(survives, self.splat(scale), self.constant(0.0))


def _mix(b: ir.IRBuilder, h: ir.Value, lanes: Lanes | None = None) -> ir.Value:
    """A bijective hash of 32 bits: two rounds of xor-shift and multiplication."""

    def c(value: int) -> ir.Value:
        return ir.Constant(ir.IntType(32), value) if lanes is None else lanes.integer(value, 32)

    h = b.mul(b.xor(h, b.lshr(h, c(16))), c(0x7FEB352D))
    h = b.mul(b.xor(h, b.lshr(h, c(15))), c(0x846CA68B))
    return b.xor(h, b.lshr(h, c(16)))
