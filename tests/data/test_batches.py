"""Graphs in batches."""

from itertools import chain

import pytest
import torch

from graphkit.data import Batches
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
