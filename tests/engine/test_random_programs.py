"""Random expressions with heads, channels, softmaxes and several aggregations, against reference.

What nobody would write by hand: it is here that steps, scratch slots and broadcasts go wrong.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from graphkit.engine.expression import Leaf, Program
from graphkit.engine.fused import Aggregation, Fused
from graphkit.graph import Graph

NODES, EDGES = 14, 60
ROWS = {"i": NODES, "j": NODES, "e": EDGES, "p": 1}
BINARY = ["add", "sub", "mul", "mul", "maximum", "where"]
UNARY = ["tanh", "sigmoid", "relu", "exp", "neg", "abs", "softplus", "number"]
ACROSS = ["channel_sum", "softmax", "softmax"]


class RandomProgram:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.program, self.softmax = Program(), list[int]()
        self.leaves, self.scalars = list[Tensor](), list[float]()
        self.heads = self.rng.choice([1, 1, 2, 3, 9])
        self.channels = self.rng.choice([2, 5, 17, 40])
        # The first leaf has all axes, so that a message may use them.
        self.pool = [self.leaf("j", self.heads > 1, True)]
        for _ in range(self.rng.randint(1, 4)):
            heads = self.heads > 1 and self.rng.random() < 0.8
            self.pool.append(self.leaf(self.rng.choice("iijjep"), heads, self.rng.random() < 0.5))
        for _ in range(self.rng.randint(2, 9)):
            self.pool.append(self.node(self.rng.choice(BINARY + UNARY + ACROSS)))
        last = self.program("add", self.pool[0], self.pool[-1])
        names = ["sum", "mean", "max", "min", "var", "std", "edge"]
        chosen = self.rng.sample(names, self.rng.choice([1, 1, 2, 3]))
        self.aggregations = [Aggregation(name, last) for name in chosen]

    def leaf(self, side: str, heads: bool, channels: bool) -> int:
        width = (self.heads if heads else 1) * (self.channels if channels else 1)
        self.leaves.append(torch.randn(ROWS[side], width, dtype=torch.float64, requires_grad=True))
        return self.program.leaf(Leaf(side, heads, channels))

    def node(self, op: str) -> int:
        p, pick = self.program, self.rng.choice
        a, b, c = pick(self.pool), pick(self.pool), pick(self.pool)
        if op == "where":
            return p("where", p("gt", a, b), c, a)
        if op == "number":
            self.scalars.append(self.rng.uniform(0.3, 1.5))
            return p("mul", a, p.scalar())
        if op == "exp":
            return p("exp", p("tanh", a))
        if op == "channel_sum":
            return p(op, self.pool[0] if not p.wide[a] else a)
        if op == "softmax":
            nested = any(p.depends(a, known) for known in self.softmax)
            if nested or not p.varying("i")[a]:
                return a
            node = p("softmax", a)
            if node not in self.softmax:
                self.softmax.append(node)
            return node
        return p(op, a, b) if op in BINARY else p(op, a)


@pytest.mark.parametrize("seed", range(40))
def test_random_program(seed: int) -> None:
    torch.manual_seed(seed)
    made = RandomProgram(seed)
    used = made.program.reachable([a.node for a in made.aggregations])
    softmax = [n for n in made.softmax if n in used]
    fused = Fused(
        made.program, made.aggregations, softmax, made.heads, made.channels, torch.float64
    )
    graph = Graph(torch.randint(0, NODES - 2, (2, EDGES)), num_nodes=NODES)
    found = fused(graph, made.leaves, made.scalars)
    expected = fused.evaluate(graph, made.leaves, made.scalars)
    weights = [torch.randn_like(out) for out in expected]
    pairs = list(zip(found, expected, strict=True))
    pairs += zip(
        torch.autograd.grad(found, made.leaves, weights, allow_unused=True),
        torch.autograd.grad(expected, made.leaves, weights, allow_unused=True),
        strict=True,
    )
    for got, wanted in pairs:
        if wanted is not None:
            got = torch.zeros_like(wanted) if got is None else got
            torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)
        else:
            assert got is None or not got.any()
