"""Graph: what it is made from, its sorted structures and its attributes."""

import copy
import io
import multiprocessing
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.graph import Graph


@st.composite
def edge_lists(draw, bipartite=False):
    """(edge_index, num_src, num_dst) with loops, repeated edges and isolated nodes."""
    num_src = draw(st.integers(0, 6))
    num_dst = draw(st.integers(0, 6)) if bipartite else num_src
    ends = st.tuples(st.integers(0, max(num_src - 1, 0)), st.integers(0, max(num_dst - 1, 0)))
    edges = draw(st.lists(ends, max_size=12)) if num_src and num_dst else []
    return torch.tensor(edges, dtype=torch.int64).view(-1, 2).t(), num_src, num_dst


def triangle(**attrs) -> Graph:
    return Graph(torch.tensor([[0, 1, 2, 2], [1, 2, 0, 0]]), 3, **attrs)


def assert_sorted(adjacency, rows, cols, num_rows, num_cols):
    """The structure must equal the plain definition: a stable sort in Python."""
    order = sorted(range(len(rows)), key=lambda edge: rows[edge])
    assert adjacency.edge.tolist() == order
    assert adjacency.col.tolist() == [cols[edge] for edge in order]
    assert adjacency.degree.tolist() == [rows.count(row) for row in range(num_rows)]
    assert adjacency.rowptr.tolist() == [sum(r < row for r in rows) for row in range(num_rows + 1)]
    assert (adjacency.num_rows, adjacency.num_cols) == (num_rows, num_cols)
    assert adjacency.num_edges == len(rows)


