"""Sets of the Open Graph Benchmark: small ones made here, and the real ones."""

import gzip
import io
import os
import pickle
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from graphkit.data import DataError, LinkSplit, RankedLinks, available, load, official_score
from graphkit.data.ogb import FAMILY
from graphkit.data.ogb_facts import SETS
from graphkit.metrics import METRICS
from graphkit.tasks import LinkTask

TEXTS = {
    "raw/num-node-list": "3\n1\n2\n2\n",
    "raw/num-edge-list": "2\n0\n1\n1\n",
    "raw/edge": "0,1\n1,2\n0,1\n1,0\n",
    "raw/node-feat": "".join(f"{v},0,0,0,0,0,0,0,1\n" for v in range(8)),
    "raw/edge-feat": "".join(f"{e},0,1\n" for e in range(4)),
    "split/scaffold/train": "0\n3\n",
    "split/scaffold/valid": "1\n",
    "split/scaffold/test": "2\n",
}
LABELS = ["0,1" + 10 * ",", "1,0" + 10 * ",1", ",,1" + 9 * ",", 11 * "0," + "1"]


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        file = folder / f"{name}.csv.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def tox21(tmp_path: Path) -> Path:
    """Four graphs with twelve labels, of which some are missing; and one molecule's name."""
    folder = tmp_path / "ogb/ogbg_moltox21"
    write(folder, TEXTS | {"raw/graph-label": "".join(f"{row}\n" for row in LABELS)})
    write(folder, {"mapping/mol": 'smiles,mol_id\nCCO ,"a\nb"\nC,c\nCC,d\nOO,e\n'})
    return folder


def read(name: str, root: Path):
    return load(name, folder=root, download=False)


# --- graphs --------------------------------------------------------------------------------------


def test_graphs(tox21: Path, tmp_path: Path):
    dataset = read("ogbg-moltox21", tmp_path)
    assert (dataset.level, dataset.kind, dataset.metric) == ("graph", "multilabel", "roc_auc")
    assert (dataset.num_outputs, dataset.split_name) == (12, "scaffold")
    first, second, *_ = dataset.graphs
    assert first.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert first.is_undirected
    assert first.x.tolist() == [[v, 0, 0, 0, 0, 0, 0, 0, 1] for v in range(3)]
    assert first.edge_attr[:, 0].tolist() == [0, 0, 1, 1]
    assert (second.num_nodes, second.num_edges, second.edge_attr.shape) == (1, 0, (0, 3))
    assert [graph.x[0, 0].item() for graph in dataset.graphs] == [0, 3, 4, 6]
    assert dataset.graphs[3].edge_index.tolist() == [[1, 0], [0, 1]]
    assert [part.tolist() for part in dataset.split()] == [[0, 3], [1], [2]]
    assert dataset.further["smiles"] == ["CCO", "C", "CC", "OO"]


def test_missing_labels_are_nan(tox21: Path, tmp_path: Path):
    dataset = read("ogbg-moltox21", tmp_path)
    nan = float("nan")
    expected = torch.tensor([[0, 1] + 10 * [nan], [1, 0] + 10 * [1], [nan, nan, 1] + 9 * [nan]])
    torch.testing.assert_close(dataset.y[:3], expected, equal_nan=True)
    assert dataset.graphs[0].y.shape == (1, 12)


