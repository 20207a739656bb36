"""A message as a small program: values per edge, reduced over neighbourhoods; and its derivative.

A program is a list of nodes in order of evaluation. A node is a *leaf* (a tensor read at the
destination ``i``, the source ``j``, the edge ``e`` or the same everywhere, ``p``), a number, or an
operation on earlier nodes. Features have two axes, heads x channels; a value is *wide* when it
varies over channels, and else has one entry per head. Three operations cross an axis:

* ``channel_sum``: wide -> one entry per head;
* ``row_sum``, ``row_max``, ``row_min``, ``row_argmax``, ``row_argmin``: over the edges of a row,
  so that their value belongs to the row and later edges of the same row may use it.

Rows are destinations in a forward pass and either end in a backward pass, hence the sides: a
program is written with ``i`` and ``j`` and a kernel is told which of them is its row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

COMMUTATIVE = {"add", "mul", "maximum", "minimum", "eq", "ne"}
COMPARISONS = {"gt", "ge", "lt", "le", "eq", "ne"}
CONSTANT = {"scalar", "literal", "keep", "slot"}
ROW = {"row_sum", "row_max", "row_min", "row_argmax", "row_argmin"}


class FusionError(Exception):
    """The expression holds something that no kernel serves; the text says what."""


class Leaf(NamedTuple):
    """Where a tensor is read (``i``, ``j``, ``e``, ``p``) and which feature axes it has."""

    side: str
    heads: bool
    channels: bool
    integer: bool = False


class Node(NamedTuple):
    op: str
    args: tuple[int, ...] = ()
    # leaf: its number and Leaf; number: its value or number; keep: wide, stream, of a row?
    data: object = None


@dataclass
class Program:
    """Nodes with equal nodes shared; grows while it is traced and derived."""

    nodes: list[Node] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    scalars: int = 0
    wide: list[bool] = field(default_factory=list)  # which nodes vary over channels
    _known: dict[Node, int] = field(default_factory=dict)

    # -------------------------------------------------------------- building

    def node(self, node: Node) -> int:
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
            self.wide.append(self._is_wide(node))
        return self._known[node]

    def leaf(self, leaf: Leaf) -> int:
        self.leaves.append(leaf)
        return self.node(Node("leaf", (), (len(self.leaves) - 1, leaf)))

    def scalar(self) -> int:
        """A number that is passed at run time, so that another value needs no other kernel."""
        self.scalars += 1
        return self.node(Node("scalar", (), self.scalars - 1))

    def literal(self, value: float) -> int:
        return self.node(Node("literal", (), float(value)))

    def keep(self, rate: int, seed: int, wide: bool, stream: int, of_row: bool = False) -> int:
        """Dropout's factor: 0 with probability ``rate``, else 1 / (1 - rate).

        Args:
            of_row: drawn for a row, not for each of its edges.
        """
        return self.node(Node("keep", (rate, seed), (wide, stream, of_row)))

    def slot(self) -> int:
        """The edge's position in the order by destination: what row_argmax gives."""
        return self.node(Node("slot"))

    def __call__(self, op: str, *args: int) -> int:
        short = self._simplify(op, args)
        if short is not None:
            return short
        if op in COMMUTATIVE:
            args = tuple(sorted(args))
        return self.node(Node(op, args))

    def _simplify(self, op: str, args: tuple[int, ...]) -> int | None:
        """Only what holds for every float, NaN and infinities too."""
        values = [self.nodes[a].data if self.nodes[a].op == "literal" else None for a in args]
        if op == "mul" and 1.0 in values:
            return args[1 - values.index(1.0)]
        if op == "div" and values[1] == 1.0:
            return args[0]
        if op == "neg" and self.nodes[args[0]].op == "neg":
            return self.nodes[args[0]].args[0]
        return None

    # -------------------------------------------------------------- properties of nodes

    def _is_wide(self, node: Node) -> bool:
        if node.op == "leaf":
            return node.data[1].channels  # type: ignore[index]
        if node.op in ("keep", "aggregated"):
            return node.data[0]  # type: ignore[index]
        return node.op != "channel_sum" and any(self.wide[a] for a in node.args)

    def varying(self, row: str) -> list[bool]:
        """Which nodes vary over the edges of a row, when the rows are ``row`` ("i" or "j")."""
        out: list[bool] = []
        for node in self.nodes:
            if node.op == "leaf":
                out.append(node.data[1].side not in (row, "p"))  # type: ignore[index]
            elif node.op == "keep":
                out.append(not node.data[2])  # type: ignore[index]
            elif node.op in ("slot", "channel_sum"):
                out.append(True)  # a channel_sum is kept edge by edge, whatever it sums
            else:
                out.append(node.op not in ROW and any(out[a] for a in node.args))
        return out

    def reachable(self, roots: list[int]) -> list[int]:
        """The nodes that ``roots`` need, in order."""
        found: set[int] = set()
        stack = list(roots)
        while stack:
            n = stack.pop()
            if n not in found:
                found.add(n)
                stack.extend(self.nodes[n].args)
        return sorted(found)

    def depends(self, n: int, on: int) -> bool:
        return on in self.reachable([n])

    def substitute(self, n: int, known: dict[int, int]) -> int:
        """``n`` with some of its nodes replaced."""
        for m in self.reachable([n]):
            if m in known:
                continue
            node = self.nodes[m]
            args = tuple(known.get(a, a) for a in node.args)
            known[m] = m if args == node.args else self(node.op, *args)
        return known[n]

    def homogeneous(self, n: int, on: int) -> bool:
        """Whether ``n`` is of degree one in ``on``: n(t * on) = t * n(on)."""
        if n == on:
            return True
        node = self.nodes[n]
        linear = [self.homogeneous(a, on) for a in node.args]
        free = [not self.depends(a, on) for a in node.args]
        if node.op == "mul":
            return (linear[0] and free[1]) or (free[0] and linear[1])
        if node.op == "div":
            return linear[0] and free[1]
        if node.op in ("add", "sub"):
            return all(linear)
        return node.op in ("neg", "channel_sum") and linear[0]


