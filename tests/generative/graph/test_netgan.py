"""NetGAN: walks, their gradients, the penalty without one-hot rows, and graphs made of counts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import networkx
import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from graphkit.convert import from_networkx
from graphkit.generative import (
    load_generator,
    sample,
    save_generator,
    train_discriminator,
    train_generator,
)
from graphkit.generative.graph import (
    NetGAN,
    Relaxed,
    WalkBatches,
    WalkCritic,
    WalkGenerator,
    assemble,
    train_netgan,
    walk_counts,
)
from graphkit.generative.graph.netgan import one_hot_penalty
from graphkit.generative.objectives import gradient_penalty
from graphkit.graph import Graph

N = 20


def communities() -> Graph:
    """Two communities of ten nodes."""
    return from_networkx(networkx.planted_partition_graph(2, 10, 0.6, 0.05, seed=0))


def relaxed(temperature: float = 1.0) -> Relaxed:
    return WalkGenerator(N, length=5).relaxed(torch.randn(7, 16), temperature)


def test_batches_are_walks_of_the_graph():
    torch.manual_seed(0)
    graph = communities()
    joined = set(map(tuple, graph.edge_index.T.tolist()))
    batches = list(WalkBatches(graph, batches=3, batch_size=6, length=9))
    assert len(batches) == 3
    for (walks,) in batches:
        assert walks.shape == (6, 9)
        steps = torch.stack([walks[:, :-1], walks[:, 1:]], dim=-1).flatten(0, 1)
        assert {tuple(step) for step in steps.tolist()} <= joined
    assert not torch.equal(batches[0][0], batches[1][0])


def test_walks_are_straight_through_one_hot_rows():
    torch.manual_seed(0)
    walks = relaxed()
    rows = walks.one_hot()
    assert walks.nodes.shape == (7, 5)
    assert rows.shape == (7, 5, N)
    assert torch.allclose(rows, torch.nn.functional.one_hot(walks.nodes, N).float(), atol=1e-6)
    for soft, node in zip(walks.soft, walks.nodes.unbind(1), strict=True):
        assert torch.allclose(soft.sum(1), torch.ones(7))
        assert torch.equal(soft.argmax(1), node)


def test_products_with_walks_are_those_with_one_hot_rows():
    torch.manual_seed(0)
    nodes = torch.randint(N, (3, 2))
    soft = [torch.rand(3, N, dtype=torch.double).requires_grad_() for _ in range(2)]
    weight = torch.randn(N, 4, dtype=torch.double, requires_grad=True)
    walks = Relaxed(nodes, tuple(soft))
    direction = torch.randn(3, 2, 4, dtype=torch.double)
    outcomes = []
    for product in (walks.times(weight), walks.one_hot() @ weight):
        gradients = torch.autograd.grad((product * direction).sum(), (*soft, weight))
        outcomes.append((product, *gradients))
    for mine, expected in zip(*outcomes, strict=True):
        assert torch.allclose(mine, expected)


def test_both_ways_to_walk_follow_the_same_distribution():
    torch.manual_seed(0)
    generator = WalkGenerator(4, length=3)
    noise = torch.randn(1, 16).expand(20_000, -1)
    with torch.no_grad():
        generator.up.weight *= 10
        walks = generator(noise), generator.relaxed(noise, 2.0).nodes
    places = torch.tensor([16, 4, 1])
    shares = [(nodes * places).sum(1).bincount(minlength=64) / 20_000 for nodes in walks]
    assert (shares[0] - shares[1]).abs().max() < 0.015
    assert shares[0].max() > 0.03  # far from all walks being as likely


def test_penalty_is_that_of_one_hot_walks():
    torch.manual_seed(0)
    critic = WalkCritic(N, hidden=6, down=5).double()
    real, fake = torch.randint(N, (2, 8, 4))
    outcomes = []
    torch.manual_seed(1)
    mine = one_hot_penalty(critic, critic.embed(real), critic.embed(fake))
    outcomes.append((mine, *torch.autograd.grad(mine, list(critic.parameters())[:-1])))

    def judge(rows: Tensor) -> Tensor:
        return critic(critic.embed(rows))

    rows = [torch.nn.functional.one_hot(nodes, N).double() for nodes in (real, fake)]
    torch.manual_seed(1)
    theirs = gradient_penalty(judge, *rows)
    outcomes.append((theirs, *torch.autograd.grad(theirs, list(critic.parameters())[:-1])))
    for found, expected in zip(*outcomes, strict=True):
        assert torch.allclose(found, expected, rtol=1e-9)


def test_critic_reads_nodes_and_one_hot_rows_alike():
    torch.manual_seed(0)
    critic = WalkCritic(N)
    nodes = torch.randint(N, (3, 6))
    rows = torch.nn.functional.one_hot(nodes, N).float()
    said = critic(critic.embed(nodes))
    assert said.shape == (3, 1)
    assert torch.allclose(said, critic(critic.embed(rows)), atol=1e-6)


def test_lstm_is_torchs():
    torch.manual_seed(0)
    critic = WalkCritic(N, hidden=6, down=5)
    nodes = torch.randint(N, (3, 7))
    reference = torch.nn.LSTM(5, 6, batch_first=True)
    own = critic.lstm
    order = torch.tensor([0, 1, 3, 2])  # torch has the candidate before the output gate
    state = {
        "weight_ih_l0": own.given.view(4, 6, 5)[order].flatten(0, 1),
        "weight_hh_l0": own.again.T.reshape(4, 6, 6)[order].flatten(0, 1),
        "bias_ih_l0": own.bias.view(4, 6)[order].flatten(),
        "bias_hh_l0": torch.zeros(24),
    }
    reference.load_state_dict(state)
    expected = critic.out(reference(critic.embed(nodes))[0][:, -1])
    assert torch.allclose(critic(critic.embed(nodes)), expected, atol=1e-6)


def test_each_player_learns_alone():
    torch.manual_seed(0)
    game = NetGAN(N, length=6)
    (batch,) = WalkBatches(communities(), batches=1, batch_size=16, length=6)
    of_generator, of_critic = game.optimizers()
    before = {name: value.clone() for name, value in game.state_dict().items()}

    def changed() -> set[str]:
        now = game.state_dict()
        return {name for name, value in before.items() if not torch.equal(value, now[name])}

    train_discriminator(game, batch, of_critic)
    first = changed()
    assert {name.split(".")[0] for name in first} == {"discriminator"}
    assert "discriminator.down" in first
    train_generator(game, batch, of_generator)
    second = changed() - first
    parts = {"up.weight", "up.bias", "down", "lstm.given", "lstm.again", "start.0.weight"}
    assert {f"generator.{part}" for part in parts} < second
    assert all(p.grad.abs().max() > 0 for p in game.generator.parameters() if p.grad is not None)
    assert "steps" in second


def test_temperature_falls_to_the_least():
    game = NetGAN(N, decay=0.5)
    assert game.temperature == 5.0
    game.steps += 2
    assert game.temperature == 1.25
    game.steps += 10
    assert game.temperature == 0.5


def test_a_saved_generator_walks_the_same(tmp_path: Path):
    torch.manual_seed(0)
    generator = WalkGenerator(N, length=5, hidden=8)
    save_generator(generator, tmp_path / "walks", num_nodes=N, length=5, hidden=8)
    loaded = load_generator(tmp_path / "walks", WalkGenerator)
    walks = []
    for one in (generator, loaded):
        torch.manual_seed(1)
        walks.append(sample(one, 300))
    assert walks[0].shape == (300, 5)
    assert torch.equal(*walks)


def test_counts_are_those_of_steps():
    game = NetGAN(N, length=4)
    torch.manual_seed(1)
    counts = walk_counts(game.generator, 30, part=7).toarray()
    torch.manual_seed(1)
    walks = torch.cat([sample(game.generator, 7), sample(game.generator, 3)])
    expected = np.zeros((N, N), dtype=int)
    for walk in walks.tolist():
        for a, b in pairwise(walk):
            expected[a, b] += 1
            expected[b, a] += 1
    assert (counts == expected).all()


def test_training_finds_the_edges():
    torch.manual_seed(0)
    graph = communities()
    game = NetGAN(N, length=4, temperature=2.0)
    optimizers = game.optimizers()
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 5e-3
    dense = csr_array((np.ones(graph.num_edges), tuple(graph.edge_index.numpy())), shape=(N, N))

    def on_edges() -> float:
        counts = walk_counts(game.generator, 20_000)
        return float((counts * dense).sum() / counts.sum())

    before = on_edges()
    for turn, batch in enumerate(WalkBatches(graph, batches=306, batch_size=64, length=4)):
        train_discriminator(game, batch, optimizers[1])
        if turn % 3 == 2:
            train_generator(game, batch, optimizers[0])
    assert before < 0.3
    assert on_edges() > 0.42


def judged(game: NetGAN) -> float:
    return float(game.generator.up.bias.detach().double().sum())


def test_training_goes_on_where_it_was_broken_off(tmp_path: Path):
    def state(limits: list[int], folder: Path | None) -> tuple[list[float], dict[str, Tensor]]:
        found: list[float] = []
        for limit in limits:
            torch.manual_seed(0)
            game = NetGAN(N, length=4)
            found = train_netgan(
                game, communities(), judged, every=2, limit=limit, batch_size=8, folder=folder
            )
        return found, game.state_dict()

    whole, broken = state([6], None), state([2, 6], tmp_path / "run")
    assert len(whole[0]) == 3
    assert whole[0] == broken[0]
    for name, value in whole[1].items():
        assert torch.equal(value, broken[1][name]), name


def test_training_stops_by_either_rule():
    told: list[tuple[int, float]] = []

    def train(values: list[float], **rule: float) -> tuple[list[float], int]:
        game, given, biases = NetGAN(N, length=4), iter(values), []

        def judge(game: NetGAN) -> float:
            biases.append(game.generator.up.bias.clone())
            return next(given)

        found = train_netgan(
            game, communities(), judge, every=1, batch_size=4, limit=len(values),
            on_judged=lambda *row: told.append(row), **rule,  # pyright: ignore
        )  # fmt: skip
        kept = [torch.equal(bias, game.generator.up.bias) for bias in biases]
        return found, kept.index(True)

    assert train([0.1, 0.3, 0.6, 0.7], enough=0.5) == ([0.1, 0.3, 0.6], 2)
    assert told == [(1, 0.1), (2, 0.3), (3, 0.6)]
    assert train([0.5, 0.7, 0.6, 0.65, 0.9], patience=2) == ([0.5, 0.7, 0.6, 0.65], 1)


def ring_and_chords() -> csr_array:
    """A count for every edge of a ring, lower ones for some chords, and loops."""
    counts = np.zeros((10, 10))
    for node in range(10):
        counts[node, (node + 1) % 10] = 50
        counts[node, (node + 3) % 10] = 2
        counts[node, node] = 1000
    return csr_array(counts + counts.T)


@pytest.mark.parametrize("edges", [10, 13, 20])
def test_assembled_graphs(edges: int):
    torch.manual_seed(0)
    counts = ring_and_chords()
    graph = assemble(counts, edges)
    assert graph.num_edges == 2 * edges
    assert graph.num_nodes == 10
    pairs = set(map(tuple, graph.edge_index.T.tolist()))
    assert len(pairs) == 2 * edges
    assert all((b, a) in pairs and a != b and counts[a, b] > 0 for a, b in pairs)
    assert graph.out_degree.min() > 0


def test_edges_are_drawn_in_proportion():
    # Two pairs have nearly all counts, so that they are the first edges of all four nodes.
    weights = [[0, 1e9, 1, 3], [0, 0, 0, 3], [0, 0, 0, 1e9], [0, 0, 0, 0]]
    torch.manual_seed(0)
    drawn = 0
    for _ in range(400):
        ends = assemble(csr_array(np.array(weights)), 4).edge_index.T.tolist()
        assert [0, 1] in ends
        assert [2, 3] in ends
        drawn += [0, 2] in ends
    # Of the weights 1, 3 and 3 two are drawn: the first is among them with 1/7 + 2 (3/7) (1/4).
    assert drawn / 400 == pytest.approx(1 / 7 + 6 / 28, abs=0.08)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="num_nodes: expected at least 2, got 1"):
        WalkGenerator(1)
    with pytest.raises(ValueError, match="transitions: expected at least 1, got 0"):
        walk_counts(WalkGenerator(N), 0)
    with pytest.raises(ValueError, match="counts: expected a square matrix"):
        assemble(csr_array((2, 3)), 1)
    with pytest.raises(ValueError, match="counts: expected at least 21 pairs with a count, got 20"):
        assemble(ring_and_chords(), 21)
    with pytest.raises(ValueError, match="counts: expected finite numbers of at least 0"):
        assemble(csr_array(np.array([[0, -1], [2, 0]])) - csr_array(np.array([[0, 9], [0, 0]])), 1)
    with pytest.raises(ValueError, match="expected at least one for each of 10 nodes, got 9"):
        assemble(ring_and_chords(), 9)
    with pytest.raises(ValueError, match="patience, every, limit: expected at least 1"):
        train_netgan(NetGAN(N), communities(), judged, every=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_steps_are_replayed_on_a_gpu():
    torch.manual_seed(0)
    graph = communities()
    game = NetGAN(graph.num_nodes, length=4).to("cuda")
    before = {name: value.clone() for name, value in game.state_dict().items()}
    found = train_netgan(game, graph, lambda game: float(game.steps), every=20, limit=40)
    assert len(found) == 2
    assert found[1] >= 40  # what warms up is played, too
    after = game.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert set(changed) == set(before)
    assert all(value.isfinite().all() for value in after.values())
