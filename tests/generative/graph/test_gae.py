"""Graph autoencoders on Cora, with layers of a user's own, against a dense computation and PyG."""

from __future__ import annotations

import os
import subprocess
import sys
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
from graphkit.generative.graph import (
    DistMult,
    Links,
    MLPDecoder,
    Products,
    draw_links,
    gae,
    link_error,
    vgae,
)
from graphkit.generative.graph.gae import _AT_A_TIME
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
        model.loss(x, split.graph, target=draw_links(split, generator)).backward()
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


@pytest.mark.slow
def test_the_example_finds_links_and_clusters_and_draws(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, str(root / "docs/examples/graph_autoencoder.py"), "codes.png"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    link, clusters = done.stdout.splitlines()
    assert float(link.split()[-1]) > 0.94
    assert float(clusters.split("accuracy ")[1].split(",")[0]) > 0.7
    assert (tmp_path / "codes.png").read_bytes().startswith(b"\x89PNG")


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
            batch = graph.x, split.graph, draw_links(split, generator)
            train_discriminator(game, batch, second)
            train_generator(game, batch, first)
    else:
        train(model, graph.x, split, 60)
    assert auc(model, graph.x, split) > 0.7


def dense(graph: Graph) -> Tensor:
    found = torch.eye(graph.num_nodes, dtype=torch.double)
    found[graph.edge_index[0], graph.edge_index[1]] = 1
    return found


def test_a_step_s_pairs_are_the_entries_of_the_matrix_with_its_diagonal() -> None:
    split = split_links(communities(), 0.05, 0.15, seed=0)
    wanted = dense(split.graph)
    found = draw_links(split, torch.Generator().manual_seed(0))
    counts = torch.zeros(100, 100, dtype=torch.double)
    counts.index_put_(tuple(found.positive), torch.ones(()).double(), accumulate=True)
    assert torch.equal(counts, wanted)  # every one, once
    assert found.negative.shape == found.positive.shape
    assert not wanted[tuple(found.negative)].any()
    assert 0.4 < (found.negative[0] < found.negative[1]).double().mean() < 0.6


def test_of_a_directed_graph_a_step_s_pairs_have_their_direction() -> None:
    split = split_links(around(), 0.05, 0.15, seed=0)
    found = draw_links(split, torch.Generator().manual_seed(0))
    wanted = dense(split.graph)
    assert found.positive.size(1) == split.train.size(1) + 80
    assert wanted[tuple(found.positive)].all()
    assert not wanted[tuple(found.negative)].any()


def test_the_error_is_twice_the_weighted_one_of_the_whole_matrix() -> None:
    """If the negatives are all pairs that are not linked: Kipf & Welling's norm and weight."""
    graph, code = communities(), torch.randn(100, 3, dtype=torch.double)
    target = dense(graph)
    pairs = Links(target.nonzero().t(), (target == 0).nonzero().t())
    found = link_error(gae(nn.Identity()).decoder(code), pairs)
    n, others = target.numel(), target.numel() - target.sum()
    loss = F.binary_cross_entropy_with_logits(
        code @ code.t(), target, pos_weight=others / target.sum()
    )
    torch.testing.assert_close(found, 2 * (n / (2 * others)) * loss)


@pytest.mark.parametrize("directed", [False, True])
def test_all_pairs_count_without_being_listed(
    directed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_AT_A_TIME, "cpu", 700)  # seven rows at a time
    graph, code = communities(), torch.randn(100, 3, dtype=torch.double, requires_grad=True)
    split = split_links(graph, 0.05, 0.15, seed=0)
    links = draw_links(split, torch.Generator().manual_seed(0))
    assert links.whole
    torch.manual_seed(0)
    decoder = DistMult(3, directed=True).double() if directed else gae(nn.Identity()).decoder
    wanted = dense(split.graph)
    listed = Links(wanted.nonzero().t(), (wanted == 0).nonzero().t())

    def error(pairs: Links) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        found = link_error(decoder(code), pairs)
        return found, torch.autograd.grad(found, [code, *decoder.parameters()])

    torch.testing.assert_close(error(links), error(listed), rtol=1e-10, atol=1e-12)


def test_the_sum_over_all_pairs_has_the_gradient_of_its_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(_AT_A_TIME, "cpu", 12)  # two rows at a time
    a, b = (torch.randn(5, 2, dtype=torch.double, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a: Products(a, a).sum_of_softplus(), a)
    assert torch.autograd.gradcheck(lambda a, b: Products(a, b).sum_of_softplus(), (a, b))


def test_pairs_are_drawn_in_a_large_graph_and_for_a_decoder_that_cannot_add_up() -> None:
    split = split_links(communities(), 0.05, 0.15, seed=0)
    large = draw_links(split, torch.Generator().manual_seed(0), whole_up_to=99)
    small = draw_links(split, torch.Generator().manual_seed(0), whole_up_to=100)
    assert (large.whole, small.whole) == (False, True)
    assert torch.equal(large.negative, small.negative)
    scores = MLPDecoder(4)(torch.randn(100, 4))
    assert link_error(scores, large) == link_error(scores, small)


def test_losses_are_those_of_pyg() -> None:
    pyg = pytest.importorskip("torch_geometric.nn")
    graph = communities()
    split = split_links(graph, 0.05, 0.15, seed=0)
    pairs = draw_links(split, torch.Generator().manual_seed(0), whole_up_to=0)
    torch.manual_seed(0)
    encoder = Encoder(4, 16).double()
    x = graph.x.double()
    mean, log_variance = encoder(x, split.graph).chunk(2, dim=-1)

    theirs = pyg.GAE(nn.Identity())
    recon = theirs.recon_loss(mean, pairs.positive, pairs.negative)
    torch.testing.assert_close(link_error(gae(encoder).decoder(mean), pairs), recon)

    ours = vgae(encoder, 100).eval()  # the code is the mean
    theirs = pyg.VGAE(nn.Identity())
    whole = recon + 2 / 100 * theirs.kl_loss(mean, log_variance / 2)
    torch.testing.assert_close(ours.loss(x, split.graph, target=pairs), whole)

    judge = nn.Linear(8, 1).double()
    game = CodeAdversary(ours, judge, prior=torch.ones_like, targets=True)
    theirs = pyg.ARGVA(nn.Identity(), judge)
    batch = x, split.graph, pairs
    torch.testing.assert_close(game.generator_loss(batch), whole + theirs.reg_loss(mean))
    real = -torch.log(torch.sigmoid(judge(torch.ones_like(mean)))).mean()
    fake = -torch.log(1 - torch.sigmoid(judge(mean))).mean()
    torch.testing.assert_close(game.discriminator_loss(batch), real + fake)


def test_the_perceptron_s_logit_is_of_the_product() -> None:
    torch.manual_seed(0)
    decoder, code = MLPDecoder(3, 4).double(), torch.randn(5, 3, dtype=torch.double)
    first, _, last = decoder.layers
    for i, j in ((0, 3), (2, 2)):
        hidden = (first.weight @ (code[i] * code[j]) + first.bias).clamp(min=0)
        found = decoder(code)(torch.tensor([[i], [j]]))
        torch.testing.assert_close(found, last.weight @ hidden + last.bias)


@pytest.mark.parametrize("make", [lambda: None, lambda: DistMult(8), lambda: MLPDecoder(8)])
def test_decoders_without_a_direction(make) -> None:
    decoder = gae(nn.Identity(), make()).decoder
    code, pairs = torch.randn(5, 8), torch.tensor([[0, 1, 2], [3, 4, 0]])
    torch.testing.assert_close(decoder(code)(pairs), decoder(code)(pairs.flip(0)))


def around() -> Graph:
    """Four groups of 20 nodes; links lead from each to the next, and from the last to the first."""
    group = torch.arange(80) // 20
    follows = (group[None, :] - group[:, None]) % 4 == 1
    joined = follows & (torch.rand(80, 80, generator=torch.Generator().manual_seed(0)) < 0.4)
    return Graph(joined.nonzero().t(), num_nodes=80, x=torch.eye(80))


def test_the_direction_of_links_that_were_taken_out_is_found() -> None:
    graph = around()
    split = split_links(graph, 0.05, 0.15, seed=0)
    right = {}
    for directed in (False, True):
        torch.manual_seed(0)
        model = gae(Encoder(80, 8), DistMult(8, directed=directed))
        train(model, graph.x, split, 150)
        model.eval()
        with torch.no_grad():
            scores = model.decoder(model.encode(graph.x, split.graph))
            ahead, back = scores(split.test), scores(split.test.flip(0))
        right[directed] = (ahead > back).float().mean().item()
    assert right[True] > 0.95
    assert right[False] < 0.6  # both ways are one to it


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
