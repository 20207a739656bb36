"""What the scripts for nodes share: models, training on the whole graph, label propagation."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from leaderboard import Run, add_options, best_epoch, score_of
from torch import Tensor, nn

from graphkit.data import Split
from graphkit.graph import Graph
from graphkit.nn import GCN, MLP, GraphSAGE, LabelPropagation

STEPS = 50  # of label propagation


def model_of(
    name: str, features: int, channels: int, classes: int, dropout: float, norm: str | None
) -> GCN | GraphSAGE | MLP:
    """Three layers."""
    if name == "mlp":
        return MLP([features, channels, channels, classes], dropout=dropout, norm=norm)
    encoder = {"gcn": GCN, "sage": GraphSAGE}[name]
    return encoder(features, channels, 3, classes, dropout=dropout, norm=norm)


def scores(dataset: str, out: Tensor, y: Tensor, split: Split) -> tuple[float, float]:
    """On validation and test."""
    val, test = (score_of(dataset, out[part], y[part]) for part in (split.val, split.test))
    return val, test


def on_whole_graph(
    dataset: str, graph: Graph, split: Split, options: argparse.Namespace, **model: Any
) -> Run:
    """One step an epoch, on all training nodes; `model` has further arguments of `model_of`."""
    graph = graph.to(options.device)
    x, y = graph.x, graph.y

    def run(seed: int) -> tuple[float, float, nn.Module]:
        torch.manual_seed(seed)
        net = model_of(options.model, x.size(1), options.channels, dropout=options.dropout, **model)
        net = net.to(options.device)
        optimizer = torch.optim.Adam(net.parameters(), lr=options.lr)

        def of(nodes: Tensor) -> Tensor:
            """A model without messages is asked about these nodes alone."""
            return net(x[nodes]) if isinstance(net, MLP) else net(x, graph)[nodes]

        def learn() -> Iterator[None]:
            optimizer.zero_grad()
            F.cross_entropy(of(split.train), y[split.train]).backward()
            optimizer.step()
            yield

        def found() -> tuple[float, float]:
            out = net(x) if isinstance(net, MLP) else net(x, graph)
            return scores(dataset, out, y, split)

        return best_epoch(net, learn, found, options, f"{options.model}, seed {seed}")

    return run


def by_labels(
    dataset: str, graph: Graph, split: Split, classes: int, options: argparse.Namespace
) -> Run:
    def run(seed: int) -> tuple[float, float, nn.Module]:
        there = graph.to(options.device)
        labels = F.one_hot(there.y, classes).to(torch.get_default_dtype())
        out = LabelPropagation(STEPS, options.alpha)(labels, there, split.train)
        return (*scores(dataset, out, there.y, split), nn.Module())

    return run


def add_node_options(
    parser: argparse.ArgumentParser, models: tuple[str, ...], **defaults: Any
) -> None:
    """Without a default the number of epochs and the learning rate are the model's."""
    parser.add_argument("model", choices=models)
    parser.add_argument("--epochs", type=int, default=defaults.get("epochs"))
    parser.add_argument("--lr", type=float, default=defaults.get("lr"))
    parser.add_argument("--every", type=int, default=1, help="epochs to an evaluation")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--alpha", type=float, default=0.9, help="of label propagation")
    add_options(parser)
