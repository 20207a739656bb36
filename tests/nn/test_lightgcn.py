"""LightGCN beside PyTorch Geometric's and its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphkit.graph import Graph
from graphkit.nn import LightGCN

USERS, ITEMS = 5, 7


def edges() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    user, item = (torch.rand(USERS, ITEMS, generator=generator) < 0.4).nonzero().T
    return torch.stack([torch.cat([user, item + USERS]), torch.cat([item + USERS, user])])


def pair(**options: Any) -> tuple[LightGCN, Any]:
    from torch_geometric.nn import LightGCN as Theirs

    torch.manual_seed(0)
    theirs = Theirs(USERS + ITEMS, 4, 3, **options).double()
    ours = LightGCN(USERS + ITEMS, 4, 3, **options).double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


@pytest.mark.parametrize("alpha", [None, 0.5, torch.tensor([0.1, 0.2, 0.3, 0.4])])
def test_as_pyg(alpha: Any):
    ours, theirs = pair(alpha=alpha)
    assert repr(ours) == repr(theirs)
    edge_index, pairs = edges(), torch.tensor([[0, 1, 4], [6, 9, 11]])
    for given in ((edge_index,), (edge_index, pairs)):
        found, expected = ours(*given), theirs(*given)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
        probabilities = (m.predict_link(*given, prob=True) for m in (ours, theirs))
        torch.testing.assert_close(*probabilities)
        torch.testing.assert_close(ours.predict_link(*given), theirs.predict_link(*given))
    users, items = torch.arange(USERS), torch.arange(USERS, USERS + ITEMS)
    assert torch.equal(
        ours.recommend(edge_index, None, users, items, k=3),
        theirs.recommend(edge_index, None, users, items, k=3),
    )
    assert torch.equal(ours.recommend(edge_index, k=2), theirs.recommend(edge_index, k=2))


def test_losses_and_gradients_as_pyg():
    ours, theirs = pair()
    edge_index, nodes = edges(), torch.tensor([0, 3, 6, 8])
    pairs = torch.tensor([[0, 1, 2, 0, 1, 2], [5, 6, 7, 8, 9, 10]])
    for model in (ours, theirs):
        positive, negative = model(edge_index, pairs).chunk(2)
        loss = model.recommendation_loss(positive, negative, node_id=nodes, lambda_reg=0.1)
        loss = loss + model.recommendation_loss(positive, negative)
        loss = loss + model.link_pred_loss(positive, torch.tensor([1, 0, 1]))
        loss.backward()
    found, expected = ours.embedding.weight.grad, theirs.embedding.weight.grad
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_formula():
    ours, _ = pair()
    adjacency = torch.zeros(USERS + ITEMS, USERS + ITEMS, dtype=torch.double)
    adjacency[tuple(edges())] = 1
    root = adjacency.sum(0).clamp(min=1).rsqrt()
    step = root[:, None] * adjacency * root
    x = ours.embedding.weight
    expected = (x + step @ x + step @ step @ x + step @ step @ step @ x) / 4
    graph = Graph(edges(), USERS + ITEMS)
    torch.testing.assert_close(ours.get_embedding(graph), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_nodes": 0}, "num_nodes: expected at least 1, got 0"),
        ({"num_layers": -1}, "num_layers: expected at least 0, got -1"),
        ({"alpha": torch.ones(3)}, r"alpha: expected shape \(3,\)|alpha: expected shape \(4,\)"),
    ],
)
def test_bad_arguments(given: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        LightGCN(**{"num_nodes": 3, "embedding_dim": 2, "num_layers": 3} | given)


def test_bad_calls():
    ours, _ = pair()
    with pytest.raises(ValueError, match="k: expected 1 to 12, as many as there are, got 13"):
        ours.recommend(edges(), k=13)
    with pytest.raises(ValueError, match=r"neg_edge_rank: expected shape \(2,\)"):
        ours.recommendation_loss(torch.ones(2), torch.ones(3))
