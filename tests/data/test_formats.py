"""Every form in which a family publishes its sets, on small files that are made up here."""

import importlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from graphkit.data import DataError, Dataset, check_split, check_targets, load

loader = importlib.import_module("graphkit.data.load")


def read(name: str, folder: Path) -> Dataset:
    """Read a set without its card."""
    family, known = loader.find(name)
    dataset = family.read(known, folder)
    check_targets(dataset.y, dataset.kind, dataset.num_outputs)
    check_split(dataset.split(0), len(dataset.y))
    return dataset


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


# --- TU ------------------------------------------------------------------------------------------

TWO_GRAPHS = {
    # two triangles but for one edge, a loop, and an edge given twice
    "A": "1, 2\n2, 1\n2, 3\n3, 2\n1, 1\n1, 2\n4, 5\n5, 4\n",
    "graph_indicator": "1\n1\n1\n2\n2\n",
}


def tu(folder: Path, title: str, times: int = 1, **tables: str) -> None:
    """Write a set of 2 * `times` graphs."""
    whole = {name: "" for name in (*TWO_GRAPHS, *tables)}
    for k in range(times):
        for name, text in (TWO_GRAPHS | tables).items():
            by = {"A": 5, "graph_indicator": 2}.get(name, 0) * k
            whole[name] += "".join(
                ", ".join(str(int(cell) + by) if by else cell for cell in line.split(", ")) + "\n"
                for line in text.splitlines()
            )
    write(folder, {f"tu/{title}/raw/{title}_{name}.txt": text for name, text in whole.items()})


def test_tu_labels_and_classes(tmp_path: Path):
    tables = {
        "graph_labels": "1\n-1\n",
        "node_labels": "3\n4\n6\n3\n3\n",
        "edge_labels": "0\n0\n1\n1\n0\n0\n1\n1\n",
        "node_attributes": "0.5\n1\n2\n3\n4\n",
    }
    tu(tmp_path, "NCI1", 10, **tables)
    dataset = load("NCI1", folder=tmp_path, download=False)
    first, second = dataset.graphs[:2]
    assert first.x.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert first.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert first.edge_attr.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert second.edge_index.tolist() == [[0, 1], [1, 0]]
    assert dataset.y.tolist() == [1, 0] * 10
    assert dataset.split_name == "10 folds, stratified"
    assert [len(part) for part in dataset.split(4)] == [16, 2, 2]


def test_tu_numbers_to_predict(tmp_path: Path):
    tables = {"graph_attributes": "0.5, 1\n2, 3\n", "node_attributes": "1, 2\n" * 5}
    tu(tmp_path, "ZINC_test", 10, **tables)
    dataset = read("zinc-test", tmp_path)
    assert (dataset.kind, dataset.metric, dataset.num_outputs) == ("regression", "mae", 2)
    assert dataset.graphs[0].y.tolist() == [[0.5, 1]]
    assert dataset.graphs[0].x.tolist() == [[1, 2]] * 3
    assert dataset.split_name == "80/10/10 at random"


def test_tu_without_features(tmp_path: Path):
    tu(tmp_path, "IMDB-MULTI", 5, graph_labels="1\n2\n")
    dataset = read("imdb-multi", tmp_path)
    assert dataset.graphs[0].x.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert dataset.split_name == "80/10/10 at random"  # five graphs of each class are too few


def test_tu_without_targets(tmp_path: Path):
    tu(tmp_path, "DD")
    with pytest.raises(DataError, match=r"dd: expected DD_graph_labels.txt or _graph_attributes"):
        load("dd", folder=tmp_path, download=False)
    tu(tmp_path, "DD", graph_labels="1\n")
    with pytest.raises(DataError, match="dd: expected a target for each of 2 graphs, got 1"):
        load("dd", folder=tmp_path, download=False)


def test_tu_cut_short(tmp_path: Path):
    tu(tmp_path, "AIDS", graph_labels="1\n2\n", node_labels="1\n2\n")
    with pytest.raises(DataError, match="aids: cannot be read from"):
        load("aids", folder=tmp_path, download=False)


# --- one file of arrays --------------------------------------------------------------------------


def test_two_sparse_matrices(tmp_path: Path):
    n = 102  # and two classes, so that 20 + 30 of each leave one for the test
    ends = np.arange(n)
    ring = scipy.sparse.csr_matrix((np.ones(n), (ends, np.roll(ends, -1))), (n + 3, n + 3))
    words = scipy.sparse.random(n + 3, 300, 0.05, "csr", random_state=0)
    arrays = {
        f"{part}_{array}": getattr(matrix, array)
        for part, matrix in (("adj", ring), ("attr", words))
        for array in ("data", "indices", "indptr", "shape")
    }
    labels = np.arange(n + 3) % 2
    place = tmp_path / "amazon/Photo/raw"
    place.mkdir(parents=True)
    np.savez(place / "amazon_electronics_photo.npz", labels=labels, **arrays)
    dataset = load("amazon-photo", folder=tmp_path, download=False)
    graph = dataset.graph
    assert (graph.num_nodes, graph.num_edges) == (n, 2 * n)  # three are not of the component
    assert graph.is_undirected
    assert torch.equal(graph.x.to_dense(), torch.from_numpy(words.toarray()[:n] > 0).float())
    assert dataset.further["nodes"].tolist() == list(range(n))
    assert [len(part) for part in dataset.split(3)] == [40, 60, 2]

    place = tmp_path / "citation_full/cora/raw"
    place.mkdir(parents=True)
    np.savez(place / "cora.npz", labels=labels, **arrays)
    whole = read("cora-full", tmp_path)
    assert (whole.name, whole.graph.num_nodes) == ("citationfull-cora", n + 3)
    assert whole.split_name == "20/30 per class by seed"
    np.savez(place / "cora.npz", labels=np.arange(n + 3) % 5, **arrays)
    assert read("citationfull-cora", tmp_path).split_name == "60/20/20 by seed"


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path):
    place = tmp_path / "amazon/Photo/raw"
    place.mkdir(parents=True)
    np.savez(place / "amazon_electronics_photo.npz", adj_data=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Object arrays cannot be loaded"):
        load("amazon-photo", folder=tmp_path, download=False)


def test_an_archive_of_arrays_cut_short(tmp_path: Path):
    place = tmp_path / "amazon/Photo/raw"
    place.mkdir(parents=True)
    file = place / "amazon_electronics_photo.npz"
    np.savez(file, labels=np.arange(100))
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"amazon-photo: cannot be read from .*BadZipFile"):
        load("amazon-photo", folder=tmp_path, download=False)


