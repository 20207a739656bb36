"""Recommendation by name: settings, seeds, further metrics, and what does not fit."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from graphkit.cli import app
from graphkit.data import Dataset, load, load_interactions
from graphkit.experiment import experiment_of, names, recipe_of
from graphkit.experiment.recommendation import RecommendationExperiment
from graphkit.nn import LightGCN
from graphkit.tasks import Popularity, RecommendationTask

KINDS = {"bpr": LightGCN, "lightgcn": LightGCN, "popularity": Popularity}
LEARNT = ("bpr", "lightgcn")
invoke = CliRunner().invoke


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users of three tastes, each of 30 items."""
    folder = tmp_path_factory.mktemp("pairs")
    drawn = torch.rand(30, 30, generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    for part, (start, end) in {"train": (0, 16), "test": (16, 20)}.items():
        lines = [f"{u}\t{u % 3 * 30 + i}" for u in range(30) for i in drawn[u, start:end].tolist()]
        (folder / f"{part}.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return load_interactions(folder / "train.txt", folder / "test.txt", name="tastes")


def test_these_are_all() -> None:
    assert sorted(KINDS) == [name for name in names() if recipe_of(name).kind == "recommender"]


@pytest.mark.parametrize("name", KINDS)
def test_every_model_runs_by_its_recipe(name: str, dataset: Dataset) -> None:
    epochs = {"epochs": 2} if name in LEARNT else {}
    experiment = experiment_of(dataset, name, settings=epochs)
    assert isinstance(experiment, RecommendationExperiment)
    assert experiment.epochs == epochs.get("epochs", 1)
    outcome = experiment.run([0, 1])
    assert outcome.complete
    assert (outcome.task, outcome.metric, outcome.unit) == ("link", "recall@20", "%")
    assert outcome.split == dataset.split_name
    assert outcome.selection == RecommendationTask.selection
    assert outcome.published is None
    assert list(outcome.further) == ["ndcg@20"]
    assert all(0 <= score <= 100 for score in outcome.values + outcome.further["ndcg@20"])
    assert type(experiment.build(0)) is KINDS[name]


@pytest.mark.parametrize("name", LEARNT)
def test_tastes_are_learnt(name: str, dataset: Dataset) -> None:
    settings = {"batch_size": 64, "epochs": 40}
    learnt = experiment_of(dataset, name, settings=settings).run([0]).mean
    plain = experiment_of(dataset, "popularity").run([0]).mean
    assert learnt > 90  # 14 items of the taste are left: all are recommended
    assert plain < 50


def test_one_seed_one_result_and_it_is_the_model_s(dataset: Dataset) -> None:
    experiment = experiment_of(dataset, "lightgcn", epochs=3)
    one, two = experiment.train(4), experiment.train(4)
    assert (one.score, one.further) == (two.score, two.further)
    assert experiment.train(5).further != one.further
    task = experiment.task
    assert isinstance(task, RecommendationTask)
    found = task.quality(one.model, task.phases(dataset, 4).test)
    assert found == {"recall@20": one.score, **one.further}


def test_validation_alone_selects(dataset: Dataset) -> None:
    trained = experiment_of(dataset, "bpr", epochs=8).train(0)
    best = max(trained.fit.history, key=lambda epoch: (*epoch.score, -epoch.number))  # type: ignore
    assert trained.fit.best == best
    task = RecommendationTask()
    score, loss = task.evaluate(trained.model, task.phases(dataset, 0).val)
    assert (score, -loss) == best.score


def test_settings_are_used(dataset: Dataset) -> None:
    settings = {"hidden": 6, "layers": 2, "penalty": 0.5, "start": 0.0}
    experiment = experiment_of(dataset, "lightgcn", settings=settings)
    model = experiment.build(0)
    assert isinstance(model, LightGCN)
    assert (model.embedding.weight.size(1), model.num_layers) == (6, 2)
    assert not model.embedding.weight.any()
    assert isinstance(experiment.task, RecommendationTask)
    assert experiment.task.penalty == 0.5
    assert recipe_of("bpr").settings(["lastfm"], "edge", {})["layers"] == 0


@pytest.mark.parametrize(
    ("model", "options", "text"),
    [
        ("gcn", {}, "model: expected one of bpr, .* for tastes, users and items; got 'gcn'"),
        ("gae", {}, "model: expected one of bpr, .* for tastes, users and items; got 'gae'"),
        ("transe", {}, "dataset: expected a knowledge graph for transe, such as wn18rr, got tas"),
        ("common-neighbours", {}, "model: expected one of bpr, lightgcn, popularity for tastes"),
        ("bpr", {"protocol": "gin"}, "protocol: expected 'split' for bpr, got 'gin'"),
        ("bpr", {"level": "node"}, "task: expected 'link' for bpr, got 'node'"),
        ("bpr", {"settings": {"penalty": -1}}, "penalty: expected at least 0, got -1"),
        ("bpr", {"settings": {"hidden": 0}}, "embedding_dim: expected at least 1, got 0"),
        ("lightgcn", {"settings": {"layer": 1}}, "settings: .* did you mean layers"),
        ("popularity", {"epochs": 3}, "settings: expected one of ; got 'epochs'"),
    ],
)
def test_what_does_not_fit_is_named(
    model: str, options: dict[str, Any], text: str, dataset: Dataset
) -> None:
    with pytest.raises(ValueError, match=text):
        experiment_of(dataset, model, **options)


def test_a_graph_of_one_kind_of_node_is_none() -> None:
    with pytest.raises(ValueError, match=r"dataset: expected users and items for bpr, .*, got kar"):
        experiment_of(load("karate"), "bpr")


@pytest.mark.parametrize("name", KINDS)
def test_the_command(
    name: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's function stands before its module.
    monkeypatch.setattr(importlib.import_module("graphkit.data"), "load", lambda name: dataset)
    command = ["run", "lastfm", name, "--seeds", "2", "--json", "-", "--out", str(tmp_path)]
    done = invoke(app, [*command, *(["--epochs", "2"] if name in LEARNT else [])])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["task"], found["metric"]) == ("link", "recall@20")
    assert len(found["values"]) == len(found["further"]["ndcg@20"]) == 2
    assert "ndcg@20 %" in done.stderr
    assert (tmp_path / "seed-1.safetensors").exists()
    wrong = invoke(app, ["explain-plan", "lastfm", name])
    assert wrong.exit_code == 2
    assert f"model: expected one whose layers read features, got '{name}'" in wrong.output


def test_your_own_pairs(folder: Path) -> None:
    command = ["run", "mine", "popularity", "--seeds", "1", "--interactions", str(folder)]
    done = invoke(app, [*command, "--json", "-"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["dataset"] == "mine"
    both = invoke(app, [*command, "--csv", str(folder)])
    assert both.exit_code == 2
    assert "expected one of them, got several" in both.output


@pytest.mark.parametrize("name", LEARNT)
def test_short_floats_train_and_rank_exactly(name: str, dataset: Dataset) -> None:
    experiment = experiment_of(dataset, name, epochs=1)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        trained = experiment.train(0)
    task = experiment.task
    assert task.evaluate(trained.model, task.phases(dataset, 0).test)[0] == trained.score


@pytest.mark.slow
def test_lastfm(data_root: Path) -> None:
    if not (data_root / "recsys/lastfm").is_dir():
        pytest.skip("lastfm is not in the folder that GRAPHKIT_DATA names")
    data = load("lastfm", folder=data_root, download=False)
    assert 3 < experiment_of(data, "popularity").run([0]).mean < 4
    assert experiment_of(data, "lightgcn", epochs=10).run([0]).mean > 12
