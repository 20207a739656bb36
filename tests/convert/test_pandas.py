"""Graphs from and to pandas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.convert import from_pandas, to_pandas
from graphkit.graph import Graph

pd = pytest.importorskip("pandas")

NAMES = st.one_of(
    st.integers(-5, 5), st.text(max_size=2), st.tuples(st.integers(0, 2), st.booleans())
)


def edge_list(*pairs, **columns):
    sources, targets = zip(*pairs, strict=True) if pairs else ([], [])
    return pd.DataFrame({"source": list(sources), "target": list(targets), **columns})


@st.composite
def frames(draw):
    """An edge list and a frame of nodes, some without edges, called by whatever is hashable."""
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=6))
    ends = st.sampled_from(names)
    pairs = draw(st.lists(st.tuples(ends, ends), max_size=9))
    count = len(pairs)
    edges = pd.DataFrame(
        {
            "source": pd.Series([u for u, _ in pairs], dtype=object),
            "target": pd.Series([v for _, v in pairs], dtype=object),
            "weight": torch.arange(count).numpy() / 4,
            "label": [f"e{k}" for k in range(count)],
        }
    )
    nodes = pd.DataFrame(
        {"size": range(len(names)), "colour": [f"c{k}" for k in range(len(names))]},
        index=pd.Index(names, tupleize_cols=False, name="node"),
    )
    return edges, nodes


def assert_same_frames(ours, theirs):
    """The types of columns aside, which pandas infers from what is in them."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.index.tolist() == other.index.tolist()
        assert one.to_dict("list") == other.to_dict("list")


class TestFromPandas:
    def test_numbered_as_they_turn_up(self):
        graph = from_pandas(edge_list(("b", "a"), ("c", "b")))
        assert graph.node_names == ["b", "a", "c"]
        assert graph.edge_index.tolist() == [[0, 2], [1, 0]]
        assert not graph.is_undirected

    def test_numbered_as_the_frame_of_nodes_says(self):
        nodes = pd.DataFrame({"age": [1.5, 2.0, 3.0]}, index=["a", "alone", "b"])
        graph = from_pandas(edge_list(("b", "a")), nodes)
        assert graph.node_names == ["a", "alone", "b"]
        assert graph.edge_index.tolist() == [[2], [0]]
        assert graph.age.tolist() == [1.5, 2, 3]

    def test_columns_by_other_names(self):
        edges = pd.DataFrame({"from": [7, 8], "to": [8, 7], 5: [1, 2]})
        nodes = pd.DataFrame({"id": [8, 7], "kind": ["x", "y"]})
        graph = from_pandas(edges, nodes, source="from", target="to", node="id")
        assert graph.edge_index.tolist() == [[1, 0], [0, 1]]
        assert graph.node_attrs.keys() == {"kind", "node_names"}
        assert graph.edge_attrs["5"].tolist() == [1, 2]

    def test_types_of_columns(self):
        graph = from_pandas(
            edge_list(
                ("a", "b"),
                ("b", "c"),
                weight=[0.5, 1],
                count=[1, 2],
                seen=[True, False],
                kind=["x", None],
                row=[[1.0, 2.0], [3.0, 4.0]],
                missing=pd.array([1, None], dtype="Int64"),
                sort=pd.Categorical(["p", "q"]),
            )
        )
        assert graph.edge_weight.dtype == torch.float32
        assert graph.edge_attrs["count"].dtype == torch.int64
        assert graph.seen.dtype == torch.bool
        assert graph.row.tolist() == [[1, 2], [3, 4]]
        assert graph.edge_attrs["missing"] == [1, pd.NA]
        assert graph.sort == ["p", "q"]

    def test_undirected(self):
        graph = from_pandas(
            edge_list(("a", "b"), ("b", "b"), ("a", "b"), weight=[1.0, 2.0, 3.0]), undirected=True
        )
        assert graph.edge_index.tolist() == [[0, 1, 1, 0, 1], [1, 0, 1, 1, 0]]
        assert graph.edge_weight.tolist() == [1, 1, 2, 3, 3]
        assert graph.is_undirected
        assert "undirected" in repr(graph)

    def test_bipartite(self):
        edges = edge_list((1, 1), (2, 1), (2, 3), weight=[5, 4, 3])
        items = pd.DataFrame({"price": [1.0, 2.0, 3.0]}, index=[3, 2, 1])
        graph = from_pandas(edges, (None, items))
        assert (graph.num_src, graph.num_dst) == (2, 3)
        assert graph.node_names == ([1, 2], [3, 2, 1])
        assert graph.edge_index.tolist() == [[0, 1, 1], [2, 2, 0]]
        assert graph.price[0] is None
        assert graph.price[1].tolist() == [1, 2, 3]

    def test_without_rows(self):
        assert from_pandas(edge_list()).num_nodes == 0
        assert from_pandas(edge_list(), pd.DataFrame(index=[3, 4])).num_nodes == 2
        assert from_pandas(edge_list(), undirected=True).num_edges == 0

    @pytest.mark.parametrize(
        ("edges", "options", "error", "message"),
        [
            ([("a", "b")], {}, TypeError, "edges: expected a DataFrame of pandas, got list"),
            (edge_list(), {"nodes": [1]}, TypeError, "nodes: expected a DataFrame of pandas"),
            (edge_list(), {"source": "from"}, ValueError, "edges: expected a column 'from', got"),
            (
                edge_list(("a", "b"), ("a", None)),
                {},
                ValueError,
                "edges: expected a name in every row of column 'target', got none in 1",
            ),
            (
                edge_list(("a", "b"), ("a", "c")),
                {"nodes": pd.DataFrame(index=["a", "b"])},
                ValueError,
                "target: expected names that are in nodes, got 'c' in row 1",
            ),
            (
                edge_list(),
                {"nodes": pd.DataFrame(index=["a", "b", "a"])},
                ValueError,
                "nodes: expected every name once, got 'a' more than once",
            ),
            (
                edge_list(),
                {"nodes": pd.DataFrame(index=["a", None])},
                ValueError,
                "nodes: expected a name in every row of the index, got none in 1",
            ),
            (
                pd.DataFrame([[1, 2, 3]], columns=["source", "target", "target"]),
                {},
                ValueError,
                "edges: expected every column once",
            ),
            (edge_list(), {"nodes": (None,)}, ValueError, "nodes: expected a pair"),
            (
                edge_list(),
                {"nodes": (None, None), "undirected": True},
                ValueError,
                "undirected: expected False for a bipartite graph",
            ),
        ],
    )
    def test_bad_input(self, edges, options, error, message):
        with pytest.raises(error, match=message):
            from_pandas(edges, **options)


