"""as_graph: whatever describes a graph becomes a Graph, and is found again."""

import gc
import sys
import threading
import types
import weakref

import pytest
import scipy.sparse as sp
import torch

from graphkit.graph import Graph, _known, as_graph


def edges() -> torch.Tensor:
    return torch.tensor([[0, 1, 2, 2], [1, 2, 0, 1]])


class TestMemory:
    def test_found_again(self):
        edge_index = edges()
        graph = as_graph(edge_index, 3)
        assert as_graph(edge_index, 3) is graph
        assert as_graph(edge_index.clone(), 3) is not graph

    def test_every_size_has_its_graph(self):
        edge_index = edges()
        graph, larger = as_graph(edge_index, 3), as_graph(edge_index, 4)
        assert (graph.num_nodes, larger.num_nodes) == (3, 4)
        assert as_graph(edge_index, 3) is graph
        assert as_graph(edge_index, 4) is larger

    def test_change_in_place_makes_a_new_one(self):
        edge_index = edges()
        before = as_graph(edge_index, 3)
        edge_index[0, 0] = 2
        after = as_graph(edge_index, 3)
        assert after.edge_index.tolist() == [[2, 1, 2, 2], [1, 2, 0, 1]]
        assert after.by_destination.col.tolist() == [2, 2, 2, 1]
        assert before.by_destination.col.tolist() == [2, 0, 2, 1]
        assert as_graph(edge_index, 3) is after

    def test_change_through_a_view_makes_a_new_one(self):
        edge_index = edges()
        before = as_graph(edge_index, 3)
        edge_index[0].add_(0)
        assert as_graph(edge_index, 3) is not before

    def test_bad_change_in_place_is_found(self):
        edge_index = edges()
        as_graph(edge_index, 3)
        edge_index[1, 2] = 9
        with pytest.raises(ValueError, match="node 9 in row 1"):
            as_graph(edge_index, 3)

    def test_changes_behind_torch_never_reach_the_structure(self):
        edge_index = edges()
        graph = as_graph(edge_index, 3)
        edge_index.numpy()[:] = 1000
        assert graph.by_destination.col.max() < 3
        assert graph.by_source.col.max() < 3

    def test_forgotten_with_the_tensor(self):
        edge_index = edges()
        graph = as_graph(edge_index, 3)
        graph.by_source, graph.self_loops.graph.by_source  # noqa: B018
        gone, count = weakref.ref(graph), len(_known)
        del graph, edge_index
        assert gone() is None  # at once: not when the collector of cycles comes by
        assert len(_known) == count - 1

    def test_does_not_keep_the_tensor_alive(self):
        edge_index = edges()
        graph, gone = as_graph(edge_index, 3), weakref.ref(edge_index)
        del edge_index
        assert gone() is None
        assert graph.num_edges == 4

    def test_forgotten_after_a_change(self):
        edge_index = edges()
        gone = weakref.ref(as_graph(edge_index, 3))
        edge_index.add_(0)
        as_graph(edge_index, 3)
        assert gone() is None

    def test_a_new_tensor_at_an_old_address(self):
        for number in range(200):
            edge_index = torch.full((2, 3), number % 7)
            assert as_graph(edge_index, 7).edge_index[0, 0] == number % 7

    def test_inference_tensors_are_not_remembered(self):
        with torch.inference_mode():
            edge_index = edges()
            graph = as_graph(edge_index, 3)
            edge_index[0, 0] = 2
            assert as_graph(edge_index, 3).edge_index[0, 0] == 2
        assert graph.edge_index[0, 0] == 0

    def test_made_in_inference_mode_serves_training(self):
        edge_index = edges()
        with torch.inference_mode():
            graph = as_graph(edge_index, 3)
        assert as_graph(edge_index, 3) is graph
        x = torch.rand(3, requires_grad=True)
        x[graph.by_destination.col.long()].pow(2).sum().backward()
        assert x.grad is not None

    def test_threads(self):
        tensors = [torch.randint(50, (2, 200)) for _ in range(20)]
        wrong = []

        def work():
            for edge_index in tensors * 5:
                graph = as_graph(edge_index, 50)
                order = edge_index[1].sort(stable=True).indices
                if not torch.equal(graph.by_destination.edge.long(), order):
                    wrong.append(edge_index)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_no_cycles(self):
        """What a model makes of a batch must go with the batch."""
        gc.collect()
        gc.disable()
        try:
            graph = Graph.batch([Graph(edges(), 3, x=torch.rand(3, 1))] * 2)
            graph.by_source, graph.batch, graph.self_loops.graph.by_source  # noqa: B018
            graph.reverse().by_source, graph.in_degree
            graph.by_destination_and_type(torch.zeros(8).long())
            gone = [weakref.ref(graph), weakref.ref(graph._connectivity)]
            del graph
            assert [ref() for ref in gone] == [None, None]
        finally:
            gc.enable()


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            (None, (3, 3, False)),
            (5, (5, 5, False)),
            ((5, 5), (5, 5, False)),
            ((4, 5), (4, 5, True)),
            ((None, 5), (3, 5, True)),
            ((5, None), (5, 3, True)),
            ((None, None), (3, 3, False)),
        ],
    )
    def test_size(self, size, expected):
        graph = as_graph(edges(), size)
        assert (graph.num_src, graph.num_dst, graph.is_bipartite) == expected

    def test_size_of_a_graph(self):
        graph = Graph(edges(), 3)
        assert as_graph(graph) is graph
        for size in (3, (3, 3), (None, 3), (None, None)):
            assert as_graph(graph, size) is graph
        for size in (4, (3, 4), (4, None)):
            with pytest.raises(ValueError, match=r"size: expected \(3, 3\) as the Graph says, got"):
                as_graph(graph, size)

    def test_out_of_range(self):
        with pytest.raises(ValueError, match=r"node 2 in row 0 .* out of range for num_nodes=2"):
            as_graph(edges(), 2)

    @pytest.mark.parametrize(
        ("value", "came"), [([[0], [1]], "list"), (None, "NoneType"), ("graph", "str")]
    )
    def test_what_is_no_graph(self, value, came):
        with pytest.raises(TypeError, match=f"edge_index: expected .* got {came}"):
            as_graph(value)


