"""Neighbour sampling: what is drawn, how often, and in what shape."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import torch
from scipy import stats

from graphkit.graph import Graph
from graphkit.nn import GATConv, SAGEConv
from graphkit.sampling import NeighborSampler


def random_graph(nodes: int = 200, edges: int = 3000, seed: int = 0) -> Graph:
    generator = torch.Generator().manual_seed(seed)
    # Squared, so that degrees differ; the last nodes have no edges into them.
    ends = (torch.rand(2, edges, generator=generator) ** 2 * (nodes - 5)).long()
    return Graph(
        ends,
        nodes,
        x=torch.randn(nodes, 6, generator=generator),
        edge_attr=torch.randn(edges, 3, generator=generator),
        edge_weight=torch.rand(edges, generator=generator),
        node_attrs={"y": torch.randint(0, 3, (nodes,), generator=generator)},
    )


def star(leaves: int, weight: list[float] | None = None) -> Graph:
    """Edges from nodes 1, 2, ... to node 0."""
    ends = torch.stack([torch.arange(1, leaves + 1), torch.zeros(leaves, dtype=torch.int64)])
    return Graph(ends, leaves + 1, edge_weight=None if weight is None else torch.tensor(weight))


def drawn_of(sampler: NeighborSampler, seed: int) -> list[int]:
    """The leaves of a star that one sample holds, in ascending order."""
    return sorted((sampler.sample(torch.tensor([0]), seed).e_id[0] + 1).tolist())  # type: ignore[union-attr]


def is_likely(counts: dict, expected: dict[object, float], draws: int) -> bool:
    """Whether counts agree with probabilities by the chi-square test."""
    assert set(counts) <= set(expected)
    observed = [counts.get(key, 0) for key in expected]
    return stats.chisquare(observed, [p * draws for p in expected.values()]).pvalue > 1e-3


# --- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("weight_attr", [None, "edge_weight"])
def test_blocks_hold_edges_of_the_graph(flow: str, replace: bool, weight_attr: str | None) -> None:
    graph, seeds = random_graph(), torch.tensor([7, 3, 199, 0, 50])
    sampler = NeighborSampler(graph, [4, 3, 2], replace, weight_attr, flow)
    batch = sampler.sample(seeds, 0)
    assert batch.batch_size == 5
    assert torch.equal(batch.seeds, seeds)
    assert batch.n_id.unique().numel() == batch.n_id.numel() == batch.blocks[0].num_src
    assert torch.equal(batch.x, graph.x[batch.n_id])
    assert torch.equal(batch.y, graph.y[seeds])
    assert batch.blocks[-1].num_dst == 5
    near, far = graph.edge_index.flip(0) if flow == "source_to_target" else graph.edge_index
    degree = near.bincount(minlength=200)
    for number, (block, e_id, fanout) in enumerate(
        zip(batch.blocks, batch.e_id, [2, 3, 4], strict=True)
    ):
        assert block.is_bipartite
        if number:
            assert block.num_src == batch.blocks[number - 1].num_dst
        assert torch.equal(batch.n_id[block.edge_index[0]], far[e_id])
        assert torch.equal(batch.n_id[block.edge_index[1]], near[e_id])
        assert torch.equal(block.edge_attr, graph.edge_attr[e_id])
        available = degree[batch.n_id[: block.num_dst]]
        if replace:
            assert torch.equal(block.in_degree.long(), fanout * (available > 0))
        else:
            assert torch.equal(block.in_degree.long(), available.clamp(max=fanout))
            assert e_id.unique().numel() == e_id.numel()


def test_blocks_come_sorted() -> None:
    batch = NeighborSampler(random_graph(), [5, 5]).sample(torch.arange(30), 0)
    for block in batch.blocks:
        fresh = Graph(block.edge_index, (block.num_src, block.num_dst)).by_destination
        for name in ("rowptr", "col", "edge", "slot", "num_rows", "num_cols"):
            mine, theirs = getattr(block.by_destination, name), getattr(fresh, name)
            assert torch.equal(torch.as_tensor(mine), torch.as_tensor(theirs))
            assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None)
        assert torch.equal(
            block.by_source.slot,
            Graph(block.edge_index, (block.num_src, block.num_dst)).by_source.slot,
        )


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
def test_subgraph_holds_edges_of_the_graph(flow: str) -> None:
    graph, seeds = random_graph(), torch.tensor([7, 3, 199, 0, 50])
    sub = NeighborSampler(graph, [4, 3], flow=flow, form="subgraph").sample(seeds, 0)
    assert isinstance(sub, Graph)
    assert sub.batch_size == 5
    assert torch.equal(sub.n_id[:5], seeds)
    assert sub.n_id.unique().numel() == sub.num_nodes
    assert sub.e_id.unique().numel() == sub.num_edges
    assert torch.equal(sub.n_id[sub.edge_index], graph.edge_index[:, sub.e_id])
    for name in ("x", "y"):
        assert torch.equal(getattr(sub, name), getattr(graph, name)[sub.n_id])
    assert torch.equal(sub.edge_weight, graph.edge_weight[sub.e_id])
    fresh = Graph(sub.edge_index, sub.num_nodes)
    for side in ("by_destination", "by_source"):
        for name in ("rowptr", "col", "edge", "slot"):
            assert torch.equal(
                getattr(getattr(sub, side), name), getattr(getattr(fresh, side), name)
            )
    # Nodes of the first hop are expanded with the first fan-out, later ones with the second.
    degree = sub.in_degree if flow == "source_to_target" else sub.out_degree
    whole = graph.in_degree if flow == "source_to_target" else graph.out_degree
    assert torch.equal(degree[:5], whole[seeds].clamp(max=4))
    assert int(degree[5:].max()) == 3


def test_subgraph_of_all_neighbours_is_the_neighbourhood() -> None:
    graph = random_graph(edges=400)
    sub = NeighborSampler(graph, [-1, -1], form="subgraph").sample(torch.tensor([0, 9]), 0)
    reached = {0, 9}
    for _ in range(2):
        expanded = set(reached)
        into = [dst in expanded for dst in graph.edge_index[1].tolist()]
        reached |= set(graph.edge_index[0, torch.tensor(into)].tolist())
    assert set(sub.n_id.tolist()) == reached
    assert set(sub.e_id.tolist()) == {
        e for e, dst in enumerate(graph.edge_index[1].tolist()) if dst in expanded
    }


@pytest.mark.parametrize("replace", [False, True])
def test_blocks_of_all_neighbours_compute_what_the_graph_does(replace: bool) -> None:
    graph, seeds = random_graph(), torch.tensor([5, 199, 17, 0])
    convs = [SAGEConv(6, 8), GATConv(8, 8, edge_dim=3, add_self_loops=False), SAGEConv(8, 2)]
    batch = NeighborSampler(graph, [-1, -1, -1], replace).sample(seeds, 0)
    whole, part = graph.x, batch.x
    for conv, block in zip(convs, batch.blocks, strict=True):
        attended = isinstance(conv, GATConv)
        whole = conv(whole, graph, graph.edge_attr) if attended else conv(whole, graph)
        pair = (part, part[: block.num_dst])
        part = conv(pair, block, block.edge_attr) if attended else conv(pair, block)
    torch.testing.assert_close(part, whole[seeds], rtol=1e-5, atol=1e-5)


def test_no_seeds_and_no_edges() -> None:
    batch = NeighborSampler(random_graph(), [3, 3]).sample(torch.tensor([], dtype=torch.int64), 0)
    assert [block.num_edges for block in batch.blocks] == [0, 0]
    alone = Graph(torch.empty(2, 0, dtype=torch.int64), 4)
    for form, replace in itertools.product(("blocks", "subgraph"), (False, True)):
        batch = NeighborSampler(alone, [3, -1], replace, form=form).sample(torch.tensor([2, 1]), 0)
        graph = batch if form == "subgraph" else batch.blocks[0]
        assert graph.num_edges == 0
        assert graph.num_nodes == 2


def test_batch_moves_as_a_whole() -> None:
    graph = random_graph()
    batch = NeighborSampler(graph, [2, 2]).sample(torch.arange(5), 0).to("meta")
    assert all(block.device.type == "meta" for block in batch.blocks)
    tensors = [batch.n_id, batch.x, batch.y, batch.seeds, *batch.e_id]
    assert all(tensor.device.type == "meta" for tensor in tensors)
    bare = Graph(graph.edge_index, graph.num_nodes)
    moved = NeighborSampler(bare, [2]).sample(torch.arange(5), 0).to("meta")
    assert moved.x is None
    assert moved.y is None


# --- how often ----------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [7, 100])
def test_every_neighbour_is_as_likely(leaves: int) -> None:
    sampler, draws = NeighborSampler(star(leaves), [3]), 4000
    counts = Counter(itertools.chain(*(drawn_of(sampler, seed) for seed in range(draws))))
    assert is_likely(counts, dict.fromkeys(range(1, leaves + 1), 1 / leaves), 3 * draws)


@pytest.mark.parametrize("floyd_with_bits", [True, False])
def test_every_set_of_neighbours_is_as_likely(
    floyd_with_bits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three ways to draw distinct numbers, by size: 6 and 66 of 68 take the first and the last."""
    size, k = (6, 3) if floyd_with_bits else (68, 66)
    sampler, draws = NeighborSampler(star(size), [k]), 8000
    everything = set(range(1, size + 1))
    counts = Counter()
    for seed in range(draws):
        taken = drawn_of(sampler, seed)
        counts[tuple(taken if floyd_with_bits else sorted(everything - set(taken)))] += 1
    sets = list(itertools.combinations(range(1, size + 1), min(k, size - k)))
    assert is_likely(counts, dict.fromkeys(sets, 1 / len(sets)), draws)