class TestToPandas:
    def test_frames(self):
        graph = Graph(
            torch.tensor([[0, 1], [1, 1]]),
            x=torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
            edge_weight=torch.tensor([0.5, 1.5]),
            node_attrs={"size": torch.tensor([1, 2], dtype=torch.int8)},
            edge_attrs={"kind": ["a", "b"]},
        )
        edges, nodes = to_pandas(graph, source="u", target="v")
        assert edges.to_dict("list") == {
            "u": [0, 1],
            "v": [1, 1],
            "kind": ["a", "b"],
            "weight": [0.5, 1.5],
        }
        assert nodes.index.tolist() == [0, 1]
        assert nodes["x"].tolist() == [[1, 2], [3, 4]]
        assert nodes["size"].dtype == "int8"

    def test_sparse_features(self):
        graph = Graph(torch.tensor([[0], [1]]), x=torch.eye(2).to_sparse())
        assert to_pandas(graph)[1]["x"].tolist() == [[1, 0], [0, 1]]

    def test_undirected_keeps_the_first_direction(self):
        edges = torch.tensor([[2, 1, 0, 2, 1], [1, 2, 0, 1, 2]])
        graph = Graph(edges, edge_attrs={"kind": ["a", "a", "b", "c", "c"]})
        assert to_pandas(graph, undirected=True)[0].to_dict("list") == {
            "source": [2, 0, 2],
            "target": [1, 0, 1],
            "kind": ["a", "b", "c"],
        }

    @pytest.mark.parametrize(
        ("graph", "options", "message"),
        [
            (Graph.batch([Graph(torch.tensor([[0], [1]]))]), {}, "graph: .* got a batch"),
            (
                Graph(torch.tensor([[0], [1]])),
                {"undirected": True},
                "undirected: expected False, as not every edge has its opposite",
            ),
            (
                Graph(torch.tensor([[0], [1]]), edge_attrs={"target": torch.ones(1)}),
                {},
                "source, target: expected names of no attribute, got 'target'",
            ),
        ],
    )
    def test_what_frames_cannot_hold(self, graph, options, message):
        with pytest.raises(ValueError, match=message):
            to_pandas(graph, **options)


class TestRoundTrip:
    @given(frames())
    def test_frames(self, frames):
        assert_same_frames(to_pandas(from_pandas(*frames)), frames)

    @given(frames())
    def test_frames_of_undirected_edges(self, frames):
        graph = from_pandas(*frames, undirected=True)
        assert_same_frames(to_pandas(graph, undirected=True), frames)

    @given(frames())
    def test_bipartite_frames(self, frames):
        edges, nodes = frames
        ours = to_pandas(from_pandas(edges, (nodes, nodes)))
        assert_same_frames([ours[0], *ours[1]], [edges, nodes, nodes])

    @given(frames())
    def test_graph(self, frames):
        graph = from_pandas(*frames).replace(edge_attr=torch.rand(len(frames[0]), 2))
        again = from_pandas(*to_pandas(graph))
        assert torch.equal(again.edge_index, graph.edge_index)
        assert again.node_names == graph.node_names
        assert torch.equal(again.edge_weight, graph.edge_weight)
        if graph.num_edges:  # an empty column tells no shape
            assert torch.equal(again.edge_attr, graph.edge_attr)
