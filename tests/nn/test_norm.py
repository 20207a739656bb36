"""Normalisations against PyTorch Geometric, their formula, their symmetry and their derivative."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphkit.nn
from graphkit.nn import GCN, GraphNorm, InstanceNorm, PairNorm
from graphkit.nn.resolver import norm_of

N, F_IN = 9, 4
BATCH = torch.tensor([0, 0, 0, 2, 2, 2, 2, 3, 3])  # graph 1 is empty
MAKE: dict[str, Callable[[Any], nn.Module]] = {
    "GraphNorm": lambda m: m.GraphNorm(F_IN),
    "GraphNorm(eps)": lambda m: m.GraphNorm(F_IN, eps=0.1),
    "PairNorm": lambda m: m.PairNorm(),
    "PairNorm(scale)": lambda m: m.PairNorm(scale=2.5, eps=0.1),
    "PairNorm(individually)": lambda m: m.PairNorm(0.5, scale_individually=True),
    "InstanceNorm": lambda m: m.InstanceNorm(F_IN),
    "InstanceNorm(affine)": lambda m: m.InstanceNorm(F_IN, affine=True),
    "InstanceNorm(tracking)": lambda m: m.InstanceNorm(
        F_IN, momentum=0.3, affine=True, track_running_stats=True
    ),
}
each_norm = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())
each_batch = pytest.mark.parametrize(
    "given", [(), (BATCH,), (BATCH, 5)], ids=["one graph", "batch", "batch and size"]
)


@each_norm
@each_batch
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_equals_pyg(make: Any, given: tuple[Any, ...], dtype: torch.dtype, limit: float):
    import torch_geometric.nn

    torch.manual_seed(0)
    theirs, ours = make(torch_geometric.nn).to(dtype), make(graphkit.nn).to(dtype)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    for training in (True, False):
        results = []
        for norm in (ours.train(training), theirs.train(training)):
            x = torch.randn(N, F_IN, dtype=dtype, generator=torch.Generator().manual_seed(1))
            x = x.mul(3).add(1).requires_grad_()
            norm.zero_grad()
            out = norm(x, *given)
            (out * torch.linspace(-1, 2, N, dtype=dtype).view(-1, 1)).square().sum().backward()
            found = [out, x.grad, *(p.grad for p in norm.parameters()), *norm.buffers()]
            results.append(found)
            for name, value in norm.named_buffers():  # theirs stays attached to the input
                setattr(norm, name, value.detach())
        for found, expected in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=limit, atol=limit)


@each_norm
def test_every_graph_of_a_batch_is_normalised_alone(make: Any):
    norm = make(graphkit.nn).double()
    x = torch.randn(N, F_IN, dtype=torch.float64)
    out = norm(x, BATCH)
    for nodes in (slice(0, 3), slice(3, 7), slice(7, 9)):
        torch.testing.assert_close(out[nodes], norm(x[nodes]))


@each_norm
@each_batch
def test_gradcheck(make: Any, given: tuple[Any, ...]):
    norm = make(graphkit.nn).double()
    x = torch.randn(N, F_IN, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: norm(x, *given), x)


@each_norm
def test_no_nodes(make: Any):
    norm = make(graphkit.nn)
    none = torch.empty(0, F_IN)
    for given in ((), (torch.empty(0, dtype=torch.int64), 2)):
        out = norm(none, *given)
        assert out.shape == (0, F_IN)
        out.sum().backward() if out.requires_grad else None
    for value in (*norm.buffers(), *(p.grad for p in norm.parameters())):
        assert not value.isnan().any()


def test_graph_norm_learns_how_much_of_the_mean_goes():
    x = torch.randn(N, F_IN)
    norm = GraphNorm(F_IN)
    torch.testing.assert_close(norm(x).mean(0), torch.zeros(F_IN))
    nn.init.zeros_(norm.mean_scale)
    torch.testing.assert_close(norm(x), x / (x.square().mean(0) + norm.eps).sqrt())
    norm.reset_parameters()
    torch.testing.assert_close(norm(x).mean(0), torch.zeros(F_IN))


def test_pair_norm_keeps_the_distances_of_pairs():
    x = 50 * torch.randn(N, F_IN, dtype=torch.float64) + 7
    for norm in (PairNorm(eps=0.0), PairNorm(2.0, eps=0.0)):
        out = norm(x)
        distances = (out[:, None] - out[None]).square().sum(-1)
        torch.testing.assert_close(distances.mean(), torch.tensor(2 * norm.scale**2).double())


def test_pair_norm_in_a_model_has_scale_one():
    # torch_geometric hands it the number of features, which it takes for the scale.
    model = GCN(4, 8, 3, norm="pair_norm")
    assert isinstance(model.norms[0], PairNorm)
    assert model.norms[0].scale == 1.0
    other = GCN(4, 8, 3, norm="PairNorm", norm_kwargs={"scale": 3.0})
    assert other.norms[0].scale == 3.0


@pytest.mark.parametrize("name", ["graph_norm", "GraphNorm", "graph", "instance_norm"])
def test_by_name(name: str):
    norm = norm_of(name, 8)
    assert type(norm) is (GraphNorm if "raph" in name else InstanceNorm)
    assert norm_of(norm, 8) is norm


@pytest.mark.parametrize("norm", ["graph_norm", "instance_norm"])
def test_in_a_model_equals_pyg(norm: str):
    import torch_geometric.nn

    edges = torch.tensor([[0, 1, 1, 2, 3, 4, 7], [1, 0, 2, 1, 3, 5, 8]])
    theirs = torch_geometric.nn.GCN(F_IN, 8, 3, norm=norm)
    ours = GCN(F_IN, 8, 3, norm=norm)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x: Tensor = torch.randn(N, F_IN)
    torch.testing.assert_close(ours(x, edges, batch=BATCH), theirs(x, edges, batch=BATCH))


def test_unknown_norm_is_named():
    with pytest.raises(ValueError, match=r"norm: expected one of .*'PairNorm'.* got 'pear_norm'"):
        norm_of("pear_norm", 8)
