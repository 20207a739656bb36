"""The scripts for the Open Graph Benchmark: sizes of their models, seeds that are run once, and
every script from its files to its row, on tiny sets in the layout of the real ones."""

from __future__ import annotations

import argparse
import csv
import importlib
import sys
from pathlib import Path
from typing import Any

import leaderboard
import link_level
import make_fixture
import node_level
import numpy as np
import ogbl_collab
import ogbn_products
import pytest
import torch
from torch import Tensor, nn

from graphkit import runtime
from graphkit.convert import from_smiles
from graphkit.data import DataError, Dataset, LinkSplit, RankedLinks, Split, load
from graphkit.data.links import split_links
from graphkit.data.ogb_facts import SETS
from graphkit.graph import Graph
from graphkit.metrics import METRICS
from graphkit.nn import GraphSAGE
from graphkit.sampling import NeighborSampler
from graphkit.tasks.heuristics import common_neighbours


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_fixture.make(folder)
    return folder


@pytest.fixture
def small_sets(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny sets are what `load` finds, and none has a card that tells them from the real."""
    monkeypatch.setenv("GRAPHKIT_DATA", str(tiny))
    monkeypatch.setattr(sys.modules["graphkit.data.load"], "all_cards", dict)


def call(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: object) -> None:
    monkeypatch.setattr(runtime, "keep_memory", lambda: "")  # the process is that of all tests
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
    importlib.import_module(script).main()


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


# --- the leaderboard -----------------------------------------------------------------------------


def of_the_size_of(name: str) -> Dataset:
    """Few nodes with as many features as in the real set; ogbl-ddi has no features but nodes."""
    nodes = 4267 if name == "ogbl-ddi" else 30
    width = {"ogbn-products": 100, "ogbl-ppa": 58, "ogbl-ddi": 0}.get(name, 128)
    outputs = {"ogbn-arxiv": 40, "ogbn-products": 47}.get(name, 1)
    x = torch.rand(nodes, width) if width else None
    ring = torch.stack([torch.arange(nodes), torch.arange(nodes).roll(1)])
    both = torch.cat([ring, ring.flip(0)], dim=1)
    y = {"y": torch.arange(nodes) % outputs} if outputs > 1 else {}
    graph = Graph(both, nodes, x=x, node_attrs=y, undirected=True)
    links: LinkSplit | RankedLinks = split_links(graph, 0.2, 0.2, seed=0)
    if name == "ogbl-citation2":
        targets = torch.zeros(6, 5, dtype=torch.long)
        links = RankedLinks(graph, links.train, links.val, links.test, targets, targets)
    if name == "ogbl-collab":
        graph = links.graph.replace(edge_attrs={"edge_weight": torch.ones(links.graph.num_edges)})
        links = LinkSplit(
            graph, links.train, links.val, links.test, links.val_negative, links.test_negative
        )
    return Dataset(
        name, name, "node", "multiclass", "accuracy", [graph], outputs,
        [Split(*torch.arange(30).chunk(3))], "", {"links": links},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "model", "parameters"),
    [
        ("ogbn_arxiv", "gcn", 110_120),
        ("ogbn_arxiv", "sage", 218_664),
        ("ogbn_arxiv", "mlp", 110_120),
        ("ogbn_products", "gcn", 103_727),
        ("ogbn_products", "sage", 206_895),
        ("ogbn_products", "sampled-sage", 206_895),
        ("ogbn_products", "mlp", 103_727),
        ("ogbl_ddi", "gcn", 1_289_985),
        ("ogbl_ddi", "sage", 1_421_057),
        ("ogbl_collab", "gcn", 296_449),
        ("ogbl_collab", "sage", 460_289),
        ("ogbl_ppa", "gcn", 278_529),
        ("ogbl_ppa", "sage", 424_449),
        ("ogbl_citation2", "gcn", 296_449),
        ("ogbl_citation2", "sage", 460_289),
    ],
)
def test_models_are_as_large_as_those_of_the_leaderboard(
    script: str, model: str, parameters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importlib.import_module(script), "load", of_the_size_of)
    table = tmp_path / "ogb.csv"
    call(monkeypatch, script, model, "--seeds", 1, "--epochs", 1, "--csv", table)
    assert [int(row["parameters"]) for row in rows_of(table)] == [parameters]


def test_seeds_are_run_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = argparse.Namespace(seeds=2, csv=tmp_path / "ogb.csv", device="cpu")
    ran: list[int] = []

    def run(seed: int) -> tuple[float, float, nn.Module]:
        ran.append(seed)
        return 0.5, 0.25 + 0.5 * seed, nn.Linear(2, 1)

    for seeds, settings in ((2, {"lr": 0.1}), (3, {"lr": 0.1}), (1, {"lr": 0.2})):
        options.seeds = seeds
        leaderboard.run_seeds("ogbl-ddi", "gcn", settings, run, options)
    assert ran == [0, 1, 2, 0]
    said = capsys.readouterr().out
    assert "test 50.00 ± 35.36 | validation 50.00 ± 0.00 | 2 seeds | 3 parameters" in said
    assert "test 75.00 ± 50.00" in said
    assert "test 25.00 | validation 50.00 | 1 seeds" in said


@pytest.mark.parametrize(("every", "kept"), [(1, 2), (3, 3)])
def test_the_first_of_the_best_epochs_is_kept(every: int, kept: int):
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    modes: list[bool] = []

    def learn():
        for _ in range(2):
            modes.append(model.training)
            with torch.no_grad():
                model.weight += 0.5
            yield

    def scores() -> tuple[float, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        epoch = int(model.weight)
        return {1: 0.1, 2: 0.7, 3: 0.6, 4: 0.7, 5: 0.2}[epoch], epoch / 10

    options = argparse.Namespace(epochs=5, every=every)
    val, test, best = leaderboard.best_epoch(model, learn, scores, options, "counting", 2)
    assert (val, test) == ({2: 0.7, 3: 0.6}[kept], kept / 10)
    assert best is model
    assert model.weight.item() == kept
    assert modes == [True] * 10


def test_scores_are_ours_where_the_official_evaluator_is_not(monkeypatch: pytest.MonkeyPatch):
    out, y = torch.eye(40)[[3, 5, 7, 7]], torch.tensor([3, 5, 7, 0])
    asked: list[str] = []

    def official(name: str, prediction: Tensor, target: Tensor) -> float:
        asked.append(name)
        return 0.125

    monkeypatch.setattr(leaderboard, "official_score", official)
    assert leaderboard.score_of("ogbn-arxiv", out, y) == 0.125
    assert asked == ["ogbn-arxiv"]

    def missing(*_: Any) -> float:
        raise ImportError("ogb")

    monkeypatch.setattr(leaderboard, "official_score", missing)
    assert leaderboard.score_of("ogbn-arxiv", out, y) == 0.75


# --- links ---------------------------------------------------------------------------------------


def two_groups(seed: int = 0) -> LinkSplit:
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(60) % 2
    share = torch.where(group[:, None] == group, 0.6, 0.02)
    joined = (torch.rand(60, 60, generator=generator) < share).triu(1).nonzero().t()
    graph = Graph(torch.cat([joined, joined.flip(0)], dim=1), 60, undirected=True)
    return split_links(graph, 0.1, 0.2, seed=0)


@pytest.mark.parametrize("loss", ["cross-entropy", "auc"])
def test_links_are_learnt_and_the_best_epoch_kept(loss: str):
    split = two_groups()
    graph = split.graph
    torch.manual_seed(0)
    model = link_level.LinkPredictor("sage", graph, 2, 16, 0.0)
    options = argparse.Namespace(model="sage", lr=0.01, epochs=40, every=10, loss=loss)
    val, test, same = link_level.trained("ogbl-ddi", model, split, 0, options, graph, graph)
    assert same is model
    with torch.no_grad():
        codes = model.eval().codes(graph)
        of = lambda pairs: model(codes, pairs)  # noqa: E731
        assert link_level.scores("ogbl-ddi", split, of, of) == pytest.approx((val, test))
    assert test > 0.6  # half of all pairs is across, and hardly ever linked


def test_negatives_are_no_training_links():
    generator = torch.Generator().manual_seed(0)
    split, links = two_groups(), torch.arange(100)
    drawn = link_level.negatives(split, links, generator)
    assert drawn.shape == (2, 100)
    assert not any((tuple(pair) not in split.unlinked) for pair in drawn.T.tolist())
    targets = torch.zeros(0, 1, dtype=torch.long)
    ranked = RankedLinks(split.graph, split.train, *[split.val] * 2, targets, targets)
    source, target = link_level.negatives(ranked, links, generator)
    assert torch.equal(source, split.train[0, links])
    known = set(map(tuple, split.train.T.tolist()))
    assert not known & set(zip(source.tolist(), target.tolist(), strict=True))


def test_links_are_ranked_among_their_own_targets(monkeypatch: pytest.MonkeyPatch):
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(9, 9, generator=generator)
    links = torch.randint(9, (2, 7), generator=generator)
    targets = torch.randint(9, (7, 4), generator=generator)
    graph = Graph(links, 9)
    split = RankedLinks(graph, links, links, links[:, :2], targets, targets[:2])
    monkeypatch.setattr(link_level, "AT_ONCE", 9)  # two rows at a time
    found = link_level.scores("ogbl-citation2", split, lambda p: table[p[0], p[1]], lambda p: p[1])
    rank = [
        1 + sum(float(table[a, t] > table[a, b]) + 0.5 * float(table[a, t] == table[a, b])
                for t in row)
        for (a, b), row in zip(links.T.tolist(), targets.tolist(), strict=True)
    ]  # fmt: skip
    assert found[0] == pytest.approx(sum(1 / r for r in rank) / 7)
    rows = torch.cat([links[1, :2, None], targets[:2]], dim=1)
    truth = torch.zeros_like(rows)
    truth[:, 0] = 1
    assert found[1] == pytest.approx(METRICS["mrr"].score(rows, truth))


def test_validation_links_are_an_input_of_the_test_alone(
    small_sets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    split = load("ogbl-collab").further["links"]
    later = ogbl_collab.with_validation(split)
    assert later.num_edges == split.graph.num_edges + 2 * split.val.size(1)
    assert later.is_undirected
    assert torch.equal(later.edge_weight[: split.graph.num_edges], split.graph.edge_weight)
    expected = [
        link_level._score("ogbl-collab", *(common_neighbours(graph, p).float() for p in pairs))
        for graph, *pairs in (
            (split.graph, split.val, split.val_negative),
            (split.graph, split.test, split.test_negative),
            (later, split.test, split.test_negative),
        )
    ]
    assert expected[1] != expected[2]
    table = tmp_path / "ogb.csv"
    for further in ([], ["--val-edges-as-input"]):
        call(monkeypatch, "ogbl_collab", "common-neighbours", "--csv", table, *further)
    rows = {row["settings"]: row for row in rows_of(table)}
    plain, with_input = rows[""], rows["val_edges_as_input True"]
    assert [float(plain[p]) for p in ("val", "test")] == pytest.approx(
        [100 * expected[0], 100 * expected[1]], abs=1e-3
    )
    assert [float(with_input[p]) for p in ("val", "test")] == pytest.approx(
        [100 * expected[0], 100 * expected[2]], abs=1e-3
    )


# --- nodes ---------------------------------------------------------------------------------------


def test_blocks_with_all_neighbours_and_layers_of_all_nodes_are_the_whole_graph(small_sets: None):
    graph = load("ogbn-products").graph
    torch.manual_seed(0)
    model = node_level.model_of("sage", graph.x.size(1), 8, 47, 0.5, None)
    assert isinstance(model, GraphSAGE)
    model.eval()
    with torch.no_grad():
        whole = model(graph.x, graph)
        torch.testing.assert_close(ogbn_products.on_all(model, graph, graph.x), whole)
        nodes = torch.tensor([7, 400, 3])
        batch = NeighborSampler(graph, [-1, -1, -1]).sample(nodes)
        torch.testing.assert_close(ogbn_products.on_blocks(model, batch), whole[nodes])


# --- from files to rows --------------------------------------------------------------------------

SHORT = ("--channels", 32, "--lr", 0.01)


@pytest.mark.parametrize(
    ("script", "model", "further", "least"),
    [
        # one of five groups is right at random
        ("ogbn_arxiv", "gcn", (*SHORT, "--epochs", 20), 80),
        ("ogbn_arxiv", "sage", (*SHORT, "--epochs", 20), 80),
        ("ogbn_arxiv", "mlp", (*SHORT, "--epochs", 20), 50),
        ("ogbn_arxiv", "label-propagation", (), 80),
        ("ogbn_products", "gcn", (*SHORT, "--epochs", 30), 80),
        ("ogbn_products", "sampled-sage", (*SHORT, "--epochs", 6, "--batch-size", 16), 80),
        ("ogbn_products", "mlp", (*SHORT, "--epochs", 30), 40),
        ("ogbn_products", "label-propagation", (), 80),
        # 50 of 2000 pairs, 100 of 3000, are one in forty and one in thirty
        ("ogbl_collab", "gcn", (*SHORT, "--epochs", 30, "--val-edges-as-input"), 20),
        ("ogbl_collab", "sage", (*SHORT, "--epochs", 30), 20),
        ("ogbl_collab", "adamic-adar", (), 50),
        ("ogbl_ppa", "gcn", (*SHORT, "--epochs", 30, "--loss", "auc"), 40),
        ("ogbl_ppa", "resource-allocation", (), 30),
        # ranks of 1 to 1001 at random have a mean of 0.7 % for their reciprocals
        ("ogbl_citation2", "sage", (*SHORT, "--epochs", 30, "--every", 10), 8),
        ("ogbl_citation2", "common-neighbours", (), 10),
        # an area of 50 at random
        ("ogbg_mol", "gin", ("--epochs", 10, "--hidden", 16, "--lr", 0.01), 60),
    ],
)
def test_a_script_runs_from_the_files_to_the_row(
    script: str, model: str, further: tuple[object, ...], least: float,
    small_sets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    table = tmp_path / "ogb.csv"
    learns = bool(further)
    seeds = ["0", "1"] if learns else ["0"]
    dataset = "molhiv" if script == "ogbg_mol" else ""
    name = f"ogbg-{dataset}" if dataset else script.replace("_", "-")
    arguments = [*([dataset] if dataset else []), model, *further, "--seeds", 2, "--csv", table]
    call(monkeypatch, script, *arguments)
    said = capsys.readouterr().out.splitlines()
    rows = rows_of(table)
    assert [(r["dataset"], r["model"], r["seed"]) for r in rows] == [
        (name, model, s) for s in seeds
    ]
    (row,) = [line for line in said if line.startswith(f"{name} | {model} | test ")]
    assert f"| {len(seeds)} seeds | {int(rows[0]['parameters']):,} parameters | " in row
    assert f"made by: python {' '.join(sys.argv)}" in said
    assert sum(float(r["test"]) for r in rows) / len(rows) > least

    call(monkeypatch, script, *arguments)
    again = capsys.readouterr().out.splitlines()
    assert row in again
    assert not any("seed 0" in line for line in again)
    assert rows_of(table) == rows


@pytest.mark.parametrize("script", ["ogbn_arxiv", "ogbn_products", "ogbl_ppa", "ogbl_citation2"])
def test_an_absent_set_is_one_clear_error(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def offline(*_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys.modules["graphkit.data.load"], "fetch", offline)
    with pytest.raises(DataError, match=f"{script.replace('_', '-')}: not at hand.*no network"):
        call(monkeypatch, script, "gcn")


# --- the tiny sets -------------------------------------------------------------------------------


def test_tiny_sets_are_made_by_seed(tiny: Path, tmp_path: Path):
    def contents(folder: Path) -> dict[str, bytes]:
        files = (file for file in folder.rglob("*") if file.is_file())
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}

    for seed in (0, 1):
        make_fixture.make(tmp_path / str(seed), seed)
    first, other = contents(tmp_path / "0"), contents(tmp_path / "1")
    assert first == contents(tiny)
    assert first.keys() == other.keys()
    assert first["ogb/ogbn_arxiv/raw/edge.csv.gz"] != other["ogb/ogbn_arxiv/raw/edge.csv.gz"]
    with pytest.raises(FileExistsError, match=r"ogb/ogbn_arxiv, which may be a real set"):
        make_fixture.make(tiny)


def test_tiny_sets_are_read_as_what_they_are(small_sets: None):
    for name in make_fixture.SETS:
        dataset = load(name)
        assert dataset.name == name
        assert all(len(part) >= 20 for part in dataset.split())
    arxiv = load("ogbn-arxiv").graph
    assert (arxiv.node_year[arxiv.edge_index[0]] >= arxiv.node_year[arxiv.edge_index[1]]).all()
    links = load("ogbl-citation2").further["links"]
    known = torch.cat([links.train, links.val, links.test], dim=1)
    cited = torch.zeros(links.graph.num_nodes, links.graph.num_nodes, dtype=torch.bool)
    cited[known[0], known[1]] = True
    assert len(cited.nonzero()) == known.size(1)
    for part, targets in ((links.val, links.val_targets), (links.test, links.test_targets)):
        assert targets.shape == (40, 1000)
        assert not cited[part[0].unsqueeze(1), targets].any()
        assert all(len(row.unique()) == 1000 for row in targets)
    for name in ("ogbl-collab", "ogbl-ppa"):
        split = load(name).further["links"]
        parts = (split.train, split.val, split.test, split.val_negative, split.test_negative)
        pairs = torch.cat(parts, dim=1)
        assert pairs.unique(dim=1).shape == pairs.shape


def test_tiny_molecules_are_molecules(small_sets: None):
    pytest.importorskip("rdkit")
    dataset = load("ogbg-molpcba")
    assert dataset.y.isnan().double().mean() == pytest.approx(0.3, abs=0.02)
    for graph, smiles in zip(dataset.graphs, dataset.further["smiles"], strict=True):
        expected = from_smiles(smiles)
        for attribute in ("edge_index", "x", "edge_attr"):
            assert torch.equal(getattr(graph, attribute), getattr(expected, attribute)), smiles
    active = load("ogbg-molhiv")
    assert active.y.view(-1).tolist() == [float("CN" in s) for s in active.further["smiles"]]


@pytest.mark.parametrize("name", make_fixture.SETS)
def test_ogb_reads_the_tiny_sets_as_we_do(
    name: str, small_sets: None, tiny: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "outdated", None)  # with which ogb asks the network
    reader = pytest.importorskip("ogb.io.read_graph_raw")
    facts = SETS[name]
    further = {
        f"additional_{part}_files": [each for each in facts.further if each.startswith(part)]
        for part in ("node", "edge")
    }
    raw = tiny / f"ogb/{name.replace('-', '_')}/raw"
    theirs = reader.read_csv_graph_raw(str(raw), add_inverse_edge=facts.inverse, **further)
    ours = load(name).graphs
    for graph, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(graph.edge_index, other["edge_index"])
        np.testing.assert_array_equal(graph.x, other["node_feat"])
        for each in facts.further:
            found = {**graph.node_attrs, **graph.edge_attrs}[each]
            np.testing.assert_array_equal(found, other[each].reshape(-1))
