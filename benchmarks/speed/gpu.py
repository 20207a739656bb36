"""Whole training steps on a GPU: graphkit's Triton kernels beside PyTorch Geometric.

    python benchmarks/speed/gpu.py [--steps 20] [--models gcn sage ...] [--csv FILE]

The graph, the models and the taking of turns are those of training_step.py; all tensors are on the
GPU from the start. A step is timed from one synchronisation to the next, and its memory is the most
that torch had allocated on the GPU within it. ``reference`` is graphkit without kernels: gather,
message and reduction in plain torch. Where there is no GPU, the script says so and does nothing.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import time
from datetime import date
from pathlib import Path

from training_step import EDGES, MODELS, NODES, SEED, WIDTHS, build, compare

SYSTEMS = ("graphkit", "reference", "pyg", "pyg-csr", "pyg-compile")


def work(system: str, model: str, pipe) -> None:
    """A process: does a step whenever it is told to."""
    os.environ["GRAPHKIT_ENGINE"] = "reference" if system == "reference" else "kernels"
    import torch

    try:
        torch.set_default_device("cuda")
        step = build("graphkit" if system == "reference" else system, model)
        pipe.send(None)
        while pipe.recv():
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.synchronize()
            start = time.perf_counter()
            loss = step()
            torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            pipe.send((seconds, torch.cuda.max_memory_allocated() / 2**20, loss))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def rows_of(model: str, found: dict[str, dict]) -> list[dict]:
    import torch
    import torch_geometric
    import triton

    import graphkit

    rows = []
    for system, result in found.items():
        ratios = [
            b / a for a, b in zip(found["graphkit"]["seconds"], result["seconds"], strict=True)
        ]
        rows.append(
            {
                "date": date.today().isoformat(),
                "model": model,
                "system": system,
                "nodes": NODES,
                "edges": EDGES,
                "widths": "-".join(map(str, WIDTHS if model != "gate" else WIDTHS[1:2])),
                "steps": len(result["seconds"]),
                "milliseconds_median": round(1e3 * statistics.median(result["seconds"]), 3),
                "milliseconds_min": round(1e3 * min(result["seconds"]), 3),
                "milliseconds_max": round(1e3 * max(result["seconds"]), 3),
                "times_graphkit": round(statistics.median(ratios), 3),
                "peak_mb": round(result["peak_mb"]),
                "loss_last": round(result["loss"][-1], 5),
                "seed": SEED,
                "gpu": torch.cuda.get_device_name(),
                "cuda": torch.version.cuda or torch.version.hip,
                "python": platform.python_version(),
                "graphkit": graphkit.__version__,
                "torch": torch.__version__,
                "triton": triton.__version__,
                "torch_geometric": torch_geometric.__version__,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="counted steps of every system")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    options = parser.parse_args()

    import torch

    if not torch.cuda.is_available():
        print("There is no GPU that torch can use here, so nothing was measured.")
        return
    systems = ["graphkit", *(s for s in options.systems if s != "graphkit")]
    for model in options.models:
        found = compare(model, systems, options.steps, warm_up=3, work=work)
        rows = rows_of(model, found) if "graphkit" in found else []
        for row in rows:
            print(
                f"{model:9} {row['system']:12} {row['milliseconds_median']:9.2f} ms "
                f"x{row['times_graphkit']:<6} peak {row['peak_mb']:6} MB",
                flush=True,
            )
        if options.csv and rows:
            new = not options.csv.exists()
            options.csv.parent.mkdir(parents=True, exist_ok=True)
            with options.csv.open("a", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                if new:
                    writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