def test_nothing_is_written(tox21: Path, tmp_path: Path):
    before = sorted(tmp_path.rglob("*"))
    read("ogbg-moltox21", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raw/edge": "0,1\n1,2\n0,1\n"}, r"edge\.csv\.gz: expected 4 lines, got 3"),
        ({"raw/edge": "0,1\n1,2\n0,1\n1,x\n"}, "expected lines of numbers"),
        ({"raw/edge": "0,1\n1,3\n0,1\n1,0\n"}, "edges within the graphs of the batch"),
        ({"raw/edge": "0,1\n1,2\n0,1\n1,9\n"}, "out of range"),
        ({"raw/num-edge-list": "2\n0\n1\n"}, "as many numbers of edges as of nodes, 4, got 3"),
        ({"raw/node-feat": "1,2\n"}, r"node-feat\.csv\.gz: expected 8 lines, got 1"),
        ({"raw/node-feat": "1,2\n" * 8}, "features of molecules, atomic_num, chirality"),
        ({"raw/node-feat": "119,0,0,0,0,0,0,0,0\n" * 8}, "features of molecules, atomic_num"),
        ({"raw/edge-feat": "0,-1,0\n" * 4}, "features of molecules, bond_type"),
        ({"raw/graph-label": "0,1\n"}, "expected 4 lines of 12"),
        ({"raw/graph-label": ("7" + 11 * ",0" + "\n") * 4}, "labels 0, 1 or NaN, got 7"),
        ({"split/scaffold/test": "3\n"}, "share no member, got 1 in both train and test"),
        ({"split/scaffold/test": "4\n"}, "indices of 0 to 3, got 4"),
    ],
)
def test_files_that_do_not_fit(tox21: Path, tmp_path: Path, change, message):
    write(tox21, change)
    with pytest.raises(DataError, match=message):
        read("ogbg-moltox21", tmp_path)


@pytest.mark.parametrize("name", ["raw/edge", "raw/graph-label", "mapping/mol"])
def test_files_cut_short(tox21: Path, tmp_path: Path, name: str):
    file = tox21 / f"{name}.csv.gz"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=rf"{name.split('/')[1]}\.csv\.gz.*cut short"):
        read("ogbg-moltox21", tmp_path)


def test_another_release(tox21: Path, tmp_path: Path):
    (tox21 / "RELEASE_v2.txt").touch()
    with pytest.raises(DataError, match=r"release 1 of ogbg-moltox21, got RELEASE_v2\.txt"):
        read("ogbg-moltox21", tmp_path)
    (tox21 / "RELEASE_v1.txt").touch()
    assert len(read("ogbg-moltox21", tmp_path).graphs) == 4


def test_absent(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="ogbg-molbbbp: not at hand"):
        load("ogbg-molbbbp", download=False)


# --- nodes ---------------------------------------------------------------------------------------


def test_nodes(tmp_path: Path):
    folder = tmp_path / "ogb/ogbn_arxiv"
    write(
        folder,
        {
            "raw/num-node-list": "4\n",
            "raw/num-edge-list": "3\n",
            "raw/edge": "0,1\n2,1\n3,0\n",
            "raw/node-feat": "0.5,1\n1,2\n3,4\n5,6\n",
            "raw/node_year": "2001\n2002\n2003\n2004\n",
            "raw/node-label": "0\n39\n1\n1\n",
            **{f"split/time/{part}": f"{k}\n" for k, part in enumerate(["train", "valid", "test"])},
        },
    )
    dataset = read("ogbn-arxiv", tmp_path)
    assert (dataset.level, dataset.kind, dataset.metric) == ("node", "multiclass", "accuracy")
    assert dataset.graph.edge_index.tolist() == [[0, 2, 3], [1, 1, 0]]
    assert not dataset.graph.is_undirected
    assert dataset.graph.x.dtype == torch.float32
    assert dataset.graph.x[0].tolist() == [0.5, 1]
    assert dataset.graph.node_year.tolist() == [2001, 2002, 2003, 2004]
    assert dataset.y.dtype == torch.int64
    assert dataset.y.tolist() == [0, 39, 1, 1]
    write(folder, {"raw/node-label": "0\n\n1\n1\n"})
    with pytest.raises(DataError, match="got NaN for 1 of 4"):
        read("ogbn-arxiv", tmp_path)


def test_nodes_with_labels_and_features_of_edges(tmp_path: Path):
    labels = (111 * "0," + "1\n") * 4
    write(
        tmp_path / "ogb/ogbn_proteins",
        {
            "raw/num-node-list": "4\n",
            "raw/num-edge-list": "2\n",
            "raw/edge": "0,1\n2,3\n",
            "raw/edge-feat": "0.5,0.25\n0.125,1\n",
            "raw/species": "9\n9\n7\n7\n",
            "raw/node-label": labels,
            **{f"split/species/{p}": f"{k}\n" for k, p in enumerate(["train", "valid", "test"])},
        },
    )
    dataset = read("ogbn-proteins", tmp_path)
    assert (dataset.kind, dataset.num_outputs, dataset.num_features) == ("multilabel", 112, 0)
    assert dataset.graph.edge_index.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
    assert dataset.graph.edge_attr.tolist() == [[0.5, 0.25]] * 2 + [[0.125, 1]] * 2
    assert dataset.graph.node_species.tolist() == [9, 9, 7, 7]
    assert dataset.y.shape == (4, 112)


