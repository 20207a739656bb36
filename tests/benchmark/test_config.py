"""Configurations: those of the repository, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphkit.benchmark import choose, read, read_all, write
from graphkit.benchmark.tuning import check_space
from graphkit.data.cards import all_cards
from graphkit.experiment import PROTOCOLS, Published, recipe_of
from graphkit.tasks import GraphTask, KnowledgeTask, NodeTask, RecommendationTask

CONFIGS = Path(__file__).parents[2] / "benchmarks" / "configs"
ALL = sorted(CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.stem)
def test_configurations_of_the_repository(file: Path) -> None:
    config = read(file)
    paper, model, dataset = config.name.split("_")
    assert paper
    assert model == config.model
    assert dataset == config.dataset
    card = all_cards().get(config.dataset)
    if card is not None and config.task != "link":
        assert (config.split, config.level) == (card.split, card.level)
    task = NodeTask if config.level == "node" else GraphTask
    special = {"knowledge": KnowledgeTask, "recommender": RecommendationTask}
    if recipe_of(config.model).kind in special:
        task = special[recipe_of(config.model).kind]
        assert card is not None
        assert config.split == card.split
    selection = PROTOCOLS[config.protocol].selection or task.selection
    assert config.selection == selection
    if config.search:
        check_space(config)


def test_no_experiment_stands_there_twice() -> None:
    about = [(c.dataset, c.task, c.model, c.protocol) for c in read_all(CONFIGS)]
    assert len(about) == len(set(about))


def test_what_runs_shorter_says_so() -> None:
    for config in read_all(CONFIGS):
        own = recipe_of(config.model).settings([config.dataset], config.level, {})
        full = own.get("epochs", 0)  # what is fitted at once has none
        shorter = config.settings.get("epochs", full) < full
        assert config.shortened or not (config.budget or shorter), config.name


def test_numbers_come_from_the_recipe_or_the_file(folder: Any) -> None:
    cora = read(CONFIGS / "velickovic2018_gat_cora.yaml")
    assert cora.reference() == recipe_of("gat").published("cora", "node", "split")
    assert cora.reference() is not None
    links = read(CONFIGS / "kipf2016_gae_cora.yaml").reference("ap")
    assert links is not None
    assert links.value == 92.0
    own = folder.config(published={"value": 80, "source": "us", "deviation": 1.5, "seeds": 5})
    assert own.reference() == Published(80, "us", 1.5, 5)
    assert own.reference("ap") is None


def test_one_is_written_as_it_is_read(folder: Any, tmp_path: Path) -> None:
    full = {
        "published": {"value": 80, "source": "us"},
        "tolerance": 2.0,
        "budget": 5,
        "shortened": "no time",
        "search": {"lr": {"low": 1.0e-3, "high": 0.1, "log": True}, "hidden": [8, 16]},
    }
    config = folder.config(**full)
    write(config, tmp_path / "paper_gcn_karate.yaml")
    assert read(tmp_path / "paper_gcn_karate.yaml") == config


def test_patterns_choose_by_name() -> None:
    names = [config.name for config in choose(CONFIGS, ["kipf2017_*_cora", "*_gat_pubmed"])]
    assert names == ["kipf2017_cheb_cora", "kipf2017_gcn_cora", "velickovic2018_gat_pubmed"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"setings": {}}, r"expected keys among dataset, .*, got 'setings'; did you mean settings"),
        ({"split": None}, "split: expected a text, got nothing"),
        ({"seeds": 0}, "seeds: expected a whole number of at least 1, got 0"),
        ({"seeds": True}, "seeds: expected a whole number of at least 1, got True"),
        ({"seeds": "ten"}, "seeds: expected a whole number of at least 1, got 'ten'"),
        ({"task": "nodes"}, "task: expected one of node, link, edge, graph, got 'nodes'"),
        ({"protocol": "best"}, "protocol: expected one of split, gin, fair, got 'best'"),
        ({"tolerance": -1}, "tolerance: expected a number above 0, got -1"),
        ({"budget": float("nan")}, "budget: expected a number above 0, got nan"),
        ({"settings": [1]}, r"settings: expected keys and values, got \[1\]"),
        ({"settings": {"hiden": 3}}, "settings: expected one of .*; got 'hiden'; did you mean"),
        ({"settings": {"hidden": "x"}}, "settings: hidden: expected int as in 16, got 'x'"),
        ({"dataset": "karat"}, "name: expected a data set of .*, got 'karat'; did you mean karate"),
        ({"dataset": "Karate"}, "dataset: expected its name 'karate', got 'Karate'"),
        ({"model": "gnc"}, "model: did you mean .*gcn.*got 'gnc'"),
        ({"published": {"value": 1}}, "published: source: expected a text, got nothing"),
        (
            {"published": {"value": "high", "source": "us"}},
            "published: value: expected a number, got 'high'",
        ),
        (
            {"published": {"value": 1, "source": "us", "std": 2}},
            "published: expected keys among value, source, .*, got 'std'",
        ),
        (
            {"published": {"value": 1, "source": "us", "protocol": "fair"}},
            "published: protocol: expected 'split', as the experiment's, got 'fair'",
        ),
        (
            {"dataset": "cora", "published": {"value": 81, "source": "us"}},
            r"published: expected none, as the recipe of gcn holds 81.5 \(Kipf.*\), got 81",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Any, changes: dict[str, Any], text: str) -> None:
    file = folder.put(**changes)
    with pytest.raises(ValueError, match=f"{file.name}: {text}"):
        read(file)


@pytest.mark.parametrize("text", ["seeds: [1", "- cora", "", "seeds: \x00"])
def test_other_files_are_no_configurations(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"a.yaml: expected (YAML|keys and values), got"):
        read(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: choose(CONFIGS, ["kipf_gcn_cora"]),
            "PATTERN: .*'kipf_gcn_cora'; near are .*_cora",
        ),
        (lambda: choose(CONFIGS, ["*cora", "zzz"]), "PATTERN: expected one that matches .*'zzz'"),
        (lambda: choose(Path("nowhere"), ["*"]), "--configs: expected a folder with config"),
    ],
)
def test_patterns_that_match_nothing(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
