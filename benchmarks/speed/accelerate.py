"""Whole training steps of unchanged PyTorch Geometric models, before and after `accelerate`.

    python benchmarks/speed/accelerate.py [--models gcn gat ...] [--scale 0.1] [--csv FILE]

The power-law graph of workloads.py and models of ``torch_geometric.nn.models`` with three layers,
128 -> 256 -> 256 -> 40; PNA, whose messages PyTorch Geometric holds in memory, has 64 -> 64 -> 64
-> 40, three aggregations and two scalers. Both sides are the same model with the same weights, but
for one call of ``graphkit.accelerate``; a step is forward, cross entropy, backward and Adam.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import lab
from workloads import SEED, WORKLOADS, batches

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS = {"gcn": (128, 256, 40), "gat": (128, 256, 40), "gin": (128, 256, 40), "pna": (64, 64, 40)}
HEADS = 4
KEY = ("model", "system", "nodes", "threads", "allocator")


def network_of(model: str, edge_index: Tensor, nodes: int):
    import torch
    from torch_geometric.nn import models
    from torch_geometric.utils import degree

    first, hidden, last = WIDTHS[model]
    if model == "gat":
        return models.GAT(first, hidden, 3, last, heads=HEADS)
    if model != "pna":
        return {"gcn": models.GCN, "gin": models.GIN}[model](first, hidden, 3, last)
    return models.PNA(
        first,
        hidden,
        3,
        last,
        aggregators=["mean", "max", "std"],
        scalers=["identity", "amplification"],
        deg=torch.bincount(degree(edge_index[1], nodes, dtype=torch.long)),
    )


def build(system: str, model: str, scale: float) -> lab.Work:
    """A model's training step, as it is ("pyg") or accelerated."""
    import torch
    import torch.nn.functional as F

    (batch,) = batches(WORKLOADS["power-law"], scale, with_edges=False)
    first, _, last = WIDTHS[model]
    torch.manual_seed(SEED)
    network = network_of(model, batch.edge_index, len(batch.x))
    if system == "accelerated":
        import graphkit

        graphkit.accelerate(network)
    x, y = batch.x[:, :first].contiguous(), batch.y % last
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)

    def turn() -> float:
        loss = F.cross_entropy(network(x, batch.edge_index), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    network.eval()
    with torch.no_grad():
        out = network(x, batch.edge_index)[:: max(1, len(x) // 500)]
    network.train()
    return lab.Work(turn, {"output": out.flatten().tolist()})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=WIDTHS, default=list(WIDTHS))
    parser.add_argument("--scale", type=float, default=1.0, help="of nodes and edges")
    lab.add_options(parser)
    options = parser.parse_args()
    setting, table = lab.setting_of(options), lab.Table(options.csv, KEY)
    nodes, edges = WORKLOADS["power-law"].size(options.scale)
    for model in options.models:
        names: dict[str, Any] = {"nodes": nodes, "threads": setting.threads}
        names |= {"allocator": setting.allocator}
        if not options.again and table.has(model=model, system="pyg", **names):
            continue
        systems = [lab.System(s, build, (s, model, options.scale)) for s in ("accelerated", "pyg")]
        found = lab.take_turns(systems, setting)
        for system, result in found.items():
            row = {"model": model, "system": system, "nodes": nodes, "edges": edges}
            row |= {"widths": "-".join(map(str, WIDTHS[model]))}
            row |= lab.timing(result, found["accelerated"]) | {"note": result.note, "seed": SEED}
            row |= lab.about(setting)
            table.put(row)
            lab.say(f"{model:4} {system:12}", row)


if __name__ == "__main__":
    main()
