"""GraphGAN: the graph softmax against a product along networkx's trees, and both players' steps."""

from __future__ import annotations

import math

import networkx
import pytest
import torch
from torch import Tensor

from graphkit.convert import from_networkx
from graphkit.generative import train_discriminator, train_generator
from graphkit.generative.graph import GraphGAN, NeighbourBatches, Trees
from graphkit.graph import Graph


def network() -> networkx.Graph:
    """A random graph, a path apart from it, and a node alone."""
    found = networkx.gnp_random_graph(12, 0.3, seed=1)
    assert networkx.is_connected(found)
    networkx.add_path(found, [12, 13, 14])
    found.add_node(15)
    return found


def game(embedding: Tensor | None = None, samples: int = 20) -> GraphGAN:
    graph = from_networkx(network())
    initial = torch.randn(16, 4) if embedding is None else embedding
    return GraphGAN(graph, initial, samples=samples)


def by_hand(g: Tensor, parent: list[int], root: int) -> Tensor:
    """Equations 6 and 7 of the paper, node by node."""
    around: dict[int, list[int]] = {v: [] for v in range(len(parent))}
    for v, p in enumerate(parent):
        if p >= 0:
            around[v].append(p)
            around[p].append(v)

    def chance(to: int, at: int) -> float:
        scores = {v: math.exp(float(g[v] @ g[at])) for v in around[at]}
        return scores[to] / sum(scores.values())

    found = torch.zeros(len(parent), dtype=torch.double)
    for v, p in enumerate(parent):
        if p < 0:
            continue
        product, node = chance(p, v), v
        while node != root:
            product *= chance(node, parent[node])
            node = parent[node]
        found[v] = product
    return found


def test_trees_are_breadth_first():
    trees, net = Trees(from_networkx(network())), network()
    roots = torch.tensor([0, 5, 13, 15])
    for root, parent in zip(roots.tolist(), trees.parents(roots).tolist(), strict=True):
        far = networkx.single_source_shortest_path_length(net, root)
        for v, p in enumerate(parent):
            if v == root or v not in far:
                assert p == -1
            else:
                assert net.has_edge(v, p)
                assert far[p] == far[v] - 1


@pytest.mark.parametrize("root", [0, 7, 13])
def test_graph_softmax_by_hand(root: int):
    torch.manual_seed(0)
    generator = game().double().generator
    parent = generator.trees.parents(torch.tensor([root]))[0].tolist()
    expected = by_hand(generator.embedding.detach(), parent, root)
    assert torch.allclose(generator.distribution(root), expected)


def test_graph_softmax_adds_up_to_one():
    torch.manual_seed(0)
    generator = game().double().generator
    for root in range(15):
        found = generator.distribution(root)
        reached = [v in networkx.node_connected_component(network(), root) for v in range(16)]
        reached[root] = False
        assert found.sum().item() == pytest.approx(1)
        assert ((found > 0) == torch.tensor(reached)).all()
    assert generator.distribution(15).sum() == 0


def test_graph_softmax_falls_with_distance():
    line = from_networkx(networkx.path_graph(6))
    found = GraphGAN(line, torch.ones(6, 3)).generator.distribution(0)
    # Down or back at each node are as likely; at the end there is no way but back.
    assert found.tolist() == pytest.approx([0, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16])


def test_walks_follow_the_graph_softmax():
    torch.manual_seed(0)
    generator = game().generator
    roots, tree = torch.tensor([2, 13]), torch.arange(2).repeat_interleave(20_000)
    paths = generator.walk(roots, tree)
    for number, root in enumerate(roots.tolist()):
        share = paths.end[tree == number].bincount(minlength=16) / 20_000
        assert torch.allclose(share, generator.distribution(root), atol=0.015)
    some = torch.arange(0, 40_000, 997)
    log = generator.log_probability(roots, paths)[some]
    expected = torch.stack([generator.distribution(int(r)) for r in roots])
    assert torch.allclose(log.exp(), expected[tree[some], paths.end[some]], rtol=1e-4)


