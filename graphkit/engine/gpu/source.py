"""The source of a pass's kernel, in Triton.

One program serves one row (or some, where rows are totalled) and one block of heads and channels.
Rows with more than ``most`` edges are left to a second launch, which is given a list of rows.
It walks over the row's edges, a few at a time, once for every reduction that waits for another, and
computes anew in each walk what this one needs: the features it reads are still in the cache. Values
are tiles ``[edges, heads, channels]`` with 1 on the axes they do not vary over. An accumulator has
an entry for every edge of a tile until the walk's end, so that the order in which a row is summed
depends on the row alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphkit.engine.cpu.kernel import Output
from graphkit.engine.expression import ROW, Leaf, Node, Program

FORMS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "gt": "{} > {}",
    "ge": "{} >= {}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "eq": "{} == {}",
    "ne": "{} != {}",
    "neg": "-{}",
    "stop": "{}",
    "exp": "tl.exp({})",
    "log": "tl.log({})",
    "sqrt": "tl.sqrt({})",
    "abs": "tl.abs({})",
    "erf": "tl.erf({})",
    "where": "tl.where({}, {}, {})",
    "maximum": "functions.maximum({}, {})",
    "minimum": "functions.minimum({}, {})",
    "pow": "functions.power({}, {})",
    "expm1": "functions.expm1({})",
    "sign": "functions.sign({})",
    "sigmoid": "functions.sigmoid({})",
    "tanh": "functions.tanh({})",
    "relu": "functions.relu({})",
    "softplus": "functions.softplus({})",
}
POWERS: dict[float | None, str] = {1.0: "{0}", 2.0: "{0} * {0}", 3.0: "{0} * {0} * {0}"}

HEAD = """\
def kernel(
    rowptr, col, edge, slot, rows, num_rows, most: tl.int64,
    {arguments}
    HEADS: tl.constexpr, CHANNELS: tl.constexpr, ACC: tl.constexpr, LISTED: tl.constexpr,
    ROWS: tl.constexpr, E: tl.constexpr, H: tl.constexpr, C: tl.constexpr,
):
    lane = tl.arange(0, E)[:, None, None]
    head = (tl.program_id(1) * H + tl.arange(0, H))[None, :, None]
    channel = (tl.program_id(2) * C + tl.arange(0, C))[None, None, :]
    feature = head * CHANNELS + channel
    zero = tl.zeros([1, 1, 1], tl.int32)
    of_heads, of_channels = head < HEADS, channel < CHANNELS
    of_both = of_heads & of_channels
    once = of_heads & (zero + tl.program_id(2) == 0)  # where every block of channels has the same
    block = tl.program_id(0).to(tl.int64)
"""
ROW_HEAD = """\
if LISTED:
    row = tl.load(rows + place).to(tl.int64)
else:
    row = place
begin = tl.load(rowptr + row).to(tl.int64)
end = tl.load(rowptr + row + 1).to(tl.int64)
length = end - begin
if LISTED:
    mine = zero + length > most
    end = tl.where(length > most, end, begin)
else:
    mine = zero + length <= most
    end = tl.where(length > most, begin, end)
"""
WALK = """\
for start in range(begin, end, E):
    position = start + lane
    here = position < end
