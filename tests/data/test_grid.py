"""Pixels of an image as a graph."""

import pytest
import torch

from graphkit.data import grid_edges
from graphkit.graph import Graph


def test_neighbours_of_corner_border_and_inside():
    degree = Graph(grid_edges(8, 8), 64).in_degree.view(8, 8)
    assert degree[0, 0] == degree[0, 7] == degree[7, 0] == degree[7, 7] == 3
    border = torch.cat([degree[0, 1:-1], degree[-1, 1:-1], degree[1:-1, 0], degree[1:-1, -1]])
    assert (border == 5).all()
    assert (degree[1:-1, 1:-1] == 8).all()


def test_a_pixel_touches_exactly_the_pixels_around_it():
    source, destination = grid_edges(3, 4)
    around_5 = set(destination[source == 5].tolist())  # row 1, column 1 of 3 x 4
    assert around_5 == {0, 1, 2, 4, 6, 8, 9, 10}


def test_both_directions_no_loops_no_duplicates():
    edges = grid_edges(5, 3)
    pairs = set(map(tuple, edges.T.tolist()))
    assert len(pairs) == edges.size(1)
    assert all((b, a) in pairs and a != b for a, b in pairs)


@pytest.mark.parametrize(("height", "width", "count"), [(1, 1, 0), (1, 5, 8), (2, 2, 12)])
def test_small_images(height: int, width: int, count: int):
    assert grid_edges(height, width).shape == (2, count)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match="height, width: expected at least 1, got 0 and 3"):
        grid_edges(0, 3)