# ------------------------------------------------------------------ derivative


def derive(
    program: Program, adjoints: dict[int, int], softmax: dict[int, int | None]
) -> dict[int, int]:
    """Reverse mode: from adjoints of some nodes to those of every node below them.

    Args:
        adjoints: where to start from. The adjoint of a value with one entry per head is summed
            over channels where it is wide.
        softmax: nodes that are ``exp(s - log sum exp s)`` over a row, with their
            ``sum_e a_e * adjoint_e`` where it is known; where it is None it becomes a row_sum here.

    Returns:
        The adjoint of every node that has one; ``softmax`` is completed.
    """
    p = program
    adjoint = dict(adjoints)

    def give(n: int, value: int) -> None:
        if p.wide[value] and not p.wide[n]:
            value = p("channel_sum", value)
        adjoint[n] = p("add", adjoint[n], value) if n in adjoint else value

    for n in range(max(adjoint), -1, -1):
        if n not in adjoint or p.nodes[n].op in ("leaf", *CONSTANT):
            continue
        if n in softmax:
            if softmax[n] is None:
                softmax[n] = p("row_sum", p("mul", n, adjoint[n]))
            score, _ = p.nodes[p.nodes[n].args[0]].args
            give(score, p("mul", n, p("sub", adjoint[n], softmax[n])))  # type: ignore[arg-type]
            continue
        for arg, value in _rule(p, n, adjoint[n]):
            if p.nodes[arg].op not in CONSTANT:
                give(arg, value)
    return adjoint


def _rule(p: Program, n: int, g: int) -> list[tuple[int, int]]:
    op, args, _ = p.nodes[n]
    a = args[0]
    one, zero = p.literal(1.0), p.literal(0.0)
    if op in COMPARISONS or op in ("sign", "stop"):
        return []
    if op == "add":
        return [(a, g), (args[1], g)]
    if op == "sub":
        return [(a, g), (args[1], p("neg", g))]
    if op == "mul":
        return [(a, p("mul", g, args[1])), (args[1], p("mul", g, a))]
    if op == "div":
        part = p("div", g, args[1])
        return [(a, part), (args[1], p("neg", p("mul", part, n)))]
    if op == "where":
        cond, yes, no = args
        return [(yes, p("where", cond, g, zero)), (no, p("where", cond, zero, g))]
    if op in ("maximum", "minimum"):
        b = args[1]
        half = p("mul", g, p.literal(0.5))
        wins = p("gt" if op == "maximum" else "lt", a, b)
        loses = p("lt" if op == "maximum" else "gt", a, b)
        tie = p("eq", a, b)
        return [
            (a, p("where", tie, half, p("where", loses, zero, g))),
            (b, p("where", tie, half, p("where", wins, zero, g))),
        ]
    if op == "pow":
        b = args[1]
        slope = p("mul", b, p("pow", a, p("sub", b, one)))
        rules = [(a, p("mul", g, slope))]
        if p.nodes[b].op not in ("scalar", "literal"):
            rules.append((b, p("mul", g, p("mul", n, p("log", a)))))
        return rules
    if op == "channel_sum":
        return [(a, g)]
    return [(a, _unary_rule(p, op, a, n, g, one, zero))]


def _unary_rule(p: Program, op: str, a: int, n: int, g: int, one: int, zero: int) -> int:
    if op == "neg":
        return p("neg", g)
    if op == "relu":
        return p("where", p("le", a, zero), zero, g)
    if op == "exp":
        return p("mul", g, n)
    if op == "expm1":
        return p("mul", g, p("add", n, one))
    if op == "log":
        return p("div", g, a)
    if op == "sqrt":
        return p("div", p("mul", g, p.literal(0.5)), n)
    if op == "abs":
        return p("mul", g, p("sign", a))
    if op == "sigmoid":
        return p("mul", g, p("mul", n, p("sub", one, n)))
    if op == "tanh":
        return p("mul", g, p("sub", one, p("mul", n, n)))
    if op == "softplus":
        return p("mul", g, p("sigmoid", a))
    if op == "erf":
        slope = p("exp", p("neg", p("mul", a, a)))
        return p("mul", p("mul", g, p.literal(1.1283791670955126)), slope)
    raise FusionError(f"no derivative for {op}")
