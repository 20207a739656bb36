"""Friends and enemies: the layer and the model of Derr et al."""

import numpy as np
import pytest
import torch
from torch import Tensor

from graphkit.data.features import identity_features
from graphkit.graph import Graph
from graphkit.nn import SignedConv, SignedGCN

N = 10


def links(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Friendly and hostile links; no two join the same nodes."""
    pairs = torch.cartesian_prod(torch.arange(N), torch.arange(N))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]].t()
    order = torch.randperm(pairs.size(1), generator=torch.Generator().manual_seed(seed))
    return pairs[:, order[:25]], pairs[:, order[25:40]]


def mean_over(edge_index: Tensor) -> Tensor:
    counts = torch.zeros(N, N, dtype=torch.float64)
    counts[edge_index[1], edge_index[0]] = 1
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=1)


def test_layers_are_the_formulas():
    torch.manual_seed(0)
    friendly, hostile = links()
    first = SignedConv(6, 3, first_aggr=True).double()
    later = SignedConv(3, 2, first_aggr=False).double()
    x = torch.randn(N, 6, dtype=torch.float64)
    near, far = mean_over(friendly), mean_over(hostile)
    p = first.lin_pos_l(near @ x) + first.lin_pos_r(x)
    n = first.lin_neg_l(far @ x) + first.lin_neg_r(x)
    found = first(x, friendly, hostile)
    torch.testing.assert_close(found, torch.cat([p, n], dim=1), rtol=0, atol=1e-12)
    friends = later.lin_pos_l(torch.cat([near @ p, far @ n], dim=1)) + later.lin_pos_r(p)
    enemies = later.lin_neg_l(torch.cat([near @ n, far @ p], dim=1)) + later.lin_neg_r(n)
    found = later(found, Graph(friendly, N), Graph(hostile, N))
    torch.testing.assert_close(found, torch.cat([friends, enemies], dim=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("first", [True, False])
def test_gradients(first: bool):
    torch.manual_seed(0)
    layer = SignedConv(4, 3, first_aggr=first).double()
    x = torch.randn(N, 4 if first else 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, *links()), x)


def test_sparse_and_lazy_features():
    friendly, hostile = links()
    layer = SignedConv(-1, 3, first_aggr=True)
    x = identity_features(N)
    dense = layer(x.to_dense(), friendly, hostile)
    assert layer.lin_pos_l.in_channels == N
    torch.testing.assert_close(layer(x, friendly, hostile), dense)


def test_what_a_layer_refuses():
    with pytest.raises(ValueError, match="in_channels: -1 cannot go with first_aggr=False"):
        SignedConv(-1, 3, first_aggr=False)
    layer = SignedConv(4, 3, first_aggr=False)
    with pytest.raises(ValueError, match="x: expected two halves of 4 features"):
        layer(torch.randn(N, 4), *links())


def test_the_model_is_pygs():
    from torch_geometric.nn import SignedGCN as Theirs

    torch.manual_seed(0)
    theirs = Theirs(6, 8, num_layers=3).double()
    ours = SignedGCN(6, 8, num_layers=3).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(N, 6, dtype=torch.float64)
    friendly, hostile = links()
    z = ours(x, friendly, hostile)
    torch.testing.assert_close(z, theirs(x, friendly, hostile), rtol=0, atol=1e-10)
    found = ours.discriminate(z, friendly)
    torch.testing.assert_close(found, theirs.discriminate(z, friendly), rtol=0, atol=1e-10)
    assert ours.test(z, friendly, hostile)[1] == theirs.test(z, friendly, hostile)[1]


def complete() -> tuple[Tensor, Tensor]:
    """Of three nodes every one is joined to both others: nothing is left to draw."""
    return torch.tensor([[0, 1], [1, 2]]), torch.tensor([[1, 2, 2, 0], [0, 1, 0, 2]])


def test_the_loss_is_the_formula():
    torch.manual_seed(0)
    friendly, hostile = complete()
    model = SignedGCN(2, 4, num_layers=2).double()
    z = torch.randn(3, 4, dtype=torch.float64)

    def distance(i: int, j: int) -> Tensor:
        return (z[i] - z[j]).square().sum()

    # Node 0 has the friend 1 and is left 2; node 1 the friend 2 and is left 0.
    wanted = (distance(0, 1) - distance(0, 2)).relu() + (distance(1, 2) - distance(1, 0)).relu()
    torch.testing.assert_close(model.pos_embedding_loss(z, friendly), wanted / 2)
    # Enemies of 2 are all others, so it is left out; 1 has 0, and 0 has 2.
    wanted = (distance(1, 2) - distance(1, 0)).relu() + (distance(0, 1) - distance(0, 2)).relu()
    torch.testing.assert_close(model.neg_embedding_loss(z, hostile), wanted / 2)
    chances = [model.discriminate(z, pairs)[:, kind] for kind, pairs in enumerate(complete())]
    nll = -(chances[0].mean() + chances[1].mean()) / 3
    torch.testing.assert_close(model.nll_loss(z, friendly, hostile), nll)
    apart = model.pos_embedding_loss(z, friendly) + model.neg_embedding_loss(z, hostile)
    torch.testing.assert_close(model.loss(z, friendly, hostile), nll + 5 * apart)


def test_pairs_without_a_link_are_the_third_kind():
    torch.manual_seed(0)
    model, z = SignedGCN(2, 4, num_layers=1), torch.randn(N, 4)
    friendly, hostile = links()
    with torch.no_grad():
        model.lin.weight.zero_()
        model.lin.bias.copy_(torch.tensor([0.5, -0.3, 1.2]))
    expected = -model.lin.bias.log_softmax(dim=0).mean()
    torch.testing.assert_close(model.nll_loss(z, friendly, hostile), expected)


def test_no_enemies():
    model = SignedGCN(2, 4, num_layers=2)
    friendly = links()[0]
    none = friendly[:, :0]
    z = model(torch.randn(N, 2), friendly, none)
    assert model.loss(z, friendly, none).isfinite()


def test_spectral_features():
    torch.manual_seed(0)
    friendly, hostile = links()
    x = SignedGCN(4, 8, num_layers=1).create_spectral_features(friendly, hostile, N + 1)
    signed = np.zeros((N + 1, N + 1))
    for sign, (a, b) in ((1, friendly.numpy()), (-1, hostile.numpy())):
        signed[a, b] += sign
        signed[b, a] += sign
    values, vectors = np.linalg.eigh(signed)
    largest = vectors[:, np.abs(values).argsort()[::-1][:4]]
    x = x.double().numpy()
    np.testing.assert_allclose(x @ x.T, largest @ largest.T, atol=1e-5)


def test_training_tells_friends_from_enemies():
    """Some nodes everybody likes, the others nobody."""
    torch.manual_seed(0)
    n = 40
    pairs = torch.randint(n, (2, 400))
    pairs = pairs[:, pairs[0] != pairs[1]].unique(dim=1)
    liked = pairs[1] % 2 == 0
    friendly, hostile = pairs[:, liked], pairs[:, ~liked]
    model = SignedGCN(4, 16, num_layers=2)
    (known, asked), (against, denied) = (
        model.split_edges(each, 0.25) for each in (friendly, hostile)
    )
    assert known.size(1) + asked.size(1) == friendly.size(1)
    x = model.create_spectral_features(known, against, n)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(model(x, known, against), known, against).backward()
        optimizer.step()
    auc, f1 = model.test(model(x, known, against), asked, denied)
    assert auc > 0.95
    assert f1 > 0.8


def test_what_a_model_refuses():
    with pytest.raises(ValueError, match="hidden_channels: expected an even number, got 7"):
        SignedGCN(2, 7, num_layers=1)
    with pytest.raises(ValueError, match="num_layers: expected at least 1, got 0"):
        SignedGCN(2, 8, num_layers=0)