def test_pairs_from_a_long_row_are_as_likely() -> None:
    """Floyd's algorithm with a search, which serves rows of more than 64 edges."""
    sampler, draws = NeighborSampler(star(70), [2]), 20000
    counts = Counter(tuple(drawn_of(sampler, seed)) for seed in range(draws))
    sets = list(itertools.combinations(range(1, 71), 2))
    assert is_likely(counts, dict.fromkeys(sets, 1 / len(sets)), draws)


def test_draws_with_replacement_are_uniform_and_independent() -> None:
    sampler, draws = NeighborSampler(star(4), [2], replace=True), 8000
    counts = Counter(
        tuple((sampler.sample(torch.tensor([0]), seed).e_id[0]).tolist()) for seed in range(draws)
    )
    pairs = list(itertools.product(range(4), repeat=2))
    assert is_likely(counts, dict.fromkeys(pairs, 1 / 16), draws)


WEIGHTS = [0.5, 0.0, 1.0, 2.0, 4.0]


def test_weights_are_probabilities_with_replacement() -> None:
    sampler = NeighborSampler(star(5, WEIGHTS), [4], replace=True, weight_attr="edge_weight")
    draws = 4000
    counts = Counter(itertools.chain(*(drawn_of(sampler, seed) for seed in range(draws))))
    expected = {leaf + 1: w / sum(WEIGHTS) for leaf, w in enumerate(WEIGHTS) if w}
    assert is_likely(counts, expected, 4 * draws)