@pytest.mark.parametrize(("classes", "kind"), [(2, "multilabel"), (3, "multiclass")])
def test_heterophilous_graphs(classes: int, kind: str, tmp_path: Path):
    place = tmp_path / "heterophilous/roman_empire/raw"
    place.mkdir(parents=True)
    n = 12
    part = (np.arange(n)[None] + np.arange(10)[:, None]) % 4
    np.savez(
        place / "roman_empire.npz",
        node_features=np.eye(n, 3, dtype=np.float32),
        node_labels=np.arange(n) % classes,
        edges=np.array([[0, 1], [1, 2], [3, 3], [2, 1]]),
        train_masks=part < 2,
        val_masks=part == 2,
        test_masks=part == 3,
    )
    dataset = read("roman-empire", tmp_path)
    assert dataset.kind == kind
    assert dataset.metric == ("roc_auc" if classes == 2 else "accuracy")
    assert dataset.num_outputs == (1 if classes == 2 else 3)
    assert dataset.graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert dataset.split(1).test.tolist() == [2, 6, 10]


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folder", "there", "words"),
    [
        ("squirrel", "wikipedia_network/squirrel/geom_gcn/raw", "squirrel", ["0,1,1", "1,0,0"]),
        ("actor", "actor/raw", "film", ["1,2", "0"]),
    ],
)
def test_geom_gcn(name: str, folder: str, there: str, words: list[str], tmp_path: Path):
    n = 5
    rows = (f"{node}\t{words[node % 2]}\t{node % 3}" for node in reversed(range(n)))
    write(
        tmp_path,
        {
            f"{folder}/out1_node_feature_label.txt": "\n".join(["a\tb\tc", *rows]) + "\n",
            f"{folder}/out1_graph_edges.txt": "a\tb\n1\t0\n0\t2\n1\t0\n4\t4\n",
        },
    )
    for k in range(10):
        part = (np.arange(n) + k) % 3
        masks = {f"{which}_mask": part == m for m, which in enumerate(("train", "val", "test"))}
        np.savez(tmp_path / folder / f"{there}_split_0.6_0.2_{k}.npz", **masks)
    dataset = read(name, tmp_path)
    assert dataset.graph.edge_index.tolist() == [[0, 1, 4], [2, 0, 4]]
    assert dataset.graph.x.to_dense().tolist() == [[0, 1, 1], [1, 0, 0]] * 2 + [[0, 1, 1]]
    assert dataset.y.tolist() == [0, 1, 2, 0, 1]
    assert dataset.split(1).test.tolist() == [1, 4]


def test_streamers(tmp_path: Path):
    n = 10
    head = "id,days,mature,views,partner,new_id\n"
    rows = "".join(f"{77 * k},1,{k % 3 == 0},5,False,{n - 1 - k}\n" for k in range(n))
    write(
        tmp_path,
        {
            "social/twitch_DE/DE_target.csv": head + rows,
            "social/twitch_DE/DE_edges.csv": "from,to\n0,1\n2,1\n",
            "social/twitch_DE/DE.json": json.dumps({"0": [5, 3, 5], "2": []}),
        },
    )
    dataset = read("twitch-de", tmp_path)
    assert dataset.title == "Twitch DE"
    assert dataset.graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert dataset.graph.x.shape == (n, 3170)
    assert dataset.graph.x.col_indices().tolist() == [3, 5]
    assert dataset.y.flatten().tolist() == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1]


# --- pickles -------------------------------------------------------------------------------------


class Hostile:
    def __init__(self, call, *arguments) -> None:
        self.parts = call, arguments

    def __reduce__(self):
        return self.parts


HOSTILE = [Hostile(print, "run"), Hostile(np.savetxt, "run", [1.0]), Hostile(eval, "print('run')")]


def test_a_pickle_makes_nothing_but_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    unpickle = importlib.import_module("graphkit.data.planetoid")._unpickle
    file = tmp_path / "ind.cora.x"
    for hostile in HOSTILE:
        file.write_bytes(pickle.dumps(hostile))
        with pytest.raises(pickle.UnpicklingError, match="none of what arrays are made of"):
            unpickle(file)
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "run").exists()
    for value in (np.eye(2), scipy.sparse.csr_matrix(np.eye(2))):
        file.write_bytes(pickle.dumps(value, protocol=2))
        found = unpickle(file)
        assert (found if isinstance(found, np.ndarray) else found.toarray()).tolist() == [
            [1, 0],
            [0, 1],
        ]


# --- bundled -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["karate", "digits-knn", "digits-pixels"])
def test_bundled_sets_need_no_folder(name: str, tmp_path: Path):
    dataset = load(name, folder=tmp_path / "nowhere", download=False)
    assert dataset.name == name
    check_targets(dataset.y, dataset.kind, dataset.num_outputs)
    check_split(dataset.split(0), len(dataset.y))
    assert not (tmp_path / "nowhere").exists()
