"""GAE, VGAE, ARGA and ARVGA: links of citation graphs that were taken out, AUC and AP in per cent.

    python benchmarks/graph_autoencoders.py [cora citeseer pubmed] [--seeds 10] [--csv FILE]

Protocol of Kipf & Welling 2016: 85/5/10 % of the links for training, validation and test, as many
pairs without a link beside them; all entries of A + I are reconstructed, the links of the training
part and every node's with itself; features as they are; two graph convolutions without bias, 32 and
16 wide; Adam, 0.01, 200 epochs. The epoch with the best validation AUC is tested, once. The
adversaries (Pan et al. 2018) see codes through layers of 64 and 16, and learn at 0.001. Every seed
has a split of its own.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from rows import about, put
from torch import Tensor, nn

from graphkit import Graph
from graphkit.data import load
from graphkit.data.links import LinkSplit, split_links
from graphkit.generative import Autoencoder, CodeAdversary, train_discriminator, train_generator
from graphkit.generative.graph import Links, both_ways, gae, vgae
from graphkit.metrics import average_precision, roc_auc
from graphkit.nn import GCNConv

# AUC and AP.
PUBLISHED = {
    ("cora", "gae"): (91.0, 92.0),
    ("citeseer", "gae"): (89.5, 89.9),
    ("pubmed", "gae"): (96.4, 96.5),
    ("cora", "vgae"): (91.4, 92.6),
    ("citeseer", "vgae"): (90.8, 92.0),
    ("pubmed", "vgae"): (94.4, 94.7),
    ("cora", "arga"): (92.4, 93.2),
    ("citeseer", "arga"): (91.9, 93.0),
    ("pubmed", "arga"): (96.8, 97.1),
    ("cora", "arvga"): (92.4, 92.6),
    ("citeseer", "arvga"): (92.4, 93.0),
    ("pubmed", "arvga"): (96.5, 96.8),
}
HIDDEN, CODE, EPOCHS = 32, 16, 200


class Encoder(nn.Module):
    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        self.first = GCNConv(features, HIDDEN, bias=False)
        self.second = GCNConv(HIDDEN, out, bias=False)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.second(self.first(x, graph).relu(), graph)


def judge() -> nn.Module:
    return nn.Sequential(
        nn.Linear(CODE, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1)
    )


def scores(model: Autoencoder, x: Tensor, split: LinkSplit, part: str) -> tuple[float, float]:
    """AUC and AP on the links and other pairs of a part."""
    positive, negative = getattr(split, part), getattr(split, f"{part}_negative")
    model.eval()
    with torch.no_grad():
        logits = model.decoder(model.encode(x, split.graph))
        found = torch.cat([logits(positive), logits(negative)])
    target = torch.zeros(len(found))
    target[: positive.size(1)] = 1
    return 100 * roc_auc(found, target), 100 * average_precision(found, target)


def run(kind: str, graph: Graph, seed: int) -> tuple[float, float]:
    split = split_links(graph, 0.05, 0.10, seed=seed)
    assert graph.x is not None
    x, nodes = graph.x, graph.num_nodes
    torch.manual_seed(seed)
    features = x.size(1)
    model = (
        vgae(Encoder(features, 2 * CODE), nodes) if "v" in kind else gae(Encoder(features, CODE))
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step: Callable[[Links], Any]
    if kind.startswith("ar"):
        game = CodeAdversary(model, judge(), targets=True, weight=0.2)
        other = torch.optim.Adam(game.discriminator.parameters(), lr=0.001)

        def step(links: Links) -> None:
            batch = x, split.graph, links
            train_discriminator(game, batch, other)
            train_generator(game, batch, optimizer)

    else:

        def step(links: Links) -> None:
            optimizer.zero_grad()
            model.loss(x, split.graph, target=links).backward()
            optimizer.step()

    generator = torch.Generator().manual_seed(seed)
    positive = both_ways(split.train, nodes)
    best, state = -1.0, copy.deepcopy(model.state_dict())
    for _ in range(EPOCHS):
        model.train()
        step(Links(positive, split.unlinked.draw(positive.size(1), generator)))
        auc, _ = scores(model, x, split, "val")
        if auc > best:
            best, state = auc, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return scores(model, x, split, "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="*", default=["cora", "citeseer"])
    parser.add_argument("--kinds", nargs="+", default=["gae", "vgae", "arga", "arvga"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    for name in options.datasets:
        graph = load(name).graph
        for kind in options.kinds:
            start = time.perf_counter()
            found = [
                run(kind, graph, seed)
                for seed in track(range(options.seeds), f"{name} {kind}", transient=True)
            ]
            row: dict[str, Any] = {"dataset": name, "model": kind}
            published = PUBLISHED.get((name, kind), ("", ""))
            by_metric = zip(*found, strict=True)
            for metric, values, known in zip(("auc", "ap"), by_metric, published, strict=True):
                row |= {
                    metric: round(statistics.fmean(values), 2),
                    f"{metric}_deviation": round(statistics.stdev(values), 2),
                    f"{metric}_published": known,
                    f"{metric}_values": " ".join(f"{value:.2f}" for value in values),
                }
            row |= {"seeds": options.seeds, "seconds": round(time.perf_counter() - start)}
            print(name, kind, row["auc"], row["auc_deviation"], row["ap"], flush=True)
            if options.csv:
                put([row | about()], options.csv, ("dataset", "model"))


if __name__ == "__main__":
    main()
