"""Training steps and sums on a GPU: graphkit's Triton kernels beside PyTorch Geometric and torch.

    python benchmarks/speed/gpu.py [--layers gcn sage ...] [--systems pyg ...] [--csv FILE]

Graph and networks are those of steps.py, with all tensors on the GPU from the start. The systems
take turns in one process: a GPU does one thing at a time, and its memory is counted by torch. A
turn is timed from one synchronisation to the next. `gpu_mb` is what it allocates at most beyond
what is there before it, as `own_mb`: graph, features, weights, Adam's moments. ``reference`` is
graphkit without kernels: gather, message and reduction in plain torch.

``sum`` is the sum of the neighbours' features alone, forward, for 64, 128 and 256 of them, and
`gb_per_second` what it moves, counted as in roofline.py; so are ``gather`` and ``triad``.

Where there is no GPU, the script says so and does nothing.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lab
import roofline
import steps
from workloads import SEED, WORKLOADS

WORKLOAD = "power-law"
SYSTEMS = ("graphkit", "graphkit-bf16", "reference", "pyg", "pyg-csr", "pyg-compile")
SUMS = ("graphkit", "torch-csr", "gather", "triad")
FEATURES = (64, 128, 256)
KEY = ("layer", "features", "system", "scale", "gpu")


@contextmanager
def engine(system: str) -> Iterator[None]:
    before = os.environ.get("GRAPHKIT_ENGINE")
    os.environ["GRAPHKIT_ENGINE"] = "reference" if system == "reference" else "kernels"
    try:
        yield
    finally:
        os.environ.pop("GRAPHKIT_ENGINE")
        if before is not None:
            os.environ["GRAPHKIT_ENGINE"] = before


def take_turns(
    builds: dict[str, tuple[Callable[[], lab.Work], float]], setting: lab.Setting
) -> dict[str, lab.Result]:
    """What :func:`lab.take_turns` does, with the GPU's memory, in this process.

    Args:
        builds: makes a system's work, with the tolerance of its proof; the first is what the others
            must agree with.
    """
    import torch

    found = {name: lab.Result() for name in builds}
    works: dict[str, lab.Work] = {}
    first: dict[str, list[float]] | None = None

    def attempt(name: str, what: Callable[[], Any]) -> Any:
        try:
            with engine(name):
                return what()
        except Exception as error:
            found[name].note = f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200]
            works.pop(name, None)
            gc.collect()
            torch.cuda.empty_cache()
            return None

    for name, (build, tolerance) in builds.items():
        before = torch.cuda.memory_allocated()
        work = attempt(name, build)
        if work is None:
            continue
        first = work.proof if first is None else first
        if difference := lab.disagreement(work.proof, first, tolerance):
            found[name].note = f"not timed: {difference}"
            continue
        found[name].built_mb = (torch.cuda.memory_allocated() - before) / 2**20
        works[name] = work
    for number in range(setting.warm_up + setting.rounds):
        for name, work in list(works.items()):
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            cpu = time.process_time()
            attempt(name, lambda work=work: (work.turn(), torch.cuda.synchronize()))
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            if number >= setting.warm_up and name in works:
                found[name].seconds.append(seconds)
                found[name].cpu_seconds.append(cpu)
                found[name].peak_mb = (torch.cuda.max_memory_allocated() - before) / 2**20
    return found


def row_of(result: lab.Result, base: lab.Result, setting: lab.Setting) -> dict[str, Any]:
    import torch

    columns = lab.timing(result, base)
    columns["gpu_mb"], columns["own_mb"] = columns.pop("peak_mb"), columns.pop("built_mb")
    columns |= {"note": result.note, "seed": SEED}
    columns |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return columns | lab.about(setting)


def layer_rows(
    layer: str, systems: list[str], scale: float, setting: lab.Setting
) -> Iterator[dict[str, Any]]:
    """A network's steps."""
    known = {s: why for s in systems if (why := steps.cannot(s, layer, WORKLOAD))}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        steps.write_weights(layer, WORKLOAD, scale, weights)

        def builder(system: str) -> Callable[[], lab.Work]:
            theirs = "graphkit" if system == "reference" else system
            return lambda: steps.build(theirs, layer, WORKLOAD, scale, str(weights), "cuda")

        able = [s for s in systems if s not in known]
        builds = {s: (builder(s), 5e-2 if "bf16" in s else 1e-3) for s in able}
        found = take_turns(builds, setting) | {s: lab.Result(note=w) for s, w in known.items()}
    for system, result in found.items():
        head = {"layer": layer, "features": "", "system": system, "scale": scale}
        yield head | steps.sizes(WORKLOAD, scale) | row_of(result, found["graphkit"], setting)


def sum_rows(features: int, scale: float, setting: lab.Setting) -> Iterator[dict[str, Any]]:
    """A sum over neighbours and what torch has for it."""

    def builder(system: str) -> tuple[Callable[[], lab.Work], float]:
        tolerance = math.inf if system in ("gather", "triad") else 1e-4
        return lambda: roofline.build(system, features, scale, "cuda"), tolerance

    found = take_turns({system: builder(system) for system in SUMS}, setting)
    nodes, edges = WORKLOADS[WORKLOAD].size(scale)
    for system, result in found.items():
        head = {"layer": "sum", "features": features, "system": system, "scale": scale}
        moved = roofline.moved(system, features, scale)
        more = {"nodes": nodes, "edges": edges, "gb_per_second": roofline.speed(result, moved)}
        yield head | row_of(result, found["graphkit"], setting) | more


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    layers = WORKLOADS[WORKLOAD].layers
    parser.add_argument("--layers", nargs="*", choices=layers, default=list(layers))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--sums", nargs="*", type=int, default=list(FEATURES), metavar="FEATURES")
    parser.add_argument("--scale", type=float, default=1.0, help="of nodes and edges")
    lab.add_options(parser, rounds=20, warm_up=3)
    return parser


def main() -> None:
    options = options_parser().parse_args()
    import torch

    if not torch.cuda.is_available():
        print("There is no GPU that torch can use here, so nothing was measured.")
        return
    setting = lab.setting_of(options)
    torch.set_num_threads(setting.threads)
    table = lab.Table(options.csv, KEY)

    def put(row: dict[str, Any]) -> None:
        table.put(row)
        seen = {"peak_mb": row["gpu_mb"], **row}
        lab.say(f"{row['layer']:11} {row['features']:3} {row['system']:13}", seen)

    for features in options.sums:
        for row in sum_rows(features, options.scale, setting):
            put(row)
    systems = ["graphkit", *(s for s in options.systems if s != "graphkit")]
    for layer in options.layers:
        for row in layer_rows(layer, systems, options.scale, setting):
            put(row)
        torch._dynamo.reset()


if __name__ == "__main__":
    main()
