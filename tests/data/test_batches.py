"""Graphs in batches."""

from itertools import chain

import pytest
import torch

from graphkit.data import Batches, Samples
from graphkit.graph import Graph


@pytest.fixture
def graphs() -> list[Graph]:
    edge_index = torch.tensor([[0, 1], [1, 0]])
    return [Graph(edge_index, 2, graph_attrs={"y": torch.tensor([i])}) for i in range(7)]


def test_in_the_order_given(graphs: list[Graph]):
    batches = Batches(graphs, 3)
    assert len(batches) == 3
    assert [batch.y.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [batch.num_nodes for batch in batches] == [6, 6, 2]


def test_shuffled_anew_at_every_pass(graphs: list[Graph]):
    batches = Batches(graphs, 3, torch.Generator().manual_seed(0))
    first, second = ([batch.y.tolist() for batch in batches] for _ in range(2))
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(7))
    assert first != second
    again = Batches(graphs, 3, torch.Generator().manual_seed(0))
    assert [batch.y.tolist() for batch in again] == first


def test_batch_size_is_checked(graphs: list[Graph]):
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        Batches(graphs, 0)


def test_rows_of_tensors_stay_together():
    x, y = torch.arange(14).view(7, 2), torch.arange(7)
    batches = Samples(x, y, batch_size=3)
    assert len(batches) == 3
    passes = [list(batches) for _ in range(2)]
    for batch in chain(*passes):
        assert torch.equal(batch[0], x[batch[1]])
    orders = [torch.cat([batch[1] for batch in found]).tolist() for found in passes]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(7))
    assert orders[0] != orders[1]
    torch.manual_seed(3)
    first = [batch[1].tolist() for batch in batches]
    torch.manual_seed(3)
    assert [batch[1].tolist() for batch in batches] == first


@pytest.mark.parametrize(
    ("tensors", "size", "message"),
    [
        ([torch.ones(3), torch.ones(4)], 2, r"as many rows in each, got \[3, 4\]"),
        ([torch.ones(0)], 2, "at least one row"),
        ([], 2, "at least one row"),
        ([torch.ones(3)], 0, "batch_size: expected at least 1, got 0"),
    ],
)
def test_rows_are_checked(tensors: list[torch.Tensor], size: int, message: str):
    with pytest.raises(ValueError, match=message):
        Samples(*tensors, batch_size=size)
