"""Graphs from and to PyTorch Geometric."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.convert import from_pyg, to_pyg
from graphkit.graph import Graph


def data_of(**attrs):
    from torch_geometric.data import Data

    return Data(edge_index=torch.tensor([[0, 1, 2, 2], [1, 2, 0, 1]]), **attrs)


def batch_of(members, **options):
    from torch_geometric.data import Batch

    return Batch.from_data_list(members, **options)


def assert_same_data(data, other):
    assert set(data.keys()) == set(other.keys())
    for name, value in data:
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other[name]), name
        else:
            assert value == other[name], name


@st.composite
def datas(draw):
    """Data with attributes of every kind and form PyG knows."""
    from torch_geometric.data import Data

    num_nodes = draw(st.integers(1, 5))
    ends = st.integers(0, num_nodes - 1)
    edges = draw(st.lists(st.tuples(ends, ends), max_size=8))
    seed, labels = draw(st.integers(0, 1000)), draw(st.integers(0, 4))
    return Data(
        x=torch.arange(num_nodes * 3.0).view(-1, 3) + seed,
        edge_index=torch.tensor(edges, dtype=torch.int64).view(-1, 2).t(),
        edge_attr=torch.arange(len(edges) * 2.0).view(-1, 2) + seed,
        edge_type=torch.arange(len(edges)),
        train_mask=torch.arange(num_nodes) % 2 == 0,
        original_index=torch.arange(num_nodes),  # PyG shifts it when it makes a batch
        edge_label_index=torch.zeros(2, labels, dtype=torch.int64),
        target=torch.full((1, 2), float(seed)),
        scalar=torch.tensor(float(seed)),
        table=torch.full((seed % 4, 5), float(seed)),
        smiles=f"C{seed}",
        count=seed,
    )


class TestFromPyG:
    def test_every_kind(self):
        data = data_of(
            x=torch.rand(3, 2),
            pos=torch.rand(3, 3),
            edge_attr=torch.rand(4, 2),
            edge_weight=torch.rand(4),
            edge_type=torch.tensor([0, 1, 0, 1]),
            train_mask=torch.tensor([True, False, True]),
            y=torch.tensor([[1.0, 2.0]]),
            smiles="CCO",
            u=torch.rand(1, 2),
            edge_label_index=torch.tensor([[0, 1, 2, 0, 1], [1, 2, 0, 0, 2]]),
            names=("a", "b", "c"),
            sizes=np.arange(4),
        )
        graph = from_pyg(data)
        assert graph.node_attrs.keys() == {"x", "pos", "train_mask", "names"}
        assert graph.edge_attrs.keys() == {"edge_attr", "edge_weight", "edge_type", "sizes"}
        assert graph.graph_attrs.keys() == {"y", "smiles", "u", "edge_label_index"}
        assert graph.x is data.x
        assert graph.names == ["a", "b", "c"]
        assert torch.equal(graph.edge_index, data.edge_index)
        assert graph.num_nodes == 3

    @pytest.mark.parametrize(
        ("name", "kind"), [("size", "node_attrs"), ("edge_size", "edge_attrs")]
    )
    def test_names_decide_where_pyg_lets_them(self, name, kind):
        data = data_of(num_nodes=4)
        data[name] = torch.rand(4)
        assert name in getattr(from_pyg(data), kind)

    def test_kinds_as_told(self):
        from torch_geometric.data import Data

        data = Data(x=torch.rand(1, 2), edge_index=torch.tensor([[0], [0]]), y=torch.rand(1))
        assert "y" in from_pyg(data).node_attrs
        assert "y" in from_pyg(data, kinds={"y": "graph"}).graph_attrs

    def test_matrix_of_as_many_columns_as_edges_is_no_edge_attribute(self):
        graph = from_pyg(data_of(num_nodes=3, edge_label_index=torch.zeros(2, 4).long()))
        assert "edge_label_index" in graph.graph_attrs

    @pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta:UserWarning")
    def test_adj_t(self):
        from torch_geometric.data import Data

        dense = torch.tensor([[0.0, 0.0, 5.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        graph = from_pyg(Data(x=torch.rand(3, 1), adj_t=dense.to_sparse_csr()))
        assert graph.edge_index.tolist() == [[2, 0], [0, 1]]
        assert graph.edge_weight.tolist() == [5, 2]

    def test_without_edges(self):
        from torch_geometric.data import Data

        graph = from_pyg(Data(pos=torch.rand(5, 3)))
        assert (graph.num_nodes, graph.num_edges) == (5, 0)

    def test_undirected_edge_index(self):
        from torch_geometric import EdgeIndex
        from torch_geometric.data import Data

        both = EdgeIndex([[0, 1], [1, 0]], is_undirected=True, sparse_size=(2, 2))
        assert "undirected" in repr(from_pyg(Data(edge_index=both, num_nodes=2)))

    def test_vector_batch(self):
        from torch_geometric.data import Data

        batch = torch.tensor([0, 0, 0, 1, 1])
        edge_index = torch.tensor([[0, 3], [1, 4]])
        graph = from_pyg(Data(x=torch.rand(5, 1), edge_index=edge_index, batch=batch))
        assert graph.ptr.tolist() == [0, 3, 5]

    def test_what_is_no_data(self):
        from torch_geometric.data import HeteroData

        with pytest.raises(
            TypeError, match="data: expected a Data or Batch of PyG, got HeteroData"
        ):
            from_pyg(HeteroData())
        with pytest.raises(TypeError, match="got Tensor"):
            from_pyg(torch.zeros(2, 3).long())

    def test_data_that_does_not_fit(self):
        data = data_of(x=torch.rand(3, 2))
        data.edge_attr = torch.rand(3, 2)
        with pytest.raises(ValueError, match="edge_attr: expected 4 rows"):
            from_pyg(data)


class TestFromBatch:
    def test_kinds(self):
        data = data_of(x=torch.rand(3, 2), edge_attr=torch.rand(4, 1), y=torch.rand(1))
        batch = batch_of([data, data, data])
        graph = from_pyg(batch)
        assert graph.num_graphs == 3
        assert graph.ptr.tolist() == [0, 3, 6, 9]
        assert (graph.x is batch.x, graph.edge_attr is batch.edge_attr) == (True, True)
        assert graph.graph_attrs["y"] is batch.y

    def test_graphs_of_one_node_among_others(self):
        """Alone, the target of the first would pass for one of its node."""
        from torch_geometric.data import Data

        one = Data(x=torch.rand(1, 2), edge_index=torch.empty(2, 0).long(), y=torch.rand(1))
        two = Data(x=torch.rand(2, 2), edge_index=torch.empty(2, 0).long(), y=torch.rand(1))
        assert "y" in from_pyg(batch_of([one, two])).graph_attrs

    def test_graphs_with_as_many_rows_in_sum_as_nodes(self):
        """Only where the rows begin tells that they belong to no node."""
        from torch_geometric.data import Data

        members = [
            Data(x=torch.rand(n, 1), edge_index=torch.empty(2, 0).long(), table=torch.rand(m, 1))
            for n, m in ((2, 3), (3, 2))
        ]
        graph = from_pyg(batch_of(members))
        assert [len(table) for table in graph.graph_attrs["table"]] == [3, 2]

    @given(st.lists(datas(), min_size=1, max_size=3))
    def test_as_the_batch_of_the_graphs(self, members):
        """Converting a batch, and making a batch of what was converted, are the same."""
        kinds: dict[str, Any] = {"target": "graph", "scalar": "graph", "table": "graph"}
        graph = from_pyg(batch_of(members), kinds)
        expected = Graph.batch([from_pyg(data, kinds).replace(count=None) for data in members])
        assert torch.equal(graph.edge_index, expected.edge_index)
        assert torch.equal(graph.ptr, expected.ptr)
        for name in ("x", "edge_attr", "edge_type", "train_mask", "original_index"):
            assert torch.equal(getattr(graph, name), getattr(expected, name)), name
        assert torch.equal(graph.target, expected.target)
        assert torch.equal(graph.scalar, expected.scalar)
        assert graph.smiles == expected.smiles
        for name in ("table", "edge_label_index"):
            assert all(map(torch.equal, graph.graph_attrs[name], expected.graph_attrs[name]))
        assert graph.count.tolist() == [data.count for data in members]

    def test_followers_are_left_out(self):
        data = data_of(x=torch.rand(3, 2), table=torch.rand(2, 2))
        graph = from_pyg(batch_of([data, data], follow_batch=["table"]))
        assert graph.graph_attrs.keys() == {"table"}

    def test_set_on_the_batch(self):
        data = data_of(x=torch.rand(3, 2))
        batch = batch_of([data, data])
        batch.score = torch.rand(2)
        batch.mask = torch.ones(6)
        graph = from_pyg(batch)
        assert graph.graph_attrs["score"] is batch.score
        assert graph.node_attrs["mask"] is batch.mask

    def test_unbatch(self):
        data = data_of(x=torch.rand(3, 2), smiles="CC")
        for member in from_pyg(batch_of([data, data])).unbatch():
            assert_same_data(to_pyg(member), data)


class TestRoundTrip:
    @given(datas())
    def test_data(self, data):
        assert_same_data(to_pyg(from_pyg(data)), data)

    @given(st.lists(datas(), min_size=1, max_size=3))
    def test_batch(self, members):
        batch = batch_of(members)
        again = to_pyg(from_pyg(batch))
        assert_same_data(again, batch)
        for data, other in zip(batch.to_data_list(), again.to_data_list(), strict=True):
            assert_same_data(other, data)

    def test_graph(self):
        graph = Graph(
            torch.tensor([[0, 1], [1, 2]]),
            4,
            u=torch.rand(1, 2),
            edge_type=torch.tensor([0, 1]),
            node_attrs={"mask": torch.ones(4).bool()},
            graph_attrs={"smiles": "CC"},
        )
        for other in (
            from_pyg(to_pyg(graph)),
            *from_pyg(to_pyg(Graph.batch([graph] * 2))).unbatch(),
        ):
            assert torch.equal(other.edge_index, graph.edge_index)
            assert other.num_nodes == 4
            assert torch.equal(other.u, graph.u)
            assert torch.equal(other.edge_type, graph.edge_type)
            assert torch.equal(other.node_attrs["mask"], graph.mask)
            assert other.smiles == "CC"

    def test_edges_are_a_copy(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), 3)
        to_pyg(graph).edge_index.zero_()
        assert graph.edge_index.tolist() == [[0, 1], [1, 2]]

    def test_bipartite_is_refused(self):
        with pytest.raises(ValueError, match="graph: expected one set of nodes"):
            to_pyg(Graph(torch.tensor([[0], [0]]), (1, 1)))


def test_real_data(data_root):
    from torch_geometric.datasets import TUDataset

    dataset = TUDataset(str(data_root / "tu"), "MUTAG")
    batch = batch_of(list(dataset))
    graph = from_pyg(batch)
    assert graph.num_graphs == len(dataset)
    assert graph.graph_attrs["y"].numel() == len(dataset)
    assert graph.is_undirected
    assert_same_data(to_pyg(graph), batch)
