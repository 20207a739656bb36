"""Modularity, against networkx, and mutual information."""

import networkx
import pytest
import torch

from graphkit.data import les_miserables
from graphkit.graph import Graph
from graphkit.metrics import modularity, normalized_mutual_information


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
