"""The row kernel: one function, specialised on a program.

For every row of the sorted structure the program's edges are walked in order. What a program needs
before it can go on (a maximum for the softmax, a sum over channels) splits it into *steps*; within
a step, values with one entry per head are computed first, then wide ones. Accumulators of a block
of features stay in registers while the row's edges pass by; only values with one entry per head are
kept per edge, in a scratch of the longest row's size.

The body is emitted as vector code by an intrinsic, so that nothing depends on what an optimiser
finds in a loop; around it stands an ordinary Numba function, which Numba compiles and caches on
disk. Serial and parallel runs call the same machine code.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba.core import cgutils

from graphkit.engine.cpu.lanes import SIZE, Lanes
from graphkit.engine.expression import COMPARISONS, ROW, Leaf, Program

I64 = ir.IntType(64)
# Never kept in the scratch: read or compared anew where they are wanted.
INLINE = {"leaf", "scalar", "literal", "slot", *COMPARISONS}
ARG = {"row_argmax", "row_argmin"}
PREFETCH = 8  # edges ahead
HEADER = ("rowptr", "col", "edge", "slot", "heads", "channels", "edges", "longest")


def vector_lanes(bits: int) -> int:
    """Floats in the widest vector of this machine (16 bytes where nothing is known)."""
    features = binding.get_host_cpu_features()
    width = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return width * 8 // bits


def converts_halves() -> bool:
    """Whether this machine has instructions for float16, which else would ask for a library."""
    return bool(binding.get_host_cpu_features().get("f16c")) or (
        platform.machine() in ("arm64", "aarch64")
    )


class Output(NamedTuple):
    """What a kernel leaves behind.

    ``row``: one entry per row. ``edge``: one per edge. ``total``: a row value summed over the rows
    of every chunk. ``wide`` says whether it has channels (a narrow value is repeated).
    """

    mode: str
    node: int
    wide: bool


class Spec(NamedTuple):
    """All that the machine code depends on; two equal specs share a kernel.

    ``leaves`` and ``results`` say how the tensors lie in memory, by the names of
    :data:`graphkit.engine.cpu.lanes.STORED`; everything is computed with ``bits`` bits.
    """

    nodes: tuple
    outputs: tuple[Output, ...]
    row: str  # which end the rows are: "i" or "j"
    bits: int
    index_bits: int
    heads: bool  # more than one head
    leaves: tuple[str, ...]
    results: tuple[str, ...]


# ------------------------------------------------------------------ steps


@dataclass
class Steps:
    """When every node of a program can be computed, and where it is kept meanwhile."""

    step: list[int]
    varying: list[bool]
    wide: list[bool]
    edge_slots: dict[int, int]  # head-level values kept for every edge of the row
    row_slots: dict[int, int]  # reductions kept for the row
    last: int

    @classmethod
    def of(cls, spec: Spec) -> Steps:
        program = Program(nodes=list(spec.nodes))
        nodes = program.nodes
        program.wide = []
        for node in nodes:
            program.wide.append(program._is_wide(node))
        wide, varying = program.wide, program.varying(spec.row)
        step: list[int] = []
        for node in nodes:
            start = max((step[a] for a in node.args), default=0)
            step.append(start + (node.op in ROW or node.op == "channel_sum"))
        edge: dict[int, int] = {}
        row: dict[int, int] = {}

        def keep(slots: dict[int, int], n: int) -> None:
            slots.setdefault(n, len(slots))

        # A value is kept where a later step, or wide code, reads what narrow code computed.
        for n, node in enumerate(nodes):
            for a in node.args:
                computed = nodes[a].op not in INLINE
                if nodes[a].op == "channel_sum":
                    keep(edge, a)
                elif nodes[a].op in ROW:
                    keep(row, a)
                elif computed and varying[a] and not wide[a]:
                    reads_wide = wide[n] or node.op == "channel_sum"
                    here = step[n] - (node.op in ROW or node.op == "channel_sum")
                    if reads_wide or here > step[a]:
                        keep(edge, a)
        for out in spec.outputs:
            n = out.node
            if nodes[n].op == "channel_sum" or (varying[n] and not wide[n] and out.wide):
                keep(edge, n)
            for a in program.reachable([n]):
                if nodes[a].op in ROW and not wide[a] and (out.wide or wide[n]):
                    keep(row, a)
        return cls(step, varying, wide, edge, row, max(step, default=0))


# ------------------------------------------------------------------ emission


@dataclass
class _Place:
    """Where in the loops a value is wanted."""

    lanes: Lanes
    wide: bool
    head: ir.Value  # the head, or the first of the lanes' heads
    channel: ir.Value | None  # the first of the lanes' channels
    mask: ir.Value | None
    memo: dict[int, ir.Value]  # values of this vector and edge
    outer: dict[int, ir.Value]  # values of this vector that the row's edges share


class Emitter:
    """Emits one row of a program at the builder's position."""

    def __init__(self, builder: ir.IRBuilder, spec: Spec, row, chunk, arguments, scratch) -> None:
        self.b, self.spec = builder, spec
        self.nodes, self.steps = spec.nodes, Steps.of(spec)
        self.row, self.chunk, self.arguments, self.scratch = row, chunk, arguments, scratch
        self.size = spec.bits // 8
        header = {name: self.argument(k) for k, name in enumerate(HEADER)}
        self.header = header
        self.begin = self.index(header["rowptr"], row)
        self.end = self.index(header["rowptr"], self.b.add(row, self.int(1)))
        self.heads, self.channels = header["heads"], header["channels"]
        self.features = self.b.mul(self.heads, self.channels)
        self.scalars = 1 + max((n.data for n in self.nodes if n.op == "scalar"), default=-1)
        self.edge: ir.Value | None = None  # number of the edge in hand
        self.other: ir.Value | None = None  # node at its other end
        self.k: ir.Value | None = None  # its place in the row
        self.position: ir.Value | None = None  # its place in the structure
        self.accumulators: dict[int, list[ir.Value]] = {}

    # -------------------------------------------------------------- small things

    def int(self, value: int) -> ir.Constant:
        return ir.Constant(I64, value)

    def argument(self, k: int) -> ir.Value:
        return self.b.load(self.b.gep(self.arguments, [self.int(k)]))

    def index(self, address: ir.Value, at: ir.Value) -> ir.Value:
        """Entry ``at`` of an index array, as int64."""
        kind = ir.IntType(self.spec.index_bits)
        pointer = self.b.inttoptr(address, kind.as_pointer())
        value = self.b.load(self.b.gep(pointer, [at]))
        return value if self.spec.index_bits == 64 else self.b.sext(value, I64)

    def offset(self, address: ir.Value, elements: ir.Value, size: int) -> ir.Value:
        return self.b.add(address, self.b.mul(elements, self.int(size)))

    def leaf_argument(self, number: int, what: int) -> ir.Value:
        return self.argument(len(HEADER) + self.scalars + 2 * number + what)

    def output_argument(self, number: int) -> ir.Value:
        leaves = sum(node.op == "leaf" for node in self.nodes)
        return self.argument(len(HEADER) + self.scalars + 2 * leaves + number)

    @contextmanager
    def loop(self, stop: ir.Value, start: ir.Value | None = None):
        with cgutils.for_range(self.b, stop, start=start or self.int(0), intp=I64) as loop:
            yield loop.index

    def lanes(self, count: int) -> Lanes:
        return Lanes(self.b, self.spec.bits, count)

    # -------------------------------------------------------------- the row

    def emit(self) -> None:
        for step in range(self.steps.last + 1):
            self.step = step
            self.narrow_step(step)
            self.channel_sums(step)
            self.wide_step(step)

    def reductions(self, step: int, wide: bool) -> list[int]:
        """Row reductions whose argument is ready in this step."""
        return [
            n
            for n, node in enumerate(self.nodes)
            if node.op in ROW and self.steps.step[n] == step + 1 and self.steps.wide[n] == wide
        ]

    def outputs(self, step: int, wide: bool) -> list[tuple[int, Output]]:
        """Outputs that are ready in this step (those of reductions: at its end)."""
        found = []
        for number, out in enumerate(self.spec.outputs):
            ready = self.steps.step[out.node]
            if out.mode != "edge":
                ready = max(ready - 1, 0)
            if ready == step and out.wide == wide:
                found.append((number, out))
        return found

    def narrow_step(self, step: int) -> None:
        kept = [
            n
            for n in self.steps.edge_slots
            if self.steps.step[n] == step and self.nodes[n].op != "channel_sum"
        ]
        rows, outs = self.reductions(step, False), self.outputs(step, False)
        if not (kept or rows or outs):
            return
        if not self.spec.heads:
            lanes = self.lanes(1)
            self.block([(self.int(0), None, None)], lanes, False, rows, outs, kept)
            return
        lanes = self.lanes(8 if self.spec.bits == 32 else 4)
        width = self.int(lanes.count)
        blocks = self.b.sdiv(self.b.add(self.heads, self.int(lanes.count - 1)), width)
        with self.loop(blocks) as block:
            start = self.b.mul(block, width)
            mask = lanes.mask(self.b.sub(self.heads, start))
            self.block([(start, None, mask)], lanes, False, rows, outs, kept)

    def wide_step(self, step: int) -> None:
        rows, outs = self.reductions(step, True), self.outputs(step, True)
        if not (rows or outs):
            return
        self.over_channels(lambda vectors, lanes: self.block(vectors, lanes, True, rows, outs, []))

    def over_channels(self, body: Any) -> None:
        """Call ``body`` for blocks of features: big ones, then masked ones for the rest."""
        lanes = self.lanes(vector_lanes(self.spec.bits))
        big, small = self.vectors_in_flight()
        with self.loop(self.heads) as head:
            width = big * lanes.count
            blocks = self.b.sdiv(self.channels, self.int(width))
            with self.loop(blocks) as block:
                start = self.b.mul(block, self.int(width))
                body(self.vectors(lanes, big, head, start, None), lanes)
            done = self.b.mul(blocks, self.int(width))
            width = small * lanes.count
            rest = self.b.add(self.b.sub(self.channels, done), self.int(width - 1))
            with self.loop(self.b.sdiv(rest, self.int(width))) as block:
                start = self.b.add(done, self.b.mul(block, self.int(width)))
                left = self.b.sub(self.channels, start)
                body(self.vectors(lanes, small, head, start, left), lanes)

    def vectors(self, lanes: Lanes, count: int, head, start, left) -> list[tuple]:
        found = []
        for v in range(count):
            skip = self.int(v * lanes.count)
            mask = None if left is None else lanes.mask(self.b.sub(left, skip))
            found.append((head, self.b.add(start, skip), mask))
        return found

    def vectors_in_flight(self) -> tuple[int, int]:
        """Vectors of a big and of a small block: fewer where every one costs more registers."""
        wide = [n for n, is_wide in enumerate(self.steps.wide) if is_wide]
        work = sum(self.nodes[n].op not in ("leaf", *ROW) for n in wide)
        accumulators = sum(self.nodes[n].op in ROW for n in wide)
        if work <= 4 and accumulators <= 1:
            return 8, 2
        return (4, 2) if work <= 12 and accumulators <= 2 else (2, 1)

    # -------------------------------------------------------------- one block of features

    def places(self, vectors: list[tuple], lanes: Lanes, wide: bool) -> list[_Place]:
        return [_Place(lanes, wide, h, c, mask, {}, {}) for h, c, mask in vectors]

    def block(
        self,
        vectors: list[tuple],
        lanes: Lanes,
        wide: bool,
        reductions: list[int],
        outputs: list[tuple[int, Output]],
        kept: list[int],
    ) -> None:
        """Walk the row's edges once for some vectors of features."""
        places = self.places(vectors, lanes, wide)
        self.accumulators = {n: [] for n in reductions}
        for n in reductions:
            op = self.nodes[n].op
            for _ in places:
                start = lanes.integer(-1, 32) if op in ARG else lanes.row_start(op)
                slot = cgutils.alloca_once(self.b, start.type)
                self.b.store(start, slot)
                self.accumulators[n].append(slot)
        edges = [(k, o) for k, o in outputs if o.mode == "edge"]
        roots = [a for n in reductions for a in self.nodes[n].args]
        roots += [o.node for _, o in edges] + kept
        self.hoist(roots, places)
        if reductions or edges or kept:
            with self.edge_loop(places, roots):
                for v, place in enumerate(places):
                    place.memo = {}
                    self.accumulate(reductions, v, place)
                    for number, out in edges:
                        self.store_edge(number, out, place)
                    for n in kept:
                        self.store_slot(n, place)
        for v, place in enumerate(places):
            place.memo = {}
            for n in reductions:
                place.outer[n] = self.finished(n, v, lanes)
                if n in self.steps.row_slots:
                    lanes.store(place.outer[n], self.row_slot(n, place), place.mask)
            for number, out in outputs:
                if out.mode != "edge":
                    self.store_row(number, out, place)

    def accumulate(self, reductions: list[int], v: int, place: _Place) -> None:
        lanes = place.lanes
        for n in reductions:
            op, (arg,), _ = self.nodes[n]
            slot = self.accumulators[n][v]
            new = self.value(arg, place)
            if op == "row_sum":
                self.b.store(lanes.apply("add", self.b.load(slot), new), slot)
            elif op in ("row_max", "row_min"):
                old = self.b.load(slot)
                wins = lanes.beats(new, old, op)
                # The first edge wins whatever it holds, an infinity too.
                first = lanes.splat(self.b.icmp_signed("==", self.k, self.int(0)))
                wins = self.b.or_(wins, first)
                self.b.store(self.b.select(wins, new, old), slot)
                for m in reductions:
                    if self.nodes[m].op == op.replace("row_", "row_arg") and self.nodes[m].args == (
                        arg,
                    ):
                        winner = self.accumulators[m][v]
                        here = lanes.splat(self.b.trunc(self.position, ir.IntType(32)))
                        self.b.store(self.b.select(wins, here, self.b.load(winner)), winner)

    def finished(self, n: int, v: int, lanes: Lanes) -> ir.Value:
        """An accumulator at the row's end; a row without edges has 0."""
        value = self.b.load(self.accumulators[n][v])
        if self.nodes[n].op in ("row_max", "row_min"):
            empty = lanes.splat(self.b.icmp_signed("==", self.begin, self.end))
            return self.b.select(empty, lanes.constant(0.0), value)
        return value

    def channel_sums(self, step: int) -> None:
        """Sums over the channels, for every edge and head, into the scratch."""
        sums = [
            n
            for n, node in enumerate(self.nodes)
            if node.op == "channel_sum" and self.steps.step[n] == step + 1
        ]
        if not sums:
            return
        count = vector_lanes(self.spec.bits)
        lanes = self.lanes(count)
        roots = [self.nodes[n].args[0] for n in sums]
        needs = Program(nodes=list(self.nodes)).reachable(roots)
        with self.edge_loop([], roots), self.loop(self.heads) as head:
            slots = []
            for _ in sums:
                slots.append(cgutils.alloca_once(self.b, lanes.type))
                self.b.store(lanes.constant(0.0), slots[-1])

            def add(start: ir.Value, mask: ir.Value | None) -> None:
                place = _Place(lanes, True, head, start, mask, {}, {})
                self.prefetch([place], needs)
                for slot, root in zip(slots, roots, strict=True):
                    value = self.value(root, place)
                    if mask is not None:
                        value = self.b.select(mask, value, lanes.constant(0.0))
                    self.b.store(lanes.apply("add", self.b.load(slot), value), slot)

            whole = self.b.sdiv(self.channels, self.int(count))
            with self.loop(whole) as block:
                add(self.b.mul(block, self.int(count)), None)
            done = self.b.mul(whole, self.int(count))
            left = self.b.sub(self.channels, done)
            with self.b.if_then(self.b.icmp_signed(">", left, self.int(0))):
                add(done, lanes.mask(left))
            one = self.lanes(1)
            place = _Place(one, False, head, None, None, {}, {})
            for n, slot in zip(sums, slots, strict=True):
                one.store(lanes.total(self.b.load(slot)), self.edge_slot(n, place))

    @contextmanager
    def edge_loop(self, places: list[_Place], roots: list[int]):
        """Over the edges of the row, with the coming rows of the other end on their way."""
        count = self.b.sub(self.end, self.begin)
        with self.loop(count) as k:
            self.k = k
            self.position = self.b.add(self.begin, k)
            self.other = self.index(self.header["col"], self.position)
            needs = Program(nodes=list(self.nodes)).reachable(roots)
            nodes = [self.nodes[n] for n in needs]
            by_edge = any(
                (node.op == "keep" and not node.data[2])
                or (node.op == "leaf" and node.data[1].side == "e")
                for node in nodes
            )
            self.edge = (
                self.index(self.header["edge"], self.position)
                if by_edge or any(o.mode == "edge" for o in self.spec.outputs)
                else None
            )
            self.prefetch(places, needs)
            yield

    def prefetch(self, places: list[_Place], needs: Iterable[int]) -> None:
        if not places or not places[0].wide:
            return
        last = self.b.sub(self.header["edges"], self.int(1))
        ahead = self.b.add(self.position, self.int(PREFETCH))
        ahead = self.b.select(self.b.icmp_signed("<", ahead, last), ahead, last)
        for n in needs:
            node = self.nodes[n]
            if node.op != "leaf":
                continue
            number, leaf = node.data
            if not leaf.channels or leaf.side in (self.spec.row, "p"):
                continue
            array = self.header["edge" if leaf.side == "e" else "col"]
            base = self.row_of(number, self.index(array, ahead))
            size = SIZE[self.spec.leaves[number]]
            step = max(1, 64 // (places[0].lanes.count * size))
            for place in places[::step]:
                address = self.offset(base, self.feature(place), size)
                pointer = self.b.inttoptr(address, ir.IntType(8).as_pointer())
                kinds = [pointer.type] + [ir.IntType(32)] * 3
                function = cgutils.get_or_insert_function(
                    self.b.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0"
                )
                hints = [ir.Constant(ir.IntType(32), v) for v in (0, 3, 1)]
                self.b.call(function, [pointer, *hints])

    # -------------------------------------------------------------- values

    def hoist(self, roots: list[int], places: list[_Place]) -> None:
        """Compute before the loop what all edges of the row share."""
        program = Program(nodes=list(self.nodes))
        varying = self.steps.varying
        needs = program.reachable(roots)
        shared = {a for n in needs if varying[n] for a in self.nodes[n].args if not varying[a]}
        shared |= {n for n in roots if not varying[n]}
        for place in places:
            for n in sorted(shared):
                if self.ready(n):
                    self.value(n, place)

    def ready(self, n: int) -> bool:
        """Whether a row value is known before the loop: not a reduction that is running now."""
        return n not in self.accumulators and all(self.ready(a) for a in self.nodes[n].args)

    def value(self, n: int, place: _Place) -> ir.Value:
        memo = place.memo if self.steps.varying[n] else place.outer
        if n in place.outer:
            return place.outer[n]
        if n not in memo:
            memo[n] = self.compute(n, place)
        return memo[n]

    def compute(self, n: int, place: _Place) -> ir.Value:
        op, args, data = self.nodes[n]
        lanes = place.lanes
        if op == "leaf":
            return self.read(data[0], data[1], place)
        if op == "literal":
            return lanes.constant(data)
        if op == "scalar":
            value = self.b.bitcast(self.argument(len(HEADER) + data), ir.DoubleType())
            value = self.b.fptrunc(value, lanes.float) if self.spec.bits == 32 else value
            return lanes.splat(value)
        narrow = not self.steps.wide[n]
        if place.wide and narrow:
            return lanes.splat(self.narrow_value(n, place))
        if op == "channel_sum":
            return lanes.load(self.edge_slot(n, place), place.mask)
        if op in ROW:
            return lanes.load(self.row_slot(n, place), place.mask)
        if n in self.steps.edge_slots and self.steps.step[n] < self.step:
            return lanes.load(self.edge_slot(n, place), place.mask)
        if op == "keep":
            return self.keep(n, place)
        if op == "slot":
            slot = self.index(self.header["slot"], self.position)
            return lanes.splat(self.b.trunc(slot, ir.IntType(32)))
        return lanes.apply(op, *(self.value(a, place) for a in args))

    def narrow_value(self, n: int, place: _Place) -> ir.Value:
        """A value with one entry per head, wanted by wide code."""
        one = self.lanes(1)
        spot = _Place(one, False, place.head, None, None, {}, {})
        if n in self.steps.edge_slots:
            return one.load(self.edge_slot(n, spot))
        if n in self.steps.row_slots:
            return one.load(self.row_slot(n, spot))
        return self.value(n, spot)

    def feature(self, place: _Place) -> ir.Value:
        """Position among all features."""
        if place.channel is None:
            return place.head
        return self.b.add(self.b.mul(place.head, self.channels), place.channel)

    def row_of(self, number: int, row: Any) -> ir.Value:
        at = self.b.mul(row, self.leaf_argument(number, 1))
        return self.offset(self.leaf_argument(number, 0), at, SIZE[self.spec.leaves[number]])

    def read(self, number: int, leaf: Leaf, place: _Place) -> ir.Value:
        stored = self.spec.leaves[number]
        if leaf.side == "p":
            base = self.leaf_argument(number, 0)
        elif leaf.side == "e":
            base = self.row_of(number, self.edge)
        else:
            row = self.row if leaf.side == self.spec.row else self.other
            base = self.row_of(number, row)
        lanes, zero = place.lanes, self.int(0)
        if leaf.channels and place.channel is not None:
            at = self.feature(place) if leaf.heads else place.channel
        elif leaf.heads:
            at = place.head
        else:
            at = zero
        spread = leaf.channels if place.wide else leaf.heads
        address = self.offset(base, at, SIZE[stored])
        if spread:
            return lanes.load(address, place.mask, stored)
        return lanes.splat(self.lanes(1).load(address, None, stored))

    def keep(self, n: int, place: _Place) -> ir.Value:
        (rate, seed), (_, stream, of_row) = self.nodes[n].args, self.nodes[n].data
        rate, seed = (
            self.b.bitcast(self.argument(len(HEADER) + self.nodes[a].data), ir.DoubleType())
            for a in (rate, seed)
        )
        first = self.b.trunc(self.feature(place), ir.IntType(32))
        lanes = place.lanes
        features = self.b.add(lanes.splat(first), lanes.iota(32))
        return lanes.keep(rate, seed, stream, self.row if of_row else self.edge, features)

    # -------------------------------------------------------------- where values are kept

    def edge_slot(self, n: int, place: _Place) -> ir.Value:
        """Address of a kept value: scratch[slot][k][head]."""
        at = self.b.mul(self.header["longest"], self.int(self.steps.edge_slots[n]))
        at = self.b.mul(self.b.add(at, self.k), self.heads)
        return self.offset(self.scratch, self.b.add(at, place.head), self.size)

    def row_slot(self, n: int, place: _Place) -> ir.Value:
        """Address of a reduction of this row, after the edges' part of the scratch."""
        edges = self.b.mul(self.header["longest"], self.int(len(self.steps.edge_slots)))
        base = self.b.mul(edges, self.heads)
        base = self.b.add(base, self.b.mul(self.features, self.int(self.steps.row_slots[n])))
        at = place.head
        if self.steps.wide[n]:
            at = self.feature(place)
        return self.offset(self.scratch, self.b.add(base, at), self.size)

    def store_slot(self, n: int, place: _Place) -> None:
        place.lanes.store(self.value(n, place), self.edge_slot(n, place), place.mask)

    def store_edge(self, number: int, out: Output, place: _Place) -> None:
        width = self.features if out.wide else self.heads
        at = self.b.add(self.b.mul(self.edge, width), self.feature(place))
        stored = self.spec.results[number]
        address = self.offset(self.output_argument(number), at, SIZE[stored])
        place.lanes.store(self.value(out.node, place), address, place.mask, stored)

    def store_row(self, number: int, out: Output, place: _Place) -> None:
        value = self.value(out.node, place)
        width = self.features if out.wide else self.heads
        row = self.chunk if out.mode == "total" else self.row
        at = self.b.add(self.b.mul(row, width), self.feature(place))
        stored = self.spec.results[number]
        address = self.offset(self.output_argument(number), at, SIZE[stored])
        if out.mode == "total":
            value = place.lanes.apply("add", place.lanes.load(address, place.mask), value)
        place.lanes.store(value, address, place.mask, stored)
