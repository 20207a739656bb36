"""Neighbour sampling on a large random graph: graphkit beside DGL.

    python benchmarks/speed/sampling.py [--batches 100] [--rounds 10] [--csv FILE]

The power-law graph of training_step.py, 169,343 nodes and 2.3 million edges. A batch of 1,024 seeds
draws 15, 10 and 5 neighbours without replacement, as three blocks with the numbers of nodes and
edges. Every system runs in a process of its own, with as many threads; the processes take turns,
some batches each, so that a drift of the machine's speed touches them alike. They get the same
seeds, and draw about as many edges from them, which are counted. The first turn does not count.

``dgl`` is `dgl.dataloading.NeighborSampler` as it comes, ``dgl-plain`` without its fused kernel;
both read the graph in CSC form, made before. PyTorch Geometric's `NeighborLoader` needs pyg-lib or
torch-sparse, which do not come with it: ``pyg`` says so.
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

from training_step import EDGES, NODES, SEED, power_law_edges

FANOUTS, BATCH = (15, 10, 5), 1024
SYSTEMS = ("graphkit", "dgl", "dgl-plain", "pyg")


def build(system: str):
    """The function that samples for some seeds and returns how many edges it drew."""
    if system == "graphkit":
        from graphkit.graph import Graph
        from graphkit.sampling import NeighborSampler

        ours = NeighborSampler(Graph(power_law_edges(), NODES), FANOUTS)

        def sample(seeds, number: int) -> int:
            return sum(block.num_edges for block in ours.sample(seeds, number).blocks)

        return sample

    if system == "pyg":
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader

        data = Data(edge_index=power_law_edges(), num_nodes=NODES)
        loader = NeighborLoader(data, list(FANOUTS), batch_size=BATCH)

        def sample_pyg(seeds, number: int) -> int:
            return loader.collate_fn(seeds).num_edges

        return sample_pyg

    import dgl

    source, destination = power_law_edges()
    graph = dgl.graph((source, destination), num_nodes=NODES).formats("csc")
    # DGL counts fan-outs from the input on.
    theirs = dgl.dataloading.NeighborSampler(list(FANOUTS[::-1]), fused=system == "dgl")

    def sample_dgl(seeds, number: int) -> int:
        return sum(block.num_edges() for block in theirs.sample(graph, seeds)[2])

    return sample_dgl


def work(system: str, batches: int, pipe) -> None:
    """A process: samples some batches whenever it is told to."""
    import warnings

    import torch

    warnings.simplefilter("ignore")  # of dgl's import
    torch.set_num_threads(multiprocessing.cpu_count())
    try:
        sample = build(system)
        generator = torch.Generator().manual_seed(SEED)
        sample(torch.arange(BATCH), 0)
        pipe.send(None)
        number = 0
        while pipe.recv():
            parts = torch.randperm(NODES, generator=generator).split(BATCH)[:batches]
            edges = 0
            start = time.perf_counter()
            for seeds in parts:
                edges += sample(seeds, number)
                number += 1
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((seconds / len(parts), edges / seconds, edges / len(parts), peak))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def compare(systems: list[str], batches: int, rounds: int) -> dict[str, list[tuple]]:
    """What the systems measured, round by round."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, found = {}, [], {}
    for system in systems:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(system, batches, theirs), daemon=True)
        process.start()
        processes.append(process)
        failure = ours.recv()
        if failure:
            print(f"{system}: {failure}", flush=True)
            continue
        pipes[system], found[system] = ours, []
    for number in range(1 + rounds):
        for system, pipe in pipes.items():
            pipe.send(True)
            answer = pipe.recv()
            if isinstance(answer, str):
                raise SystemExit(f"{system}: {answer}")
            if number:
                found[system].append(answer)
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join(10)
        process.terminate()
    return found


def rows_of(found: dict[str, list[tuple]], batches: int) -> list[dict]:
    from importlib.metadata import version

    import graphkit

    ours = found["graphkit"]
    rows = []
    for system, turns in found.items():
        seconds, speed, edges, peak = zip(*turns, strict=True)
        ratios = [mine[1] / theirs[1] for mine, theirs in zip(ours, turns, strict=True)]
        rows.append(
            {
                "date": date.today().isoformat(),
                "system": system,
                "nodes": NODES,
                "edges": EDGES,
                "fanouts": "-".join(map(str, FANOUTS)),
                "batch": BATCH,
                "rounds": len(turns),
                "batches_per_round": batches,
                "milliseconds_per_batch": round(1000 * statistics.median(seconds), 2),
                "edges_per_batch": round(statistics.mean(edges)),
                "million_edges_per_second": round(statistics.median(speed) / 1e6, 2),
                "graphkit_times": round(statistics.median(ratios), 2),
                "graphkit_times_min": round(min(ratios), 2),
                "graphkit_times_max": round(max(ratios), 2),
                "peak_mb": round(max(peak)),
                "seed": SEED,
                "threads": multiprocessing.cpu_count(),
                "machine": f"{platform.machine()}, {multiprocessing.cpu_count()} cores",
                "python": platform.python_version(),
                "graphkit": graphkit.__version__,
                **{name: version(name) for name in ("torch", "dgl", "numba", "numpy")},
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=100, help="batches of one turn")
    parser.add_argument("--rounds", type=int, default=10, help="counted turns of every system")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    options = parser.parse_args()
    systems = ["graphkit", *(s for s in options.systems if s != "graphkit")]
    rows = rows_of(compare(systems, options.batches, options.rounds), options.batches)
    for row in rows:
        print(
            f"{row['system']:10} {row['milliseconds_per_batch']:7.2f} ms  "
            f"{row['million_edges_per_second']:6.2f} million edges/s  graphkit is "
            f"x{row['graphkit_times']} ({row['graphkit_times_min']} to "
            f"{row['graphkit_times_max']})  peak {row['peak_mb']} MB"
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
