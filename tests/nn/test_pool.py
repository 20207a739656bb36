"""Readouts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from graphkit.graph import Graph
from graphkit.nn import (
    GraphHead,
    Readout,
    aggr,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
    global_min_pool,
)

POOLS = {
    global_add_pool: lambda x: x.sum(-2),
    global_mean_pool: lambda x: x.mean(-2),
    global_max_pool: lambda x: x.amax(-2),
    global_min_pool: lambda x: x.amin(-2),
}
each_pool = pytest.mark.parametrize(("pool", "one"), POOLS.items(), ids=lambda p: p.__name__)


@each_pool
def test_one_row_per_graph(pool, one):
    x = torch.randn(9, 3)
    batch = torch.tensor([0, 0, 1, 1, 1, 3, 3, 3, 3])
    out = pool(x, batch)
    for g in (0, 1, 3):
        torch.testing.assert_close(out[g], one(x[batch == g]))
    assert not out[2].any()
    assert pool(x, batch, 6).shape == (6, 3)
    torch.testing.assert_close(pool(x[:, 0], batch), out[:, 0])
    stacked = torch.stack([x, 2 * x])
    torch.testing.assert_close(pool(stacked, batch)[0], out)


@each_pool
def test_without_a_batch(pool, one):
    x = torch.randn(9, 3)
    torch.testing.assert_close(pool(x, None), one(x)[None])
    torch.testing.assert_close(pool(torch.stack([x, 2 * x]), None), one(torch.stack([x, 2 * x])))
    assert not pool(torch.randn(0, 3), None).any()


@each_pool
def test_a_batched_graph(pool, one):
    none = torch.empty(2, 0, dtype=torch.int64)
    graphs = [Graph(none, n, x=torch.randn(n, 3)) for n in (2, 0, 4)]
    batch = Graph.batch(graphs)
    out = pool(batch.x, batch)
    assert out.shape == (3, 3)
    torch.testing.assert_close(out[2], one(graphs[2].x))
    torch.testing.assert_close(pool(graphs[0].x, graphs[0]), one(graphs[0].x)[None])


@each_pool
@given(data=st.data())
def test_order_of_nodes_does_not_matter(pool, one, data):
    batch = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=8)))
    perm = torch.tensor(data.draw(st.permutations(range(len(batch)))))
    x = torch.randn(len(batch), 2, dtype=torch.float64)
    torch.testing.assert_close(pool(x[perm], batch[perm], 4), pool(x, batch, 4))


@each_pool
def test_gradcheck(pool, one):
    batch = torch.tensor([1, 0, 1, 1])
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: pool(x, batch, 3), x)


@pytest.mark.parametrize("pool", [global_add_pool, Readout("median")], ids=["sum", "median"])
def test_a_batch_of_another_length(pool):
    with pytest.raises(ValueError, match=r"batch: expected shape \(4,\)"):
        pool(torch.randn(4, 2), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(
    "aggr",
    [
        "mean",
        "median",
        ["mean", "max"],
        aggr.Set2Set(3, 2),
        aggr.AttentionalAggregation(nn.Linear(3, 1)),
        aggr.LSTMAggregation(3, 4),
    ],
    ids=str,
)
def test_any_aggregation_reads_a_graph(aggr):
    readout = Readout(aggr)
    x = torch.randn(9, 3)
    graph = Graph(torch.empty(2, 0, dtype=torch.int64), ptr=torch.tensor([0, 4, 4, 9]))
    out = readout(x, graph)
    torch.testing.assert_close(out, readout(x, graph.batch, 3))
    torch.testing.assert_close(out[2:], readout(x[4:]), rtol=1e-4, atol=1e-5)
    assert not out[1].any()
    head = GraphHead(nn.Linear(out.size(1), 2), readout)
    torch.testing.assert_close(head(x, graph), head.predict(out))


def test_a_readout_starts_anew():
    readout = Readout("softmax", learn=True, t=0.5)
    with torch.no_grad():
        readout.aggr.t.zero_()
    readout.reset_parameters()
    assert readout.aggr.t.item() == 0.5
