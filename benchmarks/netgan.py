"""NetGAN on a citation graph: links that were taken out, and statistics of the generated graph.

    python benchmarks/netgan.py [--dataset citeseer] [--seeds 3] [--csv FILE] [--statistics FILE]

Protocol of Bojchevski et al. 2018: the largest component; 85/5/10 % of its links for training,
validation and test, the training graph connected; walks of 16 nodes; every pair is scored by how
often generated walks step across it, among 15 million steps. Training stops when links of the
validation set are predicted no better (VAL), and the best generator is tested, once.

At every judgement on the way a graph of as many edges as the training graph is assembled.
`--statistics` takes its statistics, and in the end a table is printed: the training graph, the
generated graph whose overlap with it is nearest to 50 %, and the training graph with edges swapped,
which keeps all degrees, down to the same overlap.

A run that was broken off goes on when it is started again with the same `--folder`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rows import about, put, read
from torch import Tensor

from graphkit import Graph, resume, runtime
from graphkit.convert import from_networkx, to_networkx
from graphkit.data import largest_component, load
from graphkit.data.links import LinkSplit
from graphkit.data.negatives import UnlinkedPairs
from graphkit.generative.graph import NetGAN, assemble, train_netgan, walk_counts
from graphkit.metrics import average_precision, edge_overlap, graph_statistics, roc_auc

# AUC and AP under VAL.
PUBLISHED = {"citeseer": (96.30, 96.89)}
NOTABLE = (
    "max_degree",
    "assortativity",
    "triangles",
    "squares",
    "power_law_exponent",
    "clustering",
    "path_length",
    "largest_component",
    "gini",
    "edge_entropy",
)


def split_connected(graph: Graph, val: float, test: float, seed: int) -> LinkSplit:
    """Parts of the links, of which the training links hold a random spanning tree."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    generator = torch.Generator().manual_seed(seed)
    links = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    n, nodes = links.size(1), graph.num_nodes
    weight = 1 + torch.rand(n, generator=generator, dtype=torch.double)
    matrix = csr_array((weight.numpy(), tuple(links.numpy())), shape=(nodes, nodes))
    tree = torch.from_numpy(np.stack(minimum_spanning_tree(matrix).nonzero())).long()
    in_tree = torch.isin(links[0] * nodes + links[1], tree[0] * nodes + tree[1])
    free = (~in_tree).nonzero().flatten()
    free = free[torch.randperm(len(free), generator=generator)]
    num_val, num_test = round(val * n), round(test * n)
    held = free[: num_val + num_test]
    left = torch.ones(n, dtype=torch.bool)
    left[held] = False
    train = links[:, left]
    negative = UnlinkedPairs(links, nodes).sample(len(held), generator)
    return LinkSplit(
        graph=Graph(torch.cat([train, train.flip(0)], dim=1), nodes, undirected=True),
        train=train,
        val=links[:, held[:num_val]],
        test=links[:, held[num_val:]],
        val_negative=negative[:, :num_val],
        test_negative=negative[:, num_val:],
    )


def scores(counts: Any, positive: Tensor, negative: Tensor) -> tuple[float, float]:
    """AUC and AP in per cent."""
    pairs = torch.cat([positive, negative], dim=1).numpy().copy()
    found = torch.from_numpy(np.asarray(counts[tuple(pairs)])).flatten().double()
    target = torch.zeros(len(found))
    target[: positive.size(1)] = 1
    return 100 * roc_auc(found, target), 100 * average_precision(found, target)