# --- links ---------------------------------------------------------------------------------------


def saved(content, *, old: bool = True, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not old, pickle_protocol=protocol)
    return file.getvalue()


@pytest.fixture
def collab(tmp_path: Path) -> Path:
    folder = tmp_path / "ogb/ogbl_collab"
    write(
        folder,
        {
            "raw/num-node-list": "5\n",
            "raw/num-edge-list": "3\n",
            "raw/edge": "0,1\n2,1\n3,4\n",
            "raw/node-feat": "".join(f"{v}.5,0\n" for v in range(5)),
            "raw/edge_weight": "1\n2\n3\n",
            "raw/edge_year": "2001\n2002\n2003\n",
        },
    )
    (folder / "split/time").mkdir(parents=True)
    parts = {
        "train": {"edge": np.array([[0, 1], [2, 1], [3, 4]]), "weight": np.array([1, 2, 3])},
        "valid": {"edge": np.array([[4, 0]]), "edge_neg": np.array([[1, 3], [2, 4]])},
        "test": {"edge": np.array([[2, 3]]), "edge_neg": np.array([[3, 0]])},
    }
    for name, arrays in parts.items():
        (folder / f"split/time/{name}.pt").write_bytes(saved(arrays))
    return folder


def test_links(collab: Path, tmp_path: Path):
    dataset = read("ogbl-collab", tmp_path)
    assert (dataset.level, dataset.kind, dataset.metric) == ("edge", "link", "hits@50")
    links = dataset.further["links"]
    assert isinstance(links, LinkSplit)
    assert links.graph is dataset.graph
    assert dataset.graph.edge_index.tolist() == [[0, 1, 2, 1, 3, 4], [1, 0, 1, 2, 4, 3]]
    assert dataset.graph.edge_weight.tolist() == [1, 1, 2, 2, 3, 3]
    assert dataset.graph.edge_weight.dtype == torch.float32
    assert dataset.graph.edge_year.tolist() == [2001, 2001, 2002, 2002, 2003, 2003]
    assert links.train.tolist() == [[0, 1, 3], [1, 2, 4]]
    assert links.val.tolist() == [[0], [4]]
    assert links.test.tolist() == [[2], [3]]
    assert links.val_negative.tolist() == [[1, 2], [3, 4]]
    assert links.test_negative.tolist() == [[0], [3]]
    assert [part.tolist() for part in dataset.split()] == [[0, 1, 2], [3], [4]]


@pytest.mark.parametrize(("old", "protocol"), [(True, 4), (False, 2)])
def test_links_in_other_containers(collab: Path, tmp_path: Path, old: bool, protocol: int):
    arrays = {"edge": np.array([[0, 1], [2, 1]])}
    content = saved(arrays, old=old, protocol=protocol)
    assert zipfile.is_zipfile(io.BytesIO(content)) != old
    (collab / "split/time/train.pt").write_bytes(content)
    assert read("ogbl-collab", tmp_path).further["links"].train.tolist() == [[0, 1], [1, 2]]


