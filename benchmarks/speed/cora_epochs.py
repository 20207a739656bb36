"""GCN on Cora as its paper trains it: 200 epochs, each with an evaluation.

    python benchmarks/speed/cora_epochs.py [--rounds 5] [--csv FILE]

Hidden 16, dropout 0.5, Adam, features divided by their sum, validation accuracy after every epoch.
The loop is one and the same; what differs is the library's layers and the form of its data: PyTorch
Geometric's dense features with `edge_index` or a CSR adjacency and `cached=True` as in its example,
and under torch.compile; graphkit's sparse features, as loading gives them. Every system runs in a
process of its own and they take turns, 200 epochs at a time. The first turn is not counted.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

EPOCHS, HIDDEN, SEED = 200, 16, 0
SYSTEMS = ("graphkit", "pyg", "pyg-csr", "pyg-compile")


def build(system: str) -> Callable[[], float]:
    """The function that trains for 200 epochs and returns the last validation accuracy."""
    import torch
    import torch.nn.functional as F

    from graphkit import data

    graph = data.normalize_features(data.load("cora").graph)
    split, y = data.load("cora").split(), graph.y
    if system == "graphkit":
        import graphkit.nn as library
        from graphkit.nn import dropout

        x, edges, options = graph.x, graph, {}
    else:
        import torch_geometric.nn as library

        x, edges, options = graph.x.to_dense(), graph.edge_index, {"cached": True}
        dropout = F.dropout
        if system == "pyg-csr":
            ones = torch.ones(graph.num_edges)
            size = (graph.num_nodes, graph.num_nodes)
            # PyTorch Geometric reads the rows of a sparse matrix as destinations.
            edges = torch.sparse_coo_tensor(edges.flip(0), ones, size).coalesce().to_sparse_csr()

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = library.GCNConv(x.size(1), HIDDEN, **options)
            self.conv2 = library.GCNConv(HIDDEN, 7, **options)

        def forward(self, x, edges):
            h = dropout(x, 0.5, self.training)
            h = self.conv1(h, edges).relu()
            h = dropout(h, 0.5, self.training)
            return self.conv2(h, edges)

    def run() -> float:
        torch.manual_seed(SEED)
        net = Net()
        groups = [
            {"params": net.conv1.parameters(), "weight_decay": 5e-4},
            {"params": net.conv2.parameters(), "weight_decay": 0},
        ]
        optimizer = torch.optim.Adam(groups, lr=0.01)
        model = torch.compile(net) if system == "pyg-compile" else net
        accuracy = 0.0
        for _ in range(EPOCHS):
            model.train()
            optimizer.zero_grad()
            out = model(x, edges)
            F.cross_entropy(out[split.train], y[split.train]).backward()
            optimizer.step()
            model.eval()
            with torch.no_grad():
                out = model(x, edges)
            accuracy = (out[split.val].argmax(dim=1) == y[split.val]).float().mean().item()
        return accuracy

    return run


def work(system: str, threads: int, pipe) -> None:
    """A process: trains whenever it is told to."""
    import torch

    torch.set_num_threads(threads)
    try:
        run = build(system)
        pipe.send("ready")
        while pipe.recv():
            start = time.perf_counter()
            accuracy = run()
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((seconds / EPOCHS, peak, accuracy))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def compare(systems: list[str], threads: int, rounds: int) -> list[dict]:
    """Rows for the table: medians over the rounds."""
    import torch
    import torch_geometric

    import graphkit

    context = multiprocessing.get_context("spawn")
    pipes, found = {}, {}
    for system in systems:
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(system, threads, theirs), daemon=True).start()
        if (said := ours.recv()) != "ready":
            print(f"{system}: {said}")
            continue
        pipes[system], found[system] = ours, []
    for number in range(1 + rounds):
        for system, pipe in list(pipes.items()):
            pipe.send(True)
            answer = pipe.recv()
            if isinstance(answer, str):
                print(f"{system}: {answer}")
                del pipes[system], found[system]
            elif number:
                found[system].append(answer)
    for pipe in pipes.values():
        pipe.send(False)
    base = found["graphkit"]
    return [
        {
            "date": date.today().isoformat(),
            "system": system,
            "threads": threads,
            "rounds": rounds,
            "epochs": EPOCHS,
            "ms_per_epoch": round(1e3 * statistics.median(a[0] for a in answers), 3),
            "ms_min": round(1e3 * min(a[0] for a in answers), 3),
            "ms_max": round(1e3 * max(a[0] for a in answers), 3),
            "times_graphkit": round(
                statistics.median(a[0] / b[0] for a, b in zip(answers, base, strict=True)), 3
            ),
            "peak_mb": round(answers[-1][1]),
            "validation_accuracy": answers[-1][2],
            "seed": SEED,
            "allocator": "default",
            "machine": f"{platform.machine()}, {multiprocessing.cpu_count()} cores",
            "python": platform.python_version(),
            "graphkit": graphkit.__version__,
            "torch": torch.__version__,
            "torch_geometric": torch_geometric.__version__,
        }
        for system, answers in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="counted turns of every system")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, multiprocessing.cpu_count()])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--csv", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    systems = ["graphkit", *(s for s in options.systems if s != "graphkit")]
    rows = [row for t in options.threads for row in compare(systems, t, options.rounds)]
    for row in rows:
        print(
            f"{row['system']:12} {row['threads']} threads  {row['ms_per_epoch']:8.2f} ms "
            f"({row['ms_min']:.2f} to {row['ms_max']:.2f})  x{row['times_graphkit']}"
        )
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