def test_policy_gradient_is_that_of_the_expectation():
    torch.manual_seed(0)
    played = game(samples=20_000)
    root = torch.tensor([4])
    played.generator_loss((root, root)).backward()
    found = played.generator.embedding.grad
    # The expectation itself, as a sum over all nodes.
    generator, embedding = played.generator, played.generator.embedding
    parent = generator.trees.parents(root)[0].tolist()
    path: dict[int, Tensor] = {}
    around = {v: [u for u in range(16) if parent[u] == v or parent[v] == u] for v in range(16)}

    def log_chance(to: int, at: int) -> Tensor:
        scores = embedding[around[at]] @ embedding[at]
        return embedding[to] @ embedding[at] - scores.logsumexp(0)

    total = torch.zeros(())
    said = played.discriminator.embedding.detach()
    for v in range(16):
        if parent[v] < 0:
            continue
        path[v], node = log_chance(parent[v], v), v
        while node != 4:
            path[v] = path[v] + log_chance(node, parent[node])
            node = parent[node]
        cost = -torch.nn.functional.softplus(said[4] @ said[v])
        total = total + path[v].exp() * cost
    (expected,) = torch.autograd.grad(total, embedding)
    assert found is not None
    assert (found - expected).norm() < 0.15 * expected.norm()


def test_each_player_learns_alone():
    torch.manual_seed(0)
    played = game()
    before = {name: value.clone() for name, value in played.state_dict().items()}
    (batch,) = NeighbourBatches(from_networkx(network()), batches=1, roots=6, neighbours=4)
    joined = network()
    assert all(joined.has_edge(a, b) for a, b in zip(*(p.tolist() for p in batch), strict=True))
    train_discriminator(played, batch, torch.optim.SGD(played.discriminator.parameters(), 0.1))
    after = played.state_dict()
    assert torch.equal(after["generator.embedding"], before["generator.embedding"])
    assert not torch.equal(after["discriminator.embedding"], before["discriminator.embedding"])
    train_generator(played, batch, torch.optim.SGD(played.generator.parameters(), 0.1))
    assert not torch.equal(played.generator.embedding, before["generator.embedding"])


def test_generator_learns_the_discriminators_taste():
    """The discriminator likes nodes of a root's own clique; the graph joins two cliques."""
    torch.manual_seed(0)
    graph = from_networkx(networkx.barbell_graph(6, 0))
    played = GraphGAN(graph, torch.zeros(12, 4))
    side = torch.ones(12, 4)
    side[6:] = -1
    with torch.no_grad():
        played.discriminator.embedding.copy_(side)
        played.generator.embedding.add_(0.1 * torch.randn(12, 4))
    optimizer = torch.optim.Adam(played.generator.parameters(), 0.05)
    before = played.generator.distribution(5)[:6].sum()
    for batch in NeighbourBatches(graph, batches=60, roots=12, neighbours=1):
        train_generator(played, batch, optimizer)
    assert played.generator.distribution(5)[:6].sum() > max(0.95, float(before))


def test_one_seed_one_result():
    def losses() -> list[float]:
        torch.manual_seed(1)
        played = game()
        optimizers = [torch.optim.Adam(p.parameters()) for p in played.children()]
        found: list[float] = []
        for batch in NeighbourBatches(from_networkx(network()), batches=2, roots=5):
            found.append(train_discriminator(played, batch, optimizers[1]))
            found.append(train_generator(played, batch, optimizers[0]))
        return found

    assert losses() == losses()


def test_what_does_not_fit():
    directed = Graph(torch.tensor([[0, 1], [1, 2]]))
    with pytest.raises(ValueError, match="graph: expected an undirected graph"):
        Trees(directed)
    with pytest.raises(ValueError, match="initial: expected a row for each of 16 nodes"):
        game(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="samples: expected at least 2"):
        game(samples=1)
    with pytest.raises(ValueError, match="roots: expected nodes with an edge, got 15"):
        game().generator.walk(torch.tensor([15]), torch.tensor([0]))
    with pytest.raises(ValueError, match="graph: expected at least one edge"):
        NeighbourBatches(Graph(torch.empty(2, 0, dtype=torch.long), 3), batches=1)
