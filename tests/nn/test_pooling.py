"""Pooling: graphs with fewer nodes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphkit.nn
from graphkit.graph import Graph
from graphkit.nn import (
    DenseGCNConv,
    DenseSAGEConv,
    GCNConv,
    SAGPooling,
    TopKPooling,
    dense_diff_pool,
    to_dense_adj,
    to_dense_batch,
)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

C = 4
BATCH = torch.tensor([0] * 5 + [1] * 1 + [2] * 6)
N = len(BATCH)
X = torch.randn(N, C, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def edges() -> Tensor:
    pairs = torch.cartesian_prod(torch.arange(N), torch.arange(N)).t()
    pairs = pairs[:, BATCH[pairs[0]] == BATCH[pairs[1]]]
    random = torch.Generator().manual_seed(0)
    return pairs[:, torch.rand(pairs.size(1), generator=random) < 0.5]


EDGES = edges()
ATTR = torch.randn(EDGES.size(1), 2, dtype=torch.float64)
MAKE: dict[str, Callable[[Any], nn.Module]] = {
    "TopK": lambda m: m.TopKPooling(C),
    "TopK, ratio=0.8": lambda m: m.TopKPooling(C, ratio=0.8, multiplier=2.0),
    "TopK, ratio=2": lambda m: m.TopKPooling(C, ratio=2, nonlinearity="sigmoid"),
    "TopK, min_score": lambda m: m.TopKPooling(C, min_score=0.2),
    "TopK, min_score, multiplier": lambda m: m.TopKPooling(C, min_score=0.9, multiplier=3.0),
    "TopK, callable": lambda m: m.TopKPooling(C, nonlinearity=torch.tanh),
    "SAG": lambda m: m.SAGPooling(C),
    "SAG, GCNConv": lambda m: m.SAGPooling(C, 0.6, m.GCNConv),
    "SAG, GATConv": lambda m: m.SAGPooling(C, 3, m.GATConv, negative_slope=0.1),
    "SAG, SAGEConv": lambda m: m.SAGPooling(C, GNN=m.SAGEConv, min_score=0.15, multiplier=2.0),
}
each_pool = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


def build(make: Any) -> Any:
    torch.manual_seed(3)
    pool = make(graphkit.nn).double()
    for parameter in pool.parameters():
        nn.init.normal_(parameter, std=0.3)
    return pool


@each_pool
@pytest.mark.parametrize("batch", [None, BATCH], ids=["one graph", "batch"])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_equals_pyg(make: Any, batch: Any, dtype: torch.dtype, limit: float):
    import torch_geometric.nn

    torch.manual_seed(3)
    theirs, ours = make(torch_geometric.nn).to(dtype), make(graphkit.nn).to(dtype)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)  # large scores would all be 1 after rounding
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert repr(ours) == repr(theirs)
    results = []
    for pool in (ours, theirs):
        x = X.to(dtype).clone().requires_grad_()
        x_out, *rest = pool(x, EDGES, ATTR.to(dtype), batch)
        x_out.sin().sum().backward()
        results.append([x_out, *rest, x.grad, *(p.grad for p in pool.parameters())])
    # A gradient in which large terms cancel is no more precise than they are.
    values = [v.detach() for v in results[1] if v is not None and v.numel()]
    size = max(1.0, *(float(v.abs().max()) for v in values))
    for found, expected in zip(*results, strict=True):
        found = torch.zeros_like(expected) if found is None else found
        expected = torch.zeros_like(found) if expected is None else expected
        torch.testing.assert_close(found, expected, rtol=limit, atol=limit * size)


@each_pool
def test_a_graph_comes_back_as_a_graph(make: Any):
    pool = build(make)
    mask = torch.arange(N) % 2 == 0
    graph = Graph(
        EDGES,
        x=X,
        edge_attr=ATTR,
        batch=BATCH,
        node_attrs={"mask": mask},
        graph_attrs={"k": [0, 1, 2]},
    )
    found, bare = pool(X, graph), pool(X, EDGES, ATTR, BATCH)
    kept = found.edge_index
    assert isinstance(kept, Graph)
    assert torch.equal(kept.edge_index, bare.edge_index)
    assert torch.equal(kept.x, bare.x)
    assert torch.equal(kept.edge_attr, bare.edge_attr)
    assert torch.equal(found.edge_attr, bare.edge_attr)
    assert torch.equal(kept.batch, bare.batch)
    assert torch.equal(found.batch, bare.batch)
    assert torch.equal(kept.mask, mask[bare.perm])
    assert kept.num_graphs == 3
    other = pool(X, graph, edge_attr=2 * ATTR)
    assert torch.equal(other.edge_attr, 2 * bare.edge_attr)
    again = TopKPooling(C, 0.5).double()(found.x, kept)
    assert again.edge_index.num_graphs == 3


@each_pool
def test_the_order_of_nodes_does_not_matter(make: Any):
    pool = build(make)
    random = torch.Generator().manual_seed(1)
    perm = torch.cat([g.nonzero().view(-1)[torch.randperm(int(g.sum()), generator=random)]
                      for g in (k == BATCH for k in range(3))])  # fmt: skip
    graph = Graph(EDGES, x=X, batch=BATCH)
    first, second = pool(X, graph), pool(X[perm], graph.permute(perm))
    assert set(first.perm.tolist()) == set(perm[second.perm].tolist())
    back = perm[second.perm].argsort()
    torch.testing.assert_close(second.x[back], first.x[first.perm.argsort()])
    assert first.edge_index.num_edges == second.edge_index.num_edges


@each_pool
def test_gradcheck(make: Any):
    pool = build(make)
    names = [name for name, _ in pool.named_parameters()]

    def run(x: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(pool, named, (x, EDGES, None, BATCH)).x

    leaves = [v.detach().clone().requires_grad_() for v in (X, *pool.parameters())]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


@each_pool
def test_empty_and_single(make: Any):
    pool = build(make)
    none = torch.empty(2, 0, dtype=torch.int64)
    out = pool(X[:0], none)
    assert out.x.shape == (0, C)
    assert out.edge_index.shape == (2, 0)
    alone = pool(X[:1], Graph(none, 1))
    assert alone.perm.tolist() == [0]
    gap = torch.tensor([0, 0, 2, 2])  # graph 1 is empty
    out = pool(X[:4], Graph(none, 4, batch=gap))
    assert set(out.batch.tolist()) == {0, 2}
    assert out.edge_index.num_graphs == 3


def test_of_equal_scores_the_first_nodes_stay():
    pool = build(MAKE["TopK"])
    out = pool(torch.ones(6, C).double(), torch.empty(2, 0, dtype=torch.int64))
    assert out.perm.tolist() == [0, 1, 2]


def test_attention_on_other_features():
    pool = build(MAKE["TopK"])
    other = torch.randn(N, C, dtype=torch.float64)
    out = pool(X, EDGES, None, BATCH, attn=other)
    expected = pool(other, EDGES, None, BATCH)
    assert torch.equal(out.perm, expected.perm)
    torch.testing.assert_close(out.x, X[out.perm] * out.score[:, None])
    assert out.edge_attr is None
    flat = TopKPooling(1).double()(X, EDGES, attn=X[:, 0])
    assert len(flat.perm) == N // 2


def test_pooled_graphs_train_a_model():
    torch.manual_seed(0)
    graph = Graph(EDGES, x=X, batch=BATCH)
    conv, pool = GCNConv(C, C).double(), SAGPooling(C, 0.7).double()
    kept = pool(conv(X, graph).relu(), graph).edge_index
    graphkit.nn.global_mean_pool(conv(kept.x, kept), kept).sum().backward()
    assert all(p.grad is not None for p in (*conv.parameters(), *pool.select.parameters()))


# ---------------------------------------------------------------------- dense


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_diff_pool_equals_pyg(normalize: bool, masked: bool):
    from torch_geometric.nn import dense_diff_pool as theirs

    x, mask = to_dense_batch(X, BATCH)
    adj = to_dense_adj(EDGES, BATCH).double()
    s = torch.randn(*x.shape[:2], 3, dtype=torch.float64)
    results = []
    for pool in (dense_diff_pool, theirs):
        leaves = [value.clone().requires_grad_() for value in (x, adj, s)]
        out = pool(*leaves, mask if masked else None, normalize)
        sum(part.sin().sum() for part in out).backward()
        results.append([*out, *(leaf.grad for leaf in leaves)])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)
    one, batch = dense_diff_pool(x[0], adj[0], s[0]), dense_diff_pool(x[:1], adj[:1], s[:1])
    torch.testing.assert_close(one, batch)


def test_diff_pool_does_not_depend_on_the_order_of_nodes():
    x, adj = X[None, :5], to_dense_adj(EDGES, BATCH).double()[:1, :5, :5]
    s = torch.randn(1, 5, 2, dtype=torch.float64)
    perm = torch.randperm(5)
    moved = dense_diff_pool(x[:, perm], adj[:, perm][:, :, perm], s[:, perm])
    torch.testing.assert_close(moved, dense_diff_pool(x, adj, s))


DENSE: dict[str, Callable[[Any], nn.Module]] = {
    "DenseGCNConv": lambda m: m.DenseGCNConv(C, 3),
    "DenseGCNConv, improved": lambda m: m.DenseGCNConv(C, 3, improved=True, bias=False),
    "DenseSAGEConv": lambda m: m.DenseSAGEConv(C, 3),
    "DenseSAGEConv, normalize": lambda m: m.DenseSAGEConv(C, 3, normalize=True, bias=False),
}


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE.keys())
@pytest.mark.parametrize("masked", [True, False])
def test_dense_layers_equal_pyg(make: Any, masked: bool):
    import torch_geometric.nn

    theirs, ours = make(torch_geometric.nn).double(), make(graphkit.nn).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert repr(ours) == repr(theirs)
    x, mask = to_dense_batch(X, BATCH)
    adj = to_dense_adj(EDGES, BATCH).double()
    results = []
    for layer in (ours, theirs):
        leaves = [value.clone().requires_grad_() for value in (x, adj)]
        out = layer(*leaves, mask if masked else None)
        out.sin().sum().backward()
        parameters = [p.grad for p in layer.parameters()]
        results.append([out, *(leaf.grad for leaf in leaves), *parameters])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours(x[0], adj[0])[0], ours(x, adj)[0])
    torch.testing.assert_close(ours(x, adj[2]), ours(x, adj[2].expand_as(adj)))


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE.keys())
def test_dense_layers_start_anew(make: Any):
    layer = make(graphkit.nn)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.reset_parameters()
    changed = [not torch.equal(before[name], value) for name, value in layer.state_dict().items()]
    assert any(changed)


def test_dense_layers_equal_the_sparse_ones():
    both = torch.cat([EDGES, EDGES.flip(0)], dim=1).unique(dim=1)
    both = both[:, both[0] != both[1]]
    x, mask = to_dense_batch(X, BATCH)
    adj = to_dense_adj(both, BATCH).double()
    sparse, dense = GCNConv(C, 3).double(), DenseGCNConv(C, 3).double()
    dense.load_state_dict(sparse.state_dict(), strict=True)
    torch.testing.assert_close(dense(x, adj, mask)[mask], sparse(X, both))
    assert not dense(x, adj, mask)[~mask].any()
    loops = adj + torch.eye(adj.size(-1)).double()
    torch.testing.assert_close(dense(x, loops, mask, add_loop=False), dense(x, adj, mask))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: TopKPooling(C, ratio=0), "ratio: expected a number above 0, got 0"),
        (lambda: TopKPooling(3).double()(X, EDGES), r"x: expected shape \[nodes, 3\]"),
        (lambda: TopKPooling(C).double()(X[:3], Graph(EDGES, N)), "x: expected the features of 12"),
        (lambda: TopKPooling(C).double()(X, Graph(EDGES, (N, N))), "x: expected .* of one set"),
        (lambda: TopKPooling(C).double()(X, EDGES, ATTR[:3]), "edge_attr: expected"),
        (lambda: TopKPooling(C).double()(X, EDGES, None, BATCH[:3]), "batch: expected shape"),
        (lambda: TopKPooling(C, nonlinearity="tan"), "act: expected one of"),
        (lambda: dense_diff_pool(X, ATTR, X), "adj: expected shape"),
        (lambda: dense_diff_pool(X, torch.ones(N, N), X[:2]), "s: expected shape"),
        (lambda: DenseGCNConv(C, 2)(X, torch.ones(N, N), BATCH), "mask: expected shape"),
        (lambda: DenseSAGEConv(C, 2)(X[0], torch.ones(N, N)), "x: expected shape"),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()
