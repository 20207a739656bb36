"""Graphs from and to SciPy's sparse matrices."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.convert import from_scipy, to_scipy
from graphkit.graph import Graph

FORMATS = ["coo", "csr", "csc", "lil", "dok", "dia", "bsr"]
KINDS = [sp.coo_array, sp.coo_matrix]

# A[u, v]: an edge u -> v.
DENSE = np.array([[0, 2, 0], [0, 0, 3], [0, 0, 0], [5, 0, 0]], dtype=np.float32)
EDGES = {(0, 1): 2.0, (1, 2): 3.0, (3, 0): 5.0}


def weights_of(graph):
    ends = zip(*graph.edge_index.tolist(), strict=True)
    return dict(zip(ends, graph.edge_weight.tolist(), strict=True))


@st.composite
def matrices(draw):
    """Matrices of any shape with zeros, and several entries, at some places."""
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    places = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    entries = draw(st.lists(st.tuples(places, st.floats(-9, 9, width=32)), max_size=9))
    ends = np.array([place for place, _ in entries], dtype=np.int64).reshape(-1, 2)
    values = np.array([value for _, value in entries], dtype=np.float32)
    return draw(st.sampled_from(KINDS))((values, tuple(ends.T)), shape=(rows, columns))


class TestFromSciPy:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("form", FORMATS)
    def test_rows_are_sources(self, form, kind):
        graph = from_scipy(kind(DENSE).asformat(form))
        assert weights_of(graph) == EDGES
        assert (graph.num_src, graph.num_dst, graph.is_bipartite) == (4, 3, True)

    def test_square_matrix_has_one_set_of_nodes(self):
        graph = from_scipy(sp.csr_array(np.eye(4, k=1)))
        assert not graph.is_bipartite
        assert graph.num_nodes == 4
        assert graph.in_degree.tolist() == [0, 1, 1, 1]

    def test_explicit_zeros_and_parallel_edges_are_edges(self):
        matrix = sp.coo_array(([0.0, 1.0, 2.0], ([0, 1, 1], [1, 0, 0])), shape=(2, 2))
        graph = from_scipy(matrix)
        assert graph.edge_index.tolist() == [[0, 1, 1], [1, 0, 0]]
        assert graph.edge_weight.tolist() == [0, 1, 2]

    @pytest.mark.parametrize(
        ("dtype", "expected"),
        [
            (np.float64, torch.float32),
            (np.float32, torch.float32),
            (np.int64, torch.int64),
            (np.int8, torch.int8),
            (np.complex64, torch.complex64),
        ],
    )
    def test_types_of_values(self, dtype, expected):
        assert from_scipy(sp.csr_array(DENSE).astype(dtype)).edge_weight.dtype == expected

    def test_bools_only_say_where_edges_are(self):
        graph = from_scipy(sp.csr_array(DENSE != 0))
        assert graph.num_edges == 3
        assert graph.edge_weight is None

    def test_shares_no_memory(self):
        matrix = sp.coo_array(DENSE)
        graph = from_scipy(matrix)
        matrix.data[:] = 9
        matrix.row[:] = 0
        assert weights_of(graph) == EDGES

    def test_agrees_with_networkx(self):
        import networkx as nx

        network = nx.DiGraph([("a", "b"), ("c", "b"), ("c", "c")])
        graph = from_scipy(nx.to_scipy_sparse_array(network))
        assert set(zip(*graph.edge_index.tolist(), strict=True)) == {(0, 1), (2, 1), (2, 2)}

    def test_agrees_with_pyg(self):
        """PyG's converter reads rows as sources as well; its `adj_t` is the transpose."""
        from torch_geometric.utils import from_scipy_sparse_matrix

        matrix = sp.coo_array(DENSE)
        edge_index, weight = from_scipy_sparse_matrix(matrix)
        graph = from_scipy(matrix)
        assert torch.equal(graph.edge_index, edge_index)
        assert torch.equal(graph.edge_weight, weight)

    @pytest.mark.parametrize(
        ("value", "error", "message"),
        [
            (DENSE, TypeError, "matrix: expected a sparse matrix or array of SciPy, got ndarray"),
            (
                sp.csr_array(DENSE.astype(np.longdouble)),
                TypeError,
                "matrix: expected values of a type torch knows, got",
            ),
        ],
    )
    def test_what_is_no_matrix(self, value, error, message):
        with pytest.raises(error, match=message):
            from_scipy(value)

    @pytest.mark.skipif(not hasattr(sp.coo_array(np.eye(2)), "coords"), reason="no vectors yet")
    def test_a_vector_is_no_graph(self):
        with pytest.raises(ValueError, match=r"matrix: expected two dimensions, got shape \(3,\)"):
            from_scipy(sp.coo_array(np.ones(3)))


class TestToSciPy:
    def test_orientation(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), 3, edge_weight=torch.tensor([2.0, 3.0]))
        assert np.array_equal(to_scipy(graph).toarray(), [[0, 2, 0], [0, 0, 3], [0, 0, 0]])

    def test_ones_without_weights(self):
        matrix = to_scipy(Graph(torch.tensor([[0, 0], [1, 1]]), (2, 3)))
        assert matrix.dtype == np.float32
        assert matrix.shape == (2, 3)
        assert matrix.tocsr()[0, 1] == 2

    def test_weights_of_every_kind(self):
        edges = torch.tensor([[0], [1]])
        column = torch.tensor([[2.5]], requires_grad=True)
        assert to_scipy(Graph(edges, edge_weight=column)).data.tolist() == [2.5]
        half = Graph(edges, edge_weight=torch.tensor([2.5], dtype=torch.bfloat16))
        assert to_scipy(half).data.tolist() == [2.5]
        with pytest.raises(
            ValueError, match=r"edge_weight: .* each of 1 edges, got shape \[1, 2\]"
        ):
            to_scipy(Graph(edges, edge_weight=torch.ones(1, 2)))

    def test_shares_no_memory(self):
        graph = Graph(torch.tensor([[0], [1]]), edge_weight=torch.tensor([2.0]))
        matrix = to_scipy(graph)
        matrix.data[:], matrix.row[:] = 9, 1
        assert weights_of(graph) == {(0, 1): 2.0}

    def test_a_batch_is_block_diagonal(self):
        graph = from_scipy(sp.coo_array(DENSE))
        blocks = to_scipy(Graph.batch([graph, graph])).toarray()
        assert np.array_equal(blocks, sp.block_diag([DENSE, DENSE]).toarray())


class TestRoundTrip:
    @given(matrices())
    def test_matrix(self, matrix):
        again = to_scipy(from_scipy(matrix))
        assert again.shape == matrix.shape
        assert again.dtype == matrix.dtype
        for ours, theirs in ((again.row, matrix.row), (again.col, matrix.col)):
            assert np.array_equal(ours, theirs)
        assert np.array_equal(again.data, matrix.data)

    @given(matrices(), st.booleans())
    def test_graph(self, matrix, weighted):
        graph = from_scipy(matrix)
        if not weighted:
            graph = graph.replace(edge_weight=None)
        again = from_scipy(to_scipy(graph))
        assert torch.equal(again.edge_index, graph.edge_index)
        assert (again.num_src, again.num_dst) == (graph.num_src, graph.num_dst)
        expected = graph.edge_weight if weighted else torch.ones(graph.num_edges)
        assert torch.equal(again.edge_weight, expected)
