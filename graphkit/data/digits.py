"""The 1,797 handwritten digits of scikit-learn (8 x 8 pixels, 10 classes) as graphs."""

from __future__ import annotations

import numpy as np
import torch

from graphkit.data._edges import both_ways
from graphkit.data.grid import grid_edges
from graphkit.graph import Graph

_BRIGHTEST = 16.0


def digits_neighbours(k: int = 8) -> Graph:
    """One graph of all digits: every image is joined to its `k` nearest ones.

    Neighbours are nearest by the Euclidean distance of the pixels, of equally near ones the first;
    labels play no part. An edge stands, in both directions, where either image counts the other
    among its nearest.

    Returns:
        A Graph of 1,797 nodes with `x` ``[1797, 64]`` in [0, 1] and `y` ``[1797]``.
    """
    from sklearn.datasets import load_digits

    images, y = load_digits(return_X_y=True)
    n = len(images)
    # Pixels are whole numbers, so nothing here is rounded, and no machine finds others nearest.
    square = (images**2).sum(axis=1)
    distance = square[:, None] + square - 2 * images @ images.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argpartition(distance * n + np.arange(n), k, axis=1)[:, :k]
    ends = np.stack([np.repeat(np.arange(n), k), nearest.ravel()])
    x = torch.from_numpy(images / _BRIGHTEST).float()
    return Graph(both_ways(ends, n), x=x, y=torch.from_numpy(y), undirected=True)


def digits_pixels() -> list[Graph]:
    """Every digit as a graph of its 64 pixels, each joined to the 8 around it.

    Returns:
        1,797 Graphs with `x` ``[64, 3]``: brightness in [0, 1], row and column in [-0.5, 0.5];
        `pos` ``[64, 2]`` (column, row) to draw at; and `y` ``[1]``.
    """
    from sklearn.datasets import load_digits

    images, y = load_digits(return_X_y=True)
    brightness = torch.from_numpy(images / _BRIGHTEST).float()
    labels = torch.from_numpy(y)
    pixel = torch.arange(64)
    row, column = (pixel // 8).float(), (pixel % 8).float()
    place = torch.stack([row, column], dim=1) / 7 - 0.5
    frame = Graph(grid_edges(8, 8), pos=torch.stack([column, row], dim=1), undirected=True)
    return [
        frame.replace(x=torch.cat([image[:, None], place], dim=1), graph_attrs={"y": label.view(1)})
        for image, label in zip(brightness, labels, strict=True)
    ]
