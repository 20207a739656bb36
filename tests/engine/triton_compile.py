"""Compiles kernels for a GPU, from layers that run on a machine without one.

Where a kernel would be launched it is compiled, for the arguments of the launch; what the outputs
then hold is of no interest.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import graphkit.nn as gnn
from graphkit.engine import fused
from graphkit.engine.cpu.run import Pass
from graphkit.engine.expression import ROW
from graphkit.engine.gpu import run as gpu
from graphkit.engine.gpu.source import FORMS
from graphkit.engine.ops import segment_softmax
from graphkit.graph import Graph
from tests.engine.test_expressions import ALL, Attention, Formula
from tests.engine.test_update import UPDATES
from tests.engine.test_update import Layer as Updated

TARGET = GPUTarget("cuda", int(os.environ.get("CAPABILITY", "80")), 32)
TYPES = {
    torch.float32: "fp32",
    torch.float64: "fp64",
    torch.int32: "i32",
    torch.int64: "i64",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
}
# Between them they hold every operation there is.
NAMES = ["arithmetic", "exp", "gelu", "silu softplus", "sign abs", "sigmoid tanh", "relu"]
NAMES += ["maximum", "compare", "clamp", "of the channels", "log sqrt", "power of tensors"]
NAMES += ["elu selu", "divide"]


class Compiler:
    """Stands for a kernel; a launch of it compiles."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Compiler:
        return self

    def __call__(self, *arguments: Any, **options: Any) -> None:
        signature, constants = {}, {}
        for parameter, value in zip(self.kernel.params, arguments, strict=True):
            if parameter.is_constexpr or (parameter.name.startswith("stride") and value == 1):
                signature[parameter.name], constants[parameter.name] = "constexpr", value
            elif isinstance(value, Tensor):
                signature[parameter.name] = "*" + TYPES[value.dtype]
            else:
                signature[parameter.name] = parameter.annotation_type or "i32"
        source = ASTSource(self.kernel, signature, constants)
        triton.compile(source, target=TARGET, options=options)


def main() -> None:
    kernel, operations = gpu.kernel, set()

    def compiler(walk: Pass) -> Compiler:
        operations.update(node.op for node in walk.nodes)
        return Compiler(kernel(walk))

    gpu.kernel = compiler
    fused.run = gpu.run
    fused.winners.serves = lambda *_: False  # which would believe what was never computed
    torch.manual_seed(0)
    graph = Graph(torch.randint(0, 20, (2, 60)), num_nodes=20)

    def step(layer: Any, *inputs: Tensor) -> None:
        leaves = [x.requires_grad_() for x in inputs]
        out = layer(*leaves, graph)
        torch.autograd.backward(out, torch.ones_like(out))

    formulas = [f for name, f, _ in ALL if name in NAMES]
    for dtype in (torch.float32, torch.float64):
        ends = torch.rand(2, 20, 19, dtype=dtype)
        step(
            Formula(lambda a, b, e: sum(f(a, b, e) for f in formulas)),
            *ends,
            torch.rand(60, 1, dtype=dtype),
        )
        step(
            Formula(lambda a, b, e: F.dropout(b) * e, ["max", "std"]),
            *ends,
            torch.rand(60, 1, dtype=dtype),
        )
        step(Attention(3, 70, 0.5).to(dtype), *torch.rand(2, 20, 210, dtype=dtype))
        for update in (*UPDATES.values(), lambda layer, out, x: F.dropout(out + x).relu()):
            step(Updated(update, "mean").to(dtype), torch.rand(20, 6, dtype=dtype))
        segment_softmax(torch.rand(60, 5, dtype=dtype), graph.edge_index[1], num_nodes=20)
    x = torch.rand(20, 16)
    for layer in (
        gnn.GCNConv(16, 300),
        gnn.GATConv(16, 8, heads=4),
        gnn.SAGEConv(16, 8, aggr="min"),
    ):
        step(layer, x)
    assert operations >= FORMS.keys() | {"keep", "slot", "channel_sum"} | ROW, operations


if __name__ == "__main__":
    main()
    print("done")
