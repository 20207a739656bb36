"""Graph autoencoders on Cora, with layers of a user's own, and against a dense computation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from graphkit import Graph
from graphkit.data import load
from graphkit.data.links import LinkSplit, split_links
from graphkit.generative import Autoencoder, CodeAdversary, train_discriminator, train_generator
from graphkit.generative.graph import DistMult, Links, gae, link_error, vgae
from graphkit.nn import GCNConv, MessagePassing


class Encoder(nn.Module):
    """Two graph convolutions, as in the paper."""

    def __init__(self, features: int, out: int, layer: type[nn.Module] = GCNConv) -> None:
        super().__init__()
        self.first, self.second = layer(features, 32), layer(32, out)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.second(self.first(x, graph).relu(), graph)


class Own(MessagePassing):
    """A layer that a user writes."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__(aggr="mean")
        self.lin = nn.Linear(2 * i, o)

    def forward(self, x: Tensor, edge_index: Graph) -> Tensor:
        return self.propagate(edge_index, x=x) + self.lin(torch.cat([x, x], -1))

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return self.lin(torch.cat([x_j, x_j - x_i], dim=-1))


def links(split: LinkSplit, generator: torch.Generator) -> Links:
    return Links(split.train, split.unlinked.draw(split.train.size(1), generator))


def auc(model: Autoencoder, x: Tensor, split: LinkSplit) -> float:
    model.eval()
    with torch.no_grad():
        scores = model.decode(model.encode(x, split.graph))
        found = torch.cat([scores(split.test), scores(split.test_negative)])
    target = torch.zeros(len(found))
    target[: split.test.size(1)] = 1
    return float(roc_auc_score(target, found))


def train(model: Autoencoder, x: Tensor, split: LinkSplit, epochs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(epochs):
        optimizer.zero_grad()
        model.loss(x, split.graph, target=links(split, generator)).backward()
        optimizer.step()


def communities(seed: int = 0) -> Graph:
    """Four groups of 25 nodes, joined within more than between, told by noisy features."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(100) // 25
    share = torch.where(group[:, None] == group, 0.3, 0.02)
    joined = (torch.rand(100, 100, generator=generator) < share).triu(1)
    edges = torch.cat([joined.nonzero().t(), joined.nonzero().t().flip(0)], dim=1)
    x = F.one_hot(group, 4).float() + 0.5 * torch.randn(100, 4, generator=generator)
    return Graph(edges, num_nodes=100, x=x, undirected=True)


def test_cora_s_links_are_found(data_root: Path) -> None:
    graph = load("cora", folder=data_root).graph
    split = split_links(graph, 0.05, 0.10, seed=0)
    torch.manual_seed(0)
    model = gae(Encoder(graph.x.size(1), 16))
    train(model, graph.x, split, 60)
    assert auc(model, graph.x, split) > 0.88


@pytest.mark.parametrize("layer", [GCNConv, Own])
@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("adversary", [False, True])
def test_any_layer_codes_for_any_of_them(
    layer: type[nn.Module], variational: bool, adversary: bool
) -> None:
    graph = communities()
    split = split_links(graph, 0.05, 0.15, seed=0)
    torch.manual_seed(0)
    encoder = Encoder(4, 16 if variational else 8, layer)
    model = vgae(encoder, 100) if variational else gae(encoder)
    if adversary:
        judge = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
        game = CodeAdversary(model, judge, targets=True, weight=0.2)
        first = torch.optim.Adam(model.parameters(), lr=0.01)
        second = torch.optim.Adam(judge.parameters(), lr=0.001)
        generator = torch.Generator().manual_seed(0)
        for _ in range(60):
            batch = graph.x, split.graph, links(split, generator)
            train_discriminator(game, batch, second)
            train_generator(game, batch, first)
    else:
        train(model, graph.x, split, 60)
    assert auc(model, graph.x, split) > 0.7


def test_the_error_is_the_weighted_one_of_the_whole_matrix() -> None:
    """If the negatives are all pairs that are not linked."""
    graph = communities()
    code = torch.randn(100, 3, dtype=torch.double)
    dense = torch.zeros(100, 100, dtype=torch.double)
    dense[graph.edge_index[0], graph.edge_index[1]] = 1
    pairs = Links(dense.nonzero().t(), (dense == 0).nonzero().t())
    found = link_error(gae(nn.Identity()).decoder(code), pairs)
    weight = (dense.numel() - dense.sum()) / dense.sum()
    whole = F.binary_cross_entropy_with_logits(code @ code.t(), dense, pos_weight=weight)
    torch.testing.assert_close(found, whole * dense.numel() / (dense == 0).sum())


def test_directions_are_told_apart_where_that_is_asked_for() -> None:
    code, pairs = torch.randn(5, 3), torch.tensor([[0, 1, 2], [3, 4, 0]])
    for decoder in (gae(nn.Identity()).decoder, DistMult(3)):
        torch.testing.assert_close(decoder(code)(pairs), decoder(code)(pairs.flip(0)))
    directed = DistMult(3, directed=True)
    assert not torch.allclose(directed(code)(pairs), directed(code)(pairs.flip(0)))


def test_codes_move_with_their_nodes() -> None:
    graph = communities()
    model = gae(Encoder(4, 8)).double()
    order = torch.randperm(100)
    place = order.argsort()
    other = Graph(place[graph.edge_index], num_nodes=100)
    code = model.encode(graph.x.double(), graph)
    torch.testing.assert_close(model.encode(graph.x.double()[order], other), code[order])


def test_a_graph_without_edges_has_codes_and_nothing_to_learn_from() -> None:
    graph = Graph(torch.empty(2, 0, dtype=torch.long), num_nodes=3)
    model, x = gae(Encoder(4, 8)), torch.randn(3, 4)
    assert model.encode(x, graph).shape == (3, 8)
    with pytest.raises(ValueError, match="positive: expected at least one pair, got none"):
        model.loss(x, graph, target=Links(graph.edge_index, torch.tensor([[0], [1]])))
    with pytest.raises(ValueError, match=r"negative: expected pairs of shape \[2, n\], int64, got"):
        model.loss(x, graph, target=Links(torch.tensor([[0], [1]]), torch.zeros(3, 2)))
