"""GraphGAN beside the embeddings that it starts from: links of a network that were taken out.

    python benchmarks/graphgan.py [--dataset facebook] [--seeds 5] [--csv FILE]

10 % of the links are held out for the test and 5 % for validation, with as many pairs without a
link (Wang et al. 2018, section 3.2). A pair is scored by the inner product of its embeddings, 50
wide. Accuracy calls the upper half of the scores links, as the authors do. GraphGAN starts from
DeepWalk's embeddings, and the epoch with the best validation AUC is tested, once, for each player.

DeepWalk's skip-gram is fitted in closed form, see :func:`graphkit.sampling.walk_embedding`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from rows import about, put
from torch import Tensor

from graphkit import Graph, runtime
from graphkit.data import load
from graphkit.data.links import LinkSplit, split_links
from graphkit.generative import Round, play
from graphkit.generative.graph import GraphGAN, NeighbourBatches
from graphkit.metrics import average_precision, roc_auc
from graphkit.sampling import walk_embedding

WIDTH = 50
RATE = 1e-3


def scores(embedding: Tensor, positive: Tensor, negative: Tensor) -> dict[str, float]:
    """AUC, AP and accuracy in per cent."""
    a, b = torch.cat([positive, negative], dim=1)
    found = (embedding.detach()[a] * embedding.detach()[b]).sum(dim=1)
    target = torch.zeros(len(found))
    target[: positive.size(1)] = 1
    upper = torch.zeros(len(found))
    upper[found.argsort(descending=True)[: positive.size(1)]] = 1
    return {
        "auc": 100 * roc_auc(found, target),
        "ap": 100 * average_precision(found, target),
        "accuracy": 100 * (upper == target).double().mean().item(),
    }


def run(options: argparse.Namespace, graph: Graph, seed: int) -> dict[str, dict[str, float]]:
    """By model, what it finds on the test set."""
    split: LinkSplit = split_links(graph, 0.05, 0.10, seed=seed)
    torch.manual_seed(seed)
    initial = walk_embedding(split.graph, WIDTH, length=20)
    start = initial if options.start == "deepwalk" else 0.1 * torch.randn(initial.shape)
    game = GraphGAN(split.graph, start)
    adam = torch.optim.Adam
    optimizers = (
        adam(game.generator.parameters(), RATE, weight_decay=1e-5, fused=True),
        adam(game.discriminator.parameters(), RATE, weight_decay=1e-5, fused=True),
    )
    best = {"generator": (-1.0, start), "discriminator": (-1.0, start)}
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"seed {seed}", total=options.epochs)

        def on_epoch(_: Round) -> None:
            progress.advance(bar)
            for name in best:
                embedding = getattr(game, name).embedding
                auc = scores(embedding, split.val, split.val_negative)["auc"]
                if auc > best[name][0]:
                    best[name] = auc, embedding.detach().clone()

        batches = NeighbourBatches(split.graph, options.batches, roots=options.roots)
        play(game, batches, *optimizers, epochs=options.epochs, on_epoch=on_epoch)
    tested = {"deepwalk": initial, **{name: embedding for name, (_, embedding) in best.items()}}
    return {
        name: scores(embedding, split.test, split.test_negative)
        for name, embedding in tested.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="facebook")
    parser.add_argument("--start", choices=["deepwalk", "random"], default="deepwalk")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batches", type=int, default=50, help="in an epoch")
    parser.add_argument("--roots", type=int, default=64, help="trees in a batch")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    runtime.keep_memory()
    graph = load(options.dataset).graph
    graph = Graph(graph.edge_index, graph.num_nodes, undirected=True)
    start = time.perf_counter()
    found = [run(options, graph, seed) for seed in range(options.seeds)]
    seconds = round(time.perf_counter() - start)
    lines: list[dict[str, Any]] = []
    for name in found[0]:
        row: dict[str, Any] = {
            "dataset": options.dataset,
            "model": name if name == "deepwalk" else f"graphgan {name}",
            "start": "" if name == "deepwalk" else options.start,
        }
        for metric in ("auc", "ap", "accuracy"):
            values = [each[name][metric] for each in found]
            row |= {
                metric: round(statistics.fmean(values), 2),
                f"{metric}_deviation": round(statistics.stdev(values), 2) if values[1:] else "",
                f"{metric}_values": " ".join(f"{value:.2f}" for value in values),
            }
        row |= {"seeds": options.seeds, "epochs": options.epochs, "batches": options.batches}
        row |= {"roots": options.roots, "seconds": seconds, **about()}
        print(row["model"], row["auc"], row["ap"], row["accuracy"], flush=True)
        lines.append(row)
    if options.csv:
        put(lines, options.csv, ("dataset", "model", "start"))


if __name__ == "__main__":
    main()
