"""Real data sets: the figures of their publishers, and what PyTorch Geometric reads.

Loading compares checksums and statistics with the cards; what stands here comes from elsewhere.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from graphkit.data import Dataset, available, check_split, check_targets, load

# Of PyTorch Geometric's loaders or the publisher: nodes, edges in both directions, features,
# classes or labels.
NODE_LEVEL = {
    "cora": (2708, 10556, 1433, 7),
    "citeseer": (3327, 9104, 3703, 6),
    "pubmed": (19717, 88648, 500, 3),
    "dblp": (17716, 105734, 1639, 4),
    "coauthor-cs": (18333, 163788, 6805, 15),
    "coauthor-physics": (34493, 495924, 8415, 5),
    "amazon-computers": (13381, 2 * 245778, 767, 10),  # Shchur et al. 2018, table 1
    "texas": (183, 325, 1703, 5),
    "wisconsin": (251, 515, 1703, 5),
    "cornell-geom-gcn": (183, 298, 1703, 5),
    "cornell": (183, 2 * 277, 1703, 5),
    "chameleon": (2277, 36101, 2325, 5),
    "actor": (7600, 30019, 932, 5),
    "minesweeper": (10000, 78804, 7, 1),
    "tolokers": (11758, 1038000, 10, 1),
    "facebook": (22470, 2 * (171002 - 179), 4714, 4),
    "twitch-engb": (7126, 2 * 35324, 3170, 1),
    "twitch-ptbr": (1912, 2 * 31299, 3170, 1),
    "blogcatalog": (10312, 2 * 333983, 10312, 39),
    "karate": (34, 156, 34, 2),
}
# Graphs, nodes and edges (each counted twice) on average, features, classes.
GRAPH_LEVEL = {
    "mutag": (188, 17.93, 39.59, 7, 2),
    "proteins": (1113, 39.06, 145.63, 3, 2),
    "enzymes": (600, 32.63, 124.27, 3, 6),
    "ptc-mr": (344, 14.29, 29.38, 18, 2),
    "nci109": (4127, 29.68, 64.26, 38, 2),
    "imdb-binary": (1000, 19.77, 193.06, 65, 2),
    "reddit10k": (10000, 23.74, 49.24, 78, 2),
    "digits-pixels": (1797, 64, 420, 3, 10),
}
SPARSE = {
    *("cora", "citeseer", "pubmed", "dblp", "coauthor-cs", "coauthor-physics", "texas"),
    *("wisconsin", "cornell-geom-gcn", "cornell", "chameleon", "actor", "facebook", "blogcatalog"),
    *("twitch-engb", "twitch-ptbr"),
}


def at_hand(name: str, data_root: Path) -> Dataset:
    state = {entry.card.name: entry.state for entry in available(data_root)}[name]
    if state not in ("at hand", "bundled"):
        pytest.skip(f"{name} is not in the folder that GRAPHKIT_DATA names")
    return load(name, folder=data_root, download=False)


@pytest.mark.parametrize("name", NODE_LEVEL)
def test_sets_of_one_graph(name: str, data_root: Path):
    dataset = at_hand(name, data_root)
    nodes, edges, features, outputs = NODE_LEVEL[name]
    graph = dataset.graph
    assert (graph.num_nodes, graph.num_edges) == (nodes, edges)
    assert (dataset.num_features, dataset.num_outputs) == (features, outputs)
    assert graph.x.dtype == torch.float32
    assert (graph.x.layout == torch.sparse_csr) == (name in SPARSE)
    source, destination = graph.edge_index
    assert len((source * nodes + destination).unique()) == edges
    check_targets(dataset.y, dataset.kind, dataset.num_outputs)
    check_split(dataset.split(0), nodes)
    check_split(dataset.split(9), nodes)


@pytest.mark.parametrize("name", GRAPH_LEVEL)
def test_sets_of_many_graphs(name: str, data_root: Path):
    dataset = at_hand(name, data_root)
    count, nodes, edges, features, outputs = GRAPH_LEVEL[name]
    assert len(dataset.graphs) == count
    assert np.mean([graph.num_nodes for graph in dataset.graphs]) == pytest.approx(nodes, abs=0.006)
    assert np.mean([graph.num_edges for graph in dataset.graphs]) == pytest.approx(edges, abs=0.006)
    assert {graph.x.size(1) for graph in dataset.graphs} == {features}
    assert dataset.num_outputs == outputs
    assert dataset.y.unique().tolist() == list(range(outputs))
    check_targets(dataset.y, dataset.kind, outputs)
    check_split(dataset.split(0), count)


@pytest.mark.slow
def test_collab(data_root: Path):
    dataset = at_hand("collab", data_root)
    assert len(dataset.graphs) == 5000
    assert dataset.y.bincount().tolist() == [2600, 775, 1625]
    assert sum(graph.num_nodes for graph in dataset.graphs) / 5000 == pytest.approx(74.49, abs=0.01)
    assert sum(graph.num_edges for graph in dataset.graphs) == 24574995 - 2837
    tests = torch.cat([dataset.split(fold).test for fold in range(10)])
    assert torch.equal(tests.sort().values, torch.arange(5000))
    check_split(dataset.split(3), 5000)


# --- splits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "labelled"), [("cora", 140), ("citeseer", 120), ("pubmed", 60)])
def test_the_public_split(name: str, labelled: int, data_root: Path):
    dataset = at_hand(name, data_root)
    train, val, test = dataset.split(5)
    assert (len(train), len(val), len(test)) == (labelled, 500, 1000)
    assert dataset.y[train].bincount().tolist() == [20] * dataset.num_outputs


def test_published_splits_take_turns(data_root: Path):
    dataset = at_hand("texas", data_root)
    assert [len(part) for part in dataset.split(0)] == [87, 59, 37]
    assert torch.equal(dataset.split(13).test, dataset.split(3).test)
    assert not torch.equal(dataset.split(1).test, dataset.split(3).test)


def test_splits_of_shchur(data_root: Path):
    dataset = at_hand("amazon-computers", data_root)
    train, val, _ = dataset.split(7)
    assert dataset.y[train].bincount().tolist() == [20] * 10
    assert dataset.y[val].bincount().tolist() == [30] * 10
    assert torch.equal(dataset.split(7).train, train)
    assert not torch.equal(dataset.split(8).train, train)


def test_the_largest_component_and_its_place_in_the_whole(data_root: Path):
    dataset = at_hand("amazon-computers", data_root)
    with np.load(data_root / "amazon/Computers/raw/amazon_electronics_computers.npz") as arrays:
        labels = torch.from_numpy(arrays["labels"])
    nodes = dataset.further["nodes"]
    assert len(labels) == 13752
    assert torch.equal(labels[nodes].long(), dataset.y)


def test_folds_are_those_of_gin(data_root: Path):
    from sklearn.model_selection import StratifiedKFold

    dataset = at_hand("mutag", data_root)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    y = dataset.y.numpy()
    for k, (_, test) in enumerate(folds.split(np.zeros(len(y)), y)):
        assert dataset.split(k).test.tolist() == test.tolist()
        assert len(dataset.split(k).val) == pytest.approx(len(dataset.split(k).train) / 8, abs=1)


# --- against PyTorch Geometric -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "title"), [("cora", "Cora"), ("citeseer", "CiteSeer")])
def test_planetoid_as_pyg_reads_it(name: str, title: str, data_root: Path):
    from torch_geometric.io import read_planetoid_data

    graph = at_hand(name, data_root).graph
    other = read_planetoid_data(str(data_root / "planetoid" / title / "raw"), name)
    assert torch.equal(graph.x.to_dense(), other.x)
    assert torch.equal(graph.y, other.y)
    assert torch.equal(sort(graph.edge_index), sort(other.edge_index))
    split = at_hand(name, data_root).split()
    for part, mask in zip(split, (other.train_mask, other.val_mask, other.test_mask), strict=True):
        assert torch.equal(part, mask.nonzero().flatten())


def test_npz_as_pyg_reads_it(data_root: Path):
    from torch_geometric.io import read_npz

    graph = at_hand("coauthor-cs", data_root).graph
    other = read_npz(str(data_root / "coauthor/CS/raw/ms_academic_cs.npz"))
    assert torch.equal(graph.x.to_dense(), other.x)
    assert torch.equal(graph.y, other.y)
    assert torch.equal(sort(graph.edge_index), sort(other.edge_index))


@pytest.mark.parametrize("title", ["MUTAG", "PTC_MR", "PROTEINS"])
def test_tu_as_pyg_reads_it(title: str, data_root: Path):
    from torch_geometric.io import read_tu_data

    graphs = at_hand(title.lower().replace("_", "-"), data_root).graphs
    other, slices, sizes = read_tu_data(str(data_root / "tu" / title / "raw"), title)
    labels = other.x[:, sizes["num_node_attributes"] :]
    for k, graph in enumerate(graphs):
        nodes = slice(*slices["x"][k : k + 2].tolist())
        edges = slice(*slices["edge_index"][k : k + 2].tolist())
        assert torch.equal(graph.x, labels[nodes])
        assert torch.equal(graph.edge_index, other.edge_index[:, edges])
        assert graph.y.item() == other.y[k].item()
        if graph.edge_attr is not None:
            assert torch.equal(graph.edge_attr, other.edge_attr[edges])
    assert graphs[0].is_undirected


def sort(edge_index: Tensor) -> Tensor:
    source, destination = edge_index
    return edge_index[:, (source * (int(edge_index.max()) + 1) + destination).argsort()]


# --- traps ---------------------------------------------------------------------------------------


def test_published_cornell_has_the_features_of_texas(data_root: Path):
    mixed, texas, own = (
        at_hand(name, data_root).graph for name in ("cornell-geom-gcn", "texas", "cornell")
    )
    assert torch.equal(mixed.x.to_dense(), texas.x.to_dense())
    assert torch.equal(mixed.y, texas.y)
    assert not torch.equal(own.x.to_dense(), texas.x.to_dense())


def test_citeseer_has_nodes_that_nobody_knows(data_root: Path):
    dataset = at_hand("citeseer", data_root)
    unknown = (dataset.graph.x.to_dense().sum(dim=1) == 0).nonzero().flatten()
    assert len(unknown) == 15
    assert not torch.isin(unknown, torch.cat(dataset.split())).any()


def test_streamers_of_two_countries_share_features(data_root: Path):
    one, other = (at_hand(f"twitch-{country}", data_root).graph for country in ("engb", "ptbr"))
    assert one.x.size(1) == other.x.size(1)
    assert set(one.x.values().tolist()) == {1.0}
    assert one.y.mean().item() == pytest.approx(3888 / 7126)


def test_classes_of_pages(data_root: Path):
    dataset = at_hand("facebook", data_root)
    assert dataset.further["classes"] == ["company", "government", "politician", "tvshow"]
    assert dataset.y.bincount().tolist() == [6495, 6880, 5768, 3327]


def test_groups_of_bloggers(data_root: Path):
    dataset = at_hand("blogcatalog", data_root)
    assert dataset.y.sum() == 14476
    assert dataset.y[27, 0] == 1  # the first line: blogger 28, group 1
    x = dataset.graph.x
    assert torch.equal(x.col_indices(), torch.arange(10312))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("r8", (5485, 2189, 7688, 8)), ("mr", (7108, 3554, 18764, 2))],  # Yao et al. 2019, table 1
)
def test_documents_and_words(name: str, sizes: tuple[int, int, int, int], data_root: Path):
    dataset = at_hand(name, data_root)
    given, test, words, classes = sizes
    graph, split = dataset.graph, dataset.split(0)
    assert (len(split.train) + len(split.val), len(split.test)) == (given, test)
    assert len(split.val) == given // 10
    assert (graph.num_nodes, len(graph.vocabulary)) == (given + test + words, words)
    assert graph.is_undirected
    known, unknown = dataset.y[: given + test], dataset.y[given + test :]
    check_targets(known, "multiclass", classes)
    assert unknown.unique().tolist() == [-1]
    check_split(split, given + test)
    assert torch.equal(split.test, dataset.split(1).test)
    assert not torch.equal(split.val.sort().values, dataset.split(1).val.sort().values)


def test_what_documents_say(data_root: Path):
    dataset = at_hand("r8", data_root)
    words = dataset.graph.x[0].to_dense().nonzero().flatten().tolist()
    assert {"champion", "split", "shareholders"} <= {dataset.graph.vocabulary[i] for i in words}
    assert dataset.further["classes"][dataset.y[0]] == "earn"  # a stock split