# A[i, j]: an edge from j to i.
MATRIX = torch.tensor([[0.0, 0.0, 5.0, 0.0], [2.0, 0.0, 4.0, 0.0], [0.0, 3.0, 0.0, 0.0]])
ENDS = {(2, 0): 5.0, (0, 1): 2.0, (2, 1): 4.0, (1, 2): 3.0}


@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta:UserWarning")
class TestSparse:
    @pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
    def test_rows_are_destinations(self, layout):
        graph = as_graph(MATRIX.to_sparse(layout=layout))
        assert (graph.num_src, graph.num_dst, graph.is_bipartite) == (4, 3, True)
        pairs = zip(*graph.edge_index.tolist(), strict=True)
        assert dict(zip(pairs, graph.edge_weight.tolist(), strict=True)) == ENDS

    @pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
    def test_found_again_with_its_present_values(self, layout):
        matrix = MATRIX.to_sparse(layout=layout)
        assert as_graph(matrix).by_source is as_graph(matrix).by_source
        matrix.values().mul_(2)
        assert as_graph(matrix).edge_weight.sum() == 2 * MATRIX.sum()

    def test_square_is_one_set_of_nodes(self):
        assert not as_graph(torch.eye(3).to_sparse()).is_bipartite

    def test_not_coalesced(self):
        indices = torch.tensor([[1, 1], [0, 0]])
        matrix = torch.sparse_coo_tensor(indices, torch.ones(2), (2, 2), check_invariants=True)
        graph = as_graph(matrix)
        assert graph.edge_index.tolist() == [[0], [1]]
        assert graph.edge_weight.tolist() == [2]

    def test_gradient_reaches_the_values(self):
        values = torch.ones(2, requires_grad=True)
        indices = torch.tensor([[0, 1], [1, 0]])
        matrix = torch.sparse_coo_tensor(indices, values, (2, 2), check_invariants=True)
        (as_graph(matrix).edge_weight + as_graph(matrix).edge_weight).sum().backward()
        assert values.grad is not None
        assert values.grad.tolist() == [2, 2]

    def test_rows_of_values_are_features(self):
        indices = torch.tensor([[0, 1], [1, 0]])
        matrix = torch.sparse_coo_tensor(
            indices, torch.rand(2, 3), (2, 2, 3), check_invariants=True
        )
        graph = as_graph(matrix)
        assert graph.edge_attr.shape == (2, 3)
        assert graph.edge_weight is None

    def test_size_must_agree(self):
        assert as_graph(MATRIX.to_sparse(), (4, None)).num_src == 4
        with pytest.raises(ValueError, match=r"size: expected \(4, 3\) as edge_index says, got 3"):
            as_graph(MATRIX.to_sparse(), 3)

    def test_no_matrix(self):
        with pytest.raises(ValueError, match="edge_index: expected a matrix"):
            as_graph(torch.ones(2, 2, 2).to_sparse())

    @pytest.mark.parametrize("weighted", [True, False])
    def test_sparse_tensor_of_torch_sparse(self, weighted, monkeypatch):
        class SparseTensor:
            """As far as it matters here: rows, columns and values of a matrix."""

            def coo(self):
                rows, cols = MATRIX.nonzero().t()
                return rows, cols, MATRIX[rows, cols] if weighted else None

            def sparse_sizes(self):
                return MATRIX.shape

        module = types.ModuleType("torch_sparse")
        module.SparseTensor = SparseTensor  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torch_sparse", module)
        matrix = SparseTensor()
        graph = as_graph(matrix)
        pairs = list(zip(*graph.edge_index.tolist(), strict=True))
        assert set(pairs) == set(ENDS)
        assert (graph.num_src, graph.num_dst) == (4, 3)
        assert as_graph(matrix).by_source is graph.by_source
        if weighted:
            assert dict(zip(pairs, graph.edge_weight.tolist(), strict=True)) == ENDS
        else:
            assert graph.edge_weight is None


