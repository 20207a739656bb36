"""The demo's tasks, with a few epochs each."""

from pathlib import Path

import numpy as np
import pytest
import torch

from graphkit import plot
from graphkit.data import split_per_class
from graphkit.demo import EdgeTask, GraphTask, NodeTask, Outcome, Task, common_neighbours
from graphkit.graph import Graph


def short(kind: type[Task], epochs: int) -> Task:
    task = kind()
    task.epochs = epochs
    return task


@pytest.fixture(scope="module")
def node() -> tuple[Task, Outcome]:
    task = short(NodeTask, 15)
    return task, task.train(0, lambda _: None)


def test_node_task_learns(node: tuple[Task, Outcome]):
    assert node[1].test > 0.9


def test_edge_task_learns():
    outcome = short(EdgeTask, 60).train(0, lambda _: None)
    assert outcome.test > 0.7
    assert outcome.baseline is not None
    assert outcome.baseline > 0.7


@pytest.mark.slow
def test_graph_task_learns():
    assert short(GraphTask, 8).train(0, lambda _: None).test > 0.75


@pytest.mark.parametrize(("kind", "epochs"), [(NodeTask, 3), (EdgeTask, 3), (GraphTask, 1)])
def test_one_seed_one_result(kind: type[Task], epochs: int):
    task = short(kind, epochs)
    first = task.train(1, lambda _: None)
    torch.manual_seed(12345)
    again = task.train(1, lambda _: None)
    for name, value in first.fit.state.items():
        assert torch.equal(value, again.fit.state[name]), name
    assert first.test == again.test
    assert [epoch.loss for epoch in first.fit.history] == [
        epoch.loss for epoch in again.fit.history
    ]
    other = task.train(2, lambda _: None)
    assert [epoch.loss for epoch in first.fit.history] != [
        epoch.loss for epoch in other.fit.history
    ]


def test_selection_does_not_see_the_test(
    node: tuple[Task, Outcome], monkeypatch: pytest.MonkeyPatch
):
    """With other labels in the test, the very same model is selected."""
    task, before = short(NodeTask, 15), node[1]
    assert isinstance(task, NodeTask)
    y = task.graph.y.clone()
    split = split_per_class(y, train=10, val=20, seed=0)
    monkeypatch.setattr("graphkit.demo.split_per_class", lambda *_, **__: split)
    y[split.test] = (y[split.test] + 1) % 10
    task.graph = task.graph.replace(y=y)
    after = task.train(0, lambda _: None)
    assert after.fit.best.number == before.fit.best.number
    for name, value in before.fit.state.items():
        assert torch.equal(value, after.fit.state[name]), name
    assert after.test < 0.1 < before.test


def test_common_neighbours():
    square = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])
    pairs = torch.tensor([[0, 0, 1], [2, 1, 3]])
    assert common_neighbours(Graph(square, 5), pairs).tolist() == [2, 0, 2]


def test_area_under_the_curve():
    assert plot.Roc(np.array([1, 1, 0, 0]), np.array([3, 2, 1, 0])).area == 1
    assert plot.Roc(np.array([1, 1, 0, 0]), np.array([0, 3, 1, 2])).area == 0.5


def test_results_of_a_task(node: tuple[Task, Outcome]):
    task, outcome = node
    (row,) = task.results([outcome])
    assert row.values == [outcome.test]
    assert row.seeds == [0]
    assert row.deviation is None
    assert row.details[0]["best_epoch"] == outcome.fit.best.number


@pytest.mark.parametrize("kind", [NodeTask, EdgeTask, GraphTask])
def test_pictures(kind: type[Task], tmp_path: Path):
    from matplotlib.image import imread

    task = short(kind, 1)
    file = tmp_path / "picture.png"
    task.draw([task.train(0, lambda _: None)], file)
    picture = imread(file)
    assert min(picture.shape[:2]) > 500
    assert np.unique(picture.reshape(-1, picture.shape[2]), axis=0).shape[0] > 20


def test_pixel_graphs_where_all_are_right(tmp_path: Path):
    task = GraphTask()
    graphs = task.graphs[:5]
    predicted = np.array([int(graph.y) for graph in graphs])
    file = tmp_path / "few.png"
    plot.pixel_graphs(file, graphs, predicted, title="All right", subtitle="five")
    assert file.stat().st_size > 1000
