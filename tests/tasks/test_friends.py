"""Recommendation of friends, beside counting common neighbours."""

from collections.abc import Callable
from typing import Any

import networkx
import pytest
import torch
from torch import Tensor, nn

from graphkit.data import Dataset, les_miserables, split_links
from graphkit.graph import Graph
from graphkit.metrics import METRICS
from graphkit.nn import Dropout, GraphSAGE, Linear
from graphkit.tasks import (
    FriendModel,
    FriendTask,
    adamic_adar,
    common_neighbours,
    resource_allocation,
)
from graphkit.train import fit


@pytest.fixture(scope="module")
def novel() -> Dataset:
    graph = les_miserables()
    return Dataset(
        name="novel",
        title="Novel",
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph.replace(x=torch.eye(graph.num_nodes), edge_weight=None)],
        num_outputs=1,
        splits=[],
        split_name="none",
    )


def test_counts_agree_with_networkx():
    graph, network = les_miserables(), networkx.les_miserables_graph()
    number = {name: node for node, name in enumerate(graph.name)}
    network = networkx.relabel_nodes(network, number)
    pairs = torch.randint(77, (2, 200), generator=torch.Generator().manual_seed(0))
    pairs = pairs[:, pairs[0] != pairs[1]]
    asked = [tuple(pair) for pair in pairs.T.tolist()]
    common = [len(list(networkx.common_neighbors(network, a, b))) for a, b in asked]
    assert common_neighbours(graph, pairs).tolist() == common
    scores = [score for _, _, score in networkx.adamic_adar_index(network, asked)]
    torch.testing.assert_close(adamic_adar(graph, pairs), torch.tensor(scores))
    scores = [score for _, _, score in networkx.resource_allocation_index(network, asked)]
    torch.testing.assert_close(resource_allocation(graph, pairs), torch.tensor(scores))


def test_duplicated_edges_count_once():
    ends = torch.tensor([[0, 1, 1, 2, 0, 1], [1, 0, 2, 1, 1, 0]])
    pairs = torch.tensor([[0], [2]])
    assert common_neighbours(Graph(ends, 3), pairs).tolist() == [1]
    with pytest.raises(ValueError, match="graph: expected an undirected graph"):
        common_neighbours(Graph(ends[:, :3], 3), pairs)


def test_rivals_are_no_friends(novel: Dataset):
    graph = novel.graph
    split = split_links(graph, 0.1, 0.2, seed=1)
    linked = {tuple(pair) for pair in graph.edge_index.T.tolist()}
    task = FriendTask(candidates=20)
    for pairs, links in zip(task.ranked(split, graph, 1), (split.val, split.test), strict=True):
        assert pairs.shape == (2, links.size(1), 21)
        first = {tuple(sorted(pair)) for pair in pairs[:, :, 0].T.tolist()}
        assert first == {tuple(pair) for pair in links.T.tolist()}
        assert (pairs[0] == pairs[0, :, :1]).all()
        rivals = {tuple(pair) for pair in pairs[:, :, 1:].flatten(1).T.tolist()}
        assert not rivals & linked
        assert all(a != b for a, b in rivals)
    again = task.ranked(split, graph, 1)
    assert torch.equal(again[1], pairs)


class Profiles(nn.Module):
    """What profiles say, passed on among friends."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(Dropout(0.2), Linear(features, channels), nn.ReLU())
        self.rest = GraphSAGE(channels, channels, 2, dropout=0.2)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.rest(self.first(x), graph)


@pytest.mark.parametrize("metric", ["mrr", "hits@10"])
def test_training_ranks_better_than_chance(metric: str, novel: Dataset, train: Callable[..., Any]):
    task = FriendTask(metric, 0.1, 0.2, candidates=20)
    model, phases = train(task, novel, lambda: Profiles(77, 64), 64, epochs=60)
    prediction, target = phases.test.all(model)
    assert prediction.shape == target.shape == (51, 21)
    assert target.sum(dim=1).tolist() == [1] * 51
    chance = sum(1 / rank for rank in range(1, 22)) / 21
    assert METRICS["mrr"].score(prediction, target) > 1.5 * chance


def test_messages_pass_along_training_links(novel: Dataset):
    task = FriendTask(val=0.1, test=0.2)
    split = split_links(novel.graph, 0.1, 0.2, seed=4)
    seen: list[Graph] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor, graph: Graph, pairs: Tensor) -> Tensor:
            seen.append(graph)
            return pairs[0].float()

    phases = task.phases(novel, 4)
    phases.val.all(Spy())
    phases.test.all(Spy())
    for graph in seen:
        assert torch.equal(graph.edge_index, split.graph.edge_index)


def test_training_predicts_links_that_no_message_passes(novel: Dataset):
    split = split_links(novel.graph, 0.1, 0.2, seed=4)
    known = {tuple(pair) for pair in split.graph.edge_index.T.tolist()}
    draws = FriendTask(val=0.1, test=0.2).phases(novel, 4).train.batches
    for graph, pairs in (next(iter(draws)), next(iter(draws))):
        messages = {tuple(pair) for pair in graph.edge_index.T.tolist()}
        links = {tuple(pair) for pair in pairs[:, :, 0].T.tolist()}
        rivals = {tuple(pair) for pair in pairs[:, :, 1].T.tolist()}
        assert links <= known
        assert messages <= known
        assert not messages & (links | {(b, a) for a, b in links})
        assert not rivals & known
        assert len(messages) / 2 + len(links) == split.train.size(1)


@pytest.mark.slow
def test_friends_of_streamers(real: Callable[[str], Dataset]):
    """Profiles and whom both know, together, tell more than whom both know."""
    dataset = real("twitch-engb")
    task = FriendTask(candidates=30)
    torch.manual_seed(0)
    phases = task.phases(dataset, seed=0)
    model = FriendModel(Profiles(dataset.num_features, 32), 32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    fit(
        model,
        optimizer,
        phases.train.batches,
        lambda batch: task.loss(*phases.train.predict(model, batch)),
        lambda: task.rank(*task.evaluate(model, phases.val)),
        epochs=25,
    )
    split = split_links(dataset.graph, 0.05, 0.10, seed=0)
    _, pairs = task.ranked(split, dataset.graph, 0)
    counted = adamic_adar(split.graph, pairs.flatten(1)).view(pairs.shape[1:])
    target = torch.zeros_like(counted)
    target[:, 0] = 1
    assert task.evaluate(model, phases.test)[0] > task.score(counted, target) + 0.02


def test_no_rivals():
    with pytest.raises(ValueError, match="candidates: expected at least 1, got 0"):
        FriendTask(candidates=0)
