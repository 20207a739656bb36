"""Tasks: losses, heads, phases that keep apart what they should."""

import pytest
import torch
from torch import Tensor, nn

from graphkit import Graph
from graphkit.data import Dataset, Split, karate_club
from graphkit.graph import Graph as AnyGraph
from graphkit.tasks import GraphTask, LinkTask, NodeTask


def ring(n: int, y: Tensor) -> Graph:
    i = torch.arange(n)
    edges = torch.stack([torch.cat([i, (i + 1) % n]), torch.cat([(i + 1) % n, i])])
    return Graph(edges, n, x=torch.eye(n)[:, :3], undirected=True, graph_attrs={"y": y})


def graphs(kind: str, count: int = 12) -> Dataset:
    targets = {
        "multiclass": lambda k: torch.tensor([k % 3]),
        "multilabel": lambda k: torch.tensor([[k % 2, float("nan") if k % 4 else 1.0]]),
        "regression": lambda k: torch.tensor([[k / 10, 0.0]]),
    }[kind]
    index = torch.arange(count)
    return Dataset(
        name="rings",
        title="Rings",
        level="graph",
        kind=kind,
        metric={"multiclass": "accuracy", "multilabel": "roc_auc", "regression": "rmse"}[kind],
        graphs=[ring(4 + k % 3, targets(k)) for k in range(count)],
        num_outputs=3 if kind == "multiclass" else 2,
        splits=[Split(index[:8], index[8:10], index[10:])],
        split_name="in order",
    )


class Encode(nn.Module):
    """Rows of x to so many features; keeps what it was called with."""

    def __init__(self, head: nn.Module, channels: int = 5) -> None:
        super().__init__()
        self.lin, self.head, self.seen = nn.Linear(3, channels), head, []

    def forward(self, x: Tensor, graph: AnyGraph, *of: object) -> Tensor:
        self.seen.append(graph)
        return self.head(self.lin(x), *of)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_graph_task_learns_in_batches(kind: str):
    torch.manual_seed(0)
    dataset = graphs(kind)
    task = GraphTask.of(dataset)
    model = Encode(task.head(5))
    phases = task.phases(dataset, 0, batch_size=3)
    losses = [task.loss(*phases.train.predict(model, batch)) for batch in phases.train.batches]
    assert [graph.num_graphs for graph in model.seen] == [3, 3, 2]
    torch.stack(losses).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    prediction, target = phases.test.all(model)
    assert prediction.shape == (2, dataset.num_outputs)
    assert torch.equal(target.nan_to_num(-1), dataset.y[10:].nan_to_num(-1))


def test_loss_leaves_out_what_is_not_known():
    task = GraphTask("multilabel", "roc_auc", 2)
    target = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    prediction = torch.tensor([[0.3, 9.0], [-0.2, 0.5]], requires_grad=True)
    loss = task.loss(prediction, target)
    known = nn.functional.binary_cross_entropy_with_logits(
        torch.tensor([0.3, -0.2, 0.5]), torch.tensor([1.0, 0.0, 1.0])
    )
    torch.testing.assert_close(loss, known)
    loss.backward()
    assert prediction.grad is not None
    assert prediction.grad[0, 1] == 0


def test_a_batch_without_a_known_target_teaches_nothing():
    task = GraphTask("regression", "rmse", 1)
    prediction = torch.ones(2, 1, requires_grad=True)
    loss = task.loss(prediction, torch.full((2, 1), float("nan")))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert not prediction.grad.any()


def test_loss_names_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"prediction: expected shape \(2, 1\).*got \(2,\)"):
        GraphTask("regression", "rmse", 1).loss(torch.ones(2), torch.ones(2, 1))


def test_rank_puts_the_better_epoch_higher():
    accuracy, error = NodeTask("multiclass", "accuracy", 2), GraphTask("regression", "rmse", 1)
    assert accuracy.rank(0.9, 5.0) > accuracy.rank(0.8, 0.1)
    assert accuracy.rank(0.9, 0.1) > accuracy.rank(0.9, 5.0)
    assert error.rank(0.5, 1.0) > error.rank(0.6, 0.1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("classes", "accuracy", 2), "kind: expected one of .*, got 'classes'"),
        (("multiclass", "acc", 2), "metric: expected one of .*, got 'acc'"),
    ],
)
def test_bad_tasks_are_named(arguments: tuple, text: str):
    with pytest.raises(ValueError, match=text):
        NodeTask(*arguments)


def test_node_task_scores_only_the_members_of_a_phase():
    graph = karate_club()
    index = torch.randperm(graph.num_nodes)
    split = Split(index[:10], index[10:20], index[20:])
    dataset = Dataset("k", "K", "node", "multiclass", "accuracy", [graph], 4, [split], "at random")
    task = NodeTask.of(dataset)
    right = nn.functional.one_hot(dataset.y, 4).float()
    wrong_in_test = right.clone()
    wrong_in_test[split.test] = 1 - right[split.test]

    class Answer(nn.Module):
        def forward(self, x: Tensor, graph: Graph) -> Tensor:
            return wrong_in_test

    phases = task.phases(dataset, 0)
    assert task.evaluate(Answer(), phases.val)[0] == 1.0
    assert task.evaluate(Answer(), phases.test)[0] == 0.0


def test_link_task_never_shows_the_links_it_asks_for():
    graph = karate_club().replace(x=torch.rand(34, 3))
    dataset = Dataset("k", "K", "node", "multiclass", "accuracy", [graph], 4, [], "none")
    task = LinkTask(val=0.1, test=0.2)
    phases = task.phases(dataset, 0, supervised=0.4)
    model = Encode(task.head(5))

    def asked(batch: tuple) -> set[tuple[int, int]]:
        return {tuple(sorted(pair)) for pair in batch[1].T.tolist()}

    def shown(batch: tuple) -> set[tuple[int, int]]:
        return {tuple(sorted(pair)) for pair in batch[0].edge_index.T.tolist()}

    drawn = [next(iter(phases.train.batches)) for _ in range(3)]
    (val,), (test,) = phases.val.batches, phases.test.batches
    for batch in (*drawn, val, test):
        assert not asked(batch) & shown(batch)
        prediction, target = phases.train.predict(model, batch)
        assert prediction.shape == target.shape == (2 * batch[1].size(1),)
        assert target.sum() == batch[1].size(1)
    assert not asked(val) & asked(test)
    assert asked(drawn[0]) != asked(drawn[1])
    assert all(not (asked(val) | asked(test)) & (asked(b) | shown(b)) for b in drawn)
