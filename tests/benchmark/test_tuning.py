"""The search for settings: what it may see, what it says, and its space."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from graphkit.benchmark import tune, tuning
from graphkit.benchmark.tuning import validation
from graphkit.experiment import Experiment
from graphkit.tasks import Task

SPACE = {
    "lr": {"low": 1e-3, "high": 0.1, "log": True},
    "hidden": [4, 8],
    "layers": {"low": 2, "high": 3},
}


def test_the_best_on_validation_is_kept(
    folder: Any, optuna: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "validation", lambda config, *rest: config.settings["lr"])
    told: list[tuple[int, dict, float]] = []
    config = folder.config(search=SPACE)
    found = tune(config, trials=8, on_trial=lambda *trial: told.append(trial))
    assert [number for number, *_ in told] == list(range(1, 9))
    best = max(told, key=lambda trial: trial[2])
    assert found.settings == {"epochs": 3, **best[1]}
    assert found.tuned["validation"] == best[2]
    assert (found.tuned["trials"], found.tuned["seeds"]) == (8, 3)
    assert found.tuned["search"] == SPACE
    assert found.search == {}
    again = tune(config, trials=8)
    assert again == found
    for _, settings, _ in told:
        assert 1e-3 <= settings["lr"] <= 0.1
        assert settings["hidden"] in (4, 8)
        assert settings["layers"] in (2, 3)


def test_a_search_that_is_broken_off_keeps_the_best_so_far(
    folder: Any, optuna: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.7, 0.5])
    told: list[dict] = []

    def score_of(config: Any, *rest: Any) -> float:
        try:
            return next(scores)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(tuning, "validation", score_of)
    found = tune(
        folder.config(search=SPACE), on_trial=lambda number, settings, _: told.append(settings)
    )
    assert found.settings == {"epochs": 3, **told[1]}
    assert (found.tuned["validation"], found.tuned["trials"]) == (0.7, 3)
    with pytest.raises(KeyboardInterrupt):  # there is nothing to keep
        tune(folder.config(search=SPACE))


def test_the_test_set_has_no_part_in_it(
    folder: Any, optuna: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the test scores are, the search goes the same way."""
    config = folder.config(search=SPACE)
    seen: dict[float, list] = {}
    train = Experiment.train
    for test in (0.0, 1.0):
        seen[test] = []
        monkeypatch.setattr(
            Experiment,
            "train",
            lambda self, seed, *rest, test=test: replace(train(self, seed, *rest), score=test),
        )
        tune(config, trials=3, seeds=2, on_trial=lambda *t, test=test: seen[test].append(t))
    assert seen[0.0] == seen[1.0]


def test_validation_is_that_of_the_selected_epochs(folder: Any) -> None:
    config = folder.config(settings={"epochs": 4})
    experiment = Experiment(tuning.experiment_for(config).dataset, "gcn", epochs=4)
    best = [max(e.score for e in experiment.train(seed).fit.history)[0] for seed in (0, 1)]
    assert validation(config, 2) == pytest.approx(sum(best) / 2)
    assert Task.selection == config.selection


def test_settings_that_cannot_be_trained_are_passed_over(
    folder: Any, optuna: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_for_4(config: Any, *rest: Any) -> float:
        if config.settings["hidden"] == 4:
            raise FloatingPointError
        return 0.5

    monkeypatch.setattr(tuning, "validation", fails_for_4)
    config = folder.config(search={"hidden": [4, 8]})
    assert tune(config, trials=12).settings["hidden"] == 8
    monkeypatch.setattr(tuning, "validation", lambda *_: float("nan"))
    with pytest.raises(ValueError, match="expected settings that can be trained, got none in 3"):
        tune(config, trials=3)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "search: expected settings and their ranges for paper_gcn_karate, got none"),
        (
            {"search": {"hiden": [1]}},
            "search: expected one of .*; got 'hiden'; did you mean hidden",
        ),
        ({"search": {"hidden": []}}, r"search: hidden: expected a list of choices or .*; got \[\]"),
        ({"search": {"lr": {"low": 1, "high": 0}}}, "search: lr: expected .* low below high"),
        ({"search": {"lr": {"low": 0, "high": 1, "log": True}}}, "above 0 where log is true"),
        ({"search": {"lr": {"low": 0, "high": 1, "step": 1}}}, "search: lr: expected"),
        ({"search": {"lr": 0.1}}, "search: lr: expected"),
        ({"protocol": "fair", "search": SPACE}, "protocol: expected 'split', .*, got 'fair'"),
    ],
)
def test_what_cannot_be_searched(folder: Any, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        tune(folder.config(**changes))


def test_without_optuna_it_is_a_sentence(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"a search for settings needs optuna, .*torch\[tune\]"):
        tune(folder.config(search=SPACE))