def test_weights_are_probabilities_of_one_after_the_other() -> None:
    sampler = NeighborSampler(star(5, WEIGHTS), [2], weight_attr="edge_weight")
    draws = 10000
    counts = Counter(tuple(drawn_of(sampler, seed)) for seed in range(draws))
    total, expected = sum(WEIGHTS), Counter()
    for a, b in itertools.permutations((0, 2, 3, 4), 2):
        pair = tuple(sorted((a + 1, b + 1)))
        expected[pair] += WEIGHTS[a] / total * WEIGHTS[b] / (total - WEIGHTS[a])
    assert is_likely(counts, expected, draws)


@pytest.mark.parametrize(("fanout", "replace"), [(-1, False), (-1, True), (4, False), (9, False)])
def test_edges_of_no_weight_are_never_taken(fanout: int, replace: bool) -> None:
    sampler = NeighborSampler(star(5, WEIGHTS), [fanout], replace, weight_attr="edge_weight")
    assert drawn_of(sampler, 0) == [1, 3, 4, 5]


def test_a_row_of_no_weight_has_nothing_to_draw() -> None:
    for replace in (False, True):
        sampler = NeighborSampler(star(3, [0.0] * 3), [2], replace, weight_attr="edge_weight")
        assert drawn_of(sampler, 0) == []


def test_weights_of_all_sizes() -> None:
    weight = [1e-320, 1e-300, 1.0, 1e300, 5e-324]
    graph = star(5).replace(edge_weight=torch.tensor(weight, dtype=torch.float64))
    sampler = NeighborSampler(graph, [3], weight_attr="edge_weight")
    for seed in range(20):
        taken = drawn_of(sampler, seed)
        assert len(set(taken)) == 3
        assert {2, 3, 4} == set(taken)


def test_neighbours_of_different_nodes_are_drawn_apart() -> None:
    """Two nodes with the same neighbours do not get the same ones."""
    ends = torch.tensor([[*range(2, 12)] * 2, [0] * 10 + [1] * 10])
    sampler, draws = NeighborSampler(Graph(ends, 12), [1]), 10000
    counts = Counter()
    for seed in range(draws):
        e_id = sampler.sample(torch.tensor([0, 1]), seed).e_id[0]
        counts[tuple((e_id % 10).tolist())] += 1
    pairs = list(itertools.product(range(10), repeat=2))
    assert is_likely(counts, dict.fromkeys(pairs, 1 / 100), draws)


# --- the same again -----------------------------------------------------------------------------


def same(a, b) -> bool:
    return torch.equal(a.n_id, b.n_id) and all(map(torch.equal, a.e_id, b.e_id))