SCIPY = [sp.csr_array, sp.csr_matrix, sp.coo_array, sp.csc_array, sp.lil_array]


class TestSciPy:
    """A[u, v]: an edge from u to v, so that the transpose says what torch's matrices say."""

    @pytest.mark.parametrize("kind", SCIPY)
    def test_rows_are_sources(self, kind):
        graph = as_graph(kind(MATRIX.t().numpy()))
        assert (graph.num_src, graph.num_dst, graph.is_bipartite) == (4, 3, True)
        pairs = zip(*graph.edge_index.tolist(), strict=True)
        assert dict(zip(pairs, graph.edge_weight.tolist(), strict=True)) == ENDS

    @pytest.mark.filterwarnings("ignore:Sparse:UserWarning")  # PyG makes such tensors itself
    def test_layers_read_it_as_the_transpose_of_adj_t(self):
        """PyG's layers take A^T as a torch matrix; both of its layers and of ours must agree."""
        from torch_geometric import nn as pyg

        from graphkit import nn

        adjacency = torch.cat([MATRIX, torch.zeros(1, 4)]).t()  # [source, destination]
        x, theirs, ours = torch.rand(4, 2), pyg.GCNConv(2, 3), nn.GCNConv(2, 3)
        ours.load_state_dict(theirs.state_dict())
        expected = theirs(x, adjacency.t().to_sparse_csr())
        for kind in SCIPY:
            torch.testing.assert_close(ours(x, kind(adjacency.numpy())), expected)
        dense = theirs.lin(adjacency.t() @ x)
        plain = nn.GraphConv(2, 3, bias=False)
        plain.lin_rel.weight.data = theirs.lin.weight.data
        plain.lin_root.weight.data.zero_()
        torch.testing.assert_close(plain(x, sp.csr_array(adjacency.numpy())), dense)

    @pytest.mark.parametrize("kind", SCIPY)
    def test_found_again(self, kind):
        matrix = kind(MATRIX.t().numpy())
        assert as_graph(matrix).by_source is as_graph(matrix).by_source

    def test_a_new_entry_makes_a_new_one(self):
        matrix = sp.lil_array(MATRIX.t().numpy())
        graph = as_graph(matrix)
        matrix[0, 0] = 7.0
        changed = as_graph(matrix)
        assert changed.num_edges == graph.num_edges + 1
        assert changed.edge_weight.sum() == MATRIX.sum() + 7

    def test_values_and_shape_may_change_in_place(self):
        matrix = sp.csr_array(MATRIX.t().numpy())
        order = as_graph(matrix).by_source
        matrix.data *= 2
        assert as_graph(matrix).edge_weight.sum() == 2 * MATRIX.sum()
        assert as_graph(matrix).by_source is order
        matrix.indices[:] = matrix.indices[::-1].copy()
        assert as_graph(matrix).edge_index[1].tolist() == matrix.indices.tolist()
        matrix.resize(5, 3)
        assert as_graph(matrix).num_src == 5

    def test_values_are_numbers_layers_can_take(self):
        counts = sp.csr_array(MATRIX.numpy().astype("int64"))
        assert as_graph(counts).edge_weight.dtype == torch.float32
        assert as_graph(counts.astype(bool)).edge_weight is None

    def test_forgotten_with_the_matrix(self):
        matrix = sp.csr_array(MATRIX.numpy())
        gone, count = weakref.ref(as_graph(matrix)._connectivity), len(_known)
        del matrix
        assert gone() is None
        assert len(_known) == count - 1

    def test_size_must_agree(self):
        matrix = sp.csr_array(MATRIX.t().numpy())
        assert as_graph(matrix, (4, None)).num_src == 4
        with pytest.raises(ValueError, match=r"size: expected \(4, 3\) as edge_index says, got 3"):
            as_graph(matrix, 3)


