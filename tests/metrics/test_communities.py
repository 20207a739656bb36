"""Modularity, against networkx; mutual information, and clusters against labels, by hand."""

import networkx
import pytest
import torch

from graphkit.data import les_miserables
from graphkit.graph import Graph
from graphkit.metrics import modularity, normalized_mutual_information
from graphkit.metrics.communities import (
    adjusted_rand_index,
    clustering_quality,
    matched_accuracy,
)


def test_modularity_agrees_with_networkx():
    graph = les_miserables()
    network = networkx.les_miserables_graph()
    number = {name: node for node, name in enumerate(network)}
    parts = networkx.community.louvain_communities(network, seed=0)
    community = torch.empty(graph.num_nodes, dtype=torch.long)
    for label, members in enumerate(parts):
        community[[number[name] for name in members]] = 3 * label  # any numbers will do
    for weight, edge_weight in ((None, None), ("weight", graph.edge_weight)):
        expected = networkx.community.modularity(network, parts, weight=weight)
        assert modularity(graph, community, edge_weight) == pytest.approx(expected, abs=1e-12)


def test_one_community_has_none():
    graph = les_miserables()
    assert modularity(graph, torch.zeros(77, dtype=torch.long)) == pytest.approx(0)


def test_names_of_communities_do_not_matter():
    a = torch.tensor([0, 0, 1, 1, 2])
    assert normalized_mutual_information(a, 2 - a) == pytest.approx(1)
    assert normalized_mutual_information(a, torch.zeros(5, dtype=torch.long)) == 0


def test_what_does_not_fit():
    directed = Graph(torch.tensor([[0, 1], [1, 2]]))
    with pytest.raises(ValueError, match="graph: expected an undirected graph"):
        modularity(directed, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="community: expected one for each of 77 nodes"):
        modularity(les_miserables(), torch.zeros(3, dtype=torch.long))
    empty = Graph(torch.empty(2, 0, dtype=torch.long), 3)
    with pytest.raises(ValueError, match="graph: expected at least one edge"):
        modularity(empty, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="b: expected the shape"):
        normalized_mutual_information(torch.zeros(3), torch.zeros(4))
    with pytest.raises(ValueError, match="b: expected the shape"):
        matched_accuracy(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match=r"codes: expected shape \[N, k\] for the 3 labels"):
        clustering_quality(torch.zeros(4, 2), torch.tensor([0, 1, 1]), seed=0)
    with pytest.raises(ValueError, match="codes: expected finite numbers, got 1 NaN"):
        clustering_quality(torch.tensor([[0.0], [torch.nan]]), torch.tensor([0, 1]), seed=0)


def test_clusters_are_named_for_the_best():
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    # 7 is 1 (two of three of its nodes), 4 is 0 (two of two), 5 is 2 (one of one).
    assert matched_accuracy(torch.tensor([4, 4, 7, 7, 7, 5]), labels) == pytest.approx(5 / 6)
    # Names are one-to-one: of two clusters that are 0, only one is right.
    assert matched_accuracy(torch.tensor([4, 4, 5, 7, 7, 7]), labels) == pytest.approx(4 / 6)
    assert matched_accuracy(torch.zeros(6, dtype=torch.long), labels) == pytest.approx(3 / 6)
    assert matched_accuracy(labels, 2 - labels) == 1


def test_rand_index_by_hand():
    a, b = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2])
    # Pairs joined by both: 1, by a: 2, by b: 1, of 6; by chance 2 * 1 / 6.
    assert adjusted_rand_index(a, b) == pytest.approx((1 - 2 / 6) / ((2 + 1) / 2 - 2 / 6))
    assert adjusted_rand_index(a, 1 - a) == 1
    assert adjusted_rand_index(a, torch.zeros(4, dtype=torch.long)) == 0


def test_k_means_finds_what_lies_apart():
    labels = torch.arange(60) % 3
    torch.manual_seed(0)
    codes = 10.0 * torch.eye(3)[labels] + torch.randn(60, 3)
    best = {"accuracy": 1.0, "nmi": 1.0, "ari": 1.0}
    assert clustering_quality(codes, labels, seed=0) == pytest.approx(best)
    mixed = clustering_quality(torch.randn(60, 3), labels, seed=0)
    assert mixed["accuracy"] < 0.6
    assert abs(mixed["ari"]) < 0.15
