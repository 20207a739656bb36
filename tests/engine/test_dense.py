"""Linear maps, ReLU and dropout in reused memory: torch's own numbers, and where they lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

from graphkit.engine import dense
from graphkit.engine.cpu import memory
from graphkit.engine.cpu.memory import Pool
from graphkit.graph import Graph
from graphkit.nn import MLP, Dropout, GATv2Conv, GINConv, Linear, TransformerConv

pytestmark = pytest.mark.skipif(not memory.SUPPORTED, reason="this system has no such memory")
ROWS, IN, OUT = 2**15, 48, 64  # results of 8 MiB and of 6 MiB


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    own = Pool()
    monkeypatch.setattr(memory, "_pool", own)
    return own


def values(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def gradients(function: Callable[..., Tensor], *leaves: Tensor) -> list[Tensor]:
    out = function(*leaves)
    factor = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return [out.detach(), *torch.autograd.grad((out * factor).sum(), leaves)]


PAIRS = {
    "linear": (dense.linear, F.linear, [(ROWS, IN), (OUT, IN), (OUT,)]),
    "linear without bias": (dense.linear, F.linear, [(ROWS, IN), (OUT, IN)]),
    "relu": (dense.relu, F.relu, [(ROWS, IN)]),
    "sum": (dense.add, torch.add, [(ROWS, IN), (ROWS, IN)]),
    "sum with a row": (dense.add, torch.add, [(ROWS, IN), (IN,)]),
    "product added": (
        lambda out, x, w: dense.added(out * 1, x, w),
        lambda out, x, w: (out * 1).addmm_(x, w.t()),
        [(ROWS, OUT), (ROWS, IN), (OUT, IN)],
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", PAIRS)
def test_bits_are_torch_s(name: str, dtype: torch.dtype, pool: Pool) -> None:
    ours, theirs, shapes = PAIRS[name]
    leaves = [values(*shape, dtype=dtype) for shape in shapes]
    for mine, other in zip(gradients(ours, *leaves), gradients(theirs, *leaves), strict=True):
        assert torch.equal(mine, other)


def test_rows_that_do_not_lie_side_by_side(pool: Pool) -> None:
    wide, weight = values(ROWS, 2 * IN), values(OUT, IN)

    def columns(function: Callable[..., Tensor]) -> list[Tensor]:
        return gradients(lambda x, w: function(function(x[:, ::2], w).relu(), w.t()), wide, weight)

    for mine, other in zip(columns(dense.linear), columns(F.linear), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("biased", [True, False])
def test_several_maps_at_once(biased: bool) -> None:
    x, weights = (
        values(40, IN, dtype=torch.float64),
        [values(n, IN, dtype=torch.float64) for n in (3, 8, 5)],
    )
    bias = values(16, dtype=torch.float64) if biased else None
    outs = dense.joint(x, weights, bias)
    whole = F.linear(x, torch.cat(weights), bias)
    assert torch.equal(torch.cat(list(outs), dim=1), whole)
    leaves = [x, *weights, *([bias] if bias is not None else [])]
    # The second map is used by nobody.
    mine = torch.autograd.grad((outs[0] ** 2).sum() + outs[2].sum(), leaves, allow_unused=True)
    parts = whole.split([3, 8, 5], dim=1)
    other = torch.autograd.grad((parts[0] ** 2).sum() + parts[2].sum(), leaves, allow_unused=True)
    for a, b in zip(mine, other, strict=True):
        if a is None:
            assert not b.any()
        else:
            torch.testing.assert_close(a, b)


def test_derivatives_of_derivatives(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    monkeypatch.setattr(dense, "LARGE", 0)
    x, weight, bias = (values(*shape, dtype=torch.float64) for shape in [(5, 3), (4, 3), (4,)])
    other = values(2, 3, dtype=torch.float64)

    def function(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor) -> Tensor:
        out = dense.relu(dense.add(dense.linear(x, weight), bias))
        first, second = dense.joint(x, [other, weight], None)
        return dense.added(out * second, x, weight).sum() + (first**3).sum()

    leaves = (x, weight, bias, other)
    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


def test_dropout_draws_the_same_as_ever(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, drop = values(ROWS, IN), Dropout(0.3)
    found = []
    for large in (0, 2**62):
        monkeypatch.setattr(dense, "LARGE", large)
        torch.manual_seed(3)
        found.append(gradients(drop, x))
    for mine, other in zip(*found, strict=True):
        assert torch.equal(mine, other)
    assert 0.29 < (found[0][0] == 0).float().mean() < 0.31


def lies_in(pool: Pool, tensor: Tensor) -> bool:
    before = pool.in_use
    tensor.untyped_storage()  # a result of the pool is what keeps a mapping in use
    storage = tensor.untyped_storage().data_ptr()
    del tensor
    return before > 0 and storage % memory.PAGE == 0


def test_results_and_gradients_lie_in_reused_memory(pool: Pool) -> None:
    x, weight = torch.randn(ROWS, IN).requires_grad_(), values(OUT, IN)
    out = dense.relu(dense.linear(x, weight))
    assert lies_in(pool, out)
    out.sum().backward()
    assert x.grad is not None
    assert lies_in(pool, x.grad)
    used = pool.in_use
    del out
    x.grad = None
    assert pool.in_use < used
    assert pool.resting > 0


def test_what_is_small_or_not_plain_is_left_to_torch(pool: Pool) -> None:
    weight = torch.randn(OUT, IN)
    dense.linear(torch.randn(10, IN), weight)
    dense.relu(torch.randn(ROWS, 2, IN))
    with torch.autocast("cpu", torch.bfloat16):
        assert dense.linear(torch.randn(ROWS, IN), weight).dtype == torch.bfloat16
    x = torch.randn(ROWS, IN)
    slope = torch.func.grad(lambda w: dense.relu(dense.linear(x, w)).sum())(weight)
    each = torch.func.vmap(lambda row: dense.linear(x, row[None]))(weight)
    assert pool.in_use == pool.resting == 0
    leaf = weight.clone().requires_grad_()
    (expected,) = torch.autograd.grad(F.linear(x, leaf).relu().sum(), leaf)
    torch.testing.assert_close(slope, expected)
    assert each.shape == (OUT, ROWS, 1)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        assert forward_ad.unpack_dual(dense.linear(dual, weight)).tangent is not None


def test_other_people_s_modules(pool: Pool) -> None:
    mlp = nn.Sequential(nn.Linear(IN, OUT), nn.ReLU(), nn.Linear(OUT, IN), nn.ReLU(inplace=True))
    x = torch.randn(ROWS, IN)
    expected = mlp(x)
    with dense.reusing(x):
        assert torch.equal(mlp(x), expected)
        assert lies_in(pool, mlp(x))
    assert pool.in_use == 0
    mlp(x)
    assert pool.in_use == 0  # outside it is torch's affair again


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "Linear": lambda: Linear(IN, OUT),
    "MLP": lambda: MLP([IN, OUT, OUT], norm=None),
    "GIN": lambda: GINConv(nn.Sequential(nn.Linear(IN, OUT), nn.ReLU(), nn.Linear(OUT, 8))),
    "GIN, eps": lambda: GINConv(nn.Linear(IN, OUT), eps=0.5),
    "GIN, learnt eps": lambda: GINConv(nn.Linear(IN, OUT), eps=0.5, train_eps=True),
    "GIN, std": lambda: GINConv(nn.Linear(IN, OUT), aggr="std"),
    "GATv2": lambda: GATv2Conv(IN, OUT, residual=True),
    "Transformer": lambda: TransformerConv(IN, OUT, heads=2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    edges = torch.randint(500, (2, 2000))
    layer = LAYERS[name]().double()
    x = values(500, IN, dtype=torch.float64)
    graph = () if name in ("Linear", "MLP") else (Graph(edges, num_nodes=500),)
    found = []
    for large in (0, 2**62):
        monkeypatch.setattr(dense, "LARGE", large)
        found.append(gradients(lambda x, *_: layer(x, *graph), x, *layer.parameters()))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other)