class TestStructure:
    @given(edge_lists(bipartite=True))
    def test_both_orders(self, edges):
        edge_index, num_src, num_dst = edges
        graph = Graph(edge_index, (num_src, num_dst))
        source, destination = edge_index.tolist()
        assert_sorted(graph.by_destination, destination, source, num_dst, num_src)
        assert_sorted(graph.by_source, source, destination, num_src, num_dst)
        assert graph.by_destination.slot.tolist() == list(range(len(source)))
        # The slot of an edge is where by_destination has the same edge.
        assert torch.equal(graph.by_destination.edge[graph.by_source.slot], graph.by_source.edge)
        assert graph.in_degree.tolist() == [destination.count(i) for i in range(num_dst)]
        assert graph.out_degree.tolist() == [source.count(j) for j in range(num_src)]
        assert graph.by_destination.max_degree == max([0, *map(destination.count, destination)])

    @given(edge_lists(bipartite=True), st.booleans())
    def test_reverse_is_the_graph_of_the_flipped_edges(self, edges, sorted_before):
        edge_index, num_src, num_dst = edges
        graph = Graph(edge_index, (num_src, num_dst))
        if sorted_before:
            assert graph.by_source.num_edges == graph.by_destination.num_edges
        turned, expected = graph.reverse(), Graph(edge_index.flip(0), (num_dst, num_src))
        assert torch.equal(turned.edge_index, expected.edge_index)
        for name in ("by_destination", "by_source"):
            ours, theirs = getattr(turned, name), getattr(expected, name)
            for tensor in ("rowptr", "col", "edge", "slot"):
                assert torch.equal(getattr(ours, tensor), getattr(theirs, tensor))
            assert (ours.num_rows, ours.num_cols) == (theirs.num_rows, theirs.num_cols)
        assert torch.equal(turned.reverse().edge_index, edge_index)

    def test_reverse_shares_what_is_sorted(self):
        graph = triangle(x=torch.rand(3, 1))
        assert graph.reverse().by_source.col is graph.by_destination.col
        assert graph.reverse().by_destination is graph.reverse().by_destination
        assert graph.reverse().reverse().by_destination is graph.by_destination
        assert graph.reverse().x is graph.x

    def test_structure_is_made_once(self):
        graph = triangle()
        assert graph.by_destination is graph.by_destination
        assert graph.by_source is graph.by_source

    def test_indices_are_int32(self):
        adjacency = triangle().by_source
        for name in ("rowptr", "col", "edge", "slot"):
            assert getattr(adjacency, name).dtype == torch.int32

    @pytest.mark.parametrize("skew", [False, True])
    def test_chunks_share_the_work(self, skew):
        num_nodes, num_edges = 1000, 40_000
        destination = torch.randint(num_nodes, (num_edges,))
        if skew:
            destination[: num_edges // 2] = 500
        adjacency = Graph(torch.stack([destination, destination]), num_nodes).by_destination
        chunks = adjacency.chunks
        assert chunks.dtype == torch.int64
        assert chunks.numel() == 65
        assert (chunks[0], chunks[-1]) == (0, num_nodes)
        assert bool((chunks.diff() >= 0).all())
        work = adjacency.rowptr[chunks].diff() + 2 * chunks.diff()
        # No chunk exceeds its share by more than one row.
        assert work.max() <= work.sum() / 64 + adjacency.max_degree + 2

    def test_small_graphs_are_one_chunk(self):
        assert triangle().by_destination.chunks.tolist() == [0, 3]
        assert Graph(torch.empty(2, 0).long(), 0).by_destination.chunks.tolist() == [0, 0]

    def test_few_rows_make_few_chunks(self):
        edge_index = torch.zeros(2, 40_000, dtype=torch.int64)
        chunks = Graph(edge_index, 3).by_destination.chunks
        assert chunks.tolist() == [0, 1, 1, 3]

    def test_by_destination_and_type(self):
        graph = Graph(
            torch.tensor([[0, 1, 2, 0, 1], [1, 1, 1, 0, 1]]),
            3,
            edge_type=torch.tensor([1, 0, 1, 0, 1]),
        )
        order = graph.by_destination_and_type(num_types=3)
        assert order.num_rows == 9
        assert order.edge.tolist() == [3, 1, 0, 2, 4]  # rows 0 (0, 0), 3 (1, 0), 4 (1, 1)
        assert order.rowptr.tolist() == [0, 1, 1, 1, 2, 5, 5, 5, 5, 5]
        assert order.col.tolist() == [0, 1, 0, 2, 1]
        assert torch.equal(graph.by_destination.edge[order.slot], order.edge)
        assert graph.by_destination_and_type(num_types=3) is order
        assert graph.by_destination_and_type().num_rows == 6

    def test_by_destination_and_type_of_the_call(self):
        graph, edge_type = triangle(), torch.tensor([0, 1, 1, 0])
        order = graph.by_destination_and_type(edge_type)
        assert graph.by_destination_and_type(edge_type) is order
        assert order.edge.tolist() == [3, 2, 0, 1]
        edge_type[3] = 1
        assert graph.by_destination_and_type(edge_type).edge.tolist() == [2, 3, 0, 1]

    @pytest.mark.parametrize(
        ("edge_type", "num_types", "message"),
        [
            (None, None, "edge_type: expected one"),
            (torch.tensor([0, 1]), None, "expected 4 rows"),
            (torch.tensor([0, 1, 2, 3]), 3, "type 3 is out of range for num_types=3"),
            (torch.tensor([0, 1, 2, -3]), None, "numbered from 0, got -3"),
        ],
    )
    def test_bad_types(self, edge_type, num_types, message):
        with pytest.raises(ValueError, match=message):
            triangle().by_destination_and_type(edge_type, num_types)

    @given(edge_lists())
    def test_is_undirected(self, edges):
        edge_index, num_nodes, _ = edges
        pairs = list(zip(*edge_index.tolist(), strict=True))
        expected = all(pairs.count((i, j)) == pairs.count((j, i)) for i, j in pairs)
        assert Graph(edge_index, num_nodes).is_undirected == expected
        both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        assert Graph(both, num_nodes).is_undirected

    def test_is_undirected_as_given(self):
        assert triangle(undirected=True).is_undirected
        assert triangle(undirected=True).reverse().is_undirected
        assert not Graph(torch.tensor([[0, 1], [1, 0]]), (2, 2)).is_undirected

    def test_cached(self):
        graph, calls = triangle(), []
        for _ in range(2):
            assert graph.cached("key", lambda: calls.append(1) or "value") == "value"
        assert calls == [1]
        assert graph.replace(x=torch.rand(3, 1)).cached("key", lambda: "other") == "value"
        assert graph.reverse().cached("key", lambda: "turned") == "turned"
        assert graph.cached("by_destination", lambda: "mine") == "mine"
        assert graph.by_destination.num_edges == 4

    def test_what_is_made_in_inference_mode_serves_training(self):
        with torch.inference_mode():
            graph = triangle()
            made = graph.by_source.col, graph.in_degree, graph.batch
            made += (graph.cached("degree", lambda: graph.in_degree + 1), graph.edge_index)
        assert not any(tensor.is_inference() for tensor in made)

    @pytest.mark.parametrize("node", [-1, 7])
    @pytest.mark.parametrize("row", [0, 1])
    @pytest.mark.parametrize("order", ["by_destination", "by_source"])
    def test_no_order_is_made_of_indices_changed_behind_its_back(self, node, row, order):
        graph = triangle()
        graph.edge_index[row, 0] = node
        with pytest.raises(RuntimeError):
            getattr(graph, order)


class TestConstruction:
    def test_edges_are_owned(self):
        edge_index = torch.tensor([[0, 1], [1, 2]])
        graph = Graph(edge_index, 3)
        edge_index[0, 0] = 2
        assert graph.edge_index.tolist() == [[0, 1], [1, 2]]
        assert graph.by_source.col.tolist() == [1, 2]

    def test_int32_is_converted(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]], dtype=torch.int32), 3)
        assert graph.edge_index.dtype == torch.int64

    def test_not_contiguous(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2], [2, 2]]).t())
        assert graph.edge_index.is_contiguous()
        assert graph.edge_index.tolist() == [[0, 1, 2], [1, 2, 2]]

    @pytest.mark.parametrize(
        ("attrs", "num_nodes"),
        [
            ({}, 3),
            ({"x": torch.rand(5, 2)}, 5),
            ({"pos": torch.rand(6, 3)}, 6),
            ({"node_attrs": {"name": list("abcd")}}, 4),
            ({"x": torch.rand(5, 2).to_sparse()}, 5),
            ({"batch": torch.tensor([0, 0, 0, 1])}, 4),
            ({"ptr": torch.tensor([0, 3, 7])}, 7),
            ({"x": (torch.rand(4, 1), torch.rand(5, 1))}, (4, 5)),
        ],
    )
    def test_number_of_nodes_is_found(self, attrs, num_nodes):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), **attrs)
        expected = num_nodes if isinstance(num_nodes, tuple) else (num_nodes, num_nodes)
        assert (graph.num_src, graph.num_dst) == expected
        assert graph.num_nodes == expected[1]
        assert graph.is_bipartite == isinstance(num_nodes, tuple)

    def test_empty(self):
        graph = Graph(torch.empty(2, 0, dtype=torch.int64))
        assert (graph.num_nodes, graph.num_edges, graph.num_graphs) == (0, 0, 1)
        assert graph.is_undirected
        assert graph.by_destination.rowptr.tolist() == graph.by_source.rowptr.tolist() == [0]
        assert graph.self_loops.graph.num_edges == 0

    def test_without_edges(self):
        graph = Graph(torch.empty(2, 0, dtype=torch.int64), 3)
        assert graph.in_degree.tolist() == [0, 0, 0]
        assert graph.by_source.max_degree == 0
        assert graph.self_loops.graph.edge_index.tolist() == [[0, 1, 2], [0, 1, 2]]

    def test_nan_in_features_is_passed_on(self):
        x = torch.full((3, 2), float("nan"))
        assert triangle(x=x).x is x

    @pytest.mark.parametrize(
        ("edge_index", "error", "message"),
        [
            ([[0], [1]], TypeError, r"edge_index: expected a tensor .* got list"),
            (torch.zeros(2, 3), TypeError, r"expected dtype int64 .* got float32"),
            (torch.zeros(2, 3).bool(), TypeError, r"expected dtype int64 .* got bool"),
            (torch.eye(3).to_sparse(), TypeError, r"expected a dense tensor, got one of .*coo"),
            (torch.zeros(3, 3).long(), ValueError, r"shape \[2, num_edges\], got \[3, 3\]$"),
            (torch.zeros(5, 2).long(), ValueError, r"got \[5, 2\]; did you mean edge_index.t()"),
            (torch.zeros(2).long(), ValueError, r"expected shape \[2, num_edges\], got \[2\]"),
            (
                torch.tensor([[0, 7], [1, 2]]),
                ValueError,
                r"edge_index: node 7 in row 0 \(sources\) is out of range for num_nodes=5",
            ),
            (
                torch.tensor([[0, 1], [1, 5]]),
                ValueError,
                r"edge_index: node 5 in row 1 \(destinations\) is out of range for num_nodes=5",
            ),
            (
                torch.tensor([[0, 1], [-1, 5]]),
                ValueError,
                r"edge_index: node -1 in row 1 \(destinations\) is negative",
            ),
        ],
    )
    def test_bad_edge_index(self, edge_index, error, message):
        with pytest.raises(error, match=message):
            Graph(edge_index, 5)

    @pytest.mark.parametrize(
        ("num_nodes", "error", "message"),
        [
            (2.5, TypeError, "num_nodes: expected a number or a pair .* got 2.5"),
            (True, TypeError, "got True"),
            ((1, 2, 3), TypeError, r"got \(1, 2, 3\)"),
            ((1, None), TypeError, r"got \(1, None\)"),
            (-1, ValueError, "no negative number, got -1"),
            ((3, 2), ValueError, r"node 2 in row 1 .* out of range for num_nodes=\(3, 2\)"),
            ((2, 3), ValueError, r"node 2 in row 0 .* out of range for num_nodes=\(2, 3\)"),
        ],
    )
    def test_bad_number_of_nodes(self, num_nodes, error, message):
        with pytest.raises(error, match=message):
            Graph(torch.tensor([[0, 1, 2], [1, 2, 0]]), num_nodes)

    def test_the_source_of_a_number_is_named(self):
        with pytest.raises(ValueError, match=r"num_nodes=2 \(the rows of x\)"):
            Graph(torch.tensor([[0, 1], [1, 2]]), x=torch.rand(2, 4))

    @pytest.mark.parametrize(
        ("attrs", "error", "message"),
        [
            ({"x": torch.rand(4, 2)}, ValueError, r"x: expected 3 rows \(num_nodes=3\), got 4"),
            ({"x": torch.rand(())}, ValueError, "x: .* got a tensor without dimensions"),
            ({"x": (torch.rand(3), torch.rand(3))}, TypeError, "x: .* got tuple"),
            ({"edge_attr": torch.rand(3, 2)}, ValueError, "expected 4 rows .num_edges=4., got 3"),
            ({"edge_weight": [1.0]}, ValueError, "edge_weight: expected 4 rows"),
            ({"edge_type": torch.rand(4)}, TypeError, r"edge_type: .* got float32 \[4\]"),
            ({"edge_type": -torch.ones(4).long()}, ValueError, "numbered from 0, got -1"),
            ({"u": torch.rand(2, 5)}, ValueError, r"u: expected 1 rows \(num_graphs=1\), got 2"),
            ({"node_attrs": {"mask": torch.ones(2)}}, ValueError, "mask: expected 3 rows"),
            ({"node_attrs": {"mask": "abc"}}, TypeError, "mask: expected a tensor or a list"),
            ({"edge_attrs": {"x": torch.ones(4)}}, ValueError, "x: expected on node, got it on"),
            ({"node_attrs": {"num_edges": [1, 2, 3]}}, ValueError, "num_edges: expected another"),
            ({"node_attrs": {"_mine": [1, 2, 3]}}, ValueError, "_mine: expected another name"),
            (
                {"node_attrs": {"a": [1, 2, 3]}, "graph_attrs": {"a": 1}},
                ValueError,
                "a: expected once, got it on node and on graph",
            ),
            ({"y": torch.rand(5)}, ValueError, r"y: expected .*4 \(edge\).*3 \(node\), got 5 rows"),
        ],
    )
    def test_bad_attributes(self, attrs, error, message):
        with pytest.raises(error, match=message):
            triangle(**attrs)

    @pytest.mark.parametrize(
        ("attrs", "error", "message"),
        [
            ({"batch": torch.tensor([0, 1, 0])}, ValueError, "batch: expected .* ascending"),
            ({"batch": torch.tensor([-1, 0, 0])}, ValueError, "batch: expected .* from 0"),
            ({"batch": torch.rand(3)}, TypeError, r"batch: .* got float32 \[3\]"),
            ({"batch": torch.zeros(4).long()}, ValueError, r"from 0 to 3, got \[0, 4\]"),
            ({"ptr": torch.tensor([0, 2])}, ValueError, r"ptr: .* from 0 to 3, got \[0, 2\]"),
            ({"ptr": torch.tensor([1, 3])}, ValueError, "ptr: expected ascending numbers"),
            ({"ptr": torch.tensor([0, 3, 2, 3])}, ValueError, "ptr: expected ascending numbers"),
            ({"ptr": [0, 3]}, TypeError, "ptr: expected int64 of one dimension, got list"),
            ({"ptr": (torch.tensor([0, 3]),) * 2}, TypeError, "ptr: expected a tensor, got tuple"),
            (
                {"ptr": torch.tensor([0, 3]), "batch": torch.zeros(3).long()},
                ValueError,
                "batch: expected batch or ptr, got both",
            ),
            (
                {"ptr": torch.tensor([0, 2, 3])},
                ValueError,
                r"edge 1 \(1 -> 2\) from graph 0 to graph 1",
            ),
        ],
    )
    def test_bad_batches(self, attrs, error, message):
        with pytest.raises(error, match=message):
            triangle(**attrs)

    @pytest.mark.parametrize(
        ("attrs", "message"),
        [
            ({"x": torch.rand(3, 1)}, r"x: expected a pair .* got float32 \[3, 1\]"),
            ({"x": (torch.rand(2, 1), torch.rand(2, 1))}, r"x: expected 3 rows \(num_dst=3\)"),
            ({"x": (torch.rand(3, 1), None)}, r"x: expected 2 rows \(num_src=2\), got 3"),
            ({"ptr": torch.tensor([0, 3])}, "ptr: expected a pair"),
            ({"ptr": (torch.tensor([0, 2]), torch.tensor([0, 1, 3]))}, r"lengths \(2, 3\)"),
        ],
    )
    def test_bad_bipartite(self, attrs, message):
        with pytest.raises((TypeError, ValueError), match=message):
            Graph(torch.tensor([[0, 1], [1, 2]]), (2, 3), **attrs)

    def test_meta_device(self):
        edge_index = torch.empty(2, 5, dtype=torch.int64, device="meta")
        graph = Graph(edge_index, 4, x=torch.empty(4, 3, device="meta"))
        assert graph.device.type == "meta"
        assert graph.num_edges == 5


