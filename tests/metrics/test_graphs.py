"""Statistics of graphs, against counts by hand, networkx and an enumeration of subgraphs."""

from __future__ import annotations

import itertools
import math

import networkx
import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from graphkit.convert import from_networkx
from graphkit.data import karate_club
from graphkit.graph import Graph
from graphkit.metrics import edge_overlap, graph_mmd, graph_statistics, orbit_counts


def undirected(*pairs: tuple[int, int], nodes: int | None = None) -> Graph:
    edges = torch.tensor(pairs, dtype=torch.long).T
    return Graph(torch.cat([edges, edges.flip(0)], dim=1), nodes)


# Two triangles on a common edge 0-1, a tail at 0, and an edge apart.
SMALL = undirected((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (0, 4), (5, 6))


def test_a_graph_counted_by_hand():
    # Degrees 4, 3, 2, 2, 1, 1, 1.
    found = graph_statistics(SMALL)
    shares = [4 / 14, 3 / 14, 2 / 14, 2 / 14, 1 / 14, 1 / 14, 1 / 14]
    assert found == pytest.approx(
        {
            "nodes": 7,
            "edges": 7,
            "max_degree": 4,
            "assortativity": networkx.degree_assortativity_coefficient(
                networkx.Graph([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (0, 4), (5, 6)])
            ),
            "triangles": 2,
            "squares": 1,
            "wedges": 6 + 3 + 1 + 1,
            "claws": 4 + 1,
            "power_law_exponent": 1 + 7 / math.log(4 * 3 * 2 * 2),
            "clustering": 3 * 2 / 5,
            # At distance 1 are 7 pairs; at 2: 2-3, 1-4, 2-4 and 3-4.
            "path_length": (7 + 2 * 4) / 11,
            "components": 2,
            "largest_component": 5,
            "gini": 2 * (1 + 2 + 3 + 4 * 2 + 5 * 2 + 6 * 3 + 7 * 4) / (7 * 14) - 8 / 7,
            "edge_entropy": -sum(p * math.log(p) for p in shares) / math.log(7),
        }
    )


def test_statistics_agree_with_networkx():
    network = networkx.karate_club_graph()
    found = graph_statistics(karate_club())
    by_node = networkx.triangles(network)
    assert isinstance(by_node, dict)
    assert found["triangles"] == sum(by_node.values()) / 3
    cycles = networkx.simple_cycles(network, length_bound=4)
    assert found["squares"] == sum(len(cycle) == 4 for cycle in cycles)
    assert found["path_length"] == pytest.approx(networkx.average_shortest_path_length(network))
    assert found["assortativity"] == pytest.approx(
        networkx.degree_assortativity_coefficient(network)
    )


def test_loops_and_repeated_edges_change_nothing():
    edges = torch.cat([SMALL.edge_index, SMALL.edge_index, torch.tensor([[2], [2]])], dim=1)
    assert graph_statistics(Graph(edges)) == graph_statistics(SMALL)
    assert torch.equal(orbit_counts(Graph(edges)), orbit_counts(SMALL))


def test_a_regular_graph_has_no_exponent():
    found = graph_statistics(undirected((0, 1), (1, 2), (2, 3), (3, 0)))
    assert found["power_law_exponent"] == math.inf
    assert (found["assortativity"], found["clustering"], found["squares"]) == (0, 0, 1)
    assert found["gini"] == pytest.approx(0)
    assert found["edge_entropy"] == pytest.approx(1)


def test_edge_overlap():
    other = undirected((0, 1), (0, 2), (1, 4), nodes=7)
    assert edge_overlap(SMALL, other) == pytest.approx(2 / 7)
    assert edge_overlap(other, SMALL) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="b: expected the 7 nodes of a, got 5"):
        edge_overlap(SMALL, undirected((0, 4)))


def enumerated(graph: networkx.Graph) -> torch.Tensor:
    """Orbits of every connected set of two to four nodes, told by its degrees."""
    by_degrees = {
        (1, 1): {1: 0},
        (1, 1, 2): {1: 1, 2: 2},
        (2, 2, 2): {2: 3},
        (1, 1, 2, 2): {1: 4, 2: 5},
        (1, 1, 1, 3): {1: 6, 3: 7},
        (2, 2, 2, 2): {2: 8},
        (1, 2, 2, 3): {1: 9, 2: 10, 3: 11},
        (2, 2, 3, 3): {2: 12, 3: 13},
        (3, 3, 3, 3): {3: 14},
    }
    counts = torch.zeros(len(graph), 15, dtype=torch.long)
    for size in (2, 3, 4):
        for nodes in itertools.combinations(range(len(graph)), size):
            part = graph.subgraph(nodes)
            if networkx.is_connected(part):
                orbits = by_degrees[tuple(sorted(d for _, d in part.degree()))]
                for node, degree in part.degree():
                    counts[node, orbits[degree]] += 1
    return counts


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_orbits_agree_with_an_enumeration(density: float):
    for seed in range(3):
        network = networkx.gnp_random_graph(13, density, seed=seed)
        assert torch.equal(orbit_counts(from_networkx(network)), enumerated(network))


