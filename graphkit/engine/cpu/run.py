"""From tensors to a kernel's arguments and back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from graphkit._structure import Adjacency
from graphkit.engine.cpu import memory, threads
from graphkit.engine.cpu.compile import Kernel, kernel
from graphkit.engine.cpu.kernel import Output, Spec, converts_halves
from graphkit.engine.expression import Node, Program

# What kernels read and write. Shorter floats than float32 are computed with as such.
STORED = {torch.float32: "f32", torch.float64: "f64", torch.bfloat16: "bf16"}
if converts_halves():
    STORED[torch.float16] = "f16"
DTYPES = tuple(STORED)
STORED[torch.int32] = "i32"
_MOST_EDGES = 2**31


@dataclass(eq=False)
class Pass:
    """One walk over all edges: a program cut down to what its outputs need.

    Attributes:
        leaves: for every leaf of the program, its number in the program it was cut from.
        scalars: the same for run-time numbers.
    """

    nodes: tuple
    outputs: tuple[Output, ...]
    row: str
    leaves: tuple[int, ...]
    scalars: tuple[int, ...]
    flat: bool  # heads and channels may be walked as one axis
    kernels: dict[tuple, Kernel] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Program, outputs: Sequence[Output], row: str) -> Pass:
        """Cut ``program`` down; what is equal up to numbering gets equal nodes."""
        needs = program.reachable([o.node for o in outputs])
        renumber: dict[int, int] = {}
        small = Program()
        leaves: list[int] = []
        scalars: list[int] = []
        flat = True
        for n in needs:
            op, args, data = program.nodes[n]
            if op == "leaf":
                number, leaf = data  # type: ignore[misc]
                leaves.append(number)
                renumber[n] = small.leaf(leaf)
                flat = flat and leaf.heads == leaf.channels
            elif op == "scalar":
                scalars.append(data)  # type: ignore[arg-type]
                renumber[n] = small.scalar()
            elif op == "keep":
                rate, seed = (renumber[a] for a in args)
                renumber[n] = small.keep(rate, seed, *data)  # type: ignore[misc]
            else:
                flat = flat and op != "channel_sum"
                renumber[n] = small.node(Node(op, tuple(renumber[a] for a in args), data))
        outputs = tuple(o._replace(node=renumber[o.node]) for o in outputs)
        return cls(tuple(small.nodes), outputs, row, tuple(leaves), tuple(scalars), flat)

    def kernel(
        self,
        bits: int,
        index_bits: int,
        heads: bool,
        leaves: tuple[torch.dtype, ...],
        results: tuple[torch.dtype, ...] | None,
    ) -> Kernel:
        key = (bits, index_bits, heads, leaves, results)
        if key not in self.kernels:
            nodes = self.nodes if heads else tuple(_without_heads(n) for n in self.nodes)
            read = tuple(STORED[dtype] for dtype in leaves)
            written = [f"f{bits}"] * len(self.outputs)
            if results is not None:
                written = [STORED[dtype] for dtype in results]
            for number, out in enumerate(self.outputs):
                if self.winners(out):
                    written[number] = "i32"
                elif out.mode == "total":
                    written[number] = f"f{bits}"
            spec = Spec(nodes, self.outputs, self.row, *key[:3], read, tuple(written))
            self.kernels[key] = kernel(spec)
        return self.kernels[key]

    def winners(self, out: Output) -> bool:
        """Whether an output numbers edges."""
        return "arg" in self.nodes[out.node].op


def _without_heads(node):
    if node.op != "leaf":
        return node
    number, leaf = node.data
    return node._replace(data=(number, leaf._replace(heads=False)))


def _as_integer(value: float) -> int:
    return struct.unpack("q", struct.pack("d", value))[0]


def run(
    walk: Pass,
    adjacency: Adjacency,
    leaves: Sequence[Tensor],
    scalars: Sequence[float],
    heads: int,
    channels: int,
    dtype: torch.dtype,
    results: tuple[torch.dtype, ...] | None = None,
) -> list[Tensor]:
    """Walk over the edges of ``adjacency``, whose rows must be ``walk.row``.

    Args:
        leaves: tensors ``[rows, features]`` for every leaf of the program; constants
            ``[1, features]``. Each is read in its own dtype.
        scalars: the program's run-time numbers.
        dtype: what is computed with, float32 or float64.
        results: dtypes of the outputs, if not that. Winners are int32 in any case, and totals
            are never shorter.

    Returns:
        One tensor ``[rows or edges, features]`` for every output; totals are ``[features]``.
    """
    if walk.flat:
        heads, channels = 1, heads * channels
    bits = 32 if dtype == torch.float32 else 64
    index_bits = 8 * adjacency.col.element_size()
    chunks = adjacency.chunks.numpy()
    arguments = [
        adjacency.rowptr.data_ptr(),
        adjacency.col.data_ptr(),
        adjacency.edge.data_ptr(),
        adjacency.slot.data_ptr(),
        heads,
        channels,
        adjacency.num_edges,
        adjacency.max_degree,
    ]
    arguments += [_as_integer(scalars[s]) for s in walk.scalars]
    held = []  # tensors whose memory the kernel reads
    kinds = []
    for number in walk.leaves:
        tensor = leaves[number]
        if tensor.dim() != 2 or (tensor.stride(1) != 1 and tensor.shape[1] > 1):
            tensor = tensor.contiguous()
        held.append(tensor)
        kinds.append(tensor.dtype)
        arguments += [tensor.data_ptr(), tensor.stride(0)]
    outputs = []
    for number, out in enumerate(walk.outputs):
        width = heads * channels if out.wide else heads
        integer = walk.winners(out)
        if integer and adjacency.num_edges >= _MOST_EDGES:
            raise ValueError(
                f"edge_index: expected fewer than {_MOST_EDGES} edges, as max and min note the "
                f"winning edge in 32 bits, got {adjacency.num_edges}; GRAPHKIT_ENGINE=reference "
                "has no such limit"
            )
        if out.mode == "total":
            outputs.append(torch.zeros(chunks.size - 1, width, dtype=dtype, device="cpu"))
        else:
            kind = torch.int32 if integer else dtype if results is None else results[number]
            rows = adjacency.num_rows if out.mode == "row" else adjacency.num_edges
            outputs.append(memory.empty(rows, width, kind))
        arguments.append(outputs[-1].data_ptr())
    packed = np.array(arguments, dtype=np.int64)
    code = walk.kernel(bits, index_bits, heads > 1, tuple(kinds), results)
    work = (adjacency.num_edges + adjacency.num_rows) * heads * channels
    threads.run(code, chunks, packed.ctypes.data, work)
    return [
        t.sum(0) if o.mode == "total" else t for t, o in zip(outputs, walk.outputs, strict=True)
    ]
