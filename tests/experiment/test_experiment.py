"""Experiments: recipes, seeds, protocols."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from graphkit import Graph
from graphkit.data import Dataset, Split, karate_club, load, split_folds, split_per_class
from graphkit.experiment import PROTOCOLS, Experiment, names, recipe_of
from graphkit.experiment.models import MODELS
from graphkit.experiment.run import parameter_groups


def nodes() -> Dataset:
    """The karate club with one-hot nodes, as a data set."""
    graph = karate_club()
    graph = graph.replace(x=torch.eye(graph.num_nodes))
    split = split_per_class(graph.y, 2, 2, seed=0)
    return Dataset("club", "Club", "node", "multiclass", "accuracy", [graph], 4, [split], "few")


def graphs(edge_attr: bool = False, count: int = 40) -> Dataset:
    """Rings against paths, told apart by any model that sees edges."""
    made = []
    for k in range(count):
        n, ring = 5 + k % 4, k % 2
        i = torch.arange(n if ring else n - 1)
        edges = torch.stack([torch.cat([i, (i + 1) % n]), torch.cat([(i + 1) % n, i])])
        features = {"edge_attr": torch.ones(edges.size(1), 2)} if edge_attr else {}
        y = {"y": torch.tensor([ring])}
        made.append(Graph(edges, n, x=torch.ones(n, 1), graph_attrs=y, **features))
    y = torch.cat([graph.y for graph in made])
    folds = split_folds(y, 5, val=0.25, seed=0)
    return Dataset("r", "R", "graph", "multiclass", "accuracy", made, 2, folds, "5 folds")


QUICK = {"epochs": 2}


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"gine"}))
def test_every_model_learns_on_nodes(name: str):
    outcome = Experiment(nodes(), name, settings=QUICK).run([0])
    assert outcome.complete
    assert outcome.seeds == [0]
    assert 0 <= outcome.values[0] <= 100
    assert outcome.parameters > 0


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_learns_on_graphs_and_links(name: str):
    edges = name == "gine"
    changes = QUICK | ({"edges": True} if edges else {})
    assert Experiment(graphs(edges), name, settings=changes).run([0]).complete
    if not edges:
        link = Experiment(nodes(), name, level="edge", settings=QUICK).run([0])
        assert link.task == "link"
        assert link.metric == "roc_auc"


@pytest.mark.parametrize("name", ["gin", "gps", "mlp"])
def test_a_last_batch_of_one_node(name: str):
    """A molecule of one atom, left over at the end of an epoch, has no batch statistics."""
    dataset = graphs()
    alone = Graph(torch.empty(2, 0, dtype=torch.int64), 1, x=torch.ones(1, 1))
    alone = alone.replace(graph_attrs={"y": torch.tensor([0])})
    split = Split(torch.arange(9), torch.arange(9, 20), torch.arange(20, 40))
    dataset = replace(dataset, graphs=[*[alone] * 9, *dataset.graphs[9:]], splits=[split])
    settings = QUICK | {"batch_size": 4, "norm": "batch_norm"}
    assert Experiment(dataset, name, settings=settings).run([0]).complete


def test_a_vector_for_every_node_in_place_of_its_features():
    dataset = nodes()
    dataset = dataset.map(lambda graph: graph.replace(x=torch.ones(graph.num_nodes, 3)))
    experiment = Experiment(dataset, "gcn", settings=QUICK | {"identity": True})
    assert torch.equal(experiment.dataset.graph.x.to_dense(), torch.eye(34))
    assert experiment.run([0]).parameters == 34 * 16 + 16 + 16 * 4 + 4
    with pytest.raises(ValueError, match="identity: expected false, as r has 40 graphs"):
        Experiment(graphs(), "gcn", settings=QUICK | {"identity": True})


def test_recipes_and_models_are_the_same():
    recipes = [recipe_of(name) for name in names()]
    encoders = [r for r in recipes if not r.is_autoencoder and not r.is_of_signs]
    assert {recipe.name for recipe in encoders} == set(MODELS)
    for recipe in recipes:
        assert recipe.title
        assert recipe.paper
        for row in recipe.layers.get("published", []):
            assert {"dataset", "value", "source"} <= row.keys()
            level = row.get("level", "node")
            protocol = row.get("protocol", "split")
            found = recipe.published(row["dataset"], level, protocol, row.get("further"))
            assert found is not None
            assert found.value == row["value"]


def test_one_seed_one_result():
    first, again = (Experiment(nodes(), "gat", settings=QUICK).run([3, 4]) for _ in range(2))
    assert first.values == again.values


def test_the_settings_asked_for_are_used():
    experiment = Experiment(nodes(), "gcn", epochs=3, settings={"hidden": 7, "lr": 1})
    assert experiment.settings["epochs"] == 3
    assert experiment.settings["lr"] == 1.0
    widths = {p.shape for p in experiment.build(0).parameters()}
    assert torch.Size([7]) in widths
    assert len(experiment.train(0).fit.history) == 3


def test_settings_for_a_data_set_win_over_those_for_all():
    pubmed = recipe_of("gat").settings(["pubmed"], "node", {})
    assert pubmed["out_heads"] == 8
    assert recipe_of("gat").settings(["cora"], "node", {})["out_heads"] == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"hiden": 3}, "settings: .* got 'hiden'; did you mean hidden"),
        ({"hidden": "many"}, "settings: hidden: expected int as in 16, got 'many'"),
        ({"hidden": 2.5}, "settings: hidden: expected int"),
        ({"residual": 1}, "settings: residual: expected bool"),
    ],
)
def test_bad_settings_are_named(changes: dict[str, Any], text: str):
    with pytest.raises(ValueError, match=text):
        Experiment(nodes(), "gcn", settings=changes)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Experiment(nodes(), "gnc"), "model: did you mean .*gcn.*got 'gnc'"),
        (lambda: Experiment(nodes(), "gine"), "gine needs features on the edges"),
        (lambda: Experiment(nodes(), "gcn", level="graph"), "task: expected 'node' or 'edge'"),
        (lambda: Experiment(graphs(), "gcn", level="edge"), "task: expected 'graph'"),
        (
            lambda: PROTOCOLS["gin"](nodes(), "gcn").run(range(10)),
            "protocol: 'gin' takes folds for seeds, and club has 1",
        ),
        (
            lambda: PROTOCOLS["fair"](graphs(), "gin", grid={"width": [1]}),
            r"grid: expected names of settings, got \['width'\]",
        ),
    ],
)
def test_what_does_not_fit_is_said_at_once(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()


def test_ctrl_c_leaves_the_finished_seeds():
    def stop(seed: int, epoch: object) -> None:
        if seed == 2:
            raise KeyboardInterrupt

    outcome = Experiment(nodes(), "gcn", settings=QUICK).run(range(5), on_epoch=stop)
    assert outcome.seeds == [0, 1]
    assert len(outcome.values) == 2
    assert not outcome.complete


def test_weight_decay_of_some_parameters_only():
    experiment = Experiment(nodes(), "gcn", settings={"weight_decay": {"layers.convs.0": 0.1}})
    model = experiment.build(0)
    groups = parameter_groups(model, {"layers.convs.0": 0.1})
    decayed = {id(p) for g in groups if g["weight_decay"] == 0.1 for p in g["params"]}
    assert decayed == {id(p) for p in model.encoder.layers.convs[0].parameters()}
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    with pytest.raises(ValueError, match="weight_decay: no parameter's name starts with"):
        parameter_groups(model, {"layers.conv": 0.1})


def test_test_nodes_change_nothing_but_the_test():
    """Other labels of the test nodes leave training, selection and the model as they are."""
    dataset = nodes()
    split = dataset.split(0)
    y = dataset.y.clone()
    y[split.test] = (y[split.test] + 1) % 4
    other = dataset.map(lambda graph: graph.replace(y=y))
    one, two = (Experiment(d, "gcn", epochs=5).train(0) for d in (dataset, other))
    assert [e.score for e in one.fit.history] == [e.score for e in two.fit.history]
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert one.score != two.score


def test_gin_protocol_reports_all_folds_at_one_epoch():
    experiment = PROTOCOLS["gin"](graphs(), "gin", settings={"epochs": 4, "hidden": 8})
    curves: dict[int, list[float]] = {}
    outcome = experiment.run(
        range(5),
        on_epoch=lambda fold, epoch: curves.setdefault(fold, []).append(100 * epoch.score[0]),
    )
    means = [sum(curves[fold][e] for fold in range(5)) / 5 for e in range(4)]
    assert outcome.mean == pytest.approx(max(means))
    assert outcome.values == pytest.approx([curves[f][means.index(max(means))] for f in range(5)])
    assert "no test set" in outcome.selection


def test_fair_protocol_chooses_by_validation(monkeypatch: pytest.MonkeyPatch):
    """A setting that can only fail is never chosen."""
    experiment = PROTOCOLS["fair"](
        graphs(), "gin", settings={"epochs": 40}, grid={"lr": [1e-9, 0.01], "hidden": [8]}
    )
    chosen = []
    once = experiment._once
    monkeypatch.setattr(
        experiment,
        "_once",
        lambda fold, seed, progress: (
            chosen.append((fold, seed, experiment.settings["lr"])),
            once(fold, seed, progress),
        )[1],
    )
    outcome = experiment.run([1])
    assert [entry[:2] for entry in chosen] == [(1, 1), (1, 2), (1, 3)]
    assert {entry[2] for entry in chosen} == {0.01}
    assert outcome.protocol == "fair"
    assert outcome.mean > 80


def test_a_setting_asked_for_is_not_searched():
    experiment = PROTOCOLS["fair"](graphs(), "gin", settings={"hidden": 5})
    assert "hidden" not in experiment.grid
    assert experiment.settings["hidden"] == 5


def test_gcn_on_cora(data_root: Path):
    """Three seeds on the public split stand where 81.5 was published."""
    outcome = Experiment(load("cora", folder=data_root, download=False), "gcn").run(range(3))
    assert outcome.published is not None
    assert outcome.published.value == 81.5
    assert 79.5 < outcome.mean < 83.5
