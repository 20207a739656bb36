"""Dropout, dense and sparse."""

import numpy
import pytest
import scipy.sparse
import torch

from graphkit.data.features import sparse_features
from graphkit.nn import Dropout, Linear, dropout


def sparse(rows: int = 30, columns: int = 40) -> torch.Tensor:
    random = numpy.random.default_rng(0)
    return sparse_features(scipy.sparse.random(rows, columns, 0.2, random_state=random))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_share_and_scale(p: float, dtype: torch.dtype):
    torch.manual_seed(0)
    n = 200_003  # no multiple of four
    out = dropout(torch.ones(n, dtype=dtype), p)
    kept = out != 0
    assert abs(kept.double().mean().item() - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5
    expected = torch.full_like(out[kept], 1 / (1 - p))
    torch.testing.assert_close(
        out[kept], expected, rtol=1e-2 if dtype.itemsize == 2 else 1e-4, atol=0
    )


def test_neighbouring_entries_are_drawn_apart():
    """Four entries share a random number; their bits must not."""
    torch.manual_seed(0)
    kept = (dropout(torch.ones(100_000, 4), 0.5) != 0).double()
    correlation = torch.corrcoef(kept.T)
    assert (correlation - torch.eye(4)).abs().max() < 0.02


def test_the_gradient_is_that_of_what_was_kept():
    x = torch.randn(50, 7, dtype=torch.float64, requires_grad=True)
    out = dropout(x, 0.3)
    out.sum().backward()
    torch.testing.assert_close(x.grad, (out / x).detach())


def test_one_seed_one_result():
    x = torch.randn(33, 5)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(dropout(x, 0.5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_nothing_and_everything():
    x = torch.randn(5, 3)
    assert torch.equal(dropout(x, 0.0), x)
    assert torch.equal(dropout(x, 0.7, training=False), x)
    assert not dropout(x, 1.0).any()
    assert dropout(torch.empty(0, 3), 0.5).shape == (0, 3)
    module = Dropout(0.5).eval()
    assert torch.equal(module(x), x)


def test_columns_of_a_transposed_matrix():
    x = torch.ones(40, 60).T
    out = dropout(x, 0.5)
    assert out.shape == x.shape
    assert set(out.unique().tolist()) == {0.0, 2.0}


def test_of_sparse_features_the_non_zeros_are_drawn():
    x = sparse()
    torch.manual_seed(1)
    out = dropout(x, 0.5)
    assert out.layout == torch.sparse_csr
    assert torch.equal(out.col_indices(), x.col_indices())
    ratio = out.values() / x.values()
    assert set(ratio.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(x.to_dense(), sparse().to_dense())  # untouched


def test_a_linear_map_of_dropped_sparse_features():
    x, linear = sparse(), Linear(40, 3)
    out = dropout(x, 0.5)
    linear(out).sum().backward()
    found = linear.weight.grad.clone()
    linear.weight.grad = None
    dense = linear(out.to_dense())
    dense.sum().backward()
    torch.testing.assert_close(linear(out), dense)
    torch.testing.assert_close(found, linear.weight.grad)


@pytest.mark.parametrize(
    ("x", "p", "text"),
    [
        (torch.ones(2), 1.5, "p: expected a probability from 0 to 1, got 1.5"),
        (torch.ones(2), -0.1, "p: expected a probability"),
        (torch.eye(2).to_sparse_coo(), 0.5, "x: expected a dense or a sparse CSR matrix"),
    ],
)
def test_bad_input_is_named(x: torch.Tensor, p: float, text: str):
    with pytest.raises(ValueError, match=text):
        dropout(x, p)