class Intruder:
    """What an altered pickle may hold: a call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("old", [True, False])
def test_no_pickle_runs_anything(collab: Path, tmp_path: Path, old: bool):
    made = tmp_path / "made"
    arrays = {"edge": np.array([[0, 1]]), "more": Intruder(made)}
    (collab / "split/time/train.pt").write_bytes(saved(arrays, old=old))
    with pytest.raises(DataError, match=r"mkdir is none of what arrays are made of"):
        read("ogbl-collab", tmp_path)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"valid\.pt: expected arrays saved by torch\.save: EOFError"),
        (saved({"edge": np.array([[0, 1]])})[:-200], "expected arrays saved"),
        (pickle.dumps([1]) * 4, "expected a dict of arrays, got list"),
        (saved({"edge": np.array([[0, 1]])}), "expected 'edge_neg', pairs of nodes from 0 to 4"),
        (saved({"edge": np.array([[0, 5]])}), "expected 'edge', pairs of nodes from 0 to 4"),
        (saved({"edge": np.array([[0.5, 1]])}), "expected 'edge', pairs"),
        (saved({"edge": np.array([0, 1])}), "expected 'edge', pairs"),
    ],
)
def test_links_that_are_none(collab: Path, tmp_path: Path, content: bytes, message: str):
    (collab / "split/time/valid.pt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read("ogbl-collab", tmp_path)


@pytest.fixture
def citation(tmp_path: Path) -> Path:
    folder = tmp_path / "ogb/ogbl_citation2"
    write(
        folder,
        {
            "raw/num-node-list": "5\n",
            "raw/num-edge-list": "3\n",
            "raw/edge": "1,0\n2,1\n4,3\n",
            "raw/node-feat": "".join(f"{v}.5,0\n" for v in range(5)),
            "raw/node_year": "2001\n2002\n2003\n2004\n2005\n",
        },
    )
    save_citations(folder, "train", [1, 2, 4], [0, 1, 3])
    save_citations(folder, "valid", [3, 4], [1, 0], [[0, 2, 4], [1, 2, 2]])
    save_citations(folder, "test", [4], [2], [[0, 1, 3]])
    return folder


def save_citations(folder: Path, part: str, source, target, negative=None) -> None:
    arrays = {"source_node": np.array(source), "target_node": np.array(target)}
    if negative is not None:
        arrays["target_node_neg"] = np.array(negative)
    file = folder / f"split/time/{part}.pt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(saved(arrays))


def test_links_that_are_ranked(citation: Path, tmp_path: Path):
    dataset = read("ogbl-citation2", tmp_path)
    assert (dataset.level, dataset.kind, dataset.metric) == ("edge", "link", "mrr")
    links = dataset.further["links"]
    assert isinstance(links, RankedLinks)
    assert links.graph is dataset.graph
    assert not dataset.graph.is_undirected
    assert dataset.graph.edge_index.tolist() == [[1, 2, 4], [0, 1, 3]]
    assert dataset.graph.node_year.tolist() == [2001, 2002, 2003, 2004, 2005]
    assert links.train.tolist() == [[1, 2, 4], [0, 1, 3]]
    assert links.val.tolist() == [[3, 4], [1, 0]]  # a later paper cites an earlier one
    assert links.test.tolist() == [[4], [2]]
    assert links.val_targets.tolist() == [[0, 2, 4], [1, 2, 2]]
    assert links.test_targets.tolist() == [[0, 1, 3]]
    assert [part.tolist() for part in dataset.split()] == [[0, 1, 2], [3, 4], [5]]
    drawn = links.unlinked.draw(torch.tensor([4, 2]), 50, torch.Generator().manual_seed(0))
    assert [row.unique().tolist() for row in drawn] == [[0, 1, 2], [0, 3, 4]]
    with pytest.raises(ValueError, match="ogbl-citation2, whose links are ranked among targets"):
        LinkTask.of(dataset).split_of(dataset, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([3], [1]), r"expected 'target_node_neg', nodes from 0 to 4 of shape \[1, any\]"),
        (([3], [1], [0, 2]), r"'target_node_neg'.* of shape \[1, any\]"),
        (([3], [1], [[0], [2]]), r"'target_node_neg'.* of shape \[1, any\]"),
        (([3], [1], [[5]]), r"'target_node_neg', nodes from 0 to 4"),
        (([3], [1, 2], [[0]]), r"'target_node'.* of shape \[1\]"),
        (([3], [-1], [[0]]), r"'target_node', nodes from 0 to 4"),
        (([[3]], [1], [[0]]), r"'source_node'.* of shape \[any\]"),
        (([3.0], [1], [[0]]), r"'source_node', nodes"),
    ],
)
def test_ranked_links_that_are_none(citation: Path, tmp_path: Path, given, message: str):
    save_citations(citation, "valid", *given)
    with pytest.raises(DataError, match=rf"valid\.pt: .*{message}"):
        read("ogbl-citation2", tmp_path)


# --- the real ones -------------------------------------------------------------------------------


def at_hand(name: str, data_root: Path):
    state = {entry.card.name: entry.state for entry in available(data_root)}[name]
    if state != "at hand":
        pytest.skip(f"{name} is not in the folder that GRAPHKIT_DATA names")
    return load(name, folder=data_root, download=False)


# Of Hu et al. 2020, table 3 and the sets' own READMEs: graphs, nodes and edges on average, split.
PUBLISHED = {
    "ogbg-molbace": (1513, 34.09, 36.86, (1210, 151, 152)),
    "ogbg-molesol": (1128, 13.29, 13.68, (902, 113, 113)),
    "ogbg-molfreesolv": (642, 8.72, 8.39, (513, 64, 65)),
    "ogbg-molhiv": (41127, 25.51, 27.47, (32901, 4113, 4113)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name: str, data_root: Path):
    dataset = at_hand(name, data_root)
    count, nodes, edges, split = PUBLISHED[name]
    assert len(dataset.graphs) == len(dataset.further["smiles"]) == count
    totals = [sum(graph.num_nodes for graph in dataset.graphs)]
    totals += [sum(graph.num_edges for graph in dataset.graphs) / 2]
    assert [total / count for total in totals] == pytest.approx([nodes, edges], abs=0.01)
    assert tuple(len(part) for part in dataset.split()) == split


def test_drug_interactions(data_root: Path):
    dataset = at_hand("ogbl-ddi", data_root)
    assert (dataset.graph.num_nodes, dataset.graph.num_edges) == (4267, 2135822)
    links = dataset.further["links"]
    sizes = [part.size(1) for part in (links.train, links.val, links.test)]
    assert sizes == [1067911, 133489, 133489]
    assert (links.val_negative.size(1), links.test_negative.size(1)) == (101882, 95599)
    code = [
        part[0] * 4267 + part[1]
        for part in (links.train, links.val, links.test, links.val_negative, links.test_negative)
    ]
    assert (links.train[0] < links.train[1]).all()
    for number, part in enumerate(code[:3]):  # negatives of both phases may share pairs
        for other in code[number + 1 :]:
            assert not torch.isin(part, other).any()


def test_reads_what_ogb_reads(data_root: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "outdated", None)  # with which ogb asks the network
    reader = pytest.importorskip("ogb.io.read_graph_raw")
    dataset = at_hand("ogbg-molfreesolv", data_root)
    raw = data_root / "ogb/ogbg_molfreesolv/raw"
    expected = reader.read_csv_graph_raw(str(raw), add_inverse_edge=True)
    assert len(dataset.graphs) == len(expected)
    for graph, other in zip(dataset.graphs, expected, strict=True):
        np.testing.assert_array_equal(graph.edge_index, other["edge_index"])
        np.testing.assert_array_equal(graph.x, other["node_feat"])
        np.testing.assert_array_equal(graph.edge_attr, other["edge_feat"])


def test_an_altered_file_is_not_read(data_root: Path, tmp_path: Path):
    at_hand("ogbg-molfreesolv", data_root)
    for file in FAMILY.files("ogbg-molfreesolv"):
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).write_bytes((data_root / file.path).read_bytes())
    labels = tmp_path / "ogb/ogbg_molfreesolv/raw/graph-label.csv.gz"
    labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()).replace(b"11", b"12")))
    with pytest.raises(DataError, match=r"graph-label\.csv\.gz: truncated or altered"):
        load("ogbg-molfreesolv", folder=tmp_path, download=False)


# --- official scores -----------------------------------------------------------------------------


@pytest.fixture
def ogb(monkeypatch):
    """The evaluators' package, not imported."""
    pytest.importorskip("pandas")
    from importlib.util import find_spec

    for name in [name for name in sys.modules if name.split(".")[0] == "ogb"]:
        monkeypatch.delitem(sys.modules, name)
    if find_spec("ogb") is None:
        pytest.skip("needs the extra ogb")


