"""ogbl-ddi: which drugs interact, by learnt embeddings of nodes; Hits@20.

    python benchmarks/ogb/ogbl_ddi.py sage --seeds 10 --csv benchmarks/results/ogb.csv
    python benchmarks/ogb/ogbl_ddi.py common-neighbours

Models: ``gcn`` and ``sage``, two layers on a learnt embedding of every node and a perceptron on the
product of two nodes' codes, as in the benchmark's own examples, with as many parameters; and what
needs no learning, ``common-neighbours``, ``adamic-adar``, ``resource-allocation``. Messages pass
along all training links, those that a batch predicts among them, as in the examples. The epoch
with the best validation score is tested, once. An epoch is a pass over all links, and takes some
minutes on one core, most of it in layers that all 2.1 million messages pass.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import torch
import torch.nn.functional as F
from leaderboard import add_options, run_seeds
from rich.progress import Progress
from torch import Tensor, nn

from graphkit import runtime
from graphkit.data import load
from graphkit.data.links import LinkSplit
from graphkit.metrics import hits_at
from graphkit.nn import GCN, MLP, GraphSAGE
from graphkit.tasks import heuristics

HEURISTICS = {
    "common-neighbours": heuristics.common_neighbours,
    "adamic-adar": heuristics.adamic_adar,
    "resource-allocation": heuristics.resource_allocation,
}
ENCODERS = {"gcn": GCN, "sage": GraphSAGE}
AT_ONCE = 65_536  # pairs that are scored together


class LinkPredictor(nn.Module):
    def __init__(self, model: str, nodes: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(nodes, channels)
        nn.init.xavier_uniform_(self.embedding.weight)
        self.encoder = ENCODERS[model](channels, channels, 2, channels, dropout=dropout)
        self.predict = MLP([channels, channels, 1], dropout=dropout, norm=None)

    def codes(self, graph: Any) -> Tensor:
        return self.encoder(self.embedding.weight, graph)

    def forward(self, codes: Tensor, pairs: Tensor) -> Tensor:
        first, second = (codes.index_select(0, ends) for ends in pairs)
        return self.predict(first * second).squeeze(1)


def loss_of(kind: str, linked: Tensor, unlinked: Tensor) -> Tensor:
    """Cross-entropy, or the square by which a link fails to score 1 above a pair that is none: a
    bound on 1 - AUC (Gao & Zhou 2015, used for links by Wang et al. 2021, "PLNLP")."""
    if kind == "auc":
        return (1 - linked + unlinked).square().mean()
    return -F.logsigmoid(linked).mean() - F.logsigmoid(-unlinked).mean()


def score(positive: Tensor, negative: Tensor) -> float:
    return hits_at(20, positive, negative)


@torch.no_grad()
def scores(model: LinkPredictor, split: LinkSplit) -> tuple[float, float]:
    """On validation and test."""
    model.eval()
    codes = model.codes(split.graph)

    def of(pairs: Tensor) -> Tensor:
        return torch.cat([model(codes, part) for part in pairs.split(AT_ONCE, dim=1)])

    return (
        score(of(split.val), of(split.val_negative)),
        score(of(split.test), of(split.test_negative)),
    )


def trained(
    name: str, split: LinkSplit, seed: int, options: argparse.Namespace
) -> tuple[float, float, nn.Module]:
    torch.manual_seed(seed)
    nodes = split.graph.num_nodes
    model = LinkPredictor(name, nodes, options.channels, options.dropout).to(split.graph.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    generator = torch.Generator().manual_seed(seed)
    best: tuple[float, float] = (-1.0, 0.0)
    kept: dict[str, Tensor] = {}
    batches = -(-split.train.size(1) // AT_ONCE)
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{name}, seed {seed}", total=options.epochs * batches)
        for epoch in range(1, options.epochs + 1):
            model.train()
            for links in torch.randperm(split.train.size(1)).split(AT_ONCE):
                optimizer.zero_grad()
                codes = model.codes(split.graph)
                unlinked = split.unlinked.sample(len(links), generator)
                linked = model(codes, split.train[:, links])
                loss = loss_of(options.loss, linked, model(codes, unlinked))
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                progress.advance(bar)
            if epoch % options.every == 0 or epoch == options.epochs:
                found = scores(model, split)
                if found[0] > best[0]:
                    best, kept = found, copy.deepcopy(model.state_dict())
                progress.console.print(f"  {epoch}: validation {100 * found[0]:.2f}")
    model.load_state_dict(kept)
    return (*best, model)


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbl-ddi, Hits@20")
    parser.add_argument("model", choices=[*ENCODERS, *HEURISTICS])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--every", type=int, default=5, help="epochs to an evaluation")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--loss", choices=["cross-entropy", "auc"], default="cross-entropy")
    add_options(parser)
    options = parser.parse_args()
    runtime.keep_memory()
    if options.device != "cpu":
        torch.set_float32_matmul_precision("high")  # TF32
    split = load("ogbl-ddi").further["links"].to(options.device)
    if options.model in HEURISTICS:
        of = HEURISTICS[options.model]
        val, test = (
            score(of(split.graph, linked), of(split.graph, unlinked))
            for linked, unlinked in (
                (split.val, split.val_negative),
                (split.test, split.test_negative),
            )
        )
        options.seeds = 1
        run_seeds("ogbl-ddi", options.model, {}, lambda seed: (val, test, nn.Module()), options)
        return
    names = ("epochs", "channels", "dropout", "lr", "loss")
    settings = {name: getattr(options, name) for name in names}
    run_seeds(
        "ogbl-ddi",
        options.model,
        settings,
        lambda seed: trained(options.model, split, seed, options),
        options,
    )


if __name__ == "__main__":
    main()
