"""Baselines as experiments: the same splits, the same choice by validation, one test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from graphkit.data import Dataset
from graphkit.experiment import experiment_of, names, recipe_of
from graphkit.experiment.baselines import BASELINES, METHODS, Baseline
from graphkit.tasks import heuristics
from tests.experiment.test_experiment import graphs, nodes


def test_every_recipe_has_a_method():
    assert sorted(METHODS) == [name for name in names() if recipe_of(name).kind == "baseline"]


@pytest.mark.parametrize(
    ("model", "settings"),
    [("label-propagation", {}), ("deepwalk", {"channels": 2}), ("node2vec", {"channels": 2})],
)
def test_communities_are_found_from_a_few_labels(model: str, settings: dict[str, Any]):
    outcome = experiment_of(nodes(), model, settings=settings).run([0, 1])
    assert outcome.complete
    assert outcome.parameters == 0
    assert min(outcome.values) > 70


@pytest.mark.parametrize(
    "model", ["common-neighbours", "adamic-adar", "resource-allocation", "deepwalk"]
)
def test_links_are_scored_on_the_split_of_other_models(model: str):
    experiment = experiment_of(nodes(), model, level="edge")
    outcome = experiment.run([0])
    assert outcome.task == "link"
    score = getattr(heuristics, model.replace("-", "_"), None)
    if score is None:
        assert 50 < outcome.values[0] <= 100
        return
    phases = experiment_of(nodes(), "gcn", level="edge").task.phases(nodes(), 0)
    ((graph, linked, unlinked),) = phases.test.batches
    found = score(graph, torch.cat([linked, unlinked], dim=1))
    target = torch.cat([torch.ones(linked.size(1)), torch.zeros(unlinked.size(1))])
    assert outcome.values[0] == pytest.approx(100 * experiment.task.score(found, target))


@pytest.mark.parametrize("protocol", sorted(BASELINES))
def test_subtrees_in_every_protocol(protocol: str):
    dataset = graphs()
    outcome = experiment_of(dataset, "wl", protocol).run([0])
    assert outcome.protocol == protocol
    assert 50 < outcome.values[0] <= 100


def test_validation_chooses_and_the_first_of_equals_is_taken():
    experiment = experiment_of(nodes(), "label-propagation", settings={"alphas": [0.0, 0.9, 0.9]})
    done = experiment.train(0)
    assert experiment.epochs == 3
    # Without spreading no label of another node is known.
    assert [epoch.number for epoch in done.fit.history] == [1, 2, 3]
    assert done.fit.best.number == 2
    assert isinstance(done.model, Baseline)
    phases = experiment.task.phases(nodes(), 0)
    assert experiment.task.evaluate(done.model, phases.test)[0] == done.score


def test_one_seed_one_result():
    first, again = (experiment_of(nodes(), "node2vec").run([3, 4]).values for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("model", "dataset", "level", "text"),
    [
        ("wl", nodes, None, "task: expected 'graph' for wl, got 'node'"),
        ("common-neighbours", graphs, None, "task: expected 'link' for common-neighbours"),
        ("label-propagation", nodes, "edge", "expected 'node' for label-propagation, got 'link'"),
    ],
)
def test_what_does_not_fit_is_said(model: str, dataset: Any, level: Any, text: str):
    with pytest.raises(ValueError, match=text):
        experiment_of(dataset(), model, level=level)


def test_numbers_are_not_classes():
    from dataclasses import replace

    dataset: Dataset = replace(graphs(), kind="regression", metric="rmse", num_outputs=1)
    with pytest.raises(ValueError, match="dataset: expected classes to predict for wl, got"):
        experiment_of(dataset, "wl")


def test_on_the_command_line(tmp_path: Path):
    from typer.testing import CliRunner

    from graphkit.cli import app

    file = tmp_path / "found.json"
    words = ["run", "karate", "label-propagation", "--seeds", "2", "--json", str(file)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert len(json.loads(file.read_text())["values"]) == 2
