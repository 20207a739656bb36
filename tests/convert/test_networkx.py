"""Graphs from and to NetworkX."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.convert import from_networkx, to_networkx
from graphkit.graph import Graph

KINDS = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]


def assert_same_networkx(graph, other):
    assert type(graph) is type(other)
    assert list(graph.nodes(data=True)) == list(other.nodes(data=True))
    assert graph.graph == other.graph
    assert nx.utils.graphs_equal(graph, other)


@st.composite
def networks(draw, kind):
    """Graphs with names for nodes, and with attributes on everything."""
    names = draw(
        st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=2)), unique=True, max_size=6)
    )
    graph = kind(name="test", numbers=[1, 2])
    for place, name in enumerate(names):
        graph.add_node(
            name, size=place, colour=f"c{place}", place=[place / 2, 1.0], odd=place % 2 > 0
        )
    ends = st.sampled_from(names or [None])
    edges = draw(st.lists(st.tuples(ends, ends), max_size=10 if names else 0))
    for number, (u, v) in enumerate(edges):
        graph.add_edge(u, v, weight=number / 4, number=number, label=f"e{number}")
    return graph


class TestFromNetworkX:
    def test_orientation(self):
        graph = from_networkx(nx.DiGraph([("a", "b"), ("c", "b")]))
        assert graph.node_names == ["a", "b", "c"]
        assert graph.edge_index.tolist() == [[0, 2], [1, 1]]
        assert graph.in_degree.tolist() == [0, 2, 0]
        assert not graph.is_undirected

    def test_undirected_holds_both_directions(self):
        network = nx.Graph([(0, 1), (1, 2), (2, 2)])
        graph = from_networkx(network)
        assert graph.edge_index.tolist() == [[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]]
        assert "undirected" in repr(graph)
        adjacency = torch.zeros(3, 3)
        adjacency[tuple(graph.edge_index)] = 1
        assert np.array_equal(adjacency.numpy(), nx.to_numpy_array(network))

    def test_attributes(self):
        network = nx.Graph(name="test")
        network.add_node(0, size=1, place=(0.5, 1.0), colour="red", seen=True, ragged=[1])
        network.add_node(1, size=2, place=(1.5, 2.0), colour="blue", seen=False, ragged=[1, 2])
        network.add_edge(0, 1, weight=2.5, kind="bond", row=torch.tensor([1.0, 2.0]))
        graph = from_networkx(network)
        assert torch.equal(graph.size, torch.tensor([1, 2]))
        assert torch.equal(graph.place, torch.tensor([[0.5, 1.0], [1.5, 2.0]]))
        assert torch.equal(graph.seen, torch.tensor([True, False]))
        assert graph.colour == ["red", "blue"]
        assert graph.ragged == [[1], [1, 2]]
        assert torch.equal(graph.edge_weight, torch.tensor([2.5, 2.5]))
        assert graph.edge_attrs["kind"] == ["bond", "bond"]
        assert graph.row.tolist() == [[1, 2], [1, 2]]
        assert graph.name == "test"

    def test_numbers_that_fit_no_tensor_stay(self):
        network = nx.path_graph(2)
        nx.set_node_attributes(network, {0: 2**63, 1: 1}, "huge")
        nx.set_node_attributes(network, {0: 1 + 2j, 1: 1j}, "complex")
        nx.set_node_attributes(network, {0: torch.ones(2), 1: torch.ones(3)}, "rows")
        graph = from_networkx(network)
        assert graph.huge == [2**63, 1]
        assert graph.complex == [1 + 2j, 1j]
        assert [len(row) for row in graph.rows] == [2, 3]

    def test_choice_of_attributes(self):
        network = nx.Graph(name="test", other=1)
        network.add_node(0, a=1, b=2)
        network.add_node(1, a=1)
        network.add_edge(0, 1, c=1, d=2)
        graph = from_networkx(network, node_attrs=["a"], edge_attrs=["d"], graph_attrs=["name"])
        assert graph.node_attrs.keys() == {"a", "node_names"}
        assert graph.edge_attrs.keys() == {"d"}
        assert graph.graph_attrs.keys() == {"name"}
        with pytest.raises(ValueError, match="b: expected it everywhere, but node 1 lacks it"):
            from_networkx(network)
        with pytest.raises(ValueError, match="e: expected it everywhere, but edge 0 lacks it"):
            from_networkx(network, node_attrs=[], edge_attrs=["e"])
        with pytest.raises(ValueError, match="x: expected it everywhere, but graph lacks it"):
            from_networkx(network, node_attrs=[], graph_attrs=["x"])

    def test_batches(self):
        batch = Graph.batch([from_networkx(nx.path_graph(n)) for n in (2, 3)])
        assert batch.node_names == [0, 1, 0, 1, 2]
        assert batch.is_undirected

    def test_what_is_no_network(self):
        with pytest.raises(TypeError, match="graph: expected one of NetworkX, got list"):
            from_networkx([(0, 1)])

    def test_well_known_graph(self):
        graph = from_networkx(nx.karate_club_graph())
        assert (graph.num_nodes, graph.num_edges) == (34, 156)
        assert len(graph.club) == 34
        assert graph.edge_weight.dtype == torch.int64


class TestToNetworkX:
    def test_orientation(self):
        network = to_networkx(Graph(torch.tensor([[0, 2], [1, 1]]), 3))
        assert type(network) is nx.DiGraph
        assert set(network.edges) == {(0, 1), (2, 1)}

    def test_kind_is_found(self):
        def kind(edges, **attrs):
            return type(to_networkx(Graph(torch.tensor(edges).t(), 3, **attrs)))

        assert kind([[0, 1], [1, 0]]) is nx.Graph
        assert kind([[0, 1], [1, 0]], edge_weight=torch.tensor([1.0, 1.0])) is nx.Graph
        assert kind([[0, 1], [1, 0]], edge_weight=torch.tensor([1.0, 2.0])) is nx.DiGraph
        assert kind([[0, 1], [1, 0]], edge_attrs={"a": ["x", "y"]}) is nx.DiGraph
        nan = torch.tensor([float("nan")] * 2)
        assert kind([[0, 1], [1, 0]], edge_weight=nan) is nx.Graph
        assert kind([[0, 1], [0, 1]]) is nx.MultiDiGraph
        assert kind([[0, 1], [1, 0], [1, 0], [0, 1]]) is nx.MultiGraph

    def test_kind_as_told(self):
        graph = Graph(torch.tensor([[0, 1], [1, 0]]), 2)
        assert set(to_networkx(graph, directed=True).edges) == {(0, 1), (1, 0)}
        assert type(to_networkx(graph, multigraph=True)) is nx.MultiGraph
        with pytest.raises(ValueError, match="directed: expected True"):
            to_networkx(Graph(torch.tensor([[0], [1]]), 2), directed=False)
        with pytest.raises(ValueError, match="multigraph: expected True"):
            to_networkx(Graph(torch.tensor([[0, 0], [1, 1]]), 2), multigraph=False)

    def test_attributes(self):
        graph = Graph(
            torch.tensor([[0], [1]]),
            x=torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
            edge_weight=torch.tensor([0.5]),
            node_attrs={"node_names": ["a", "b"], "colour": ["red", "blue"]},
            graph_attrs={"incoming_graph_data": "any name"},
        )
        network = to_networkx(graph)
        assert network.nodes["b"] == {"x": [3.0, 4.0], "colour": "blue"}
        assert network.edges["a", "b"] == {"weight": 0.5}
        assert network.graph == {"incoming_graph_data": "any name"}

    def test_names_follow_their_nodes(self):
        graph = from_networkx(nx.DiGraph([("a", "b"), ("b", "c")]))
        network = to_networkx(graph.subgraph(torch.tensor([2, 1])))
        assert list(network.nodes) == ["c", "b"]
        assert list(network.edges) == [("b", "c")]

    def test_empty(self):
        graph = Graph(torch.empty(2, 0, dtype=torch.int64), 2)
        assert list(to_networkx(graph).nodes) == [0, 1]

    @pytest.mark.parametrize(
        ("graph", "message"),
        [
            (Graph.batch([Graph(torch.tensor([[0], [1]]), 2)]), "graph: .* got a batch"),
            (Graph(torch.tensor([[0], [1]]), (2, 2)), "graph: .* got a bipartite graph"),
            (
                Graph(torch.tensor([[0], [1]]), 2, node_attrs={"node_names": ["a", "a"]}),
                "node_names: expected every name once",
            ),
        ],
    )
    def test_what_networkx_cannot_hold(self, graph, message):
        with pytest.raises(ValueError, match=message):
            to_networkx(graph)


class TestRoundTrip:
    @pytest.mark.parametrize("kind", KINDS)
    @given(data=st.data())
    def test_network(self, kind, data):
        network = data.draw(networks(kind))
        again = to_networkx(
            from_networkx(network),
            directed=network.is_directed(),
            multigraph=network.is_multigraph(),
        )
        assert_same_networkx(again, network)

    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10))
    def test_graph(self, edges):
        graph = Graph(torch.tensor(edges, dtype=torch.int64).view(-1, 2).t(), 5)
        again = from_networkx(to_networkx(graph, directed=True, multigraph=True))
        assert sorted(again.edge_index.t().tolist()) == sorted(map(list, edges))
        assert again.num_nodes == 5
