"""Communities: objectives against the metrics, and what is found."""

from collections.abc import Callable

import networkx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.data import Dataset, karate_club, les_miserables
from graphkit.graph import Graph
from graphkit.metrics import modularity, normalized_mutual_information
from graphkit.nn import GCN
from graphkit.tasks import DMoN, collapse, louvain, soft_modularity
from graphkit.train import fit


def find(
    graph: Graph, x: Tensor, k: int, *, epochs: int, edge_weight: Tensor | None = None
) -> Tensor:
    torch.manual_seed(0)
    model = DMoN(GCN(x.size(1), 64, 2, act="selu", plain_last=False), 64, k)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def loss() -> Tensor:
        return model.loss(model(x, graph), graph, edge_weight)

    fit(model, optimizer, [None], lambda _: loss(), lambda: -loss().item(), epochs=epochs)
    with torch.no_grad():
        return model(x, graph).argmax(dim=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_of_hard_partitions_it_is_the_modularity(weighted: bool):
    graph = les_miserables()
    weight = graph.edge_weight if weighted else None
    community = torch.randint(5, (77,), generator=torch.Generator().manual_seed(0))
    soft = soft_modularity(F.one_hot(community).float(), graph, weight)
    assert soft.item() == pytest.approx(modularity(graph, community, weight), abs=1e-6)


def test_against_the_matrix():
    graph = karate_club()
    A = torch.zeros(34, 34).index_put(tuple(graph.edge_index), torch.tensor(1.0))
    C = torch.randn(34, 3, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    d = A.sum(dim=1)
    expected = torch.trace(C.T @ (A - torch.outer(d, d) / A.sum()) @ C) / A.sum()
    torch.testing.assert_close(soft_modularity(C, graph), expected)


def test_collapse_is_least_where_sizes_are_even():
    even = F.one_hot(torch.arange(12) % 4).float()
    assert collapse(even).item() == pytest.approx(0, abs=1e-6)
    assert collapse(torch.full((12, 4), 0.25)).item() == pytest.approx(0, abs=1e-6)
    assert collapse(F.one_hot(torch.zeros(12).long(), 4).float()).item() == pytest.approx(1)


def test_louvain_is_that_of_networkx():
    graph = les_miserables()
    community = louvain(graph, seed=3, edge_weight=graph.edge_weight)
    assert modularity(graph, community, graph.edge_weight) > 0.56
    assert torch.equal(community, louvain(graph, seed=3, edge_weight=graph.edge_weight))
    apart = Graph(torch.tensor([[0, 1], [1, 0]]), 4, undirected=True)
    assert len(louvain(apart, seed=0).unique()) == 3  # isolated nodes are alone


def test_who_meets_whom_in_les_miserables():
    """Louvain has 0.566."""
    graph = les_miserables()
    community = find(graph, torch.eye(77), 8, epochs=150, edge_weight=graph.edge_weight)
    assert modularity(graph, community, graph.edge_weight) > 0.48


def test_karate_club():
    """Louvain has 0.419, and the club's two halves 0.358."""
    graph = karate_club()
    community = find(graph, torch.eye(34), 4, epochs=150)
    halves = modularity(graph, graph.y)
    assert halves == pytest.approx(
        networkx.community.modularity(
            networkx.karate_club_graph(),
            [(graph.y == c).nonzero().flatten().tolist() for c in (0, 1)],
            weight=None,
        )
    )
    assert modularity(graph, community) > halves
    assert normalized_mutual_information(community, graph.y) > 0.3


@pytest.mark.slow
def test_fields_of_cora(real: Callable[[str], Dataset]):
    """Without labels. Louvain has a modularity of 0.81, with 100 communities."""
    dataset = real("cora")
    community = find(dataset.graph, dataset.graph.x, 16, epochs=60)
    assert modularity(dataset.graph, community) > 0.70
    assert normalized_mutual_information(community, dataset.y) > 0.35


def test_too_few_communities():
    with pytest.raises(ValueError, match="k: expected at least 2 communities, got 1"):
        DMoN(GCN(4, 8, 1), 8, 1)
