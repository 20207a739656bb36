"""What the scripts for links share: a model of pairs, its training, and what needs no learning."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from leaderboard import add_options, best_epoch, run_seeds, score_of
from torch import Tensor, nn

from graphkit.data import LinkSplit, RankedLinks
from graphkit.graph import Graph
from graphkit.nn import GCN, MLP, GraphSAGE
from graphkit.tasks import heuristics

HEURISTICS = {
    "common-neighbours": heuristics.common_neighbours,
    "adamic-adar": heuristics.adamic_adar,
    "resource-allocation": heuristics.resource_allocation,
}
ENCODERS = {"gcn": GCN, "sage": GraphSAGE}
AT_ONCE = 65_536  # pairs that are scored together, and links of a step
SETTINGS = ("epochs", "channels", "dropout", "lr", "loss")

Links = LinkSplit | RankedLinks
OfPairs = Callable[[Tensor], Tensor]
"""Scores ``[n]`` of pairs ``[2, n]``."""


class LinkPredictor(nn.Module):
    """Layers on the nodes' features, or on a learnt embedding of every node where a graph has
    none, and a perceptron as deep on the product of two nodes' codes."""

    def __init__(
        self, model: str, graph: Graph, layers: int, channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = None
        if graph.x is None:
            self.embedding = nn.Embedding(graph.num_nodes, channels)
            nn.init.xavier_uniform_(self.embedding.weight)
        features = channels if graph.x is None else graph.x.size(1)
        self.encoder = ENCODERS[model](features, channels, layers, channels, dropout=dropout)
        self.predict = MLP([channels] * layers + [1], dropout=dropout, norm=None)

    def codes(self, graph: Graph) -> Tensor:
        x = graph.x if self.embedding is None else self.embedding.weight
        return self.encoder(x, graph)

    def forward(self, codes: Tensor, pairs: Tensor) -> Tensor:
        first, second = (codes.index_select(0, ends) for ends in pairs)
        return self.predict(first * second).squeeze(1)


def loss_of(kind: str, linked: Tensor, unlinked: Tensor) -> Tensor:
    """Cross-entropy, or the square by which a link fails to score 1 above a pair that is none: a
    bound on 1 - AUC (Gao & Zhou 2015, used for links by Wang et al. 2021, "PLNLP")."""
    if kind == "auc":
        return (1 - linked + unlinked).square().mean()
    return -F.logsigmoid(linked).mean() - F.logsigmoid(-unlinked).mean()


def negatives(split: Links, links: Tensor, generator: torch.Generator) -> Tensor:
    """As many pairs that are no training links as there are `links`, numbers of training links:
    any pairs, or where links are ranked among targets other targets of the same sources."""
    if isinstance(split, LinkSplit):
        return split.unlinked.sample(len(links), generator)
    source = split.train[0, links]
    return torch.stack([source, split.unlinked.draw(source, 1, generator).view(-1)])


def scores(dataset: str, split: Links, of_val: OfPairs, of_test: OfPairs) -> tuple[float, float]:
    """On validation and test."""
    if isinstance(split, LinkSplit):
        val, test = of_val(split.val_negative), of_test(split.test_negative)
    else:
        val = _of_targets(of_val, split.val[0], split.val_targets)
        test = _of_targets(of_test, split.test[0], split.test_targets)
    return _score(dataset, of_val(split.val), val), _score(dataset, of_test(split.test), test)


def _of_targets(of: OfPairs, source: Tensor, targets: Tensor) -> Tensor:
    """``[n, m]``, some rows of the targets at a time."""
    rows = max(1, AT_ONCE // targets.size(1))
    parts = zip(source.split(rows), targets.split(rows), strict=True)
    return torch.cat([of(_pairs(some, each)).view_as(each) for some, each in parts])


def _pairs(source: Tensor, targets: Tensor) -> Tensor:
    return torch.stack([source.unsqueeze(1).expand_as(targets), targets]).flatten(1)


def _score(dataset: str, linked: Tensor, unlinked: Tensor) -> float:
    """Negatives ``[m]`` are the same for all links, ``[n, m]`` for each its own."""
    linked = linked if unlinked.dim() == 1 else linked.unsqueeze(1)
    target = torch.cat([torch.ones_like(linked), torch.zeros_like(unlinked)], dim=-1)
    return score_of(dataset, torch.cat([linked, unlinked], dim=-1), target)


def trained(
    dataset: str, model: LinkPredictor, split: Links, seed: int, options: argparse.Namespace,
    graph: Graph, later: Graph,
) -> tuple[float, float, nn.Module]:  # fmt: skip
    """Messages pass along `graph`, along `later` when test links are scored."""
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    generator = torch.Generator().manual_seed(seed)

    def learn() -> Iterator[None]:
        for links in torch.randperm(split.train.size(1)).split(AT_ONCE):
            optimizer.zero_grad()
            codes = model.codes(graph)
            unlinked = negatives(split, links, generator)
            linked = model(codes, split.train[:, links])
            loss_of(options.loss, linked, model(codes, unlinked)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            yield

    def of(codes: Tensor, pairs: Tensor) -> Tensor:
        return torch.cat([model(codes, part) for part in pairs.split(AT_ONCE, dim=1)])

    def found() -> tuple[float, float]:
        codes = model.codes(graph)
        further = codes if later is graph else model.codes(later)
        return scores(dataset, split, partial(of, codes), partial(of, further))

    steps = -(-split.train.size(1) // AT_ONCE)
    return best_epoch(model, learn, found, options, f"{options.model}, seed {seed}", steps)


def add_link_options(
    parser: argparse.ArgumentParser, *, epochs: int, lr: float, dropout: float = 0.0, every: int = 1
) -> None:
    parser.add_argument("model", choices=[*ENCODERS, *HEURISTICS])
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--every", type=int, default=every, help="epochs to an evaluation")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=dropout)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--loss", choices=["cross-entropy", "auc"], default="cross-entropy")
    add_options(parser)


def run_links(
    dataset: str, split: Links, layers: int, options: argparse.Namespace,
    graph: Graph, later: Graph | None = None, **further: Any,
) -> None:  # fmt: skip
    """The seeds of a model, or the one run of a heuristic; see `trained`. `further` settings are
    said with those of the model."""
    later = graph if later is None else later

    def run(seed: int) -> tuple[float, float, nn.Module]:
        if options.model in HEURISTICS:
            of = HEURISTICS[options.model]
            found = scores(dataset, split, partial(of, graph), partial(of, later))
            return (*found, nn.Module())
        torch.manual_seed(seed)
        model = LinkPredictor(options.model, graph, layers, options.channels, options.dropout)
        return trained(dataset, model.to(options.device), split, seed, options, graph, later)

    settings = {name: getattr(options, name) for name in SETTINGS}
    if options.model in HEURISTICS:
        settings, options.seeds = {}, 1
    run_seeds(dataset, options.model, settings | further, run, options)
