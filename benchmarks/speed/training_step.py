"""Whole training steps on a large random graph: graphkit beside PyTorch Geometric.

    python benchmarks/speed/training_step.py [--steps 5] [--models gcn sage ...] [--csv FILE]

A power-law graph of 169,343 nodes and 2.3 million edges (the size of ogbn-arxiv), features
128 -> 256 -> 256 -> 40. Every system runs in a process of its own, with the same seed, threads and
allocator; the processes take turns step by step, so that a drift of the machine's speed touches
them alike. A step is forward, cross entropy, backward and Adam. The first two steps of every
process are not counted (kernels are compiled or loaded, orders are sorted, memory is touched).

``gate`` is a layer that a user wrote, ``sigmoid(a_i + b_j) * b_j``: one aggregation of 256
features, forward and backward, without a model around it.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import platform
import resource
import statistics
import time
from datetime import date
from pathlib import Path

NODES, EDGES, WIDTHS, SEED = 169_343, 2_300_000, (128, 256, 256, 40), 0
SYSTEMS = ("graphkit", "pyg", "pyg-csr", "pyg-compile")
MODELS = ("gcn", "sage", "sage-max", "gat", "gate")
HEADS = 4


def power_law_edges():
    """Both ends drawn with a probability that falls as a power of a node's rank."""
    import numpy as np
    import torch

    generator = np.random.default_rng(SEED)
    weight = (np.arange(NODES) + 10.0) ** -0.6
    ends = generator.choice(NODES, size=(2, EDGES), p=weight / weight.sum())
    return torch.from_numpy(generator.permutation(NODES)[ends]).to(torch.get_default_device())


def layers_of(system: str):
    if system == "graphkit":
        import graphkit.nn as library
    else:
        import torch_geometric.nn as library
    return library


def gate_layer(library):
    import torch

    class Gate(library.MessagePassing):
        def forward(self, a, b, edge_index):
            return self.propagate(edge_index, a=a, b=b)

        def message(self, a_i, b_j):
            return torch.sigmoid(a_i + b_j) * b_j

    return Gate()


def build(system: str, model: str):
    """The function that does one step and returns its loss."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(SEED)
    library, edges = layers_of(system), power_law_edges()
    if system == "pyg-csr":
        # PyTorch Geometric reads the rows of a sparse matrix as destinations.
        ones = torch.ones(EDGES)
        adjacency = torch.sparse_coo_tensor(edges.flip(0), ones, (NODES, NODES)).coalesce()
        edges = adjacency.to_sparse_csr()
    if model == "gate":
        layer = gate_layer(library)
        a, b = (torch.randn(NODES, WIDTHS[1], requires_grad=True) for _ in range(2))
        gradient = torch.randn(NODES, WIDTHS[1])
        layer = torch.compile(layer) if system == "pyg-compile" else layer

        def gate_step() -> float:
            a.grad = b.grad = None
            out = layer(a, b, edges)
            out.backward(gradient)
            return out[0].sum().item()

        return gate_step

    x, y = torch.randn(NODES, WIDTHS[0]), torch.randint(0, WIDTHS[-1], (NODES,))

    def layer(k: int):
        wide, last = WIDTHS[k : k + 2], k == len(WIDTHS) - 2
        if model == "gcn":
            return library.GCNConv(*wide)
        if model == "gat":
            heads = 1 if last else HEADS
            return library.GATConv(wide[0], wide[1] // heads, heads=heads)
        return library.SAGEConv(*wide, aggr="max" if model == "sage-max" else "mean")

    net = torch.nn.ModuleList(layer(k) for k in range(len(WIDTHS) - 1))

    def forward(h, edges):
        for k, convolution in enumerate(net):
            h = convolution(h, edges)
            h = F.relu(h) if k < len(net) - 1 else h
        return h

    run = torch.compile(forward) if system == "pyg-compile" else forward
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def step() -> float:
        loss = F.cross_entropy(run(x, edges), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def work(system: str, model: str, pipe) -> None:
    """A process: does a step whenever it is told to."""
    import torch

    torch.set_num_threads(multiprocessing.cpu_count())
    try:
        step = build(system, model)
        pipe.send(None)
        while pipe.recv():
            start = time.perf_counter()
            loss = step()
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((seconds, peak, loss))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def compare(
    model: str, systems: list[str], steps: int, warm_up: int = 2, work=work
) -> dict[str, dict]:
    """Medians of the systems' steps, taken in turns."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, found = {}, [], {}
    for system in systems:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(system, model, theirs), daemon=True)
        process.start()
        processes.append(process)
        failure = ours.recv()
        if failure:
            print(f"{model} {system}: {failure}", flush=True)
            continue
        pipes[system] = ours
        found[system] = {"seconds": [], "peak_mb": 0.0, "loss": []}
    for number in range(warm_up + steps):
        for system in list(pipes):
            pipes[system].send(True)
            answer = pipes[system].recv()
            if isinstance(answer, str):
                print(f"{model} {system}: {answer}", flush=True)
                del pipes[system], found[system]
                continue
            seconds, found[system]["peak_mb"], loss = answer
            found[system]["loss"].append(loss)
            if number >= warm_up:
                found[system]["seconds"].append(seconds)
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join(10)
        process.terminate()
    return found


def rows_of(model: str, found: dict[str, dict]) -> list[dict]:
    import numba
    import numpy
    import torch
    import torch_geometric

    import graphkit

    ours = found["graphkit"]
    rows = []
    for system, result in found.items():
        pairs = [b / a for a, b in zip(ours["seconds"], result["seconds"], strict=True)]
        rows.append(
            {
                "date": date.today().isoformat(),
                "model": model,
                "system": system,
                "nodes": NODES,
                "edges": EDGES,
                "widths": "-".join(map(str, WIDTHS if model != "gate" else WIDTHS[1:2])),
                "steps": len(result["seconds"]),
                "seconds_median": round(statistics.median(result["seconds"]), 4),
                "seconds_min": round(min(result["seconds"]), 4),
                "seconds_max": round(max(result["seconds"]), 4),
                "times_graphkit": round(statistics.median(pairs), 3),
                "peak_mb": round(result["peak_mb"]),
                "peak_times_graphkit": round(result["peak_mb"] / ours["peak_mb"], 3),
                "loss_last": round(result["loss"][-1], 5),
                "seed": SEED,
                "threads": multiprocessing.cpu_count(),
                "machine": f"{platform.machine()}, {multiprocessing.cpu_count()} cores",
                "allocator": "default",
                "python": platform.python_version(),
                "graphkit": graphkit.__version__,
                "torch": torch.__version__,
                "torch_geometric": torch_geometric.__version__,
                "numba": numba.__version__,
                "numpy": numpy.__version__,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="counted steps of every system")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=["graphkit", "pyg"])
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    options = parser.parse_args()
    systems = ["graphkit", *(s for s in options.systems if s != "graphkit")]
    for model in options.models:
        rows = rows_of(model, compare(model, systems, options.steps))
        for row in rows:
            print(
                f"{model:9} {row['system']:12} {row['seconds_median']:8.3f} s "
                f"({row['seconds_min']:.3f} to {row['seconds_max']:.3f})  "
                f"x{row['times_graphkit']:<6} peak {row['peak_mb']:6} MB "
                f"x{row['peak_times_graphkit']}",
                flush=True,
            )
        if options.csv:
            new = not options.csv.exists()
            options.csv.parent.mkdir(parents=True, exist_ok=True)
            with options.csv.open("a", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                if new:
                    writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
