"""Data that comes with installed packages."""

import torch

from graphkit.data import digits_neighbours, digits_pixels, les_miserables


def test_digits_as_one_graph():
    graph = digits_neighbours(k=4)
    assert graph.x.shape == (1797, 64)
    assert graph.x.min() >= 0
    assert graph.x.max() == 1
    assert graph.y.unique().tolist() == list(range(10))
    ends = set(map(tuple, graph.edge_index.T.tolist()))
    assert graph.is_undirected
    assert all((b, a) in ends and a != b for a, b in ends)
    assert graph.in_degree.min() >= 4  # its own four, and those who count it among theirs


def test_edges_of_digits_join_the_nearest():
    graph = digits_neighbours(k=4)
    source, destination = graph.edge_index
    distance = torch.cdist(graph.x[:1], graph.x)[0]
    nearest = distance.argsort()[1:5]
    assert set(nearest.tolist()) <= set(destination[source == 0].tolist())


def test_digits_as_many_graphs():
    graphs = digits_pixels()
    assert len(graphs) == 1797
    first = graphs[0]
    assert first.num_nodes == 64
    assert first.num_edges == 420
    assert first.y.tolist() == [0]
    whole = digits_neighbours(k=1)
    for i in (0, 7, 1796):
        assert torch.equal(graphs[i].x[:, 0], whole.x[i])
        assert graphs[i].y.item() == whole.y[i]


def test_features_of_pixels_tell_their_place():
    graph = digits_pixels()[0]
    assert graph.x[0, 1:].tolist() == [-0.5, -0.5]
    assert graph.x[7, 1:].tolist() == [-0.5, 0.5]  # end of the first row
    assert graph.pos[7].tolist() == [7, 0]


def test_les_miserables():
    graph = les_miserables()
    assert graph.num_nodes == 77
    assert graph.num_edges == 508
    names, (source, destination) = graph.name, graph.edge_index
    edge = (source == names.index("Valjean")) & (destination == names.index("Cosette"))
    assert graph.edge_weight[edge].tolist() == [31]
    back = (destination == names.index("Valjean")) & (source == names.index("Cosette"))
    assert graph.edge_weight[back].tolist() == [31]