"""


def source(nodes: Sequence[Node], outputs: Sequence[Output], row: str) -> str:
    """A function ``kernel`` over ``tl`` and :mod:`functions <graphkit.engine.gpu.functions>`."""
    return _Writer(nodes, outputs, row).kernel()


class _Writer:
    """Writes node ``n`` as the variable ``v{n}``, and its accumulator, if any, as ``a{n}``."""

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[Output], row: str) -> None:
        self.nodes, self.outputs, self.side = nodes, outputs, row
        self.program = Program(nodes=list(nodes))
        for node in nodes:
            self.program.wide.append(self.program._is_wide(node))
        self.wide, self.varying = self.program.wide, self.program.varying(row)
        # How many walks must be over before a node's value is known.
        self.walks: list[int] = []
        for node in nodes:
            before = max((self.walks[a] for a in node.args), default=0)
            self.walks.append(before + (node.op in ROW))
        self.known: set[int] = set()  # row values that have been written
        self.lines: list[str] = []
        self.depth = 1

    def write(self, text: str) -> None:
        self.lines += ["    " * self.depth + line for line in text.splitlines()]

    # -------------------------------------------------------------- frame

    def kernel(self) -> str:
        arguments = ", ".join([*self.arguments(), ""])
        totals = [(k, o) for k, o in enumerate(self.outputs) if o.mode == "total"]
        for k, out in totals:
            self.write(f"total{k} = tl.zeros([1, H, {'C' if out.wide else '1'}], ACC)")
        if totals:
            self.write("last = tl.minimum(block * ROWS + ROWS, num_rows)")
            self.write("for place in range(block * ROWS, last):")
            self.depth += 1
        else:
            self.write("place = block")
        self.write(ROW_HEAD)
        self.store_rows(0)
        for done in range(max(self.walks) + 1):
            self.walk(done)
            self.store_rows(done + 1)
        self.depth = 1
        for k, out in totals:
            self.store(k, out, "block", f"total{k}")
        return HEAD.format(arguments=arguments) + "\n".join(self.lines) + "\n"

    def arguments(self) -> Iterable[str]:
        """In the order in which :func:`graphkit.engine.gpu.run.run` passes them."""
        for node in self.nodes:
            if node.op == "leaf":
                yield f"leaf{node.data[0]}"  # type: ignore[index]
                yield f"stride{node.data[0]}"  # type: ignore[index]
        for node in self.nodes:
            if node.op == "scalar":
                yield f"scalar{node.data}: tl.float64"
        for n, node in enumerate(self.nodes):
            if node.op == "keep":
                yield f"start{n}: tl.uint32"
                yield f"limit{n}: tl.uint32"
                yield f"scale{n}: tl.float64"
        for k in range(len(self.outputs)):
            yield f"out{k}"

    # -------------------------------------------------------------- a walk over the row's edges

    def walk(self, done: int) -> None:
        """All that waits for ``done`` walks to be over, and for no more."""
        wanted = [n for n, node in enumerate(self.nodes) if node.op in ROW]
        wanted = [n for n in wanted if self.walks[n] == done + 1]
        edges = [(k, o) for k, o in enumerate(self.outputs) if o.mode == "edge"]
        edges = [(k, o) for k, o in edges if self.walks[o.node] == done]
        roots = [self.nodes[n].args[0] for n in wanted] + [o.node for _, o in edges]
        if not roots:
            return
        needs = self.unknown(roots)
        shared = [n for n in needs if not self.varying[n]]
        self.row_values(shared)
        reductions = list(self.reductions(wanted))
        for before, _, _ in reductions:
            self.write(before)
        self.write(WALK)
        self.depth += 1
        self.locate(needs, bool(edges))
        for n in needs:
            if self.varying[n]:
                self.write(f"v{n} = {self.form(n)}")
        for _, each, _ in reductions:
            self.write(each)
        for k, out in edges:
            self.store(k, out, "number", f"v{out.node}", "here")
        self.depth -= 1
        for _, _, after in reductions:
            self.write(after)
        self.known |= set(wanted)

    def locate(self, needs: Iterable[int], by_edge: bool) -> None:
        """The other end of the edges in hand, their numbers and slots, where some node asks."""
        nodes = [self.nodes[n] for n in needs]
        sides = {node.data[1].side for node in nodes if node.op == "leaf"}  # type: ignore[index]
        ops = {node.op for node in nodes}
        load = "{} = tl.load({} + position, mask=here, other=0).to(tl.int64)"
        if sides - {self.side, "e", "p"}:
            self.write(load.format("other", "col"))
        if by_edge or "e" in sides or "keep" in ops:
            self.write(load.format("number", "edge"))
        if "slot" in ops:
            self.write(load.format("turn", "slot"))

    def unknown(self, roots: Iterable[int]) -> list[int]:
        """What of ``roots`` and below them is still to be computed, in order."""
        found: set[int] = set()
        stack = list(roots)
        while stack:
            n = stack.pop()
            if n not in self.known and n not in found:
                found.add(n)
                stack.extend(self.nodes[n].args)
        return sorted(found)

    def row_values(self, wanted: Iterable[int]) -> None:
        """Write what all edges of the row share."""
        for n in wanted:
            self.known.add(n)
            self.write(f"v{n} = {self.form(n)}")

    def reductions(self, wanted: Sequence[int]) -> Iterable[tuple[str, str, str]]:
        """What to write before a walk, for its edges in hand, and after it."""
        for n in wanted:
            op, (arg,), _ = self.nodes[n]
            shape = f"[E, H, {'C' if self.wide[n] else '1'}]"
            if op == "row_sum":
                yield (
                    f"a{n} = tl.zeros({shape}, ACC)",
                    f"a{n} += tl.where(here, v{arg}, 0.0)",
                    f"v{n} = tl.sum(a{n}, 0, keep_dims=True)",
                )
                continue
            largest = op in ("row_max", "row_argmax")
            lowest = f'float("{"-" if largest else ""}inf")'
            start = f"a{n} = tl.full({shape}, {lowest}, ACC)"
            pair = self.pair(n)
            if pair is None:
                better = "maximum" if largest else "minimum"
                yield (
                    start,
                    f"a{n} = functions.{better}(a{n}, tl.where(here, v{arg}, {lowest}))",
                    f"v{n} = tl.where(begin + zero < end, functions.extreme(a{n}, {largest}), 0.0)",
                )
            elif n == min(pair):
                yield (
                    f"{start}\ns{n} = tl.full({shape}, -1, tl.int32)",
                    f"next = (position - begin).to(tl.int32)\n"
                    f"a{n}, s{n} = functions.note(a{n}, s{n}, v{arg}, next, here, {largest})",
                    f"v{pair[0]}, v{pair[1]} = functions.winner(a{n}, s{n}, begin, {largest})",
                )

    def pair(self, n: int) -> tuple[int, int] | None:
        """A maximum or minimum and its winner, if the winner is wanted."""
        op, args, _ = self.nodes[n]
        kind = op[-3:]
        value, winner = Node(f"row_{kind}", args), Node(f"row_arg{kind}", args)
        if winner not in self.nodes:
            return None
        return self.nodes.index(value), self.nodes.index(winner)

    # -------------------------------------------------------------- values

    def form(self, n: int) -> str:
        op, args, data = self.nodes[n]
        if op == "leaf":
            return self.load(*data)  # type: ignore[misc]
        if op == "literal":
            return f"tl.full([1, 1, 1], {data!r}, ACC)"
        if op == "scalar":
            return f"tl.full([1, 1, 1], scalar{data}, ACC)"
        if op == "slot":
            return "turn"
        if op == "keep":
            feature = "feature" if self.wide[n] else "head"
            at = "row" if data[2] else "number"  # type: ignore[index]
            return f"functions.keep(start{n}, limit{n}, scale{n}, {at}, {feature}, ACC)"
        values = [f"v{a}" for a in args]
        if op == "channel_sum":
            return f"tl.sum(tl.where(of_channels, {values[0]}, 0.0), 2, keep_dims=True)"
        form = POWERS.get(self.constant(args[1]), FORMS[op]) if op == "pow" else FORMS[op]
        return form.format(*values)

    def constant(self, n: int) -> float | None:
        """What a node always is, if it is a number or one less another (a derivative's b - 1)."""
        op, args, data = self.nodes[n]
        if op == "literal":
            return data  # type: ignore[return-value]
        both = [self.constant(a) for a in args] if op == "sub" else [None]
        return None if None in both else both[0] - both[1]  # type: ignore[operator]

    def load(self, number: int, leaf: Leaf) -> str:
        offset, masks = "zero", []
        if leaf.heads or leaf.channels:
            offset = {(1, 1): "feature", (1, 0): "head", (0, 1): "channel"}[leaf[1:3]]
            masks = [{"feature": "of_both", "head": "of_heads", "channel": "of_channels"}[offset]]
        at = f"leaf{number} + {offset}"
        if leaf.side != "p":
            row = "row" if leaf.side == self.side else "number" if leaf.side == "e" else "other"
            at = f"leaf{number} + {row} * stride{number} + {offset}"
            masks += ["here"] if row != "row" else []
        masked = f", mask={' & '.join(masks)}, other=0" if masks else ""
        return f"tl.load({at}{masked})" + ("" if leaf.integer else ".to(ACC)")

    # -------------------------------------------------------------- outputs

    def store_rows(self, over: int) -> None:
        """Rows' outputs that are known when ``over`` walks are over."""
        for k, out in enumerate(self.outputs):
            if out.mode != "edge" and self.walks[out.node] == over:
                self.row_values(self.unknown([out.node]))
                if out.mode == "total":
                    self.write(f"total{k} += tl.where(mine, v{out.node}, 0.0)")
                else:
                    self.store(k, out, "row", f"v{out.node}", "mine")

    def store(self, k: int, out: Output, row: str, value: str, *masks: str) -> None:
        width, offset = ("HEADS * CHANNELS", "feature") if out.wide else ("HEADS", "head")
        mask = " & ".join(["of_both" if out.wide else "once", *masks])
        self.write(f"tl.store(out{k} + {row} * ({width}) + {offset}, {value}, mask={mask})")