class TestAttributes:
    def test_access(self):
        x, mask, size = torch.rand(3, 2), torch.tensor([True, False, True]), torch.rand(4)
        graph = triangle(
            x=x, node_attrs={"mask": mask}, edge_attrs={"size": size}, graph_attrs={"name": "abc"}
        )
        assert graph.x is x
        assert graph.mask is mask
        assert graph.size is size
        assert graph.name == "abc"
        assert dict(graph.node_attrs) == {"x": x, "mask": mask}
        assert dict(graph.edge_attrs) == {"size": size}
        assert dict(graph.graph_attrs) == {"name": "abc"}

    def test_standard_attributes_are_none_until_given(self):
        graph = triangle()
        for name in ("x", "pos", "edge_attr", "edge_weight", "edge_type", "u", "y"):
            assert getattr(graph, name) is None

    def test_unknown_attribute(self):
        with pytest.raises(AttributeError, match="no attribute 'colour'"):
            triangle().colour  # noqa: B018
        assert not hasattr(triangle(), "colour")

    @pytest.mark.parametrize("name", ["x", "colour", "num_nodes"])
    def test_not_changed_in_place(self, name):
        with pytest.raises(AttributeError, match=r"graph\.replace"):
            setattr(triangle(), name, 3)
        with pytest.raises(TypeError):
            triangle().node_attrs["x"] = 3  # type: ignore[index]

    @pytest.mark.parametrize(
        ("rows", "kind"), [(3, "node_attrs"), (4, "edge_attrs"), (1, "graph_attrs")]
    )
    def test_targets_find_their_kind(self, rows, kind):
        y = torch.rand(rows)
        assert getattr(triangle(y=y), kind)["y"] is y

    def test_scalar_target_belongs_to_the_graph(self):
        assert triangle(y=torch.tensor(1.0)).graph_attrs["y"] == 1

    @pytest.mark.parametrize(
        ("graph", "rows", "fits"),
        [
            (lambda **y: Graph(torch.tensor([[0, 1], [1, 0]]), 2, **y), 2, "edge and node"),
            (lambda **y: Graph(torch.empty(2, 0).long(), 1, **y), 1, "graph and node"),
            (lambda **y: Graph(torch.tensor([[0], [0]]), (1, 1), **y), 1, "edge and graph"),
        ],
    )
    def test_ambiguous_targets_are_no_guess(self, graph, rows, fits):
        with pytest.raises(ValueError, match=f"got {rows} rows, which fit {fits}; say it with"):
            graph(y=torch.rand(rows))
        assert graph(graph_attrs={"y": torch.rand(rows)}).y.numel() == rows

    def test_targets_of_bipartite_nodes_are_a_pair(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), (2, 3), y=(None, torch.rand(3)))
        assert graph.node_attrs["y"][0] is None

    def test_replace(self):
        graph = triangle(x=torch.rand(3, 2), node_attrs={"mask": torch.ones(3)})
        new = graph.replace(
            x=None, mask=torch.zeros(3), edge_weight=torch.ones(4), graph_attrs={"name": "new"}
        )
        assert new.x is None
        assert new.mask.sum() == 0
        assert new.node_attrs.keys() == {"mask"}
        assert new.edge_weight.sum() == 4
        assert new.name == "new"
        assert graph.x is not None
        assert graph.mask.sum() == 3
        assert new.by_destination is graph.by_destination

    def test_replace_may_change_the_kind(self):
        graph = triangle(node_attrs={"a": [1, 2, 3]}).replace(edge_attrs={"a": [1, 2, 3, 4]})
        assert graph.edge_attrs["a"] == [1, 2, 3, 4]
        assert not graph.node_attrs

    def test_replace_of_new_names_needs_their_kind(self):
        with pytest.raises(ValueError, match="colour: new on this Graph; say whose it is"):
            triangle().replace(colour=torch.rand(3))
        with pytest.raises(ValueError, match="x: expected 3 rows"):
            triangle().replace(x=torch.rand(5, 1))

    def test_repr(self):
        graph = triangle(
            x=torch.rand(3, 2), undirected=True, graph_attrs={"name": "abc", "list": [1, 2]}
        )
        assert repr(graph) == (
            "Graph(num_nodes=3, num_edges=4, x=[3, 2], name='abc', list=list of 2, undirected)"
        )
        pair = Graph(graph.edge_index, (3, 3), x=(torch.rand(3, 2), None))
        assert repr(pair) == "Graph(num_nodes=(3, 3), num_edges=4, x=([3, 2], None))"
        assert "num_graphs=2" in repr(Graph.batch([graph, graph]))


