"""Graphs that users bring: CSV files and folders of GraphML."""

from pathlib import Path

import networkx as nx
import pytest
import torch

from graphkit.data import check_split, check_targets, load_csv, load_edge_list, load_graphml

PEOPLE = [f"p{k}" for k in range(10)]


class Files:
    """CSV files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, *lines: str) -> Path:
        file = self.folder / f"{name}.csv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def edges(self) -> Path:
        """A ring of ten."""
        ring = zip(PEOPLE, [*PEOPLE[1:], PEOPLE[0]], strict=True)
        return self.write("edges", "from,to", *(f"{a},{b}" for a, b in ring))

    def nodes(self) -> Path:
        return self.write(
            "nodes", "who,age,tall", *(f"{p},{30 + k},{k % 2}" for k, p in enumerate(PEOPLE))
        )

    def labels(self, *values: str, column: str = "job") -> Path:
        rows = (f"{who},{value}" for who, value in zip(PEOPLE, values, strict=False))
        return self.write("labels", f"who,{column}", *rows)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_edges_features_and_classes(files: Files):
    jobs = ["cook", "baker"] * 5
    dataset = load_edge_list(files.edges(), files.nodes(), files.labels(*jobs), name="street")
    graph = dataset.graph
    assert (dataset.name, dataset.level, dataset.kind) == ("street", "node", "multiclass")
    assert (graph.num_nodes, graph.num_edges) == (10, 20)
    assert graph.is_undirected
    assert graph.x[3].tolist() == [33, 1]
    assert dataset.further["names"] == PEOPLE
    assert dataset.further["classes"] == ["baker", "cook"]
    assert dataset.y.tolist() == [1, 0] * 5
    assert dataset.metric == "accuracy"
    check_targets(dataset.y, dataset.kind, dataset.num_outputs)
    check_split(dataset.split(3), 10)
    assert [len(part) for part in dataset.split(3)] == [6, 2, 2]


def test_a_folder_of_csv_files(files: Files):
    files.edges()
    assert load_csv(files.folder).kind == "link"
    files.labels(*["a", "b"] * 5)
    dataset = load_csv(files.folder, name="mine")
    assert (dataset.name, dataset.kind) == ("mine", "multiclass")
    assert dataset.graph.x.layout == torch.sparse_csr  # nobody said anything of the nodes
    files.nodes()
    assert load_csv(str(files.folder)).num_features == 2
    assert load_csv(files.folder).name == files.folder.name


def test_without_labels_links_are_predicted(files: Files):
    dataset = load_edge_list(files.write("edges", "a,b", *(f"{k},{k + 1}" for k in range(99))))
    assert (dataset.level, dataset.kind, dataset.metric) == ("edge", "link", "roc_auc")
    assert torch.equal(dataset.graph.x.to_dense(), torch.eye(100))
    assert dataset.further["names"] == [str(k) for k in range(100)]
    check_split(dataset.split(0), 198)


def test_directed_edges_with_weights_and_features(files: Files):
    table = files.write(
        "edges", "from,to,weight,since,often", "a,b,0.5,1990,2", "b,a,1.5,1991,4", "b,c,2,1992,6"
    )
    graph = load_edge_list(table, directed=True).graph
    assert graph.edge_index.tolist() == [[0, 1, 1], [1, 0, 2]]
    assert graph.edge_weight.tolist() == [0.5, 1.5, 2]
    assert graph.edge_attr.tolist() == [[1990, 2], [1991, 4], [1992, 6]]
    both = load_edge_list(table).graph
    assert both.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert both.edge_weight.tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("column", "values", "kind", "y"),
    [
        ("a", ["10", "9", "10"], "multiclass", [1, 0, 1]),  # classes in the order of numbers
        ("a", ["x", "", "y"], "multiclass", [0, 0, 1]),
        ("a", ["0.5", "2", "nan"], "regression", [[0.5], [2.0], None]),
        ("a,b", ["0,1", "1,", ",1"], "multilabel", [[0, 1], [1, None], [None, 1]]),
        ("a,b", ["0,1", "2,3", "4,5"], "regression", [[0, 1], [2, 3], [4, 5]]),
    ],
)
def test_what_is_predicted_is_read_from_the_labels(
    column: str, values: list[str], kind: str, y: list, files: Files
):
    dataset = load_edge_list(files.edges(), labels=files.labels(*values, column=column))
    assert dataset.kind == kind
    for found, expected in zip(dataset.y.tolist(), y, strict=False):
        for one, other in zip(
            found if isinstance(found, list) else [found],
            expected if isinstance(expected, list) else [expected],
            strict=True,
        ):
            assert one == other or (other is None and one != one)
    check_targets(dataset.y, dataset.kind, dataset.num_outputs)


def test_only_members_with_a_target_are_in_a_part(files: Files):
    values = ["a", "b", "a", "b", "a", "b", "a", "b", "", "nan"]
    dataset = load_edge_list(files.edges(), labels=files.labels(*values))
    assert dataset.further["known"].tolist() == list(range(8))
    assert torch.cat(dataset.split(0)).sort().values.tolist() == list(range(8))


def test_whole_numbers_may_be_said_to_be_no_classes(files: Files):
    labels = files.labels(*"0123456789")
    assert load_edge_list(files.edges(), labels=labels).num_outputs == 10
    dataset = load_edge_list(files.edges(), labels=labels, kind="regression")
    assert dataset.y.shape == (10, 1)


def test_a_split_of_your_own(files: Files):
    rows = ["a,train", "b,train", "a,val", "b,test", "a,", "b,TEST"]
    dataset = load_edge_list(files.edges(), labels=files.labels(*rows, column="job,split"))
    assert [part.tolist() for part in dataset.split(4)] == [[0, 1], [2], [3, 5]]
    assert dataset.split_name == "given in labels.csv"


def test_a_file_as_spreadsheets_write_it(files: Files):
    table = files.folder / "edges.csv"
    table.write_bytes('\ufefffrom,to\r\n"b, the first", c \r\n\r\nc,d\r\n'.encode())
    assert load_edge_list(table).further["names"] == ["b, the first", "c", "d"]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("edges", ["from", "a"], r"edges.csv: expected a heading of at least 2 columns, got \['fr"),
        ("edges", ["0,1", "1,2"], r"edges.csv: expected names of columns in line 1, got \['0', '1"),
        ("edges", ["a,a", "1,2"], r"edges.csv: expected different names of columns, got"),
        ("edges", ["from,to"], r"edges.csv: expected rows below the heading, got none"),
        ("edges", [""], r"edges.csv: expected a heading of at least 2 columns, got \[\]"),
        ("edges", ["from,to", "p0,p1", "p0"], r"expected 2 cells in every row, got 1 in line 3"),
        ("edges", ["from,to", "p0,p1", "p0,x"], r"expected nodes that nodes.csv has, got 'x' in l"),
        ("edges", ["from,to,w", "p0,p1,far"], r"expected a number in column 'w', got 'far' in l"),
        ("edges", ["from,to,w", "p0,p1,inf"], r"expected a number in column 'w', got 'inf' in l"),
        ("nodes", ["who,age", "p0,4", "p0,5"], r"expected every node once, got 'p0' again in line"),
        ("nodes", ["who,age", *(f"{p},nan" for p in PEOPLE)], r"'age', got 'nan' in line 2"),
        ("labels", ["who,job", "x,1"], r"expected the name of a known who, got 'x' in line 2"),
        ("labels", ["who,job", "p1,1", "p1,2"], r"every who once, got 'p1' again in line 3"),
        ("labels", ["who,split", "p1,val"], r"expected a column of targets, got \['who', 'split'"),
        ("labels", ["who,job", "p1,nan"], r"labels.csv: expected targets, got blanks throughout"),
        ("labels", ["who,a,b", "p1,0,x"], r"expected a number in column 'b', got 'x' in line 2"),
        ("labels", ["who,a,split", "p1,0,x"], r"expected train, val, test or a blank in column 's"),
        ("labels", ["who,a,split", "p1,0,val", "p2,,val"], r"none in line 3, which is in val"),
        ("labels", ["who,a,split", "p1,0,val", "p2,0,test"], r"split.train: expected at least one"),
    ],
)
def test_what_is_wrong_is_named(name: str, lines: list[str], message: str, files: Files):
    files.edges()
    files.nodes()
    files.labels(*["a", "b"] * 5)
    files.write(name, *lines)
    with pytest.raises(ValueError, match=message):
        load_csv(files.folder)


def test_arguments_that_are_wrong(files: Files):
    with pytest.raises(ValueError, match=r"edges: expected a CSV file, got .*none.csv, which is n"):
        load_edge_list(files.folder / "none.csv")
    labels = files.labels(*["a", "b"] * 5)
    with pytest.raises(
        ValueError, match="kind: expected one of multiclass, multilabel, regression"
    ):
        load_edge_list(files.edges(), labels=labels, kind="link")
    with pytest.raises(ValueError, match="expected a number in column 'job', got 'a' in line 2"):
        load_edge_list(files.edges(), labels=labels, kind="multilabel")
    labels = files.labels("0,1", column="a,b")
    with pytest.raises(ValueError, match=r"expected one column of classes, got \['a', 'b'\]"):
        load_edge_list(files.edges(), labels=labels, kind="multiclass")
    labels = files.labels("2")
    with pytest.raises(ValueError, match=r"expected 0, 1 or a blank in the columns \['job'\]"):
        load_edge_list(files.edges(), labels=labels, kind="multilabel")


# --- GraphML -------------------------------------------------------------------------------------


def write_graphs(folder: Path, count: int = 10, **about) -> None:
    """Rings and paths of atoms by turns."""
    for k in range(count):
        graph = nx.path_graph(4 + k) if k % 2 else nx.cycle_graph(4 + k)
        graph = nx.Graph(graph, **{name: value(k) for name, value in about.items()})
        for node in graph:
            graph.nodes[node].update(charge=node / 2, atom="CNO"[node % 3])
        for a, b in graph.edges:
            graph.edges[a, b].update(weight=float(a + b), bond="single" if a else "double")
        nx.write_graphml(graph, folder / f"g{k}.graphml")


def test_graphs_with_their_labels(tmp_path: Path):
    write_graphs(tmp_path, label=lambda k: "path" if k % 2 else "ring")
    before = sorted(tmp_path.iterdir())
    dataset = load_graphml(tmp_path, name="shapes")
    assert sorted(tmp_path.iterdir()) == before
    assert (dataset.name, dataset.level, dataset.kind) == ("shapes", "graph", "multiclass")
    assert dataset.further["classes"] == ["path", "ring"]
    assert dataset.y.tolist() == [1, 0] * 5
    ring, path = dataset.graphs[:2]
    assert (ring.num_nodes, ring.num_edges, path.num_edges) == (4, 8, 8)
    assert ring.is_undirected
    # atom (C, N, O), then charge
    assert ring.x.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0.5], [0, 0, 1, 1], [1, 0, 0, 1.5]]
    assert ring.edge_attr.shape == (8, 2)
    first = (ring.edge_index == torch.tensor([[0], [1]])).all(dim=0)
    assert ring.edge_attr[first].tolist() == [[1, 0]]
    assert ring.edge_weight[first].tolist() == [1]
    check_split(dataset.split(0), 10)


def test_labels_of_graphs_in_a_table(tmp_path: Path):
    write_graphs(tmp_path)
    rows = [f"g{k},{k / 4},{'train' if k < 6 else 'val' if k < 8 else 'test'}" for k in range(10)]
    (tmp_path / "labels.csv").write_text("\n".join(["graph,energy,split", *rows]))
    dataset = load_graphml(tmp_path)
    assert (dataset.name, dataset.kind, dataset.metric) == (tmp_path.name, "regression", "rmse")
    assert dataset.graphs[3].y.tolist() == [[0.75]]
    assert dataset.split().test.tolist() == [8, 9]


def test_directed_graphs_without_attributes(tmp_path: Path):
    for k in range(4):
        graph = nx.DiGraph(nx.path_graph(3 + k, create_using=nx.DiGraph), label=k % 2)
        nx.write_graphml(graph, tmp_path / f"{k}.graphml")
    dataset = load_graphml(tmp_path)
    assert dataset.graphs[0].edge_index.tolist() == [[0, 1], [1, 2]]
    assert dataset.graphs[0].x.tolist() == [[1, 0], [0, 1], [0, 1]]  # how many edges come in
    assert dataset.graphs[0].edge_attr is None


def test_what_is_wrong_with_graphml_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"folder: expected .graphml files in it"):
        load_graphml(tmp_path)
    write_graphs(tmp_path, 2)
    with pytest.raises(ValueError, match=r"g0.graphml: expected the attribute 'label' on the grap"):
        load_graphml(tmp_path)
    write_graphs(tmp_path, 2, label=lambda k: k)
    graph = nx.Graph(label=0)
    graph.add_nodes_from([(0, {"charge": 1.0, "atom": "C"}), (1, {"charge": 1.0})])
    nx.write_graphml(graph, tmp_path / "g2.graphml")
    with pytest.raises(ValueError, match=r"g2.graphml: expected the attribute 'atom' everywhere"):
        load_graphml(tmp_path)
    nx.write_graphml(nx.Graph(label=0), tmp_path / "g2.graphml")
    with pytest.raises(ValueError, match=r"g2.graphml: expected a graph with nodes, got none"):
        load_graphml(tmp_path)
    whole = (tmp_path / "g1.graphml").read_text()
    (tmp_path / "g2.graphml").write_text(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"g2.graphml: expected GraphML, got what cannot be read"):
        load_graphml(tmp_path)
