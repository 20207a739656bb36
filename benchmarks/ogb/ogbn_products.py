"""ogbn-products: the category of a product, one of 47, from what it is bought with; accuracy.

    python benchmarks/ogb/ogbn_products.py sampled-sage --seeds 10 --device cuda
    python benchmarks/ogb/ogbn_products.py gcn --device cuda --csv benchmarks/results/ogb.csv

Models: ``gcn``, ``sage`` and ``mlp``, which sees no other product, three layers as in the
benchmark's own examples, with as many parameters, one step an epoch on the whole graph;
``sampled-sage``, in batches of 1024 products with 15, 10 and 5 neighbours sampled hop by hop, as
Hamilton et al. 2017 have it, and asked about all products layer by layer with all their
neighbours; and ``label-propagation``, which learns nothing. The best-sold tenth is trained on or
validated with, the rest is the test. The epoch with the best validation score is tested, once.
Messages pass along 124 million edges.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from leaderboard import Run, best_epoch, run_seeds, set_up
from node_level import add_node_options, by_labels, model_of, on_whole_graph, scores
from torch import Tensor, nn

from graphkit.data import Split, load
from graphkit.graph import Graph
from graphkit.nn import GraphSAGE
from graphkit.sampling import Blocks, NeighborLoader, layerwise_inference

MODELS = ("gcn", "sage", "sampled-sage", "mlp", "label-propagation")
FANOUTS = [15, 10, 5]
EPOCHS, LR = {"sampled-sage": 20}, {"sampled-sage": 0.003}  # of others 300 and 0.01
AT_ONCE = 16_384  # nodes of which a layer is computed together


def on_blocks(model: GraphSAGE, batch: Blocks) -> Tensor:
    """``[batch_size, classes]``: every layer leaves the nodes that the next one needs."""
    x = batch.x
    for number, (conv, block) in enumerate(zip(model.convs, batch.blocks, strict=True), 1):
        x = conv((x, x[: block.num_dst]), block)
        if number < len(batch.blocks):
            x = model.dropout(x.relu())
    return x


def on_all(model: GraphSAGE, graph: Graph, x: Tensor) -> Tensor:
    """``[N, classes]``."""
    first, second, last = model.convs
    return layerwise_inference([first, torch.relu, second, torch.relu, last], graph, x, AT_ONCE)


def on_samples(graph: Graph, split: Split, classes: int, options: argparse.Namespace) -> Run:
    """The graph stays on the CPU, where neighbours are drawn; batches go to the device."""
    x, y = graph.x.to(options.device), graph.y

    def run(seed: int) -> tuple[float, float, nn.Module]:
        torch.manual_seed(seed)
        model = model_of("sage", x.size(1), options.channels, classes, options.dropout, None)
        assert isinstance(model, GraphSAGE)
        model.to(options.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
        loader = NeighborLoader(
            graph, FANOUTS, options.batch_size, split.train, shuffle=True,
            seed=seed, num_workers=options.workers,
        )  # fmt: skip

        def learn() -> Iterator[None]:
            for batch in loader:
                batch = batch.to(options.device)
                optimizer.zero_grad()
                F.cross_entropy(on_blocks(model, batch), batch.y).backward()
                optimizer.step()
                yield

        def found() -> tuple[float, float]:
            return scores("ogbn-products", on_all(model, graph, x), y, split)

        return best_epoch(
            model, learn, found, options, f"{options.model}, seed {seed}", len(loader)
        )

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbn-products, accuracy")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=0, help="processes that sample")
    add_node_options(parser, MODELS)
    options = parser.parse_args()
    options.epochs = options.epochs or EPOCHS.get(options.model, 300)
    options.lr = options.lr or LR.get(options.model, 0.01)
    set_up(options)
    dataset = load("ogbn-products")
    graph, split, classes = dataset.graph, dataset.split(), dataset.num_outputs
    names: tuple[str, ...] = ("epochs", "channels", "dropout", "lr")
    further: dict[str, Any] = {}
    if options.model == "label-propagation":
        run = by_labels("ogbn-products", graph, split, classes, options)
        options.seeds, names = 1, ("alpha",)
    elif options.model == "sampled-sage":
        run = on_samples(graph, split, classes, options)
        further = {"batch_size": options.batch_size, "fanouts": FANOUTS}
    else:
        run = on_whole_graph("ogbn-products", graph, split, options, classes=classes, norm=None)
    settings = {name: getattr(options, name) for name in names} | further
    run_seeds("ogbn-products", options.model, settings, run, options)


if __name__ == "__main__":
    main()
