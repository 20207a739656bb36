"""Neighbour sampling on a large random graph: graphkit beside DGL.

    python benchmarks/speed/sampling.py [--batches 30] [--rounds 12] [--csv FILE]

The graph "power-law" of workloads.py. A batch of 1,024 seeds draws 15, 10 and 5 neighbours without
replacement, as three blocks with the numbers of nodes and edges. A turn is some batches, a row's
time one batch. All get the same seeds; what they draw is their own, and about as many edges, which
are counted.

``dgl`` is `dgl.dataloading.NeighborSampler` as it comes, ``dgl-plain`` without its fused kernel;
both read the graph in CSC form, made before. PyTorch Geometric's `NeighborLoader` needs pyg-lib or
torch-sparse, which do not come with it: ``pyg`` says so.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING

import lab
from workloads import SEED, WORKLOADS, power_law

if TYPE_CHECKING:
    from torch import Tensor

FANOUTS, BATCH = (15, 10, 5), 1024
SYSTEMS = ("dgl", "dgl-plain", "pyg")
KEY = ("system", "scale", "threads", "allocator")


def sampler(system: str, edge_index: Tensor, nodes: int) -> Callable[[Tensor, int], int]:
    """The function that samples for some seeds and returns how many edges it drew."""
    if system == "graphkit":
        from graphkit.graph import Graph
        from graphkit.sampling import NeighborSampler

        ours = NeighborSampler(Graph(edge_index, nodes), FANOUTS)
        return lambda seeds, number: sum(b.num_edges for b in ours.sample(seeds, number).blocks)
    if system == "pyg":
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader

        data = Data(edge_index=edge_index, num_nodes=nodes)
        loader = NeighborLoader(data, list(FANOUTS), batch_size=BATCH)
        return lambda seeds, number: loader.collate_fn(seeds).num_edges
    import dgl

    graph = dgl.graph((edge_index[0], edge_index[1]), num_nodes=nodes).formats("csc")
    # DGL counts fan-outs from the input on.
    theirs = dgl.dataloading.NeighborSampler(list(FANOUTS[::-1]), fused=system == "dgl")
    return lambda seeds, number: sum(b.num_edges() for b in theirs.sample(graph, seeds)[2])


def build(system: str, batches: int, scale: float) -> lab.Work:
    """Samples some batches in a turn, which gives the number of edges of a batch."""
    import numpy as np
    import torch

    nodes, edges = WORKLOADS["power-law"].size(scale)
    edge_index = torch.from_numpy(power_law(nodes, edges, np.random.default_rng(SEED)))
    sample = sampler(system, edge_index, nodes)
    sample(torch.arange(min(BATCH, nodes)), 0)
    generator, number = torch.Generator().manual_seed(SEED), 0

    def turn() -> float:
        nonlocal number
        drawn = 0
        for seeds in torch.randperm(nodes, generator=generator)[: BATCH * batches].split(BATCH):
            drawn += sample(seeds, number)
            number += 1
        return drawn / batches

    return lab.Work(turn)


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=30, help="batches of one turn")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--scale", type=float, default=1.0, help="of nodes and edges")
    lab.add_options(parser, rounds=12, warm_up=1)
    return parser


def main() -> None:
    options = options_parser().parse_args()
    setting, table = lab.setting_of(options), lab.Table(options.csv, KEY)
    key = {"scale": options.scale, "threads": setting.threads, "allocator": setting.allocator}
    peers = [s for s in options.systems if options.again or not table.has(system=s, **key)]
    if not peers:
        return
    nodes, edges = WORKLOADS["power-law"].size(options.scale)
    batches = max(1, min(options.batches, nodes // BATCH))
    systems = [lab.System(s, build, (s, batches, options.scale)) for s in ("graphkit", *peers)]
    found = lab.take_turns(systems, setting)
    for system, result in found.items():
        drawn = statistics.mean(result.values) if result.values else ""
        row = {
            "system": system,
            "scale": options.scale,
            "nodes": nodes,
            "edges": edges,
            "fanouts": "-".join(map(str, FANOUTS)),
            "batch": BATCH,
            "batches_per_round": batches,
            **lab.timing(result, found["graphkit"], steps=batches),
            "edges_per_batch": drawn and round(drawn),
            "note": result.note,
            "seed": SEED,
            **lab.about(setting),
        }
        table.put(row)
        lab.say(f"{system:10}", row)


if __name__ == "__main__":
    main()
