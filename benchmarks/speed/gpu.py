"""Whole training steps on a GPU: graphkit's Triton kernels beside PyTorch Geometric.

    python benchmarks/speed/gpu.py [--layers gcn sage ...] [--systems pyg ...] [--csv FILE]

Graph, networks and turns are those of steps.py, with all tensors on the GPU from the start. A step
is timed from one synchronisation to the next; its memory is the most that torch had allocated on
the GPU. ``reference`` is graphkit without kernels: gather, message and reduction in plain torch.
Where there is no GPU, the script says so and does nothing.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import lab
import steps
from workloads import SEED, WORKLOADS

WORKLOAD = "power-law"
SYSTEMS = ("graphkit", "graphkit-bf16", "reference", "pyg", "pyg-csr", "pyg-compile")
KEY = ("layer", "system", "scale", "gpu")


def build(system: str, layer: str, scale: float, weights: str) -> lab.Work:
    """A system's training step on the GPU."""
    os.environ["GRAPHKIT_ENGINE"] = "reference" if system == "reference" else "kernels"
    import torch

    known = "graphkit" if system == "reference" else system
    work = steps.build(known, layer, WORKLOAD, scale, weights, device="cuda")
    torch.cuda.reset_peak_memory_stats()

    def turn() -> float | None:
        torch.cuda.synchronize()
        loss = work.turn()  # which reads the loss, and so waits for the GPU
        torch.cuda.synchronize()
        return loss

    def facts() -> dict[str, Any]:
        return {"gpu_mb": round(torch.cuda.max_memory_allocated() / 2**20)}

    return lab.Work(turn, work.proof, facts)


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    layers = WORKLOADS[WORKLOAD].layers
    parser.add_argument("--layers", nargs="+", choices=layers, default=list(layers))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--scale", type=float, default=1.0, help="of nodes and edges")
    lab.add_options(parser, rounds=20, warm_up=3)
    return parser


def main() -> None:
    options = options_parser().parse_args()
    import torch

    if not torch.cuda.is_available():
        print("There is no GPU that torch can use here, so nothing was measured.")
        return
    # A limit would count the addresses that the driver reserves, far more than the memory there is.
    setting = replace(lab.setting_of(options), memory_gb=math.inf)
    table = lab.Table(options.csv, KEY)
    systems = ["graphkit", *(s for s in options.systems if s != "graphkit")]
    for layer in options.layers:
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "weights.pt"
            steps.write_weights(layer, WORKLOAD, options.scale, weights)
            arguments = (layer, options.scale, str(weights))
            found = lab.take_turns(
                [
                    lab.System(s, build, (s, *arguments), 5e-2 if "bf16" in s else 1e-4)
                    for s in systems
                ],
                setting,
            )
        for system, result in found.items():
            row = {"layer": layer, "system": system, "scale": options.scale}
            row |= steps.sizes(WORKLOAD, options.scale) | lab.timing(result, found["graphkit"])
            row |= {"gpu_mb": result.facts.get("gpu_mb", ""), "note": result.note, "seed": SEED}
            row |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
            table.put(row | lab.about(setting))
            lab.say(f"{layer:11} {system:13}", row)


if __name__ == "__main__":
    main()
