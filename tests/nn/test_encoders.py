"""Encoders of categorical features."""

import pytest
import torch

from graphkit.convert import ATOM_FEATURES, BOND_FEATURES
from graphkit.nn import AtomEncoder, BondEncoder, CategoricalEncoder


def draw(sizes, n):
    return torch.stack([torch.randint(size, (n,)) for size in sizes], dim=1)


def test_is_the_sum_of_one_row_of_every_table():
    sizes = [4, 1, 7]
    encoder = CategoricalEncoder(sizes, 5).double()
    x = draw(sizes, 20)
    tables = encoder.weight.split(sizes)
    expected = sum(table[x[:, k]] for k, table in enumerate(tables))
    torch.testing.assert_close(encoder(x), expected)


def test_gradients():
    encoder = CategoricalEncoder([3, 2], 4).double()
    x = draw([3, 2], 6)

    def run(weight):
        return torch.func.functional_call(encoder, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(run, (encoder.weight,))


def test_tables_start_as_glorot_has_them():
    encoder = CategoricalEncoder([1000, 2], 50)
    large, small = encoder.weight.split([1000, 2])
    assert 0.9 < large.abs().max() / (6 / 1050) ** 0.5 <= 1
    assert 0.9 < small.abs().max() / (6 / 52) ** 0.5 <= 1


@pytest.mark.parametrize(
    ("encoder", "features"), [(AtomEncoder, ATOM_FEATURES), (BondEncoder, BOND_FEATURES)]
)
def test_takes_every_value_of_a_molecule(encoder, features):
    sizes = [len(values) for values in features.values()]
    last = torch.tensor(sizes) - 1
    out = encoder(8)(torch.stack([torch.zeros_like(last), last]))
    assert out.shape == (2, 8)
    assert list(encoder(8).state_dict()) == ["weight"]


def test_no_rows():
    assert CategoricalEncoder([3, 2], 4)(torch.empty(0, 2, dtype=torch.int64)).shape == (0, 4)


@pytest.mark.parametrize("value", [-1, 3])
def test_a_category_of_another_column_is_none(value):
    x = torch.tensor([[0, 0], [value, 1]])
    with pytest.raises(ValueError, match=rf"0 to 2 in column 0, got {value} in row 1"):
        CategoricalEncoder([3, 2], 4)(x)


@pytest.mark.parametrize("x", [torch.rand(5, 2), torch.zeros(5, 3).long(), torch.zeros(5).long()])
def test_says_which_input_it_expects(x):
    with pytest.raises(ValueError, match=r"x: expected int64 \[N, 2\]"):
        CategoricalEncoder([3, 2], 4)(x)


def test_needs_columns():
    with pytest.raises(ValueError, match="sizes"):
        CategoricalEncoder([], 4)
    with pytest.raises(ValueError, match="sizes"):
        CategoricalEncoder([3, 0], 4)
