"""What one waits for before the first result: the import, and the first call of a new message.

    python benchmarks/speed/first_call.py [--rounds 5] [--csv FILE]

Every measurement is a fresh Python. ``import torch`` and ``import graphkit`` are seconds from an
empty interpreter; what graphkit adds is their difference. ``cold`` is the first forward and
backward pass of a message that no cache knows, tracing and compiling included, ``from disk`` the
same in the next process, which finds the compiled kernels in Numba's cache, ``warm`` the second
call in one process. The graph has 10 nodes: nothing here is arithmetic.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lab

IMPORTS = {
    "import torch": "import torch, torch.nn",
    "import graphkit": "import graphkit.nn",
    "import torch_geometric": "import torch_geometric.nn",
    "import dgl": "import dgl",
}
IMPORT = """
import time, warnings
warnings.simplefilter("ignore")
start = time.perf_counter()
{what}
print(time.perf_counter() - start)
"""
CALLS = {
    "sum": "return x_j",
    "gate": "return torch.sigmoid(x_i + x_j) * x_j",
    "attention": "a = softmax((x_i * x_j).sum(-1), index)\n        return a.unsqueeze(-1) * x_j",
}
CALL = """
import sys, time
import torch
from graphkit.nn import MessagePassing
from graphkit.nn.message_passing import softmax

torch.set_num_threads({threads})

class Layer(MessagePassing):
    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)

    def message(self, x_i, x_j, index):
        {message}

layer = Layer("sum")
x = torch.randn(10, 16, requires_grad=True)
edge_index = torch.stack([torch.arange(10), torch.arange(10).roll(1)])

def call():
    start = time.perf_counter()
    layer(x, edge_index).sum().backward()
    return time.perf_counter() - start

print(call(), call())
"""
KEY = ("what", "threads")


def python(program: str, **environment: str) -> list[float]:
    """The numbers that a program prints, in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | {"DGLBACKEND": "pytorch"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return [float(word) for word in done.stdout.split()]


def imports() -> dict[str, float]:
    """Seconds of every import, once."""
    return {name: python(IMPORT.format(what=what))[0] for name, what in IMPORTS.items()}


def calls(threads: int) -> dict[str, float]:
    """Seconds of the first calls of every message, once, by what they found."""
    found = {}
    for name, message in CALLS.items():
        program = CALL.format(message=message, threads=threads)
        with tempfile.TemporaryDirectory() as folder:
            found[f"{name}, cold"], _ = python(program, NUMBA_CACHE_DIR=folder)
            found[f"{name}, from disk"], found[f"{name}, warm"] = python(
                program, NUMBA_CACHE_DIR=folder
            )
    return found


def rows_of(rounds: list[dict[str, float]], setting: lab.Setting) -> list[dict[str, Any]]:
    return [
        {
            "what": what,
            "seconds_median": float(f"{statistics.median(r[what] for r in rounds):.3g}"),
            "seconds_min": float(f"{min(r[what] for r in rounds):.3g}"),
            "seconds_max": float(f"{max(r[what] for r in rounds):.3g}"),
            "rounds": len(rounds),
            **lab.about(setting),
        }
        for what in rounds[0]
    ]


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=lab.CORES)
    parser.add_argument("--csv", type=Path, help="put the rows into this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file has")
    return parser


def main() -> None:
    options = options_parser().parse_args()
    setting, table = lab.Setting(threads=options.threads), lab.Table(options.csv, KEY)
    if not options.again and table.has(what=next(iter(IMPORTS)), threads=options.threads):
        return
    imports()  # files come from the disk once
    rounds = [imports() | calls(options.threads) for _ in range(options.rounds)]
    for row in rows_of(rounds, setting):
        table.put(row)
        spread = f"({row['seconds_min']} to {row['seconds_max']})"
        print(f"{row['what']:24} {row['seconds_median']:8} s {spread}", flush=True)


if __name__ == "__main__":
    main()
