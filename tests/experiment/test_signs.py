"""Signs of links: models, what they see, both metrics beside what was published."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from graphkit.data import Dataset, load, split_edges
from graphkit.engine import plan
from graphkit.experiment import Experiment, experiment_of, names, recipe_of
from graphkit.experiment.signs import DegreeModel, SignExperiment, Signs
from graphkit.graph import Graph
from graphkit.metrics import f1_macro, roc_auc

KINDS = ["sign-degrees", "signed-gcn"]
QUICK = {"epochs": 3}


def traders(seed: int = 0) -> Dataset:
    """Who is worth trust gets it, but for one rating in ten."""
    generator = torch.Generator().manual_seed(seed)
    n = 40
    ends = torch.randint(n, (2, 500), generator=generator)
    ends = ends[:, ends[0] != ends[1]].unique(dim=1)
    wrong = torch.rand(ends.size(1), generator=generator) < 0.1
    y = ((ends[1] % 4 > 0) ^ wrong).long()
    graph = Graph(ends, n, x=torch.ones(n, 1), undirected=False, edge_attrs={"y": y})
    return Dataset(
        name="traders",
        title="Traders",
        level="edge",
        kind="multiclass",
        metric="roc_auc",
        graphs=[graph],
        num_outputs=2,
        splits=lambda seed: split_edges(graph, 0.7, 0.1, seed=seed),
        split_name="70/10/20 of the edges by seed",
    )


def settings_of(kind: str) -> dict[str, int]:
    return QUICK | ({"features": 8, "hidden": 16} if kind == "signed-gcn" else {})


def test_these_are_all():
    assert [name for name in names() if recipe_of(name).kind == "signs"] == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_both_metrics_are_those_of_the_model(kind: str):
    dataset = traders()
    experiment = experiment_of(dataset, kind, settings=settings_of(kind))
    assert isinstance(experiment, SignExperiment)
    done, again = experiment.train(4), experiment.train(4)
    assert done.score == again.score
    graph, test = dataset.graph, dataset.split(4).test
    with torch.no_grad():
        found = done.model(graph.edge_index[:, test])
    assert done.score == pytest.approx(roc_auc(found, graph.y[test]))
    assert done.further["f1_macro"] == pytest.approx(f1_macro(found, graph.y[test]))
    outcome = experiment.run([0, 1])
    assert len(outcome.values) == len(outcome.further["f1_macro"]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_signs_change_nothing_but_the_test(kind: str):
    dataset = traders()
    test, y = dataset.split(0).test, dataset.graph.y.clone()
    y[test] = 1 - y[test]
    other = replace(dataset, graphs=[dataset.graph.replace(edge_attrs={"y": y})])
    one, two = (
        experiment_of(d, kind, settings=settings_of(kind)).train(0) for d in (dataset, other)
    )
    assert [epoch.score for epoch in one.fit.history] == [epoch.score for epoch in two.fit.history]
    assert one.score == pytest.approx(1 - two.score)


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_say_is_learnt(kind: str):
    outcome = experiment_of(traders(), kind, settings=settings_of(kind), epochs=60).run([0, 1])
    assert outcome.mean > 80


def known(friendly: Tensor, hostile: Tensor) -> DegreeModel:
    return DegreeModel(Signs(friendly, hostile, 3), SimpleNamespace())


def test_counts_of_a_known_link_leave_it_out():
    model = known(torch.tensor([[0, 0], [1, 2]]), torch.tensor([[1], [2]]))
    # Friendly given, friendly got, hostile given, hostile got.
    assert model.counts.tolist() == [[2, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    counts = {
        (0, 1): ([1, 0, 0, 0], [0, 0, 1, 0], 1),
        (0, 2): ([1, 0, 0, 0], [0, 0, 0, 1], 1),
        (1, 2): ([0, 1, 0, 0], [0, 1, 0, 0], 0),
    }
    expected = []
    for source, target, sign in counts.values():
        row = torch.tensor([math.log1p(count) for count in source + target])
        expected.append(-model.lin(row).log_softmax(dim=0)[sign])
    torch.testing.assert_close(model.loss(), torch.stack(expected).mean())
    assert model.counts.tolist() == [[2, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    row = torch.tensor([math.log1p(count) for count in [2, 0, 0, 0, 0, 1, 0, 1]])
    torch.testing.assert_close(model(torch.tensor([[0], [2]]))[0], model.lin(row))


def test_layers_run_fused():
    experiment = experiment_of(traders(), "signed-gcn", settings=settings_of("signed-gcn"))
    told = plan.explain(experiment.build(0), experiment.dataset.graph.edge_index).splitlines()
    assert len(told) == 2
    assert all("SignedConv: fused kernel (mean)" in line for line in told)


def test_published_numbers_of_both_metrics():
    for name, auc, f1 in (("bitcoin-alpha", 87.4, 68.9), ("bitcoin-otc", 88.7, 73.9)):
        rows = [
            recipe_of("signed-gcn").published(name, "edge", "split", f) for f in (None, "f1_macro")
        ]
        assert [row.value for row in rows if row] == [auc, f1]


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="dataset: expected one whose edges have two classes"):
        experiment_of(load("karate"), "signed-gcn")
    with pytest.raises(ValueError, match="protocol: expected 'split' for signed-gcn, got 'gin'"):
        experiment_of(traders(), "signed-gcn", "gin")
    with pytest.raises(ValueError, match="hidden_channels: expected an even number, got 7"):
        experiment_of(traders(), "signed-gcn", settings={"hidden": 7})
    with pytest.raises(ValueError, match="model: expected one that is trained on targets"):
        Experiment(traders(), "signed-gcn")


@pytest.mark.slow
def test_trust_in_traders(data_root: Path):
    """Published, split not stated: an AUC of 88.7 and a macro-F1 of 73.9."""
    dataset = load("bitcoin-otc", folder=data_root, download=False)
    outcome = experiment_of(dataset, "signed-gcn").run([0])
    assert outcome.mean > 90
    assert outcome.further["f1_macro"][0] > 73
