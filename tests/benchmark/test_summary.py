"""Verdicts and tests, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graphkit.benchmark import as_json, as_rows, summaries, table, verdict, welch
from graphkit.benchmark.summary import tolerance
from graphkit.experiment import Published

from .test_records import ONE


@pytest.mark.parametrize(
    ("mean", "higher", "expected"),
    [
        (81.5, True, "within"),
        (82.5, True, "within"),
        (80.5, True, "within"),
        (82.51, True, "better"),
        (80.49, True, "worse"),
        (82.51, False, "worse"),
        (80.49, False, "better"),
    ],
)
def test_verdicts(mean: float, higher: bool, expected: str) -> None:
    assert verdict(mean, 81.5, 1.0, higher_is_better=higher) == expected


def test_tolerances() -> None:
    one, wide = Published(80.0, "s", 0.5), Published(80.0, "s", 2.5)
    assert tolerance(one, "%") == 1.0
    assert tolerance(wide, "%") == 2.5
    assert tolerance(Published(80.0, "s"), "%") == 1.0
    assert tolerance(Published(2.0, "s"), "") == pytest.approx(0.02)
    assert tolerance(Published(2.0, "s", 0.3), "") == 0.3
    assert tolerance(wide, "%", 0.1) == 0.1


def test_welch_as_computed_by_hand() -> None:
    """1, 2, 3 against mean 5, deviation 2 of 4: t = -3 / sqrt(1/3 + 1) = -2.598, by Welch and
    Satterthwaite (4/3)² / ((1/3)²/2 + 1²/3) = 4.571 degrees of freedom."""
    from scipy.stats import t

    by_hand = 2 * t.sf(3 / (4 / 3) ** 0.5, (16 / 9) / (1 / 18 + 1 / 3))
    found = welch([1.0, 2.0, 3.0], Published(5.0, "s", 2.0, 4))
    assert found == pytest.approx(by_hand, rel=1e-12)
    assert found == pytest.approx(0.0524, abs=5e-4)


@pytest.mark.parametrize(
    ("values", "published"),
    [
        ([1.0, 2.0], Published(5.0, "s")),
        ([1.0, 2.0], Published(5.0, "s", 1.0)),
        ([1.0, 2.0], Published(5.0, "s", 1.0, 1)),
        ([1.0], Published(5.0, "s", 1.0, 10)),
        ([2.0, 2.0], Published(5.0, "s", 0.0, 10)),
    ],
)
def test_no_test_where_too_little_is_told(values: list[float], published: Published) -> None:
    assert welch(values, published) is None


def test_a_configuration_beside_its_number(folder: Any) -> None:
    published = {"value": 50.0, "source": "us", "deviation": 1.0, "seeds": 10}
    config = folder.config("a", published=published, seeds=3)
    runs = [replace(ONE, seed=k, value=v) for k, v in enumerate([60.0, 61.0, 62.0, 0.0])]
    main, further = summaries([config], reversed(runs))
    assert (main.mean, main.deviation, main.seeds) == (61.0, 1.0, [0, 1, 2])
    assert (main.verdict, main.tolerance) == ("better", 1.0)
    assert main.p is not None
    assert main.p < 1e-3
    assert (further.metric, further.published, further.verdict, further.p) == ("ap", *[None] * 3)
    (row, _) = as_rows([main, further])
    assert (row["measured"], row["published"]) == ("61.00 ± 1.00", "50.00 ± 1.00")
    assert as_json([main])[0]["values"] == [60.0, 61.0, 62.0]
    assert table([main, further]).row_count == 2
    (fewer, _) = summaries([config], runs, seeds=2)
    assert fewer.values == [60.0, 61.0]


def test_lower_errors_are_better(folder: Any) -> None:
    published = {"value": 1.0, "source": "us"}
    config = folder.config("a", published=published)
    for value, expected in ((0.9, "better"), (1.005, "within"), (1.1, "worse")):
        run = replace(ONE, value=value, metric="rmse", unit="", further={})
        (found,) = summaries([config], [run])
        assert found.verdict == expected


def test_folds_are_read_at_one_epoch(folder: Any) -> None:
    """Means of the three epochs: 25, 30, 20."""
    config = folder.config("a", protocol="gin")
    curves = [[10.0, 20.0, 30.0], [40.0, 40.0, 10.0]]
    runs = [
        replace(ONE, seed=k, value=None, curve=curve, further={}) for k, curve in enumerate(curves)
    ]
    (found,) = summaries([config], runs)
    assert found.values == [20.0, 40.0]


def test_the_baseline_comes_first_and_machines_stay_apart(folder: Any) -> None:
    configs = [
        folder.config(name, model=model, dataset=dataset)
        for name, model, dataset in (
            ("a_gcn", "gcn", "karate"),
            ("b_mlp", "mlp", "karate"),
            ("c_gcn", "gcn", "digits-knn"),
        )
    ]
    runs = [replace(ONE, config=c.name, further={}) for c in configs]
    runs.append(replace(runs[0], machine="NVIDIA H200"))
    found = summaries(configs, runs)
    names = [s.config.name for s in found]
    assert names == ["c_gcn", "b_mlp", "a_gcn", "a_gcn"]
    assert [len(s.seeds) for s in found] == [1] * 4
    assert as_rows(found)[1]["model"] == "mlp (baseline)"
