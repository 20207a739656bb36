"""Aggregations as modules of their own."""

import pytest
import torch
from torch import nn

from graphkit.nn import aggr

X = torch.randn(5, 3, dtype=torch.float64)
INDEX = torch.tensor([0, 2, 0, 2, 2])
NAMES = ["sum", "mean", "max", "min", "std", "softmax"]


@pytest.mark.parametrize("name", NAMES)
def test_index_ptr_and_dim_agree(name: str):
    module = aggr.aggregation(name)
    out = module(X, INDEX, dim_size=4)
    assert out.shape == (4, 3)
    assert not out[[1, 3]].any()
    order = INDEX.argsort(stable=True)
    torch.testing.assert_close(module(X[order], ptr=torch.tensor([0, 2, 2, 5, 5])), out)
    torch.testing.assert_close(module(X.t(), INDEX, dim_size=4, dim=-1), out.t())
    torch.testing.assert_close(module(X, INDEX), out[:3])


@pytest.mark.parametrize("name", [*NAMES, "SumAggregation", "Max", "add"])
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_equals_pyg(name: str):
    import torch_geometric.nn
    from torch_geometric.nn.resolver import aggregation_resolver

    theirs, ours = aggregation_resolver(name), aggr.aggregation(name)
    torch.testing.assert_close(ours(X, INDEX, dim_size=4), theirs(X, INDEX, dim_size=4))
    assert isinstance(theirs, torch_geometric.nn.aggr.Aggregation)
    assert type(ours).__name__ == type(theirs).__name__
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name: str):
    module = aggr.aggregation(name)
    x = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: module(x, INDEX, dim_size=4), x)


def test_the_first_of_equal_entries_takes_the_gradient():
    x = torch.tensor([[1.0], [2.0], [2.0], [0.0]], requires_grad=True)
    aggr.MaxAggregation()(x, torch.zeros(4, dtype=torch.int64)).sum().backward()
    assert x.grad is not None
    assert x.grad.view(-1).tolist() == [0.0, 1.0, 0.0, 0.0]


def test_learnt_temperature():
    module = aggr.SoftmaxAggregation(t=0.3, learn=True, channels=3).double()
    out = module(X, INDEX, dim_size=4)
    both = X[[0, 2]]
    torch.testing.assert_close(out[0], ((0.3 * both).softmax(0) * both).sum(0))
    out.sum().backward()
    assert module.t.grad is not None
    assert module.t.grad.shape == (3,)
    with torch.no_grad():
        module.t.zero_()
    module.reset_parameters()
    assert torch.equal(module.t, torch.full((3,), 0.3, dtype=torch.float64))


def test_several():
    module = aggr.MultiAggregation(["mean", aggr.MaxAggregation(), "softmax"], [{}, {}, {"t": 2.0}])
    parts = [aggr.aggregation(n) for n in ("mean", "max")]
    parts.append(aggr.SoftmaxAggregation(2.0))
    expected = torch.cat([part(X, INDEX, dim_size=4) for part in parts], dim=-1)
    torch.testing.assert_close(module(X, INDEX, dim_size=4), expected)
    assert module.get_out_channels(3) == 9
    text = "MultiAggregation(MeanAggregation(), MaxAggregation(), SoftmaxAggregation(learn=False))"
    assert repr(module) == text


def test_a_base_without_reduction():
    with pytest.raises(NotImplementedError, match="must define forward or reduce"):
        aggr.Aggregation()(X, INDEX)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: aggr.aggregation("median"), "aggr: expected one of"),
        (lambda: aggr.MultiAggregation([]), "aggrs: expected a list"),
        (lambda: aggr.MultiAggregation(["sum"], [{}, {}]), "aggrs_kwargs: expected 1"),
        (lambda: aggr.MultiAggregation(["sum"], mode="proj"), "mode: expected 'cat'"),
        (lambda: aggr.SoftmaxAggregation(channels=3), "channels=3 needs learn=True"),
    ],
)
def test_bad_input_is_named(call, text: str):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_module_is_taken_as_it_is():
    module = nn.Identity()
    assert aggr.aggregation(module) is module
