"""Pairs that are not linked, against a table of all pairs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphkit.data.negatives import UnlinkedPairs, UnlinkedTargets


def draw_links(seed: int, num_nodes: int, count: int) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(num_nodes, (2, count), generator=generator), generator


def unlinked_table(links: Tensor, num_nodes: int, directed: bool) -> Tensor:
    table = ~torch.eye(num_nodes, dtype=torch.bool)
    table[links[0], links[1]] = False
    if not directed:
        table[links[1], links[0]] = False
        table = table.triu(1)
    return table.nonzero().T


@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(0, 80), st.booleans())
def test_all_unlinked_pairs_in_order(seed: int, num_nodes: int, count: int, directed: bool):
    links, generator = draw_links(seed, num_nodes, count)  # loops, duplicates, full graphs
    pairs = UnlinkedPairs(links, num_nodes, directed=directed)
    expected = unlinked_table(links, num_nodes, directed)
    assert len(pairs) == expected.size(1)
    assert torch.equal(pairs[torch.arange(len(pairs))], expected)
    assert all((a, b) in pairs for a, b in expected.T.tolist())
    assert not any((a, b) in pairs for a, b in links.T.tolist())
    everything = pairs.sample(len(pairs), generator)
    assert torch.equal(everything.unique(dim=1), expected)


def test_draws_are_even():
    links, generator = draw_links(0, 6, 8)
    pairs = UnlinkedPairs(links, 6)
    drawn = pairs.draw(20_000, generator)
    counts = (drawn[0] * 6 + drawn[1]).unique(return_counts=True)[1]
    assert len(counts) == len(pairs)
    assert counts.float() == pytest.approx(20_000 / len(pairs), rel=0.12)


def test_a_small_sample_of_very_many_pairs():
    links, generator = draw_links(0, 100_000, 50)
    pairs = UnlinkedPairs(links, 100_000)
    sample = pairs.sample(5000, generator)
    assert sample.unique(dim=1).shape == (2, 5000)
    assert (sample[0] < sample[1]).all()
    # Random order: the first half is spread as the second is.
    assert sample[0, :2500].float().mean() == pytest.approx(100_000 / 3, rel=0.05)


def test_too_few_pairs():
    full = torch.tensor([[0, 0, 1], [1, 2, 2]])
    with pytest.raises(ValueError, match="at most the 0 unlinked pairs, got 1"):
        UnlinkedPairs(full, 3).sample(1, torch.Generator())
    with pytest.raises(ValueError, match="expected an unlinked pair"):
        UnlinkedPairs(full, 3).draw(1, torch.Generator())
    assert len(UnlinkedPairs(full, 3, directed=True)) == 3


@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(0, 40))
def test_targets(seed: int, num_nodes: int, count: int):
    links, generator = draw_links(seed, num_nodes, count)
    unlinked = unlinked_table(links, num_nodes, directed=True)
    sources = unlinked[0].unique()
    drawn = UnlinkedTargets(links, num_nodes).draw(sources, 300, generator)
    for source, targets in zip(sources.tolist(), drawn, strict=True):
        assert torch.equal(targets.unique(), unlinked[1, unlinked[0] == source])


def test_a_node_that_knows_all():
    targets = UnlinkedTargets(torch.tensor([[0, 0], [1, 2]]), 3)
    with pytest.raises(ValueError, match="source: expected nodes with an unlinked one, got 0"):
        targets.draw(torch.tensor([1, 0]), 5, torch.Generator())


def test_targets_of_another_kind():
    """Items of users: the item of a user's own number is one like others."""
    generator = torch.Generator().manual_seed(0)
    links = (torch.rand(5, 7, generator=generator) < 0.5).nonzero().T
    links = torch.cat([links, links[:, :3]], dim=1)
    unlinked = UnlinkedTargets(links, 5, 7)
    sources = torch.arange(5)
    drawn = unlinked.draw(sources, 400, generator)
    for source in range(5):
        taken = set(links[1, links[0] == source].tolist())
        assert set(drawn[source].tolist()) == set(range(7)) - taken
