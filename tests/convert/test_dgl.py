"""Graphs from and to DGL."""

import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.convert import from_dgl, to_dgl
from graphkit.graph import Graph, as_graph

os.environ.setdefault("DGLBACKEND", "pytorch")  # else its import asks for a configuration file
dgl = pytest.importorskip("dgl", exc_type=ImportError)

SRC, DST = torch.tensor([0, 3, 1, 1]), torch.tensor([1, 0, 2, 2])


def dgl_graph(**options):
    return dgl.graph((SRC, DST), **options)


def rated(users=2, items=3):
    """Users who rate items."""
    ends = torch.arange(users), torch.arange(users) % items
    return dgl.heterograph({("user", "rates", "item"): ends}, {"user": users, "item": items})


def assert_same_dgl(graph, other):
    assert graph.canonical_etypes == other.canonical_etypes
    assert graph.ntypes == other.ntypes
    assert graph.batch_size == other.batch_size
    for kind in graph.ntypes:
        assert graph.batch_num_nodes(kind).tolist() == other.batch_num_nodes(kind).tolist()
        assert_same_frame(graph.nodes[kind].data, other.nodes[kind].data)
    for ours, theirs in zip(graph.edges(order="eid"), other.edges(order="eid"), strict=True):
        assert torch.equal(ours.long(), theirs.long())
    assert_same_frame(graph.edata, other.edata)


def assert_same_frame(frame, other):
    assert frame.keys() == other.keys()
    assert all(torch.equal(frame[name], other[name]) for name in frame)


def assert_same_graph(graph, other):
    assert torch.equal(graph.edge_index, other.edge_index)
    assert (graph.num_src, graph.is_bipartite) == (other.num_src, other.is_bipartite)
    assert graph.graph_attrs == other.graph_attrs
    assert graph.node_attrs.keys() == other.node_attrs.keys()
    assert graph.edge_attrs.keys() == other.edge_attrs.keys()
    assert torch.equal(graph.ptr, other.ptr)
    for name, value in graph.edge_attrs.items():
        assert torch.equal(value, other.edge_attrs[name]), name
    for name, value in graph.node_attrs.items():
        ends = (value, other.node_attrs[name])
        for a, b in zip(*ends, strict=True) if graph.is_bipartite else [ends]:
            assert a is b is None or torch.equal(a, b), name


NAMES = ["feat", "label", "h", "weight", "train_mask", "_ID", "attr"]


@st.composite
def dgl_graphs(draw):
    """Graphs of one relation, with data of several kinds on nodes and edges."""
    size = draw(st.integers(1, 5))
    ends = st.integers(0, size - 1)
    edges = draw(st.lists(st.tuples(ends, ends), max_size=8))
    source, destination = torch.tensor(edges, dtype=torch.int64).view(-1, 2).t()
    relation = draw(st.sampled_from([("_N", "_E", "_N"), ("a", "r", "a"), ("a", "r", "b")]))
    sizes = {relation[0]: size, relation[2]: size}
    graph = dgl.heterograph({relation: (source, destination)}, sizes)
    frames = [(len(edges), graph.edata), *((size, graph.nodes[k].data) for k in graph.ntypes)]
    for rows, frame in frames:
        for number, name in enumerate(draw(st.sets(st.sampled_from(NAMES)))):
            frame[name] = torch.arange(rows * (number + 1)).view(rows, number + 1)
    return graph


class TestFromDGL:
    def test_edges_by_number(self):
        graph = from_dgl(dgl_graph(idtype=torch.int32, num_nodes=6))
        assert torch.equal(graph.edge_index, torch.stack([SRC, DST]))
        assert graph.num_nodes == 6

    def test_names_of_data_sets(self):
        source = dgl_graph()
        source.ndata.update({"feat": torch.rand(4, 2), "label": torch.arange(4)})
        source.edata.update({"feat": torch.rand(4, 3), "weight": torch.rand(4)})
        graph = from_dgl(source)
        assert graph.node_attrs.keys() == {"x", "y"}
        assert graph.edge_attrs.keys() == {"edge_attr", "edge_weight"}
        assert torch.equal(graph.x, source.ndata["feat"])

    def test_names_that_are_in_use_stay(self):
        source = dgl_graph()
        source.ndata.update({"feat": torch.zeros(4), "x": torch.ones(4), "h": torch.ones(4)})
        source.edata.update({"h": torch.zeros(4), "x": torch.rand(4)})
        graph = from_dgl(source)
        assert graph.x.sum() == 4
        assert graph.feat.sum() == 0
        assert graph.edge_attrs.keys() == {"edata_h", "edata_x"}
        assert_same_dgl(to_dgl(graph), source)

    def test_what_dgl_writes_itself(self):
        whole = dgl.to_homogeneous(rated())
        graph = from_dgl(dgl.node_subgraph(whole, [0, 1, 3]))
        assert graph.node_attrs.keys() >= {"node_id", "node_type"}
        assert graph.edge_type.dtype == torch.int64

    def test_bipartite(self):
        source = rated()
        source.nodes["user"].data["age"] = torch.tensor([30.0, 40.0])
        graph = from_dgl(source)
        assert (graph.num_src, graph.num_dst) == (2, 3)
        assert graph.relation == ("user", "rates", "item")
        assert graph.age[0].tolist() == [30, 40]
        assert graph.age[1] is None

    def test_sides_of_one_size_stay_two(self):
        assert from_dgl(rated(2, 2)).is_bipartite

    def test_block(self):
        block = dgl.to_block(dgl.in_subgraph(dgl_graph(), [2]), torch.tensor([2]))
        graph = from_dgl(block)
        assert (graph.num_src, graph.num_dst, graph.num_edges) == (2, 1, 2)
        assert [end.tolist() for end in graph.node_id] == [[2, 1], [2]]
        assert to_dgl(graph).num_nodes("source") == 2

    def test_batch(self):
        batch = dgl.batch([dgl_graph(), dgl_graph(num_nodes=5)])
        assert from_dgl(batch).ptr.tolist() == [0, 4, 9]
        pair = from_dgl(dgl.batch([rated(), rated(3, 1)]))
        assert (pair.src_ptr.tolist(), pair.ptr.tolist()) == ([0, 2, 5], [0, 3, 4])

    def test_several_relations(self):
        source = dgl.heterograph({("a", "r", "a"): ([0], [1]), ("a", "s", "b"): ([0], [1])})
        with pytest.raises(ValueError, match=r"graph: expected one kind of edges, .* 2 relations"):
            from_dgl(source)
        with pytest.raises(ValueError, match="graph: expected one kind of edges"):
            as_graph(source)
        assert from_dgl(source["s"]).relation == ("a", "s", "b")

    def test_what_is_no_dgl_graph(self):
        with pytest.raises(TypeError, match="graph: expected a DGL graph, got Tensor"):
            from_dgl(torch.zeros(2, 3))


