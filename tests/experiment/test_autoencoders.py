"""Graph autoencoders by name: settings, steps of an epoch, AUC and AP beside what was published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from graphkit.cli import app
from graphkit.data import load
from graphkit.experiment import Experiment, experiment_of, names, recipe_of
from graphkit.experiment.autoencoders import AutoencoderExperiment
from graphkit.experiment.models import MODELS
from graphkit.generative.graph import MaskGAE
from graphkit.metrics import average_precision, roc_auc

KINDS = ["gae", "vgae", "arga", "arvga", "maskgae"]
invoke = CliRunner().invoke


def test_these_are_all() -> None:
    assert sorted(KINDS) == [name for name in names() if recipe_of(name).kind == "autoencoder"]


@pytest.mark.parametrize("kind", KINDS)
def test_run_gives_both_metrics(kind: str) -> None:
    done = invoke(app, ["run", "karate", kind, "--seeds", "2", "--epochs", "3", "--json", "-"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["task"], found["metric"]) == ("link", "roc_auc")
    assert len(found["values"]) == len(found["further"]["ap"]) == 2
    assert "ap %" in done.stderr


@pytest.mark.parametrize("encoder", sorted(set(MODELS) - {"gine"}))
@pytest.mark.parametrize("kind", ["vgae", "maskgae"])
def test_any_model_encodes(kind: str, encoder: str) -> None:
    settings = {"encoder": encoder, "epochs": 1}
    assert experiment_of(load("karate"), kind, settings=settings).run([0]).complete


@pytest.mark.parametrize("kind", ["vgae", "arga"])
def test_one_seed_one_result_and_it_is_the_model_s(kind: str) -> None:
    experiment = experiment_of(load("karate"), kind, epochs=3)
    one, two = experiment.train(4), experiment.train(4)
    assert one.score == two.score
    graph = experiment.dataset.graph
    split = experiment.task.split_of(experiment.dataset, 4)
    with torch.no_grad():
        pairs = torch.cat([split.test, split.test_negative], dim=1)
        found = one.model(graph.x, split.graph, pairs)
    linked = (torch.arange(len(found)) < split.test.size(1)).float()
    assert one.score == pytest.approx(roc_auc(found, linked))
    assert one.further["ap"] == pytest.approx(average_precision(found, linked))


def test_an_adversary_s_turn_comes_after_steps_without_it() -> None:
    experiment = experiment_of(load("karate"), "arga", settings={"reconstructions": 3})
    assert isinstance(experiment, AutoencoderExperiment)
    losses = experiment._losses(experiment.build(0).autoencoder)
    assert len(losses) == 4
    assert len(set(losses)) == 2
    alone = experiment_of(load("karate"), "gae")
    assert isinstance(alone, AutoencoderExperiment)
    assert len(alone._losses(alone.build(0).autoencoder)) == 1


def test_published_numbers_of_both_metrics() -> None:
    for kind in KINDS:
        for dataset in ("cora", "citeseer", "pubmed"):
            for further in (None, "ap"):
                found = recipe_of(kind).published(dataset, "edge", "split", further)
                assert found is not None
                assert 89 < found.value < 99


def test_other_models_are_what_they_were() -> None:
    assert type(experiment_of(load("karate"), "gcn")) is Experiment


def test_what_does_not_fit() -> None:
    karate = load("karate")
    for options, text in (
        ({"protocol": "gin"}, "protocol: expected 'split' for gae, got 'gin'"),
        ({"protocol": "best"}, "protocol: expected one of split, gin, fair; got 'best'"),
        ({"level": "node"}, "task: expected 'link' for gae, got 'node'"),
        ({"settings": {"encoder": "gae"}}, "encoder: expected one of gcn, sage, .*, got 'gae'"),
    ):
        with pytest.raises(ValueError, match=text):
            experiment_of(karate, "gae", **options)
    with pytest.raises(ValueError, match=r"model: expected one that is trained on .* got 'gae'"):
        Experiment(karate, "gae")
    with pytest.raises(ValueError, match="code: expected 128 as `hidden` for maskgae, got 16"):
        experiment_of(karate, "maskgae", settings={"code": 16})


def test_cora_s_links_are_found_by_what_is_hidden(data_root: Path) -> None:
    experiment = experiment_of(load("cora", folder=data_root), "maskgae", epochs=25)
    model = experiment.build(0)
    assert isinstance(model.autoencoder, MaskGAE)
    outcome = experiment.run([0])
    assert outcome.values[0] > 88
    assert outcome.further["ap"][0] > 88
