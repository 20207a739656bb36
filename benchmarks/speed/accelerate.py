"""Whole training steps of unchanged PyTorch Geometric models, before and after `accelerate`.

    python benchmarks/speed/accelerate.py [--steps 5] [--models gcn gat ...] [--csv FILE]

The power-law graph of ``training_step.py``: 169,343 nodes, 2.3 million edges; three layers
128 -> 256 -> 256 -> 40. PNA, whose messages PyTorch Geometric holds in memory, has 64 -> 64 -> 64
-> 40, three aggregations and two scalers. The model is one of ``torch_geometric.nn.models``, the
same but for one call of ``graphkit.accelerate``. Every system runs in a process of its own, with
the same seed and threads; the processes take turns step by step, so that a drift of the machine's
speed touches them alike. A step is forward, cross entropy, backward and Adam. The first two steps
of every process are not counted.
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

NODES, EDGES, SEED, HEADS = 169_343, 2_300_000, 0, 4
SYSTEMS = ("accelerated", "pyg")
WIDTHS = {"gcn": (128, 256, 40), "gat": (128, 256, 40), "gin": (128, 256, 40), "pna": (64, 64, 40)}


def power_law_edges(nodes: int, edges: int):
    """Both ends drawn with a probability that falls as a power of a node's rank."""
    import numpy as np
    import torch

    generator = np.random.default_rng(SEED)
    weight = (np.arange(nodes) + 10.0) ** -0.6
    ends = generator.choice(nodes, size=(2, edges), p=weight / weight.sum())
    return torch.from_numpy(generator.permutation(nodes)[ends])


def build_model(model: str, edge_index, nodes: int):
    import torch
    from torch_geometric.nn import models
    from torch_geometric.utils import degree

    first, hidden, last = WIDTHS[model]
    if model == "gcn":
        return models.GCN(first, hidden, 3, last)
    if model == "gat":
        return models.GAT(first, hidden, 3, last, heads=HEADS)
    if model == "gin":
        return models.GIN(first, hidden, 3, last)
    histogram = torch.bincount(degree(edge_index[1], nodes, dtype=torch.long))
    return models.PNA(
        first,
        hidden,
        3,
        last,
        aggregators=["mean", "max", "std"],
        scalers=["identity", "amplification"],
        deg=histogram,
    )


def build(system: str, model: str, nodes: int, edges: int):
    """The function that does one step and returns its loss."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(SEED)
    edge_index = power_law_edges(nodes, edges)
    first, _, last = WIDTHS[model]
    x, y = torch.randn(nodes, first), torch.randint(0, last, (nodes,))
    net = build_model(model, edge_index, nodes)
    if system == "accelerated":
        import graphkit

        graphkit.accelerate(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def step() -> float:
        loss = F.cross_entropy(net(x, edge_index), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def work(system: str, model: str, nodes: int, edges: int, pipe) -> None:
    """A process: does a step whenever it is told to."""
    import torch

    torch.set_num_threads(multiprocessing.cpu_count())
    try:
        step = build(system, model, nodes, edges)
        pipe.send(None)
        while pipe.recv():
            start, used = time.perf_counter(), time.process_time()
            loss = step()
            seconds, cpu = time.perf_counter() - start, time.process_time() - used
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((seconds, cpu, peak, loss))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def compare(model: str, options: argparse.Namespace, warm_up: int = 2) -> dict[str, dict]:
    """The steps of both systems, taken in turns."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, found = {}, [], {}
    for system in SYSTEMS:
        ours, theirs = context.Pipe()
        arguments = (system, model, options.nodes, options.edges, theirs)
        process = context.Process(target=work, args=arguments, daemon=True)
        process.start()
        processes.append(process)
        failure = ours.recv()
        if failure:
            raise SystemExit(f"{model} {system}: {failure}")
        pipes[system] = ours
        found[system] = {"seconds": [], "cpu": [], "peak_mb": 0.0, "loss": []}
    for number in range(warm_up + options.steps):
        for system, pipe in pipes.items():
            pipe.send(True)
            answer = pipe.recv()
            if isinstance(answer, str):
                raise SystemExit(f"{model} {system}: {answer}")
            seconds, cpu, found[system]["peak_mb"], loss = answer
            found[system]["loss"].append(loss)
            if number >= warm_up:
                found[system]["seconds"].append(seconds)
                found[system]["cpu"].append(cpu)
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join(10)
        process.terminate()
    return found


def rows_of(model: str, found: dict[str, dict], options: argparse.Namespace) -> list[dict]:
    import numba
    import torch
    import torch_geometric

    import graphkit

    ours = found["accelerated"]
    rows = []
    for system, result in found.items():
        pairs = [b / a for a, b in zip(ours["seconds"], result["seconds"], strict=True)]
        rows.append(
            {
                "date": date.today().isoformat(),
                "model": model,
                "system": system,
                "nodes": options.nodes,
                "edges": options.edges,
                "widths": "-".join(map(str, WIDTHS[model])),
                "steps": len(result["seconds"]),
                "seconds_median": round(statistics.median(result["seconds"]), 4),
                "seconds_min": round(min(result["seconds"]), 4),
                "seconds_max": round(max(result["seconds"]), 4),
                "times_accelerated": round(statistics.median(pairs), 3),
                "cpu_seconds_median": round(statistics.median(result["cpu"]), 4),
                "peak_mb": round(result["peak_mb"]),
                "peak_times_accelerated": round(result["peak_mb"] / ours["peak_mb"], 3),
                "loss_first": round(result["loss"][0], 5),
                "loss_last": round(result["loss"][-1], 5),
                "seed": SEED,
                "threads": multiprocessing.cpu_count(),
                "machine": f"{platform.machine()}, {multiprocessing.cpu_count()} cores",
                "python": platform.python_version(),
                "graphkit": graphkit.__version__,
                "torch": torch.__version__,
                "torch_geometric": torch_geometric.__version__,
                "numba": numba.__version__,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="counted steps of both systems")
    parser.add_argument("--models", nargs="+", choices=list(WIDTHS), default=list(WIDTHS))
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--edges", type=int, default=EDGES)
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    options = parser.parse_args()
    for model in options.models:
        rows = rows_of(model, compare(model, options), options)
        for row in rows:
            print(
                f"{model:4} {row['system']:12} {row['seconds_median']:8.3f} s "
                f"({row['seconds_min']:.3f} to {row['seconds_max']:.3f})  "
                f"x{row['times_accelerated']:<6} cpu {row['cpu_seconds_median']:8.3f} s  "
                f"peak {row['peak_mb']:6} MB  loss {row['loss_first']} to {row['loss_last']}",
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