def test_orbits_of_a_clique():
    counts = orbit_counts(from_networkx(networkx.complete_graph(5)))
    assert counts.tolist() == [[4, 0, 0, 6, *[0] * 10, 4]] * 5


def graphs(kind: str) -> list[Graph]:
    made = {
        "path": [networkx.path_graph(n) for n in (5, 6)],
        "ring": [networkx.cycle_graph(n) for n in (5, 6)],
        "full": [networkx.complete_graph(n) for n in (5, 6)],
    }
    return [from_networkx(network) for network in made[kind]]


@pytest.mark.parametrize("distance", ["tv", "emd"])
@pytest.mark.parametrize("of", ["degree", "clustering", "orbits", "spectrum"])
def test_a_set_is_at_no_distance_from_itself(of: str, distance: str):
    assert graph_mmd(graphs("path"), graphs("path"), of, distance) == pytest.approx(0, abs=1e-12)
    far = graph_mmd(graphs("path"), graphs("full"), of, distance)
    assert 0 < far <= 2
    assert far == pytest.approx(graph_mmd(graphs("full"), graphs("path"), of, distance))


def test_discrepancy_by_hand():
    ring, path = graphs("ring")[:1], graphs("path")[:1]
    # Degrees: all of 5 are 2 in the ring; in the path two are 1.
    assert graph_mmd(ring, path, "degree") == pytest.approx(2 - 2 * math.exp(-(0.4**2) / 2))
    # All degrees of the clique are 4.
    full = graphs("full")[:1]
    assert graph_mmd(ring, full, "degree") == pytest.approx(2 - 2 * math.exp(-1 / 2))
    assert graph_mmd(ring, full, "degree", "emd") == pytest.approx(2 - 2 * math.exp(-(2**2) / 2))
    # No node of the ring is in a triangle, all of the clique are with all neighbours.
    assert graph_mmd(ring, full, "clustering", sigma=1.0) == pytest.approx(2 - 2 * math.exp(-1 / 2))
    # Eigenvalues of a clique of n nodes are 0 and n / (n - 1), those of two joined nodes 0 and 2.
    pair = [from_networkx(networkx.complete_graph(2))]
    assert graph_mmd(pair, full, "spectrum") == pytest.approx(2 - 2 * math.exp(-(0.8**2) / 2))
    counts = orbit_counts(ring[0]).double().mean(0) - orbit_counts(path[0]).double().mean(0)
    expected = 2 - 2 * math.exp(-float(counts.square().sum()) / (2 * 4.0))
    assert graph_mmd(ring, path, "orbits", sigma=2.0) == pytest.approx(expected)


def test_the_distance_of_histograms_is_scipys():
    one, other = (networkx.gnp_random_graph(30, p, seed=0) for p in (0.1, 0.3))
    degrees = [np.array([d for _, d in network.degree()]) for network in (one, other)]
    far = wasserstein_distance(*degrees)
    found = graph_mmd([from_networkx(one)], [from_networkx(other)], "degree", "emd", sigma=5.0)
    assert found == pytest.approx(2 - 2 * math.exp(-(far**2) / 50))


def test_what_does_not_fit():
    directed = Graph(torch.tensor([[0, 1], [1, 2]]))
    with pytest.raises(ValueError, match="graph: expected an undirected graph"):
        graph_statistics(directed)
    with pytest.raises(ValueError, match="graph: expected at least one edge"):
        graph_statistics(Graph(torch.empty(2, 0, dtype=torch.long), 3))
    with pytest.raises(ValueError, match="theirs: expected at least one graph"):
        graph_mmd([SMALL], [], "degree")
    with pytest.raises(ValueError, match="of: expected one of degree, clustering"):
        graph_mmd([SMALL], [SMALL], "colour")
    with pytest.raises(ValueError, match="distance: expected tv or emd"):
        graph_mmd([SMALL], [SMALL], "degree", "l2")
    with pytest.raises(ValueError, match="sigma: expected a positive number"):
        graph_mmd([SMALL], [SMALL], "degree", sigma=0.0)
