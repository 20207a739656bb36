"""Recall and NDCG of what is recommended, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from graphkit.metrics import METRICS, recommendation_hits, recommendation_quality

SCORES = torch.tensor(
    [
        [0.9, 0.8, 0.7, 0.6, 0.5],  # knows 0; recommended 1, 2, 3; wants 2, 4
        [0.1, 0.2, 0.3, 0.4, 0.5],  # recommended 4, 3, 2; wants 4, 2, 1, 0
        [0.5, 0.4, 0.3, 0.2, 0.1],  # wants nothing
        [0.5, 0.4, 0.3, 0.2, 0.1],  # knows 1 to 4, so 0 alone is recommended; wants it
    ]
)
WANTED = torch.tensor([[0, 0, 1, 0, 1], [1, 1, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]).bool()
KNOWN = torch.tensor([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 1, 1, 1]]).bool()


def test_hits_by_hand() -> None:
    hit, count = recommendation_hits(3, SCORES, WANTED, KNOWN)
    assert hit.int().tolist() == [[0, 1, 0], [1, 0, 1], [1, 0, 0]]
    assert count.tolist() == [2, 4, 1]


def test_recall_by_hand() -> None:
    found = recommendation_quality(*recommendation_hits(3, SCORES, WANTED, KNOWN))
    assert found["recall@3"] == pytest.approx((1 / 2 + 2 / 4 + 1) / 3)


def test_ndcg_by_hand() -> None:
    second, third = 1 / math.log2(3), 1 / 2
    # At best 2, 3 (of 4, as only 3 are recommended) and 1 hits come first.
    each = [second / (1 + second), (1 + third) / (1 + second + third), 1.0]
    found = recommendation_quality(*recommendation_hits(3, SCORES, WANTED, KNOWN))
    assert found["ndcg@3"] == pytest.approx(sum(each) / 3)


def test_what_is_known_is_not_recommended_however_well_it_scores() -> None:
    scores = torch.tensor([[9.0, torch.nan, 1.0, 0.0]])
    wanted = torch.tensor([[False, False, True, False]])
    known = torch.tensor([[True, True, False, False]])
    hit, _ = recommendation_hits(1, scores, wanted, known)
    assert hit.tolist() == [[True]]
    without, _ = recommendation_hits(1, scores.nan_to_num(), wanted)
    assert without.tolist() == [[False]]


def test_more_places_than_items() -> None:
    hit, count = recommendation_hits(8, SCORES, WANTED, KNOWN)
    assert hit.shape == (3, 8)
    assert not hit[:, 5:].any()
    assert recommendation_quality(hit, count)["recall@8"] == 1.0


def test_by_name() -> None:
    prediction = SCORES.masked_fill(KNOWN, -torch.inf)
    assert METRICS["recall@20"].score(prediction, WANTED.float()) == 1.0
    scores = torch.arange(25.0).expand(2, -1)
    target = torch.zeros(2, 25)
    target[0, [3, 24]] = 1
    assert METRICS["recall@20"].score(scores, target) == 0.5


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"k": 0}, "k: expected at least 1, got 0"),
        ({"wanted": WANTED[:2]}, r"scores, wanted: expected .* got \(4, 5\) and torch.bool \(2, 5"),
        ({"known": KNOWN.int()}, "scores, known: expected .* and torch.int32"),
        ({"scores": SCORES * torch.nan}, "scores: expected finite numbers"),
        ({"known": WANTED}, "wanted: expected items that are not known, got 2 of user 0"),
    ],
)
def test_wrong_tables_are_named(given: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        recommendation_hits(**{"k": 3, "scores": SCORES, "wanted": WANTED, "known": KNOWN} | given)


@pytest.mark.parametrize(
    ("hit", "count", "text"),
    [
        (torch.ones(2, 3).bool(), torch.tensor([3]), r"hit, count: expected \[n, k\] and \[n\]"),
        (torch.ones(1, 3).bool(), torch.tensor([2]), "count: expected .* no fewer than hits"),
        (torch.zeros(0, 3).bool(), torch.zeros(0), "count: expected a user who wants something"),
    ],
)
def test_wrong_hits_are_named(hit: torch.Tensor, count: torch.Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        recommendation_quality(hit, count)
