"""Graphs in batches."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

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


class _Lazy(Sequence[Graph]):
    """Graphs that are asked for one by one."""

    def __init__(self, graphs: list[Graph]) -> None:
        self.graphs = graphs

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, place: Any) -> Any:
        return self.graphs[place]


def _molecule(generator: torch.Generator, **graph_attrs: Any) -> Graph:
    n, e = (int(torch.randint(low, 9, (), generator=generator)) for low in (1, 0))
    edge_index = torch.randint(n, (2, e), generator=generator)
    x, edge_attr = (torch.rand(rows, 3, generator=generator) for rows in (n, e))
    return Graph(edge_index, n, x=x, edge_attr=edge_attr, graph_attrs=graph_attrs)


@pytest.mark.parametrize(
    "target", [torch.tensor([1.5]), torch.tensor(2), torch.ones(1, 4), torch.ones(2, 2), "text"]
)
def test_joined_once_is_as_joined_each_time(target: Any):
    generator = torch.Generator().manual_seed(0)
    graphs = [_molecule(generator, y=target) for _ in range(23)]
    members = torch.tensor([4, 22, 0, 9, 9, 13, 1])
    for kept in (None, members):
        orders = [torch.Generator().manual_seed(1) for _ in range(2)]
        joined = Batches(graphs, 5, orders[0], kept)
        asked = Batches(_Lazy(graphs), 5, orders[1], kept)
        for _ in range(2):
            for one, other in zip(joined, asked, strict=True):
                assert torch.equal(one.edge_index, other.edge_index)
                assert torch.equal(one.ptr, other.ptr)
                assert torch.equal(one.x, other.x)
                assert torch.equal(one.edge_attr, other.edge_attr)
                assert type(one.y) is type(other.y)
                assert str(one.y) == str(other.y)
                assert one.num_nodes == other.num_nodes


def test_graphs_that_do_not_fit_together_are_still_batches():
    generator = torch.Generator().manual_seed(0)
    graphs = [_molecule(generator, y=torch.ones(size)) for size in (1, 2)]
    (batch,) = Batches(graphs, 2)
    assert [len(y) for y in batch.y] == [1, 2]


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
