"""Toy tasks: labels are right, the number of nodes is of no use, and edges are."""

from collections.abc import Callable

import networkx
import pytest
import torch
from torch import Tensor, nn

from graphkit.convert import to_networkx
from graphkit.data import Dataset, check_split, load, longest_path, two_rings
from graphkit.graph import Graph
from graphkit.nn import GIN, MLP, GraphHead, Predictor
from graphkit.tasks import GraphTask
from graphkit.train import fit


@pytest.fixture(scope="module")
def rings() -> Dataset:
    return two_rings()


@pytest.fixture(scope="module")
def paths() -> Dataset:
    return longest_path()


def skeleton(graph: Graph) -> networkx.Graph:
    return networkx.Graph(to_networkx(graph, directed=False))


def test_rings_are_counted_right(rings: Dataset):
    for graph, count in zip(rings.graphs, rings.further["rings"], strict=True):
        molecule = skeleton(graph)
        assert networkx.is_connected(molecule)
        assert len(networkx.cycle_basis(molecule)) == count
        assert graph.y.tolist() == [int(count == 2)]
    assert rings.y.bincount().tolist() == [500, 500]


def test_longest_paths_are_right(paths: Dataset):
    for graph in paths.graphs:
        molecule = skeleton(graph)
        assert networkx.is_tree(molecule)
        assert networkx.diameter(molecule) == graph.y.item()
    assert paths.y.unique().tolist() == list(range(5, 13))


@pytest.mark.parametrize("name", ["rings", "paths"])
def test_atoms_are_carbon_and_tell_nothing(name: str, request: pytest.FixtureRequest):
    dataset: Dataset = request.getfixturevalue(name)
    size = torch.tensor([float(graph.num_nodes) for graph in dataset.graphs])
    assert torch.corrcoef(torch.stack([size, dataset.y.flatten().float()]))[0, 1].abs() < 0.1
    assert all(graph.in_degree.max() <= 4 for graph in dataset.graphs)
    assert all((graph.x == 1).all() for graph in dataset.graphs)
    assert all(graph.is_undirected for graph in dataset.graphs)
    check_split(dataset.split(3), 1000)


def test_one_seed_one_data_set(rings: Dataset):
    again, other = two_rings(20), two_rings(20, seed=1)
    for graph, first in zip(again.graphs, rings.graphs[:20], strict=True):
        assert torch.equal(graph.edge_index, first.edge_index)
    assert not torch.equal(again.graphs[0].edge_index, other.graphs[0].edge_index)


class WithoutEdges(nn.Module):
    """The same layers, on each node alone."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = MLP([1, 32, 32, 32], norm=None)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.mlp(x)


def train(dataset: Dataset, encoder: Callable[[], nn.Module], epochs: int) -> float:
    """The metric on the test."""
    torch.manual_seed(0)
    task = GraphTask.of(dataset)
    phases = task.phases(dataset, seed=0)
    model = Predictor(encoder(), GraphHead(MLP([32, 32, task.num_outputs], norm=None), "sum"))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    fit(
        model,
        optimizer,
        phases.train.batches,
        lambda batch: task.loss(*phases.train.predict(model, batch)),
        lambda: task.rank(*task.evaluate(model, phases.val)),
        epochs=epochs,
        schedule=schedule,
    )
    return task.evaluate(model, phases.test)[0]


@pytest.mark.slow
def test_edges_are_what_solves_rings(rings: Dataset):
    assert train(rings, lambda: GIN(1, 32, 3, norm="batch_norm"), 20) > 0.97
    assert train(rings, WithoutEdges, 20) < 0.6


@pytest.mark.slow
def test_edges_are_what_solves_longest_paths(paths: Dataset):
    assert train(paths, lambda: GIN(1, 32, 4, norm="batch_norm"), 40) < 0.4
    assert train(paths, WithoutEdges, 20) > 1.5


def test_both_load_by_name(rings: Dataset, paths: Dataset):
    for dataset in (rings, paths):
        assert torch.equal(load(dataset.name).y, dataset.y)