class TestToDGL:
    def test_what_dgl_cannot_hold_is_left_out(self):
        graph = Graph(
            torch.stack([SRC, DST]),
            x=torch.eye(4).to_sparse(),
            node_attrs={"node_names": list("abcd")},
            graph_attrs={"name": "test"},
        )
        result = to_dgl(graph)
        assert result.ndata.keys() == {"feat"}
        assert torch.equal(result.ndata["feat"], torch.eye(4))

    def test_isolated_nodes(self):
        assert to_dgl(Graph(torch.empty(2, 0, dtype=torch.int64), 3)).num_nodes() == 3

    def test_an_empty_batch(self):
        empty = Graph(
            torch.empty(2, 0, dtype=torch.int64), 0, ptr=torch.zeros(1, dtype=torch.int64)
        )
        with pytest.raises(ValueError, match="graph: expected a batch of at least one graph"):
            to_dgl(empty)


class TestRoundTrip:
    @given(dgl_graphs())
    def test_dgl(self, source):
        assert_same_dgl(to_dgl(from_dgl(source)), source)

    @given(dgl_graphs(), st.integers(2, 3))
    def test_dgl_batch(self, source, count):
        batch = dgl.batch([source] * count)
        assert_same_dgl(to_dgl(from_dgl(batch)), batch)

    @given(dgl_graphs())
    def test_graph(self, source):
        graph = from_dgl(source)
        assert_same_graph(from_dgl(to_dgl(graph)), graph)

    def test_graph_with_standard_names(self):
        graph = Graph(
            torch.stack([SRC, DST]),
            x=torch.rand(4, 2),
            pos=torch.rand(4, 3),
            edge_attr=torch.rand(4, 2),
            edge_weight=torch.rand(4),
            edge_type=torch.arange(4),
            node_attrs={"y": torch.arange(4), "type": torch.arange(4)},
        )
        result = to_dgl(graph)
        assert result.ndata.keys() == {"feat", "pos", "label", "type"}
        assert_same_graph(from_dgl(result), graph)


class TestAsGraph:
    def test_found_again_until_it_changes(self):
        source = dgl_graph()
        graph = as_graph(source)
        assert as_graph(source).by_source is graph.by_source
        source.add_edges([2], [0])
        assert as_graph(source).num_edges == 5
        source.remove_edges([0])
        assert as_graph(source).edge_index[:, 0].tolist() == [3, 0]

    def test_edges_bring_what_layers_look_for(self):
        source = dgl_graph()
        source.edata.update({"weight": torch.rand(4), "feat": torch.rand(4, 2), "h": torch.rand(4)})
        source.ndata["weight"] = torch.rand(4)
        graph = as_graph(source)
        assert torch.equal(graph.edge_weight, source.edata["weight"])
        assert torch.equal(graph.edge_attr, source.edata["feat"])
        assert not graph.node_attrs
        assert "h" not in graph.edge_attrs
        source.edata["weight"] = torch.zeros(4)
        assert as_graph(source).edge_weight.sum() == 0

    def test_layers_of_both_agree(self):
        from dgl.nn import GraphConv

        from graphkit.nn import GCNConv

        source, x = dgl.add_self_loop(dgl_graph()), torch.rand(4, 2)
        theirs, ours = GraphConv(2, 3, norm="right", bias=False), GCNConv(2, 3, bias=False)
        ours.normalize = False
        theirs.weight.data = ours.lin.weight.data.t()
        mean = ours(x, source) / source.in_degrees().view(-1, 1)
        torch.testing.assert_close(mean, theirs(source, x))

    def test_bipartite(self):
        from graphkit.nn import SAGEConv

        out = SAGEConv((2, 3), 4)((torch.rand(2, 2), torch.rand(3, 3)), rated())
        assert out.shape == (3, 4)
        with pytest.raises(ValueError, match=r"size: expected \(2, 3\) as the Graph says"):
            as_graph(rated(), (3, 3))
