"""Training steps: graphkit beside PyTorch Geometric, DGL and plain torch, layer by layer.

    python benchmarks/speed/steps.py --workload power-law --layers gcn gat --systems pyg dgl

A step is forward, loss, backward and Adam (workloads.py says on what, networks.py with which
layers). graphkit takes turns with one peer at a time, for there may be no memory for more, or with
several (`--at-once`). ``gemm`` takes turns, too: it does the matrix products of graphkit's step and
nothing else. So a row says how many times longer the peer takes (`times_base`), and how many times
longer than the products alone (`times_gemm`), which no aggregation, however fast, could exceed. A
peer is timed only if its output and its gradients agree with graphkit's.

Systems: ``graphkit``, ``graphkit-bf16`` (weights and features in bfloat16); ``pyg`` with
`edge_index`, ``pyg-csr`` with the graph as a CSR tensor, ``pyg-edgeindex`` with an `EdgeIndex`,
``pyg-compile`` under torch.compile; ``dgl``; ``index-add``, written by hand. Peers are measured
against `--base`.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lab
from workloads import ATOMS, LAYERS, SEED, WORKLOADS, batches

if TYPE_CHECKING:
    from torch import Tensor

OURS = ("graphkit", "graphkit-bf16")
PEERS = ("pyg", "pyg-csr", "pyg-edgeindex", "pyg-compile", "dgl", "index-add")
KEY = ("workload", "scale", "layer", "system", "base", "threads", "allocator")


# ------------------------------------------------------------------ in a system's process


def build(
    system: str, layer: str, workload: str, scale: float, weights: str, device: str = "cpu"
) -> lab.Work:
    """A system's training step."""
    import torch
    import torch.nn.functional as F
    from networks import network_of, takes_edges

    w = WORKLOADS[workload]
    with_edges = takes_edges(layer, w.molecules)
    inputs = batches(w, scale, with_edges)
    degrees = torch.bincount(inputs[0].edge_index[1], minlength=len(inputs[0].x))
    network = network_of(system, layer, w, degrees, torch.load(weights, weights_only=True))
    dtype = torch.bfloat16 if system.endswith("bf16") else torch.float32
    network.to(device, dtype)
    inputs = [batch.to(device) for batch in inputs]
    forward = torch.compile(network) if system == "pyg-compile" else network
    # One graph is brought into the library's form once, a batch of molecules in every step.
    kept = None if w.molecules else edges_of(system, layer, inputs[0].edge_index, len(inputs[0].x))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    given = [(b, b.x.to(dtype), b.edge_attr.to(dtype)) for b in inputs]

    def outputs(number: int) -> tuple[Tensor, Tensor]:
        batch, x, edge_attr = given[number % len(given)]
        edges = kept or edges_of(system, layer, batch.edge_index, len(x))
        if system == "pyg-edgeindex" and with_edges:
            edge_attr = edge_attr[edges[1]]
        out = forward(x, edges[0], edge_attr).float()
        if w.molecules:
            out = out.view(-1, ATOMS, out.size(-1)).mean(dim=1)
            return out, F.mse_loss(out, batch.y)
        return out, F.cross_entropy(out, batch.y)

    done = 0

    def turn() -> float:
        nonlocal done
        _, loss = outputs(done)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1
        return loss.item()

    def proof() -> dict[str, list[float]]:
        out, loss = outputs(0)
        loss.backward()
        rows = out.detach()[:: max(1, len(out) // 500)]
        squares = [(p.grad**2).sum().item() for p in network.parameters() if p.grad is not None]
        optimizer.zero_grad()
        return {"output": rows.flatten().tolist(), "gradient": [math.sqrt(sum(squares))]}

    def facts() -> dict[str, Any]:
        if not system.startswith("graphkit"):
            return {}
        from graphkit.engine.plan import explain

        # Without the places in files that a reason may name.
        paths = (explain(k).split(" (/")[0] for k in network.layers)
        return {"path": "; ".join(dict.fromkeys(paths))}

    return lab.Work(turn, proof(), facts)


def edges_of(system: str, layer: str, edge_index: Tensor, nodes: int) -> tuple[Any, Any]:
    """The graph in the library's form, and the new order of the edges, if there is one."""
    import torch

    if system in OURS:
        from graphkit.graph import Graph

        return Graph(edge_index, nodes), None
    if system == "dgl":
        import dgl

        graph = dgl.graph((edge_index[0], edge_index[1]), num_nodes=nodes)
        loops = layer in ("gcn", "gat", "gatv2")  # DGL's layers leave them to the user
        return (dgl.add_self_loop(graph) if loops else graph), None
    if system == "pyg-csr":
        # PyTorch Geometric reads the rows of a sparse matrix as destinations.
        ones = torch.ones(edge_index.size(1), device=edge_index.device)
        matrix = torch.sparse_coo_tensor(edge_index.flip(0), ones, (nodes, nodes))
        return matrix.coalesce().to_sparse_csr(), None
    if system == "pyg-edgeindex":
        from torch_geometric import EdgeIndex

        index = EdgeIndex(edge_index, sparse_size=(nodes, nodes), is_undirected=True)
        return tuple(index.sort_by("col"))
    if system == "index-add":
        from plain_layers import Ends

        return Ends.of(edge_index, nodes), None
    return edge_index, None


def build_gemm(system: str, layer: str, workload: str, scale: float, weights: str) -> lab.Work:
    """The matrix products of a system's step, forward and backward, and nothing else."""
    from products import Products

    work = build(system, layer, workload, scale, weights)
    with Products() as products:
        work.turn()
    del work
    return lab.Work(products.again)


# ------------------------------------------------------------------ all pairs


def write_weights(layer: str, workload: str, scale: float, file: Path) -> None:
    """Weights that every system loads."""
    import torch
    from networks import fresh_weights, network_of

    w = WORKLOADS[workload]
    batch = batches(w, scale, with_edges=False)[0]
    degrees = torch.bincount(batch.edge_index[1], minlength=len(batch.x))
    torch.save(fresh_weights(network_of("graphkit", layer, w, degrees), SEED), file)


def cannot(system: str, layer: str, workload: str) -> str:
    """Why a system cannot compute a layer at all; empty if it can."""
    from networks import takes_edges

    if system == "pyg-csr" and takes_edges(layer, WORKLOADS[workload].molecules):
        return "a CSR tensor has no place for features of edges"
    return ""


def compare(
    layer: str,
    peers: list[str],
    workload: str,
    scale: float,
    base: str,
    setting: lab.Setting,
    at_once: int,
) -> Iterator[dict[str, Any]]:
    """Rows of the peers as they are measured, `at_once` beside the base; its own comes first."""

    def head(system: str) -> dict[str, Any]:
        names = {"workload": workload, "scale": scale, "layer": layer, "system": system}
        return {**names, "base": base, **sizes(workload, scale)}

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        write_weights(layer, workload, scale, weights)
        arguments = (layer, workload, scale, str(weights))
        ours = lab.System(base, build, (base, *arguments))
        gemm = lab.System("gemm", build_gemm, (base, *arguments), tolerance=math.inf)
        known = {
            peer: lab.Result(note=why) for peer in peers if (why := cannot(peer, layer, workload))
        }
        able = [peer for peer in peers if peer not in known]
        for start in range(0, len(able), at_once):
            together = able[start : start + at_once]
            theirs = [
                lab.System(peer, build, (peer, *arguments), 5e-2 if "bf16" in base + peer else 1e-4)
                for peer in together
                if peer != base
            ]
            found = lab.take_turns([ours, gemm, *theirs], setting)
            for system in dict.fromkeys([base, *together] if start == 0 else together):
                yield head(system) | row_of(found[system], found[base], found["gemm"], setting)
        for system, result in known.items():
            yield head(system) | row_of(result, None, None, setting)


def row_of(
    result: lab.Result, base: lab.Result | None, gemm: lab.Result | None, setting: lab.Setting
) -> dict[str, Any]:
    return {
        **lab.timing(result, base),
        **ceiling(result, gemm),
        "path": result.facts.get("path", ""),
        "loss": next(iter(result.values[-1:]), ""),
        "note": result.note,
        "seed": SEED,
        **lab.about(setting),
    }


def sizes(workload: str, scale: float) -> dict[str, Any]:
    w = WORKLOADS[workload]
    nodes, edges = w.size(scale)
    return {"nodes": nodes, "edges": edges, "widths": "-".join(map(str, w.widths))}


def ceiling(result: lab.Result, gemm: lab.Result | None) -> dict[str, Any]:
    """How long the products alone take, and how many times longer the whole step."""
    if gemm is None or not gemm.seconds or not result.seconds:
        return {"gemm_seconds": "", "times_gemm": ""}
    columns = lab.timing(result, gemm)
    return {"gemm_seconds": columns["base_seconds"], "times_gemm": columns["times_base"]}


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", choices=WORKLOADS, required=True)
    parser.add_argument(
        "--layers", nargs="+", choices=LAYERS, help="those of the workload, where none are named"
    )
    parser.add_argument("--systems", nargs="+", choices=(*OURS, *PEERS), default=list(PEERS))
    parser.add_argument("--base", choices=OURS, default="graphkit")
    parser.add_argument("--scale", type=float, nargs="+", default=[1.0], help="of nodes and edges")
    parser.add_argument(
        "--at-once", type=int, help="peers that take turns with graphkit (1; molecules: all)"
    )
    lab.add_options(parser)
    return parser


def main() -> None:
    options = options_parser().parse_args()
    at_once = options.at_once or (len(PEERS) if WORKLOADS[options.workload].molecules else 1)
    setting, table = lab.setting_of(options), lab.Table(options.csv, KEY)
    for scale in options.scale:
        for layer in options.layers or WORKLOADS[options.workload].layers:
            key = {"workload": options.workload, "scale": scale, "layer": layer}
            key |= {"base": options.base, "threads": setting.threads}
            key |= {"allocator": setting.allocator}
            peers = [s for s in options.systems if options.again or not table.has(system=s, **key)]
            for row in compare(
                layer, peers, options.workload, scale, options.base, setting, at_once
            ):
                table.put(row)
                lab.say(f"{layer:11} {row['system']:13}", row)


if __name__ == "__main__":
    main()