def test_one_seed_one_sample() -> None:
    graph, seeds = random_graph(), torch.arange(50)
    sampler = NeighborSampler(graph, [4, 3])
    first = sampler.sample(seeds, 1)
    assert not same(first, sampler.sample(seeds, 2))
    assert same(first, sampler.sample(seeds, 1))
    assert same(first, NeighborSampler(graph, [4, 3]).sample(seeds, 1))
    generator = torch.Generator().manual_seed(3)
    drawn = [sampler.sample(seeds, generator) for _ in range(2)]
    assert not same(*drawn)
    assert same(drawn[0], sampler.sample(seeds, generator.manual_seed(3)))
    torch.manual_seed(5)
    drawn = [sampler.sample(seeds) for _ in range(2)]
    assert not same(*drawn)
    torch.manual_seed(5)
    assert same(drawn[0], sampler.sample(seeds))


@pytest.mark.parametrize("weight_attr", [None, "edge_weight"])
def test_numbers_of_nodes_that_run_out_begin_anew(weight_attr: str | None) -> None:
    sampler = NeighborSampler(random_graph(), [4, 3], weight_attr=weight_attr)
    expected = sampler.sample(torch.arange(50), 1)
    (frontier,) = sampler._frontiers._free
    frontier._base = 2**31 - 1 - 500 - frontier.size
    frontier._mark.fill(frontier._base - 1)
    for _ in range(5):
        assert same(expected, sampler.sample(torch.arange(50), 1))
    assert frontier._base < 2000


def test_an_error_leaves_the_sampler_usable() -> None:
    sampler = NeighborSampler(random_graph(), [4, 3])
    expected = sampler.sample(torch.arange(50), 1)
    for _ in range(3):
        with pytest.raises(ValueError, match="node 8 twice"):
            sampler.sample(torch.tensor([8, 9, 8]), 1)
        with pytest.raises(ValueError, match="expected distinct nodes"):
            sampler.sample(torch.arange(100).repeat(9), 1)
        assert same(expected, sampler.sample(torch.arange(50), 1))


def test_sampling_in_inference_mode_serves_training() -> None:
    graph = random_graph()
    with torch.inference_mode():
        batch = NeighborSampler(graph, [4]).sample(torch.arange(50), 1)
    conv = SAGEConv(6, 2)
    x = graph.x[batch.n_id].requires_grad_()
    conv((x, x[:50]), batch.blocks[0]).sum().backward()
    assert x.grad is not None


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fanouts": [3, 0]}, ValueError, "fanouts: expected positive numbers, or -1"),
        ({"fanouts": [-2]}, ValueError, "fanouts: expected at least -1, got -2"),
        ({"fanouts": []}, TypeError, "fanouts: expected a list"),
        ({"fanouts": 5}, TypeError, "fanouts: expected a list"),
        ({"fanouts": [2.5]}, TypeError, "fanouts: expected a whole number, got 2.5"),
        ({"form": "dense"}, ValueError, "form: expected one of blocks, subgraph, got 'dense'"),
        ({"flow": "up"}, ValueError, "flow: expected one of source_to_target"),
        ({"weight_attr": "w"}, ValueError, "weight_attr: expected an attribute of edges"),
        ({"weight_attr": "edge_attr"}, TypeError, r"expected edge_attr to have shape \[E\]"),
    ],
)
def test_bad_options(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NeighborSampler(random_graph(), **{"fanouts": [3], **options})


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_bad_weights(wrong: float) -> None:
    graph = star(3, [1.0, wrong, 2.0])
    with pytest.raises(ValueError, match=r"edge_weight: expected finite .* at edge 1"):
        NeighborSampler(graph, [2], weight_attr="edge_weight")


def test_bad_graphs() -> None:
    with pytest.raises(ValueError, match="graph: expected one set of nodes"):
        NeighborSampler(Graph(torch.tensor([[0], [0]]), (2, 1)), [2])
    with pytest.raises(ValueError, match="graph: expected it on the CPU"):
        NeighborSampler(random_graph().to("meta"), [2])


@pytest.mark.parametrize(
    ("seeds", "error", "message"),
    [
        (torch.tensor([0, 200]), ValueError, "seeds: expected nodes from 0 to 199, got 200"),
        (torch.tensor([-1, 3]), ValueError, "seeds: expected nodes from 0 to 199, got -1"),
        (torch.tensor([1, 1]), ValueError, "seeds: expected distinct nodes, got node 1 twice"),
        (torch.tensor([1.0]), TypeError, "seeds: expected int64"),
        ([1, 2], TypeError, "seeds: expected int64"),
    ],
)
def test_bad_seeds(seeds, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NeighborSampler(random_graph(), [2]).sample(seeds, 0)


def test_bad_seed() -> None:
    with pytest.raises(TypeError, match="seed: expected a whole number"):
        NeighborSampler(random_graph(), [2]).sample(torch.tensor([1]), 1.5)  # type: ignore[arg-type]