def assert_same(graph: Graph, other: Graph):
    """Everything equal, attributes with their kinds included."""
    assert torch.equal(graph.edge_index, other.edge_index)
    assert (graph.num_src, graph.num_dst) == (other.num_src, other.num_dst)
    assert graph.is_bipartite == other.is_bipartite
    assert graph.is_batch == other.is_batch
    assert torch.equal(graph.ptr, other.ptr)
    for name in ("node_attrs", "edge_attrs", "graph_attrs"):
        ours, theirs = getattr(graph, name), getattr(other, name)
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, theirs[key])
            else:
                assert value == theirs[key]


def full_graph() -> Graph:
    return triangle(
        x=torch.rand(3, 2),
        edge_type=torch.tensor([0, 1, 0, 1]),
        u=torch.rand(1, 2),
        node_attrs={"name": ["a", "b", "c"]},
        graph_attrs={"smiles": "CC"},
        undirected=False,
    )


def read_in_child(connection):
    graph = connection.recv()
    connection.send((graph.by_source.edge.tolist(), graph.name, graph.is_undirected))


class TestCopies:
    @pytest.mark.parametrize("graph", [full_graph(), Graph.batch([full_graph()] * 2)])
    @pytest.mark.parametrize(
        "copied",
        [
            lambda graph: pickle.loads(pickle.dumps(graph)),
            copy.copy,
            copy.deepcopy,
        ],
    )
    def test_copies_are_equal(self, graph, copied):
        graph.by_source  # noqa: B018
        assert_same(copied(graph), graph)
        assert torch.equal(copied(graph).by_source.slot, graph.by_source.slot)
        assert copied(graph)._connectivity.known_undirected == graph._connectivity.known_undirected

    def test_deepcopy_is_independent(self):
        graph = full_graph()
        copied = copy.deepcopy(graph)
        copied.x.zero_()
        assert graph.x.sum() > 0
        assert copied.edge_index.data_ptr() != graph.edge_index.data_ptr()

    def test_turned_graphs_are_copied_as_they_are(self):
        turned = full_graph().reverse()
        assert_same(pickle.loads(pickle.dumps(turned)), turned)

    def test_sorted_structures_are_not_pickled(self):
        edge_index = torch.randint(1000, (2, 10_000))
        graph = Graph(edge_index, 1000)
        before = len(pickle.dumps(graph))
        graph.by_source  # noqa: B018
        assert len(pickle.dumps(graph)) == before

    def test_torch_save_is_read_safely(self):
        graph, file = Graph.batch([full_graph()] * 2), io.BytesIO()
        torch.save(graph, file)
        file.seek(0)
        assert_same(torch.load(file, weights_only=True), graph)

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_other_processes(self, method):
        if method not in multiprocessing.get_all_start_methods():
            pytest.skip(f"no {method} on this system")
        graph = full_graph()
        expected = graph.by_source.edge.tolist(), graph.name, False
        context = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        child = context.Process(target=read_in_child, args=(theirs,))
        child.start()
        ours.send(graph)
        assert ours.recv() == expected
        child.join()
        assert child.exitcode == 0

    def test_to(self):
        graph = full_graph()
        assert graph.to("cpu") is graph
        moved = Graph.batch([graph, graph]).to("meta")
        assert moved.device.type == moved.x.device.type == moved.ptr.device.type == "meta"
        assert moved.name == ["a", "b", "c"] * 2
        assert moved.edge_attrs.keys() == {"edge_type"}
        assert moved.num_graphs == 2