class TestPyG:
    def test_data(self):
        from torch_geometric.data import Batch, Data

        data = Data(x=torch.rand(4, 2), edge_index=edges(), edge_weight=torch.rand(4))
        graph = as_graph(data)
        assert graph.num_nodes == 4
        assert graph.edge_weight is data.edge_weight
        assert as_graph(data).by_source is graph.by_source
        assert as_graph(Batch.from_data_list([data, data])).edge_index.max() == 6
        with pytest.raises(ValueError, match="expected a Data with edge_index or adj_t"):
            as_graph(Data(x=torch.rand(4, 2)))

    @pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta:UserWarning")
    def test_data_with_adj_t(self):
        from torch_geometric.data import Data

        square = torch.cat([MATRIX, torch.zeros(1, 4)])
        graph = as_graph(Data(x=torch.rand(4, 2), adj_t=square.to_sparse_csr()))
        pairs = zip(*graph.edge_index.tolist(), strict=True)
        assert dict(zip(pairs, graph.edge_weight.tolist(), strict=True)) == ENDS

    def test_edge_index(self):
        from torch_geometric import EdgeIndex

        edge_index = EdgeIndex(edges(), sparse_size=(3, 3))
        graph = as_graph(edge_index)
        assert graph.num_nodes == 3
        assert type(graph.edge_index) is torch.Tensor
        assert type(graph.by_source.col) is torch.Tensor
        assert as_graph(edge_index) is graph
        assert as_graph(EdgeIndex(edges(), sparse_size=(4, 5))).is_bipartite
        assert as_graph(EdgeIndex(edges())).num_nodes == 3
        both = EdgeIndex([[0, 1], [1, 0]], is_undirected=True, sparse_size=(2, 2))
        assert "undirected" in repr(as_graph(both))
        assert Graph(edge_index, 3).edge_index.tolist() == edges().tolist()

    def test_hetero_data_is_refused(self):
        from torch_geometric.data import HeteroData

        with pytest.raises(TypeError, match="got HeteroData"):
            as_graph(HeteroData())


@pytest.mark.compiles
def test_compiled_as_an_argument():
    graph = Graph(edges(), 3, x=torch.rand(3, 2), node_attrs={"mask": torch.ones(3)})

    def pool(graph, x):
        messages = x[graph.by_destination.col.long()] * graph.num_edges
        return messages.sum(0) + graph.x.sum(0) * graph.mask.sum() + graph.batch.sum()

    expected = pool(graph, graph.x)
    compiled = torch.compile(pool, backend="eager", fullgraph=True)
    assert torch.equal(compiled(graph, graph.x), expected)
