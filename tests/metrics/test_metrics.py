"""Metrics: against the Open Graph Benchmark's evaluators, by hand, and on bad input."""

import os
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphkit.metrics import (
    METRICS,
    accuracy,
    average_precision,
    f1,
    f1_macro,
    hits_at,
    mae,
    mean_reciprocal_rank,
    ranking_quality,
    recall_at,
    rmse,
    roc_auc,
    target_ranks,
)

NAN = float("nan")


def evaluator(kind: str, name: str) -> Any:
    os.environ.setdefault("OUTDATED_IGNORE", "1")  # ogb asks the network for a newer release
    return pytest.importorskip(f"ogb.{kind}proppred").Evaluator(name)


def labels_with_gaps(seed: int, n: int = 60, columns: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(2, (n, columns), generator=generator).float()
    target[torch.rand(n, columns, generator=generator) < 0.3] = NAN
    target[:, 1] = target[:, 1] * 0  # of one class alone: skipped by the ranking metrics
    return torch.randn(n, columns, generator=generator).round(decimals=1), target


@pytest.mark.parametrize(
    ("metric", "data", "key"),
    [
        ("roc_auc", "ogbg-moltox21", "rocauc"),
        ("ap", "ogbg-molpcba", "ap"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_label_columns_agree_with_ogb(metric: str, data: str, key: str, seed: int):
    judge = evaluator("graph", data)
    prediction, target = labels_with_gaps(seed, columns=judge.num_tasks)
    expected = judge.eval({"y_true": target, "y_pred": prediction})[key]
    assert METRICS[metric].score(prediction, target) == pytest.approx(expected, abs=1e-9)


def test_errors_agree_with_ogb():
    prediction, target = torch.randn(40, 1), torch.randn(40, 1)
    expected = evaluator("graph", "ogbg-molesol").eval({"y_true": target, "y_pred": prediction})
    assert rmse(prediction, target) == pytest.approx(expected["rmse"], abs=1e-6)


@pytest.mark.parametrize("shape", [(30, 7), (50, 120), (1, 1)])
def test_hits_agree_with_ogb(shape: tuple[int, int]):
    judge = evaluator("link", "ogbl-ddi")
    positive = torch.randn(shape[0]).round(decimals=1)  # with ties
    negative = torch.randn(shape[1]).round(decimals=1)
    for k in (1, 10, 20, 50, 100):
        judge.K = k
        expected = judge.eval({"y_pred_pos": positive, "y_pred_neg": negative})[f"hits@{k}"]
        assert hits_at(k, positive, negative) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 20))
def test_mean_reciprocal_rank_agrees_with_ogb(seed: int, n: int, m: int):
    judge = evaluator("link", "ogbl-citation2")
    generator = torch.Generator().manual_seed(seed)
    positive = torch.randint(6, (n,), generator=generator).float()  # with many ties
    negative = torch.randint(6, (n, m), generator=generator).float()
    expected = judge.eval({"y_pred_pos": positive, "y_pred_neg": negative})["mrr_list"].mean()
    assert mean_reciprocal_rank(positive, negative) == pytest.approx(float(expected), abs=1e-6)
    shared = mean_reciprocal_rank(positive, negative[0])
    assert shared == pytest.approx(mean_reciprocal_rank(positive, negative[:1].expand(n, m)))


def test_ranks_of_ties_are_halfway():
    assert mean_reciprocal_rank(torch.tensor([1.0]), torch.tensor([[1.0, 1.0, 0.0]])) == 1 / 2
    assert hits_at(1, torch.tensor([1.0]), torch.tensor([1.0])) == 0


def test_link_metrics_by_name_read_the_target():
    scores = torch.tensor([3.0, 1.0, 2.0, 0.0])
    links = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert METRICS["hits@10"].score(scores, links) == 1
    assert METRICS["mrr"].score(scores, links) == 1
    rows = torch.tensor([[0.0, 1.0, -1.0], [5.0, 7.0, 9.0]])
    first = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    assert METRICS["mrr"].score(rows, first) == pytest.approx((1 / 2 + 1) / 2)
    with pytest.raises(ValueError, match="one link in every row"):
        METRICS["mrr"].score(rows, torch.ones(2, 3))


def test_classes():
    logits = torch.tensor([[2.0, 1, 0], [0, 1, 2], [0, 3, 1], [5, 0, 0]])
    target = torch.tensor([0, 2, 2, 0])
    assert accuracy(logits, target) == 0.75
    assert f1(logits, target) == pytest.approx(0.75)
    # class 0: 1; class 1, predicted once and never true: 0; class 2: 2 / 3
    assert f1_macro(logits, target) == pytest.approx((1 + 0 + 2 / 3) / 3)


def test_labels_count_where_they_are_known():
    logits = torch.tensor([[1.0, -1], [1, 1], [-1, 1]])
    target = torch.tensor([[1.0, NAN], [0, 1], [NAN, 0]])
    assert accuracy(logits, target) == 0.5
    assert f1(logits, target) == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert f1_macro(logits, target) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_one_column_in_any_spelling():
    logits, target = torch.tensor([1.0, -1, 2]), torch.tensor([1, 0, 0])
    assert accuracy(logits, target) == accuracy(logits[:, None], target) == pytest.approx(2 / 3)
    assert f1(logits, target) == f1(logits[:, None], target[:, None].float())


def test_two_classes_rank_by_the_difference_of_their_logits():
    logits, target = torch.randn(30, 2), torch.arange(30) % 2
    margin = logits.softmax(dim=1)[:, 1]
    assert roc_auc(logits, target) == pytest.approx(roc_auc(margin, target))
    assert average_precision(logits, target) == pytest.approx(average_precision(margin, target))
    with pytest.raises(ValueError, match="expected two classes to rank by, got 3 columns"):
        roc_auc(torch.randn(30, 3), target)


def test_numbers():
    out, truth = torch.tensor([[1.0, 0], [3, 5]]), torch.tensor([[0.0, NAN], [3, 1]])
    assert mae(out, truth) == pytest.approx((0.5 + 4) / 2)
    assert rmse(out, truth) == pytest.approx((0.5**0.5 + 4) / 2)
    assert not METRICS["rmse"].higher_is_better


def test_recall_counts_the_best_of_every_group():
    score = torch.tensor([0.9, 0.8, 0.1, 0.5, 0.6, 0.7])
    right = torch.tensor([1, 0, 1, 0, 1, 0])
    group = torch.tensor([7, 7, 7, 2, 2, 2])
    assert recall_at(1, score, right, group) == pytest.approx((1 / 2 + 0) / 2)
    assert recall_at(2, score, right, group) == pytest.approx((1 / 2 + 1) / 2)
    assert recall_at(3, score, right, group) == 1


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_diverged_model_is_named(name: str):
    prediction = torch.tensor([0.5, NAN, 1.0])
    with pytest.raises(ValueError, match=r"expected finite numbers, got 1 NaN and 0 infinite"):
        METRICS[name].score(prediction, torch.tensor([1.0, 1.0, 0.0]))


@pytest.mark.parametrize("name", ["accuracy", "f1", "f1_macro", "rmse", "mae"])
def test_nothing_known(name: str):
    with pytest.raises(ValueError, match="target: expected a known value"):
        METRICS[name].score(torch.zeros(2, 1), torch.full((2, 1), NAN))


@pytest.mark.parametrize("name", ["roc_auc", "ap"])
def test_one_label_alone_ranks_nothing(name: str):
    with pytest.raises(ValueError, match="a column with both labels"):
        METRICS[name].score(torch.randn(4), torch.ones(4))


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="target: expected classes of 0 to 2, got 3"):
        accuracy(torch.randn(2, 3), torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="target: expected classes of 0 to 2, got -1"):
        f1(torch.randn(2, 3), torch.tensor([0, -1]))
    with pytest.raises(ValueError, match="target: expected integer classes"):
        accuracy(torch.randn(2, 3), torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match="a class for each of 2 rows, got 3"):
        accuracy(torch.randn(2, 3), torch.tensor([0, 1, 2]))
    with pytest.raises(
        ValueError, match=r"expected the shape of prediction, \(2, 3\), got \(2, 1\)"
    ):
        rmse(torch.randn(2, 3), torch.randn(2, 1))
    with pytest.raises(ValueError, match=r"expected labels 0 and 1, got 0\.5"):
        roc_auc(torch.randn(3), torch.tensor([0.0, 0.5, 1.0]))
    with pytest.raises(ValueError, match="prediction: expected at least one value"):
        accuracy(torch.empty(0, 3), torch.empty(0, dtype=torch.long))
    with pytest.raises(ValueError, match="k: expected at least 1"):
        hits_at(0, torch.randn(2), torch.randn(2))
    with pytest.raises(ValueError, match="negative: expected scores"):
        mean_reciprocal_rank(torch.randn(3), torch.randn(2, 4))
    with pytest.raises(ValueError, match="target: expected a true pair"):
        recall_at(1, torch.randn(2), torch.zeros(2), torch.zeros(2, dtype=torch.long))


# --- ranks among all -----------------------------------------------------------------------------


def test_ranks_by_hand():
    scores = torch.tensor([[4.0, 3, 2, 1], [1, 1, 1, 0], [0, 1, 1, 2]])
    target = torch.tensor([2, 0, 0])
    assert target_ranks(scores, target).tolist() == [3, 2, 4]
    # Of the first row 0 and 2 are right, of the second the target alone, of the third 1 and 3.
    known = torch.tensor([[0, 0, 1, 2, 2, 0], [2, 0, 0, 1, 3, 0]])
    assert target_ranks(scores, target, known).tolist() == [2, 2, 2]
    tied = target_ranks(scores, target, torch.tensor([[1], [1]]))
    assert tied.tolist() == [3, 1.5, 4]
    assert target_ranks(torch.zeros(1, 5), torch.tensor([3])).tolist() == [3]
    found = ranking_quality(torch.tensor([1.0, 2.5, 4.0, 20.0]))
    assert found == {
        "mrr": pytest.approx((1 + 0.4 + 0.25 + 0.05) / 4),
        "hits@1": 1 / 4,
        "hits@3": 1 / 2,
        "hits@10": 3 / 4,
    }


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_those_of_a_double_loop(seed: int):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(5, (20, 30), generator=generator).float()  # many ties
    target = torch.randint(30, (20,), generator=generator)
    right = torch.rand(20, 30, generator=generator) < 0.3
    expected = []
    for i, own in enumerate(target.tolist()):
        rivals = [j for j in range(30) if j != own and not right[i, j]]
        above = sum(bool(scores[i, j] > scores[i, own]) for j in rivals)
        beside = sum(bool(scores[i, j] == scores[i, own]) for j in rivals)
        expected.append(1 + above + beside / 2)
    assert target_ranks(scores, target, right.nonzero().T).tolist() == expected


def test_what_cannot_be_ranked():
    scores = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="target: expected columns of 0 to 2, got 3"):
        target_ranks(scores, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match=r"scores, target: expected \[n, m\] and int64 \[n\]"):
        target_ranks(scores, torch.tensor([0]))
    with pytest.raises(ValueError, match="scores: expected finite numbers, got 1 NaN"):
        target_ranks(torch.tensor([[0.0, NAN]]), torch.tensor([0]))
    with pytest.raises(ValueError, match="ranks: expected at least 1, got 0"):
        ranking_quality(torch.tensor([0.0]))
