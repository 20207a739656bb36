"""Knowledge graphs by name: settings, seeds, further metrics, and what does not fit."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from graphkit.cli import app
from graphkit.data import Dataset, load, load_triples
from graphkit.experiment import experiment_of, names, recipe_of
from graphkit.experiment.knowledge import KnowledgeExperiment
from graphkit.metrics import ranking_quality
from graphkit.nn import ComplEx, DistMult, KnowledgeModel, RGCNDistMult, RotatE, TransE
from graphkit.tasks import KnowledgeTask

KINDS = {
    "complex": ComplEx,
    "distmult": DistMult,
    "rgcn": RGCNDistMult,
    "rotate": RotatE,
    "transe": TransE,
}
invoke = CliRunner().invoke


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("triples")
    lines = [f"e{i:02}\tr{k}\te{(i + k + 1) % 20:02}" for i in range(20) for k in range(3)]
    parts = {"valid": lines[::13], "test": lines[1::11]}
    held = {line for part in parts.values() for line in part}
    parts["train"] = [line for line in lines if line not in held]
    for name, part in parts.items():
        (folder / f"{name}.txt").write_text("\n".join(part))
    return load_triples(folder, name="circle")


def test_these_are_all() -> None:
    assert sorted(KINDS) == [name for name in names() if recipe_of(name).kind == "knowledge"]


@pytest.mark.parametrize("name", KINDS)
def test_every_model_runs_by_its_recipe(name: str, dataset: Dataset) -> None:
    settings = {"epochs": 2, "batch_size": 16}
    experiment = experiment_of(dataset, name, settings=settings)
    assert isinstance(experiment, KnowledgeExperiment)
    outcome = experiment.run([0, 1])
    assert outcome.complete
    assert (outcome.task, outcome.metric, outcome.unit) == ("link", "mrr", "%")
    assert outcome.split == "published triples"
    assert outcome.selection == KnowledgeTask.selection
    assert sorted(outcome.further) == ["hits@1", "hits@10", "hits@3"]
    for one, three, ten in zip(*(outcome.further[f"hits@{k}"] for k in (1, 3, 10)), strict=True):
        assert 0 <= one <= three <= ten <= 100
    assert type(experiment.build(0)) is KINDS[name]


def test_one_seed_one_result_and_it_is_the_model_s(dataset: Dataset) -> None:
    experiment = experiment_of(dataset, "rotate", epochs=3)
    one, two = experiment.train(4), experiment.train(4)
    assert one.score == two.score
    assert one.further == two.further
    assert experiment.train(5).score != one.score
    task = experiment.task
    assert isinstance(task, KnowledgeTask)
    found = ranking_quality(task.ranks(one.model, task.phases(dataset, 4).test))
    assert found == {"mrr": one.score, **one.further}


def test_validation_alone_selects(dataset: Dataset) -> None:
    trained = experiment_of(dataset, "complex", epochs=8, settings={"batch_size": 8}).train(0)
    best = max(trained.fit.history, key=lambda epoch: (*epoch.score, -epoch.number))  # type: ignore
    assert trained.fit.best == best
    task = KnowledgeTask()
    score, loss = task.evaluate(trained.model, task.phases(dataset, 0).val)
    assert (score, -loss) == best.score


@pytest.mark.parametrize("training", ["1-vs-all", "k-vs-all", "negatives"])
def test_settings_are_used(training: str, dataset: Dataset) -> None:
    settings = {
        "training": training,
        "hidden": 6,
        "negatives": 3,
        "optimizer": "adam",
        "validated": 2,
    }
    experiment = experiment_of(dataset, "distmult", epochs=2, settings=settings)
    assert isinstance(experiment.task, KnowledgeTask)
    assert (experiment.task.training, experiment.task.negatives) == (training, 3)
    model = experiment.build(0)
    assert isinstance(model, KnowledgeModel)
    assert model.node_emb.weight.shape == (20, 6)
    optimizer = experiment._optimizer([{"params": model.parameters()}], 0.1)
    assert isinstance(optimizer, torch.optim.Adam)
    assert experiment.run([0]).complete


@pytest.mark.parametrize("name", ["complex", "distmult"])
def test_a_penalty_keeps_vectors_small(name: str, dataset: Dataset) -> None:
    def size(n3: float) -> float:
        settings = {"n3": n3, "batch_size": 8, "optimizer": "adam"}
        model = experiment_of(dataset, name, epochs=5, settings=settings).train(0).fit.state
        return float(model["node_emb.weight"].norm())

    assert size(1.0) < size(0.0)


def test_published_numbers() -> None:
    found = {name: recipe_of(name).published("fb15k-237", "edge", "split") for name in KINDS}
    assert {name: row and row.value for name, row in found.items()} == {
        "complex": 34.8,
        "distmult": 34.3,
        "rgcn": 24.8,
        "rotate": 33.3,
        "transe": 31.3,
    }
    assert recipe_of("complex").published("wn18rr", "edge", "split") is None


def test_other_recipes_know_no_triples() -> None:
    own = recipe_of("complex").settings(["wn18rr"], "edge", {})
    assert "training" in own
    assert "supervised" not in own
    assert "training" not in recipe_of("gcn").settings(["cora"], "node", {})


@pytest.mark.parametrize(
    ("model", "options", "text"),
    [
        ("gcn", {}, "model: expected one of complex, .* for circle, a knowledge graph; got 'gcn'"),
        ("gae", {}, "model: expected one of complex, .* for circle, a knowledge graph; got 'gae'"),
        ("complex", {"protocol": "gin"}, "protocol: expected 'split' for complex, got 'gin'"),
        ("complex", {"level": "node"}, "task: expected 'link' for complex, got 'node'"),
        ("complex", {"settings": {"training": "all"}}, "training: expected one of 1-vs-all"),
        ("complex", {"settings": {"optimizer": "sgd"}}, "optimizer: expected one of adam, adagrad"),
        ("complex", {"settings": {"margins": 1}}, "settings: .* did you mean margin"),
        ("complex", {"settings": {"hidden": 0}}, "hidden_channels: expected at least 1, got 0"),
        ("rgcn", {"settings": {"num_blocks": 7}}, "num_blocks: expected a divisor"),
    ],
)
def test_what_does_not_fit_is_named(
    model: str, options: dict[str, Any], text: str, dataset: Dataset
) -> None:
    with pytest.raises(ValueError, match=text):
        experiment_of(dataset, model, **options)


def test_a_graph_of_one_kind_of_edge_is_none() -> None:
    with pytest.raises(ValueError, match=r"dataset: expected a knowledge graph for complex, .*kar"):
        experiment_of(load("karate"), "complex")


def test_the_command(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package's function stands before its module.
    monkeypatch.setattr(importlib.import_module("graphkit.data"), "load", lambda name: dataset)
    command = ["run", "wn18rr", "complex", "--seeds", "2", "--epochs", "2", "--json", "-"]
    done = invoke(app, [*command, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["task"], found["metric"]) == ("link", "mrr")
    assert len(found["values"]) == len(found["further"]["hits@10"]) == 2
    assert "hits@10 %" in done.stderr
    assert (tmp_path / "seed-1.safetensors").exists()
    wrong = invoke(app, ["explain-plan", "wn18rr", "complex"])
    assert wrong.exit_code == 2
    assert "model: expected one whose layers read features, got 'complex'" in wrong.output


def test_your_own_triples(tmp_path: Path) -> None:
    for part, text in {"train": "a r b\na s b", "valid": "b r a", "test": "b s a"}.items():
        (tmp_path / f"{part}.txt").write_text(text.replace(" ", "\t"))
    command = ["run", "mine", "transe", "--seeds", "1", "--epochs", "1"]
    done = invoke(app, [*command, "--triples", str(tmp_path), "--json", "-"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["dataset"] == "mine"
    (tmp_path / "test.txt").write_text("b\tt\ta")
    wrong = invoke(app, [*command, "--triples", str(tmp_path)])
    assert wrong.exit_code == 2
    assert "mine: train: expected a triple of every relation that test asks for" in wrong.output
    both = invoke(app, [*command, "--triples", str(tmp_path), "--csv", str(tmp_path)])
    assert "--triples, --interactions: expected one of them, got several" in both.output


@pytest.mark.parametrize("name", KINDS)
def test_short_floats_train_and_rank_exactly(name: str, dataset: Dataset) -> None:
    experiment = experiment_of(dataset, name, epochs=1)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        trained = experiment.train(0)
    assert isinstance(experiment.task, KnowledgeTask)
    phases = experiment.task.phases(dataset, 0)
    assert experiment.task.evaluate(trained.model, phases.test)[0] == trained.score
