"""Graphs as dense tensors, and the layers that work on them."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.graph import Graph
from graphkit.nn import to_dense_adj, to_dense_batch

BATCH = torch.tensor([0, 0, 2, 2, 2])  # graph 1 is empty
EDGES = torch.tensor([[0, 1, 2, 2, 4], [1, 1, 3, 3, 2]])
X = torch.randn(5, 3)


def same(ours: Any, theirs: Any, *args: Any, **kwargs: Any) -> None:
    found, expected = ours(*args, **kwargs), theirs(*args, **kwargs)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@given(
    batch=st.lists(st.integers(0, 4), min_size=1, max_size=8).map(sorted),
    width=st.none() | st.integers(1, 9),
    more=st.none() | st.integers(0, 2),
    fill=st.sampled_from([0.0, -1.5]),
)
def test_nodes_in_rows_equal_pyg(batch: Any, width: Any, more: Any, fill: float):
    from torch_geometric.utils import to_dense_batch as theirs

    x = torch.randn(len(batch), 2)
    size = None if more is None else batch[-1] + 1 + more
    index = torch.tensor(batch)
    same(to_dense_batch, theirs, x, index, fill, width, size)


@given(data=st.data())
def test_adjacency_equals_pyg(data: st.DataObject):
    from torch_geometric.utils import to_dense_adj as theirs

    batch = sorted(data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=6)))
    pairs = [(j, i) for j, g in enumerate(batch) for i, h in enumerate(batch) if g == h]
    edges = data.draw(st.lists(st.sampled_from(pairs), max_size=8))
    edge_index = torch.tensor(edges, dtype=torch.int64).view(-1, 2).t()
    shape = data.draw(st.sampled_from([None, (), (2,)]))
    attr = None if shape is None else torch.randint(5, (len(edges), *shape)).double()
    width = data.draw(st.none() | st.integers(1, 7))
    same(to_dense_adj, theirs, edge_index, torch.tensor(batch), attr, width, 4)


def test_one_graph():
    out, mask = to_dense_batch(X)
    assert torch.equal(out, X[None])
    assert mask.all()
    adj = to_dense_adj(EDGES)
    assert adj.shape == (1, 5, 5)
    assert adj[0, 2, 3] == 2
    assert adj.sum() == 5


def test_a_graph_tells_its_batch_and_its_weights():
    weight = torch.rand(5)
    graph = Graph(EDGES, batch=BATCH, edge_weight=weight, x=X)
    out, mask = to_dense_batch(X, graph)
    assert torch.equal(out[mask], X)
    assert mask.sum(1).tolist() == [2, 0, 3]
    assert torch.equal(to_dense_adj(graph), to_dense_adj(EDGES, BATCH, weight))
    assert torch.equal(to_dense_adj(graph, edge_attr=2 * weight), 2 * to_dense_adj(graph))


def test_no_nodes():
    none = torch.empty(0, dtype=torch.int64)
    out, mask = to_dense_batch(X[:0], none, batch_size=2)
    assert out.shape == (2, 0, 3)
    assert mask.shape == (2, 0)
    assert to_dense_batch(X[:0])[0].shape == (1, 0, 3)
    assert to_dense_adj(EDGES[:, :0]).shape == (1, 0, 0)
    out, mask = to_dense_batch(X[:0], none, max_num_nodes=2, batch_size=1)
    assert not mask.any()


def test_gradcheck():
    x = X.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: to_dense_batch(x, BATCH, max_num_nodes=2)[0], x)
    weight = torch.rand(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: to_dense_adj(EDGES, BATCH, w), weight)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: to_dense_batch(X, BATCH[1:]), r"batch: expected shape \(5,\)"),
        (lambda: to_dense_batch(X, BATCH.flip(0)), "batch: expected graph numbers in ascending"),
        (lambda: to_dense_batch(X, BATCH, batch_size=2), "batch: expected numbers below 2, got 2"),
        (lambda: to_dense_adj(EDGES, BATCH[:3]), "edge_index: node 4"),
        (
            lambda: to_dense_adj(torch.tensor([[0], [3]]), BATCH),
            "batch: expected the two ends of every edge in one graph",
        ),
        (lambda: to_dense_adj(Graph(EDGES, (5, 6))), "edge_index: expected one set of nodes"),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()
