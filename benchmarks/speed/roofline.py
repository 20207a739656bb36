"""How near a sum over neighbours comes to what the memory gives.

    python benchmarks/speed/roofline.py [--features 32 64 128 256] [--csv FILE]

On the graph "power-law" of workloads.py. ``triad`` is a[i] = b[i] + s c[i] over arrays far larger
than the caches, ``gather`` copies random rows of as many features, and the systems compute the sum
of the sources' features of every node, forward: graphkit, torch's CSR matrix times a matrix, DGL's
`copy_u_sum`. Bandwidths count what must be moved: of triad three arrays, of gather each row read
and written, of a sum one row read and one index for every edge, one row written for every node.
`of_gather` and `of_triad` are a sum's bandwidth in these two. Freed memory is kept
(`--allocator kept`), so that an output is written where the one before it was.
"""

from __future__ import annotations

import argparse
from typing import Any

import lab
from workloads import SEED, WORKLOADS, power_law

SYSTEMS = ("triad", "gather", "graphkit", "torch-csr", "dgl")
KEY = ("system", "features", "scale", "threads", "allocator")
TRIAD = 2**25  # entries of one array


def build(system: str, features: int, scale: float, device: str = "cpu") -> lab.Work:
    """One pass over the memory, or one sum."""
    import numpy as np
    import torch

    if system == "triad":
        a, b, c = (torch.ones(TRIAD, device=device) for _ in range(3))

        def triad() -> None:
            torch.add(b, c, alpha=2.0, out=a)

        return lab.Work(triad)
    nodes, edges = WORKLOADS["power-law"].size(scale)
    edge_index = torch.from_numpy(power_law(nodes, edges, np.random.default_rng(SEED))).to(device)
    x = torch.randn(nodes, features, generator=torch.Generator().manual_seed(SEED)).to(device)
    if system == "gather":
        out, source = x.new_empty(edges, features), edge_index[0].contiguous()

        def gather() -> None:
            torch.index_select(x, 0, source, out=out)

        return lab.Work(gather)
    total = aggregation(system, edge_index, nodes)
    with torch.no_grad():
        proof = {"output": total(x)[:: max(1, nodes // 100)].flatten().tolist()}

    def turn() -> None:
        with torch.no_grad():
            total(x)

    return lab.Work(turn, proof)


def aggregation(system: str, edge_index: Any, nodes: int) -> Any:
    """The function from features to their sums over the neighbours."""
    import torch

    if system == "graphkit":
        from graphkit.graph import Graph
        from graphkit.nn import MessagePassing

        layer, graph = MessagePassing("sum"), Graph(edge_index, nodes)
        return lambda x: layer.propagate(graph, x=x)
    if system == "dgl":
        import dgl

        graph = dgl.graph((edge_index[0], edge_index[1]), num_nodes=nodes)
        return lambda x: dgl.ops.copy_u_sum(graph, x)
    ones = torch.ones(edge_index.size(1), device=edge_index.device)
    matrix = torch.sparse_coo_tensor(edge_index.flip(0), ones, (nodes, nodes))
    csr = matrix.coalesce().to_sparse_csr()
    return lambda x: csr @ x


def moved(system: str, features: int, scale: float) -> int:
    """Bytes that one turn has to move."""
    nodes, edges = WORKLOADS["power-law"].size(scale)
    if system == "triad":
        return 3 * 4 * TRIAD
    if system == "gather":
        return 2 * 4 * edges * features
    return 4 * edges * (features + 1) + 4 * nodes * features


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--scale", type=float, default=1.0, help="of nodes and edges")
    lab.add_options(parser, rounds=15, warm_up=3)
    parser.set_defaults(allocator="kept")
    return parser


def main() -> None:
    options = options_parser().parse_args()
    setting, table = lab.setting_of(options), lab.Table(options.csv, KEY)
    key = {"scale": options.scale, "threads": setting.threads, "allocator": setting.allocator}
    for features in options.features:
        if not options.again and table.has(system="graphkit", features=features, **key):
            continue
        # graphkit first: the others' sums must agree with its own.
        order = ("graphkit", *(s for s in SYSTEMS if s != "graphkit"))
        other = float("inf")
        found = lab.take_turns(
            [
                lab.System(
                    s,
                    build,
                    (s, features, options.scale),
                    other if s in ("triad", "gather") else 1e-4,
                )
                for s in order
            ],
            setting,
        )
        rows = {
            s: lab.timing(found[s], found["graphkit"])
            | {"gb_per_second": speed(found[s], moved(s, features, options.scale))}
            for s in SYSTEMS
        }
        for system, columns in rows.items():
            row = {
                "system": system,
                "features": features,
                "scale": options.scale,
                **columns,
                "of_gather": share(columns, rows["gather"]),
                "of_triad": share(columns, rows["triad"]),
                "note": found[system].note,
                **lab.about(setting),
            }
            table.put(row)
            head = f"{features:4} {system:10} {row['gb_per_second']:>6} GB/s"
            lab.say(f"{head}  {row['of_gather']:>6} of gather", row)


def speed(result: lab.Result, bytes_moved: int) -> float | str:
    """GB/s in the fastest turn."""
    return round(bytes_moved / min(result.seconds) / 1e9, 2) if result.seconds else ""


def share(one: dict[str, Any], other: dict[str, Any]) -> float | str:
    both = one["gb_per_second"], other["gb_per_second"]
    return "" if "" in both else round(both[0] / both[1], 3)


if __name__ == "__main__":
    main()