def test_scores_of_graphs_and_nodes(ogb):
    nan = float("nan")
    y = torch.tensor([[0.0], [1.0], [3.0]])
    assert official_score("ogbg-molesol", y + torch.tensor([[2.0], [-1], [2]]), y) == pytest.approx(
        3**0.5
    )
    labels = torch.tensor([[0.0, 1], [1, nan], [1, 0]])
    scores = torch.tensor([[0.1, 0.5], [0.2, 0.9], [0.05, 0.7]])
    assert official_score("ogbg-molclintox", scores, labels) == pytest.approx((0.5 + 0) / 2)
    logits = torch.eye(40)[[3, 5, 7, 7]]
    assert official_score("ogbn-arxiv", logits, torch.tensor([3, 5, 7, 0])) == 0.75


def test_scores_of_links(ogb):
    negative = torch.arange(30.0)
    positive = torch.tensor([9.5, 10.5, 40.0])
    target = torch.cat([torch.zeros(30), torch.ones(3)])
    score = official_score("ogbl-ddi", torch.cat([negative, positive]), target)
    assert score == pytest.approx(2 / 3)  # above the 20th of the negatives, which is 10


def test_scores_of_ranked_links(ogb):
    scores = torch.tensor([[2.0, 1, 3, 0], [5, 1, 2, 3], [1, 1, 0, 0]])
    target = torch.zeros(3, 4)
    target[:, 0] = 1
    assert official_score("ogbl-citation2", scores, target) == pytest.approx(
        (1 / 2 + 1 + 1 / 1.5) / 3
    )
    flipped = official_score("ogbl-citation2", scores.flip(1), target.flip(1))
    assert flipped == official_score("ogbl-citation2", scores, target)


