"""Link splits: what nobody may see stays unseen."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphkit.data import LinkSplit, check_split, les_miserables, split_edges, split_links
from graphkit.graph import Graph


def pairs(links: Tensor) -> set[tuple[int, int]]:
    """Links whichever way round."""
    return {(min(a, b), max(a, b)) for a, b in links.T.tolist()}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return les_miserables()


@pytest.fixture(scope="module")
def split(graph: Graph) -> LinkSplit:
    return split_links(graph, val=0.1, test=0.2, negatives=5, seed=0)


def test_every_link_is_on_one_side(graph: Graph, split: LinkSplit):
    train, val, test = pairs(split.train), pairs(split.val), pairs(split.test)
    assert train | val | test == pairs(graph.edge_index)
    assert len(train) + len(val) + len(test) == 254
    assert (len(val), len(test)) == (25, 51)


def test_messages_pass_along_training_links_alone(split: LinkSplit):
    assert pairs(split.graph.edge_index) == pairs(split.train)
    assert split.graph.num_edges == 2 * split.train.size(1)
    assert split.graph.is_undirected


def test_negatives_are_no_links(graph: Graph, split: LinkSplit):
    val, test = pairs(split.val_negative), pairs(split.test_negative)
    assert not (val | test) & pairs(graph.edge_index)
    assert not val & test
    assert (len(val), len(test)) == (5 * 25, 5 * 51)
    assert all(a != b for a, b in val | test)


def test_a_step_predicts_links_that_no_message_passes(split: LinkSplit):
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(5):
        messages, positive, negative = split.draw(0.3, generator)
        assert positive.shape == negative.shape == (2, round(0.3 * split.train.size(1)))
        assert not pairs(messages.edge_index) & pairs(positive)
        assert pairs(messages.edge_index) | pairs(positive) == pairs(split.train)
        assert not pairs(negative) & pairs(split.train)
        seen.add(tuple(sorted(pairs(positive))))
    assert len(seen) == 5


def test_training_never_learns_where_held_out_links_are(split: LinkSplit):
    """They come up among the negatives as often as any other unlinked pair."""
    generator = torch.Generator().manual_seed(0)
    drawn = [pair for _ in range(300) for pair in split.draw(0.3, generator)[2].T.tolist()]
    held_out = pairs(torch.cat([split.val, split.test], dim=1))
    share = sum((a, b) in held_out for a, b in drawn) / len(drawn)
    assert share == pytest.approx(76 / (77 * 76 / 2 - 178), rel=0.15)


@given(st.integers(0, 2**31), st.integers(12, 40))
def test_no_leak_in_any_graph(seed: int, num_nodes: int):
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(num_nodes, (2, 3 * num_nodes), generator=generator)
    graph = Graph(torch.cat([ends, ends.flip(0)], dim=1), num_nodes)  # loops, duplicates
    split = split_links(graph, val=0.2, test=0.2, seed=seed)
    parts = [pairs(part) for part in (split.train, split.val, split.test)]
    links = {(a, b) for a, b in pairs(graph.edge_index) if a != b}
    assert set().union(*parts) == links
    assert sum(map(len, parts)) == len(links)
    assert pairs(split.graph.edge_index) == parts[0]
    assert not (pairs(split.val_negative) | pairs(split.test_negative)) & links


@given(st.integers(0, 2**31), st.integers(12, 40))
def test_no_leak_in_a_directed_graph(seed: int, num_nodes: int):
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(num_nodes, (2, 5 * num_nodes), generator=generator)
    graph = Graph(torch.cat([ends, torch.tensor([[0], [1]])], dim=1), num_nodes, undirected=False)
    split = split_links(graph, val=0.2, test=0.2, seed=seed)
    parts = [set(map(tuple, part.T.tolist())) for part in (split.train, split.val, split.test)]
    links = {(a, b) for a, b in graph.edge_index.T.tolist() if a != b}
    assert set().union(*parts) == links
    assert sum(map(len, parts)) == len(links)
    assert set(map(tuple, split.graph.edge_index.T.tolist())) == parts[0]
    negatives = torch.cat([split.val_negative, split.test_negative], dim=1)
    assert not set(map(tuple, negatives.T.tolist())) & links
    messages, positive, negative = split.draw(0.5, generator)
    drawn = [set(map(tuple, part.T.tolist())) for part in (messages.edge_index, positive)]
    assert drawn[0] | drawn[1] == parts[0]
    assert not drawn[0] & drawn[1]
    assert not set(map(tuple, negative.T.tolist())) & parts[0]


def test_large_graphs_need_no_table_of_pairs():
    num_nodes = 1_000_000  # a table of all pairs would take a terabyte
    ends = torch.randint(num_nodes, (2, 1000), generator=torch.Generator().manual_seed(0))
    graph = Graph(torch.cat([ends, ends.flip(0)], dim=1), num_nodes, undirected=True)
    split = split_links(graph, negatives=3, seed=0)
    assert split.test_negative.shape == (2, 600)
    assert int(split.test_negative.max()) > num_nodes // 2
    assert split.draw(0.5, torch.Generator())[2].shape == (2, 350)


def test_one_seed_one_split(graph: Graph, split: LinkSplit):
    torch.manual_seed(5)
    again = split_links(graph, val=0.1, test=0.2, negatives=5, seed=0)
    assert torch.equal(again.test, split.test)
    assert torch.equal(again.test_negative, split.test_negative)
    other = split_links(graph, val=0.1, test=0.2, negatives=5, seed=1)
    assert not torch.equal(other.test, split.test)


def test_attributes_of_nodes_stay_and_those_of_edges_go(graph: Graph, split: LinkSplit):
    assert split.graph.name == graph.name
    assert split.graph.edge_weight is None


def test_what_cannot_be_split(graph: Graph, split: LinkSplit):
    with pytest.raises(ValueError, match="graph: expected one set of nodes"):
        split_links(Graph(torch.tensor([[0, 1], [1, 2]]), (2, 3)), seed=0)
    with pytest.raises(ValueError, match="val, test: expected links in every part of 254"):
        split_links(graph, val=0.5, test=0.5, seed=0)
    with pytest.raises(ValueError, match="negatives: expected at most the 2672 unlinked pairs"):
        split_links(graph, negatives=40, seed=0)
    with pytest.raises(ValueError, match=r"supervised: expected a share .* got 1\.0"):
        split.draw(1.0, torch.Generator())


@given(st.integers(0, 2**31), st.booleans())
def test_edges_of_a_pair_are_in_one_part(seed: int, directed: bool):
    ends = torch.randint(12, (2, 60), generator=torch.Generator().manual_seed(seed))
    if not directed:
        ends = torch.cat([ends, ends.flip(0)], dim=1)
    graph = Graph(ends, 12, undirected=not directed)  # loops, duplicates
    split = split_edges(graph, 0.5, 0.2, seed=seed)
    check_split(split, graph.num_edges)
    assert sum(map(len, split)) == graph.num_edges
    parts = [graph.edge_index[:, part] for part in split]
    joined = [set(map(tuple, part.T.tolist())) if directed else pairs(part) for part in parts]
    for a, b in combinations(joined, 2):
        assert not a & b


def test_edges_that_cannot_be_split(graph: Graph):
    with pytest.raises(ValueError, match="train, val: expected pairs in every part of 254"):
        split_edges(graph, 0.9, 0.1, seed=0)
    with pytest.raises(ValueError, match="graph: expected one set of nodes"):
        split_edges(Graph(torch.tensor([[0, 1], [1, 2]]), (2, 3)), 0.5, 0.2, seed=0)
