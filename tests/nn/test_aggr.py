"""Aggregations as modules of their own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphkit.nn
from graphkit.nn import aggr

X = torch.randn(5, 3, dtype=torch.float64)
INDEX = torch.tensor([0, 2, 0, 2, 2])
FILLED = [0, 2]  # the groups that have entries
NAMES = ["sum", "mean", "max", "min", "mul", "var", "std", "softmax", "powermean", "median"]


def mlp(m: Any, *sizes: int) -> nn.Module:
    return m.MLP(list(sizes), act="tanh", norm="layer_norm")


# ``make(graphkit.nn)`` and ``make(torch_geometric.nn)``.
MAKE: dict[str, Callable[[Any], nn.Module]] = {
    "mul": lambda m: m.aggr.MulAggregation(),
    "var": lambda m: m.aggr.VarAggregation(),
    "powermean": lambda m: m.aggr.PowerMeanAggregation(),
    "powermean, p=3": lambda m: m.aggr.PowerMeanAggregation(3.0, clamp_min=0.1, clamp_max=2.0),
    "powermean, learnt": lambda m: m.aggr.PowerMeanAggregation(2.0, learn=True),
    "powermean, channels": lambda m: m.aggr.PowerMeanAggregation(-1.5, learn=True, channels=3),
    "median": lambda m: m.aggr.MedianAggregation(),
    "median, fill_value": lambda m: m.aggr.MedianAggregation(fill_value=7.0),
    "quantile": lambda m: m.aggr.QuantileAggregation(0.3),
    "quantile, several": lambda m: m.aggr.QuantileAggregation([0.1, 0.75, 1.0]),
    "quantile, lower": lambda m: m.aggr.QuantileAggregation(0.3, "lower"),
    "quantile, higher": lambda m: m.aggr.QuantileAggregation(0.3, "higher"),
    "quantile, nearest": lambda m: m.aggr.QuantileAggregation(0.3, "nearest"),
    "quantile, midpoint": lambda m: m.aggr.QuantileAggregation(0.3, "midpoint"),
    "lstm": lambda m: m.aggr.LSTMAggregation(3, 4),
    "lstm, both ways": lambda m: m.aggr.LSTMAggregation(3, 4, num_layers=2, bidirectional=True),
    "attentional": lambda m: m.aggr.AttentionalAggregation(nn.Linear(3, 1)),
    "attentional, map": lambda m: m.aggr.AttentionalAggregation(nn.Linear(3, 4), nn.Linear(3, 4)),
    "attentional, MLPs": lambda m: m.aggr.AttentionalAggregation(mlp(m, 3, 5, 1), mlp(m, 3, 5, 4)),
    "set2set": lambda m: m.aggr.Set2Set(3, 3),
    "set2set, layers": lambda m: m.aggr.Set2Set(3, 2, num_layers=2),
}
each_made = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


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
    # Of no entries theirs makes 1 as their product.
    found, expected = (module(X, INDEX, dim_size=4)[FILLED] for module in (ours, theirs))
    torch.testing.assert_close(found, expected)
    assert isinstance(theirs, torch_geometric.nn.aggr.Aggregation)
    assert type(ours).__name__ == type(theirs).__name__
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name: str):
    module = aggr.aggregation(name)
    x = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: module(x, INDEX, dim_size=4), x)


@each_made
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_values_and_gradients_equal_pyg(make: Any, dtype: torch.dtype, limit: float):
    import torch_geometric.nn

    torch.manual_seed(0)
    theirs, ours = make(torch_geometric.nn).to(dtype), make(graphkit.nn).to(dtype)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert repr(ours).replace("\n", "") == repr(theirs).replace("\n", "")
    index = torch.tensor([0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 3, 5])
    results = []
    for module in (ours, theirs):
        x = torch.randn(12, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
        x.requires_grad_()
        out = module(x, index, dim_size=7)[index.unique()]
        out.sin().sum().backward()
        results.append([out, x.grad, *(p.grad for p in module.parameters())])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=limit, atol=limit)


@each_made
def test_a_group_without_entries_gives_zero(make: Any):
    module = make(graphkit.nn).double()
    fill = getattr(module, "fill_value", 0.0)
    for x, index in ((X, INDEX), (X[:0], INDEX[:0])):
        x = x.clone().requires_grad_()
        out = module(x, index, dim_size=4)
        assert (out[[1, 3]] == fill).all()
        out.sum().backward()
        assert x.grad is not None
        for gradient in (x.grad, *(p.grad for p in module.parameters() if p.grad is not None)):
            assert gradient.isfinite().all()
    assert module(X[:0], INDEX[:0], dim_size=0).shape[0] == 0


@each_made
def test_index_and_ptr_agree(make: Any):
    module = make(graphkit.nn).double().eval()
    order = INDEX.argsort(stable=True)
    with_mlp = getattr(module, "mlp", None) is not None  # which wants the index for its norm
    found = module(X[order], ptr=torch.tensor([0, 2, 2, 5, 5]))
    assert with_mlp or torch.allclose(found, module(X, INDEX, dim_size=4))
    if not isinstance(module, aggr.AttentionalAggregation):  # its maps do not say their sizes
        assert found.shape[1] == module.get_out_channels(3)


@each_made
def test_gradcheck_of_every_parameter(make: Any):
    module = make(graphkit.nn).double()

    def run(x: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(dict(module.named_parameters()), parameters, strict=True))
        kwargs = {"dim_size": 4}
        return torch.func.functional_call(module, named, (x, INDEX), kwargs)

    x = X.abs() + 0.2  # powers are made for positive numbers
    leaves = [v.detach().clone().requires_grad_() for v in (x, *module.parameters())]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


@pytest.mark.parametrize("name", [name for name in MAKE if "lstm" not in name])
def test_the_order_of_entries_does_not_matter(name: str):
    module = MAKE[name](graphkit.nn).double()
    perm = torch.randperm(5)
    out = module(X[perm], INDEX[perm], dim_size=4)
    torch.testing.assert_close(out, module(X, INDEX, dim_size=4))


def test_an_lstm_reads_the_entries_of_a_group_in_their_order():
    module = aggr.LSTMAggregation(3, 4).double()
    out = module(X, INDEX, dim_size=4)
    order = torch.tensor([0, 2, 1, 3, 4])
    torch.testing.assert_close(module(X[order], INDEX[order], dim_size=4), out)
    torch.testing.assert_close(out[2], module.lstm(X[[1, 3, 4]][None])[0][0, -1])
    assert not torch.allclose(module(X.flip(0), INDEX.flip(0), dim_size=4), out)


def test_quantiles_equal_torchs():
    x = torch.randn(11, 2, dtype=torch.float64)
    one = torch.zeros(11, dtype=torch.int64)
    for q in (0.0, 0.25, 0.5, 0.8125, 1.0):
        for how in ("linear", "lower", "higher", "nearest", "midpoint"):
            out = aggr.QuantileAggregation(q, how)(x, one)
            torch.testing.assert_close(out[0], x.quantile(q, dim=0, interpolation=how))
    even = aggr.MedianAggregation()(x[:10], one[:10])
    torch.testing.assert_close(even[0], x[:10].median(dim=0).values)


def test_of_equal_entries_the_first_is_the_lower_one():
    x = torch.tensor([[3.0], [2.0], [2.0], [2.0]], requires_grad=True)
    aggr.MedianAggregation()(x, torch.zeros(4, dtype=torch.int64)).sum().backward()
    assert x.grad is not None
    assert x.grad.view(-1).tolist() == [0.0, 0.0, 1.0, 0.0]


def test_variance_of_large_numbers():
    x = X.float() + 3000
    out = aggr.VarAggregation()(x, INDEX, dim_size=4)
    expected = torch.stack([x[g == INDEX].double().var(0, correction=0) for g in FILLED])
    torch.testing.assert_close(out[FILLED].double(), expected, rtol=1e-3, atol=1e-6)


def test_a_power_mean_without_bounds():
    module = aggr.PowerMeanAggregation(2.0, learn=True, clamp_min=None, clamp_max=None).double()
    out = module(X.abs(), INDEX, dim_size=4)
    torch.testing.assert_close(out[0], X[[0, 2]].square().mean(0).sqrt())
    out.sum().backward()
    assert module.p.grad.isfinite().all()
    with torch.no_grad():
        module.p.zero_()
    module.reset_parameters()
    assert module.p.item() == 2.0


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("median", {}),
        ("var", {}),
        ("power_mean", {"p": 2.0}),
        ("quantile", {"q": [0.25, 0.75]}),
        ("lstm", {"in_channels": 3, "out_channels": 3}),
    ],
)
def test_in_a_layer(name: str, kwargs: dict[str, Any]):
    import torch_geometric.nn

    # Groups without entries make theirs read out of bounds.
    edge_index = torch.tensor([[0, 1, 2, 3, 4, 0, 3, 1], [0, 0, 1, 1, 1, 1, 2, 2]])
    layers = []
    for m in (graphkit.nn, torch_geometric.nn):
        if name == "quantile":  # theirs takes the number of features wrong
            module = m.aggr.MultiAggregation([m.aggr.QuantileAggregation(q) for q in kwargs["q"]])
        else:
            module = m.aggr.MultiAggregation([name], [kwargs])
        layers.append(m.SAGEConv((3, 3), 4, aggr=module, root_weight=False).double())
    ours, theirs = layers
    if name == "quantile":
        ours.lin_l = theirs.lin_l = nn.Linear(6, 4).double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    ends = (X, X[:3])
    torch.testing.assert_close(ours(ends, edge_index), theirs(ends, edge_index))
    alone = ours(X, edge_index)[3:]
    torch.testing.assert_close(alone, ours.lin_l(alone.new_zeros(2, ours.lin_l.in_features)))


@pytest.mark.parametrize("engine", ["kernels", "reference"])
@pytest.mark.parametrize("name", ["sum", "max", "var", "median"])
def test_what_was_sorted_in_inference_mode_serves_training(
    name: str, engine: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GRAPHKIT_ENGINE", engine)
    index = INDEX.clone()
    module = aggr.aggregation(name)
    with torch.inference_mode():
        expected = module(X, index, dim_size=4)
    x = X.clone().requires_grad_()
    out = module(x, index, dim_size=4)
    out.sum().backward()
    torch.testing.assert_close(out, expected.clone())


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
        (lambda: aggr.aggregation("mode"), "aggr: expected one of"),
        (lambda: aggr.PowerMeanAggregation(channels=3), "channels=3 needs learn=True"),
        (lambda: aggr.PowerMeanAggregation(0.0), "p: expected a number other than 0"),
        (lambda: aggr.QuantileAggregation(1.5), "q: expected a number from 0 to 1"),
        (lambda: aggr.QuantileAggregation([]), "q: expected a number from 0 to 1"),
        (lambda: aggr.QuantileAggregation(0.5, "cubic"), "interpolation: expected one of"),
        (lambda: aggr.MedianAggregation()(X, INDEX[:3]), "x: expected 3 entries"),
        (lambda: aggr.LSTMAggregation(4, 2)(X, INDEX), r"x: expected shape \[entries, 4\]"),
        (lambda: aggr.Set2Set(4, 2)(X, INDEX), r"x: expected shape \[entries, 4\]"),
        (lambda: aggr.Set2Set(3, 2)(X, INDEX, dim=-1), "x: expected shape"),
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