def rewired(graph: Graph, overlap: float, seed: int) -> Graph:
    """Pairs of edges swap their ends until no more than this share is left, or all have often."""
    import networkx

    network, found = to_networkx(graph), graph
    for turn in range(1000):
        if edge_overlap(graph, found) <= overlap:
            break
        swaps = max(1, network.number_of_edges() // 100)
        networkx.double_edge_swap(network, swaps, max_tries=100 * swaps, seed=1000 * seed + turn)
        found = from_networkx(network)
    return found


def run(options: argparse.Namespace, graph: Graph, seed: int) -> dict[str, Any]:
    """Link prediction on the test set; what was found on the way goes to the file of statistics."""
    folder = options.folder / f"{options.dataset}-{seed}"
    split = split_connected(graph, 0.05, 0.10, seed)
    torch.manual_seed(seed)
    game = NetGAN(graph.num_nodes).to(options.device)
    start = time.perf_counter()

    def judge(game: NetGAN) -> float:
        counts = walk_counts(game.generator, options.val_transitions)
        generated = assemble(counts, split.train.size(1))
        overlap = edge_overlap(split.graph, generated)
        auc, ap = scores(counts, split.val, split.val_negative)
        row = {"dataset": options.dataset, "graph": f"netgan {int(game.steps)}", "seed": seed}
        row |= {"overlap": round(overlap, 4), "val_auc": round(auc, 2), "val_ap": round(ap, 2)}
        record(options, row, generated)
        passed = round(time.perf_counter() - start)
        print(
            f"seed {seed}, {int(game.steps)} steps, {passed} s: validation {auc:.2f} {ap:.2f}, "
            f"overlap {100 * overlap:.1f} %",
            flush=True,
        )
        return (auc + ap) / 2

    if (folder / "result").exists():
        return resume.load(folder / "result")
    found = train_netgan(
        game,
        split.graph,
        judge,
        patience=options.patience,
        every=options.every,
        limit=options.limit,
        folder=folder,
    )
    auc, ap = scores(
        walk_counts(game.generator, options.transitions), split.test, split.test_negative
    )
    steps = (found.index(max(found)) + 1) * options.every
    result = {"auc": auc, "ap": ap, "steps": steps, "trained": len(found) * options.every}
    resume.save(folder / "result", result)
    return result


def record(options: argparse.Namespace, row: dict[str, Any], graph: Graph) -> None:
    if options.statistics:
        row = row | {name: round(value, 5) for name, value in graph_statistics(graph).items()}
        put(
            [row | about("networkx", device=options.device)],
            options.statistics,
            ("dataset", "seed", "graph"),
        )


def tabulate(options: argparse.Namespace, graph: Graph, seed: int) -> None:
    """The input, the generated graph of about half its edges, and a rewired one beside it."""
    rows = [
        row
        for row in read(options.statistics)
        if (row["dataset"], row["seed"]) == (options.dataset, str(seed))
    ]
    generated = [row for row in rows if row["graph"].startswith("netgan")]
    if not generated:
        return
    chosen = min(generated, key=lambda row: abs(float(row["overlap"]) - 0.5))
    train = split_connected(graph, 0.05, 0.10, seed).graph
    swapped = rewired(train, float(chosen["overlap"]), seed)
    beside: list[dict[str, Any]] = []
    for name, other in (("input", train), ("swapped", swapped)):
        overlap = round(edge_overlap(train, other), 4)
        row = {"dataset": options.dataset, "graph": name, "seed": seed, "overlap": overlap}
        row |= {"val_auc": "", "val_ap": ""}
        record(options, row, other)
        beside.append(row | graph_statistics(other))
    table = Table("", "input", chosen["graph"], "swapped", title=f"seed {seed}")
    for name in ("overlap", *NOTABLE):
        values = (beside[0][name], chosen[name], beside[1][name])
        table.add_row(name, *(f"{float(value):.4g}" for value in values))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="citeseer")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1000, help="steps between judgements")
    parser.add_argument("--limit", type=int, default=30_000, help="steps in all")
    parser.add_argument("--patience", type=int, default=5, help="judgements that are no better")
    parser.add_argument("--val-transitions", type=int, default=500_000)
    parser.add_argument("--transitions", type=int, default=15_000_000, help="of the test")
    parser.add_argument("--folder", type=Path, default=Path("netgan"), help="of checkpoints")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--statistics", type=Path, help="CSV file of generated graphs")
    options = parser.parse_args()
    runtime.keep_memory()
    part = largest_component(load(options.dataset).graph)
    graph = Graph(part.edge_index, part.num_nodes, undirected=True)
    print(f"{options.dataset}: {graph.num_nodes} nodes, {graph.num_edges // 2} edges", flush=True)
    start = time.perf_counter()
    found: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        found.append(run(options, graph, seed))
        print(f"seed {seed}: AUC {found[-1]['auc']:.2f}, AP {found[-1]['ap']:.2f}", flush=True)
        if options.statistics:
            tabulate(options, graph, seed)
    row: dict[str, Any] = {"dataset": options.dataset, "model": "netgan"}
    published = PUBLISHED.get(options.dataset, ("", ""))
    for metric, known in zip(("auc", "ap"), published, strict=True):
        values = [each[metric] for each in found]
        row |= {
            metric: round(statistics.fmean(values), 2),
            f"{metric}_deviation": round(statistics.stdev(values), 2) if len(values) > 1 else "",
            f"{metric}_published": known,
            f"{metric}_values": " ".join(f"{value:.2f}" for value in values),
        }
    row |= {
        "nodes": graph.num_nodes,
        "edges": graph.num_edges // 2,
        "seeds": options.seeds,
        "steps": " ".join(str(each["steps"]) for each in found),
        "transitions": options.transitions,
        "seconds": round(time.perf_counter() - start),
    }
    print(options.dataset, "netgan", row["auc"], row["auc_deviation"], row["ap"], flush=True)
    if options.csv:
        put([row | about(device=options.device)], options.csv, ("dataset", "model"))


if __name__ == "__main__":
    main()
