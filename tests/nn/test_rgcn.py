"""RGCNConv beyond what the parity table holds."""

from typing import Any

import pytest
import torch
from torch import Tensor

from graphkit.engine import plan
from graphkit.graph import Graph
from graphkit.nn import RGCNConv
from graphkit.nn.conv.relations import Relations
from tests.nn.parity import F_IN, NODES, edges_of

R = 5
EDGES = edges_of("duplicated edges")[0]
TYPES = EDGES.sum(0) % 4  # relation 4 is empty
X = torch.randn(NODES, F_IN, dtype=torch.float64)


def layer_of(**kwargs: Any) -> RGCNConv:
    torch.manual_seed(1)
    return RGCNConv(F_IN, 4, R, **kwargs).double()


def dense(layer: RGCNConv, weight: Tensor) -> Tensor:
    assert layer.root is not None
    assert layer.bias is not None
    out = X @ layer.root + layer.bias
    for r in range(R):
        A = torch.zeros(NODES, NODES, dtype=torch.float64)
        j, i = EDGES[:, r == TYPES]
        A.index_put_((i, j), torch.ones(len(i), dtype=torch.float64), accumulate=True)
        out = out + A / A.sum(1, keepdim=True).clamp(min=1) @ X @ weight[r]
    return out


def test_equals_its_formula():
    layer = layer_of()
    torch.testing.assert_close(layer(X, EDGES, TYPES), dense(layer, layer.weight))


def test_bases_equal_their_formula():
    layer = layer_of(num_bases=2)
    assert layer.comp is not None
    weight = (layer.comp[:, :, None, None] * layer.weight).sum(1)
    torch.testing.assert_close(layer(X, EDGES, TYPES), dense(layer, weight))


def test_blocks_equal_their_formula():
    layer = layer_of(num_blocks=2)
    weight = torch.stack([torch.block_diag(*blocks) for blocks in layer.weight])
    torch.testing.assert_close(layer(X, EDGES, TYPES), dense(layer, weight))


def embeddings() -> dict[str, Any]:
    index = torch.arange(NODES).flip(0)
    return {"None": None, "indices": index, "a pair": (index, index.roll(1))}


@pytest.mark.parametrize("kind", ["None", "indices", "a pair"])
@pytest.mark.parametrize("kwargs", [{}, {"num_bases": 3}, {"aggr": "sum"}], ids=str)
@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
def test_learnt_embeddings_equal_pyg(kind: str, kwargs: dict[str, Any], flow: str):
    import torch_geometric.nn

    theirs = torch_geometric.nn.RGCNConv(NODES, 4, R, flow=flow, **kwargs)
    ours = RGCNConv(NODES, 4, R, flow=flow, **kwargs)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = embeddings()[kind]
    results = []
    for layer in (ours, theirs):
        out = layer(x, EDGES, TYPES)
        out.sin().sum().backward()
        results.append([out, *(p.grad for p in layer.parameters())])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_embeddings_of_a_graph_with_more_nodes_than_edges_tell():
    layer = RGCNConv(NODES + 5, 4, R)
    assert layer(None, EDGES, TYPES).shape == (NODES + 5, 4)
    assert layer(None, Graph(EDGES, NODES + 5, edge_type=TYPES)).shape == (NODES + 5, 4)


def test_a_graph_tells_the_types():
    layer = layer_of()
    graph = Graph(EDGES, NODES, edge_type=TYPES)
    out = layer(X, graph)
    assert torch.equal(out, layer(X, EDGES, TYPES))
    assert not torch.allclose(layer(X, graph, (TYPES + 1) % R), out)


def test_edges_are_sorted_once():
    graph = Graph(EDGES, NODES)
    first = Relations.of(graph, TYPES, R)
    assert Relations.of(graph, TYPES, R) is first
    assert Relations.of(graph, TYPES.clone(), R) is not first
    index = torch.arange(NODES)
    assert first.lookup(index, NODES) is first.lookup(index, NODES)
    assert sum(first.sizes) == first.rows.num_dst <= graph.num_edges
    assert first.sizes[4] == 0


def test_runs_fused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    layer = layer_of()
    layer(X, EDGES, TYPES)
    assert "fused kernel (mean)" in plan.explain(layer)


def test_permutation_of_nodes_and_edges():
    layer = layer_of(aggr="max")
    perm, order = torch.randperm(NODES), torch.randperm(len(TYPES))
    moved = perm.argsort()[EDGES][:, order]
    out = layer(X[perm], moved, TYPES[order])
    torch.testing.assert_close(out, layer(X, EDGES, TYPES)[perm])


@pytest.mark.parametrize("kwargs", [{}, {"num_bases": 2}, {"num_blocks": 2}], ids=str)
def test_gradcheck(kwargs: dict[str, Any]):
    layer = layer_of(**kwargs)

    def run(x: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(dict(layer.named_parameters()), parameters, strict=True))
        return torch.func.functional_call(layer, named, (x, EDGES, TYPES))

    values = [X, *layer.parameters()]
    leaves = [value.detach().clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


def test_edge_mask_takes_edges_away():
    layer = layer_of(aggr="sum")
    keep = torch.rand(len(TYPES)) < 0.5
    expected = layer(X, Graph(EDGES[:, keep], NODES), TYPES[keep])
    layer.edge_mask = keep.double()
    torch.testing.assert_close(layer(X, EDGES, TYPES), expected)


def test_inference_mode_leaves_nothing_that_training_cannot_use():
    layer = layer_of()
    graph = Graph(EDGES, NODES, edge_type=TYPES)
    with torch.inference_mode():
        expected = layer(X, graph)
    out = layer(X, graph)
    out.sum().backward()
    assert torch.equal(out, expected)


NO_TYPE = torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: RGCNConv(F_IN, 4, R, num_bases=2, num_blocks=2),
            "num_bases, num_blocks: expected",
        ),
        (lambda: RGCNConv(F_IN, 4, R, num_blocks=4), "num_blocks: expected a divisor of 6 and 4"),
        (lambda: layer_of()(X, EDGES), "edge_type: expected the relation of every edge, got None"),
        (lambda: layer_of()(X, EDGES, NO_TYPE), r"edge_type: expected int64 of shape \(51,\)"),
        (lambda: layer_of()(X, EDGES, TYPES.double()), "edge_type: expected int64"),
        (lambda: layer_of()(X, EDGES, TYPES + 2), "edge_type: expected relations from 0 to 4"),
        (lambda: layer_of()(X[:3], Graph(EDGES, NODES), TYPES), "x: expected dense features"),
        (lambda: layer_of()(X.to_sparse(), EDGES, TYPES), "x: expected dense features"),
        (lambda: layer_of(num_blocks=2)(EDGES[0, :NODES], EDGES, TYPES), "x: expected features"),
        (
            lambda: layer_of()(torch.arange(NODES), EDGES, TYPES),
            "x: expected indices from 0 to 5, got 0 to 11",
        ),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()