@pytest.mark.parametrize("name", [name for name, facts in SETS.items() if facts.outputs < 100])
def test_our_metrics_say_the_same(ogb, name: str):
    facts, generator = SETS[name], torch.Generator().manual_seed(0)
    if facts.kind == "multiclass":
        y = torch.randint(facts.outputs, (200,), generator=generator)
        prediction = torch.randn(200, facts.outputs, generator=generator)
    elif facts.metric == "mrr":
        y = torch.nn.functional.one_hot(torch.randint(9, (40,), generator=generator), 9).float()
        prediction = (torch.randn(40, 9, generator=generator) + y).round(decimals=1)  # with ties
    elif facts.kind == "link":
        y = (torch.arange(400) % 4 == 0).float()
        prediction = torch.randn(400, generator=generator) + y
    else:
        y = torch.randn(200, facts.outputs, generator=generator)
        y = y if facts.kind == "regression" else (y > 0.5).float()
        y[torch.rand(y.shape, generator=generator) < 0.1] = float("nan")
        prediction = torch.randn(y.shape, generator=generator)
    ours = METRICS[facts.metric].score(prediction, y)
    assert official_score(name, prediction, y) == pytest.approx(ours)


def test_scoring_asks_nobody(ogb):
    threads = threading.active_count()
    y = torch.rand(3, 1)
    assert official_score("ogbg-molesol", y, y) == 0
    assert "ogb" not in sys.modules
    assert threading.active_count() == threads


def test_scores_say_what_they_expect(ogb, monkeypatch):
    y = torch.rand(3, 1)
    with pytest.raises(ValueError, match=r"name: expected a set of OGB .* got 'cora'"):
        official_score("cora", y, y)
    with pytest.raises(ValueError, match=r"expected \[n, 1\] both"):
        official_score("ogbg-molesol", y, torch.rand(3, 2))
    with pytest.raises(ValueError, match=r"expected \[n, 12\] both"):
        official_score("ogbg-moltox21", y, y)
    with pytest.raises(ValueError, match=r"expected \[n\] both"):
        official_score("ogbl-ddi", y, torch.rand(3))
    for target in (torch.eye(3)[:2], torch.ones(3, 3), torch.ones(3)):
        with pytest.raises(ValueError, match=r"\[n, 1 \+ m\] with one link in every row"):
            official_score("ogbl-citation2", torch.rand(3, 3), target)


def test_without_ogb(monkeypatch):
    from graphkit.data import ogb_evaluator

    ogb_evaluator._evaluators.cache_clear()
    monkeypatch.setitem(sys.modules, "ogb", None)
    with pytest.raises(ImportError, match=r"official score needs ogb.*graphkit-torch\[ogb\]"):
        official_score("ogbg-molesol", torch.rand(3, 1), torch.rand(3, 1))
