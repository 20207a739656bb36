"""Recommendation: what is learnt, drawn, hidden and judged, beside plain loops and by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from graphkit.data import DataError, Dataset, interactions_of, load, load_interactions
from graphkit.nn import LightGCN
from graphkit.tasks import Popularity, RecommendationTask

USERS, ITEMS = 12, 30


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pairs")
    drawn = torch.rand(USERS, ITEMS, generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    for part, (start, end) in {"train": (0, 8), "test": (8, 11)}.items():
        lines = [f"{u}\t{i}" for u in range(USERS) for i in drawn[u, start:end].tolist()]
        (folder / f"{part}.txt").write_text("\n".join(lines))
    return load_interactions(folder / "train.txt", folder / "test.txt", name="few")


def model_of(dataset: Dataset) -> LightGCN:
    pairs = interactions_of(dataset)
    torch.manual_seed(3)
    return LightGCN(pairs.num_users + pairs.num_items, 5, 2)


def test_loss_by_hand() -> None:
    scores = torch.tensor([[2.0, 1.0], [0.5, 1.0]])
    size = torch.tensor([3.0, 5.0])
    expected = (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(0.5))) / 2 + 0.1 / 2 * 4
    found = RecommendationTask(penalty=0.1).loss(scores, size)
    assert found.item() == pytest.approx(expected)


def test_gradients_of_the_loss() -> None:
    scores = torch.randn(4, 2, dtype=torch.double, requires_grad=True)
    size = torch.rand(4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(RecommendationTask(penalty=0.3).loss, (scores, size))


def test_a_step_is_what_the_model_s_own_loss_says(dataset: Dataset) -> None:
    task, model = RecommendationTask(penalty=0.02), model_of(dataset)
    train = task.phases(dataset, 0, batch_size=16).train
    batch = next(iter(train.batches))
    found = task.loss(*train.predict(model, batch))
    pairs = interactions_of(dataset)
    graph = pairs.graph(pairs.train[:, dataset.split(0).train])
    items = [each + pairs.num_users for each in (batch.taken, batch.other)]
    scores = [model(graph, torch.stack([batch.user, each])) for each in items]
    nodes = torch.cat([batch.user, *items])
    expected = model.recommendation_loss(*scores, node_id=nodes, lambda_reg=0.01)
    torch.testing.assert_close(found, expected)


def test_an_epoch_has_every_pair_once_and_others_that_were_not_taken(dataset: Dataset) -> None:
    pairs = interactions_of(dataset)
    known = pairs.train[:, dataset.split(0).train]
    batches = RecommendationTask().phases(dataset, 0, batch_size=16).train.batches
    taken = set(map(tuple, known.T.tolist()))
    drawn: set[tuple[int, int]] = set()
    orders = []
    for _ in range(60):
        epoch = list(batches)
        assert [len(batch.user) for batch in epoch][:-1] == [16] * (len(epoch) - 1)
        user, item, other = (torch.cat(part).tolist() for part in zip(*epoch, strict=True))
        assert sorted(zip(user, item, strict=True)) == sorted(taken)
        orders.append(user)
        drawn |= set(zip(user, other, strict=True))
    assert orders[0] != orders[1]
    # Every other item is drawn in the end, those of validation and test among them.
    assert drawn == {(u, i) for u in range(USERS) for i in range(pairs.num_items)} - taken


def test_others_are_drawn_alike(dataset: Dataset) -> None:
    batches = RecommendationTask().phases(dataset, 0).train.batches
    pairs = interactions_of(dataset)
    count = torch.zeros(USERS, pairs.num_items)
    for _ in range(400):
        for user, _, other in batches:
            count.index_put_((user, other), torch.ones(len(user)), accumulate=True)
    for row in count:
        seen = row[row > 0]
        expected = row.sum() / len(seen)
        chi = ((seen - expected).square() / expected).sum().item()
        assert chi < len(seen) + 5 * math.sqrt(2 * len(seen))


def test_the_graph_holds_nothing_that_is_to_be_found(dataset: Dataset) -> None:
    phases, pairs = RecommendationTask().phases(dataset, 1), interactions_of(dataset)
    (val,), (test,) = phases.val.batches, phases.test.batches
    for asked in (val, test):
        edges = set(map(tuple, asked.graph.edge_index.T.tolist()))
        for user, item in torch.cat([val.wanted, test.wanted], dim=1).T.tolist():
            assert (user, item + pairs.num_users) not in edges
            assert (item + pairs.num_users, user) not in edges
    assert val.wanted.size(1) == pairs.train.size(1) // 10
    assert val.known.size(1) == pairs.train.size(1) - val.wanted.size(1)
    assert torch.equal(test.wanted, pairs.test)
    assert torch.equal(test.known, pairs.train)  # those of validation among them


@pytest.mark.parametrize("rows", [1, 5, 512])
def test_quality_beside_a_plain_loop(
    rows: int, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphkit.tasks.recommendation._ROWS", rows)
    task, model = RecommendationTask(), model_of(dataset)
    phases, pairs = task.phases(dataset, 0), interactions_of(dataset)
    for phase in (phases.val, phases.test):
        (asked,) = phase.batches
        vectors = model.double().get_embedding(asked.graph).detach()
        users, items = vectors[: pairs.num_users], vectors[pairs.num_users :]
        recall, ndcg = [], []
        for u in range(USERS):
            wanted = {i for v, i in asked.wanted.T.tolist() if v == u}
            known = {i for v, i in asked.known.T.tolist() if v == u}
            if not wanted:
                continue
            scores = {i: float(users[u] @ items[i]) for i in range(len(items)) if i not in known}
            best = sorted(scores, key=lambda i: -scores[i])[:20]
            recall.append(len(wanted & set(best)) / len(wanted))
            gain = sum(1 / math.log2(p + 2) for p, i in enumerate(best) if i in wanted)
            ndcg.append(gain / sum(1 / math.log2(p + 2) for p in range(len(wanted))))
        found = task.quality(model, phase)
        assert found["recall@20"] == pytest.approx(sum(recall) / len(recall))
        assert found["ndcg@20"] == pytest.approx(sum(ndcg) / len(ndcg))
        assert task.evaluate(model, phase) == (found["recall@20"], -found["ndcg@20"])


def test_popularity_counts_users(dataset: Dataset) -> None:
    pairs = interactions_of(dataset)
    (asked,) = RecommendationTask().phases(dataset, 0).val.batches
    found = Popularity(pairs.num_users).get_embedding(asked.graph)
    taken = asked.known[1].bincount(minlength=pairs.num_items)
    assert found[: pairs.num_users].flatten().tolist() == [1.0] * USERS
    assert found[pairs.num_users :].flatten().tolist() == taken.tolist()


def test_a_user_who_took_everything_is_named(tmp_path: Path) -> None:
    lines = [f"0\t{i}" for i in range(5)] + [f"{u}\t{u - 1}" for u in range(1, 6)]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    (tmp_path / "test.txt").write_text("1\t4")
    data = load_interactions(tmp_path / "train.txt", tmp_path / "test.txt", name="all")
    seed = next(s for s in range(20) if data.split(s).val.item() > 4)
    with pytest.raises(ValueError, match=r"dataset: expected users with .* got 0, who took"):
        RecommendationTask().phases(data, seed)


def test_what_does_not_fit_is_named(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="penalty: expected at least 0, got -1"):
        RecommendationTask(penalty=-1)
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        RecommendationTask().phases(dataset, 0, batch_size=0)
    with pytest.raises(ValueError, match="num_users: expected at least 1, got 0"):
        Popularity(0)
    with pytest.raises(DataError, match="dataset: expected users and items"):
        RecommendationTask.of(load("karate"))
