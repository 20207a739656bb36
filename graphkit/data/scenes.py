"""Pictures with several digits, and how these stand to each other: scene graphs, made here."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from graphkit.data.dataset import Dataset
from graphkit.data.split import Split, split_stratified
from graphkit.graph import Graph

RELATIONS = ("none", "left of", "right of", "above", "below", "same digit as")
"""What one digit is to another, by number."""

_CANVAS, _SIDE = 48, 8  # pixels


def digit_scenes(train: int = 1000, val: int = 150, test: int = 150, *, seed: int = 0) -> Dataset:
    """Scenes of 5 to 8 handwritten digits on a canvas of 48 x 48 pixels, none on another.

    Every scene is a graph: its digits are the nodes, and an edge goes from each to every other.
    What i is to j: "left of", "right of", "above" or "below", whichever the offset shows most, if
    j is the digit nearest to i; else "same digit as", if both are; else "none". So both the
    pictures of the two and the rest of the scene have to be looked at.

    Digits of training, validation and test scenes come from different images of scikit-learn's
    1,797.

    Args:
        train, val, test: Scenes of each part.
        seed: One seed, one data set.

    Returns:
        A Dataset of many graphs with `x` ``[n, 66]``: the 64 pixels and the centre (right, down)
        in [-0.5, 0.5]; `edge_attr` ``[E, 3]``: offset of the destination (right, down) and
        distance; `y` ``[E]`` on edges, a number of `further["relations"]`; `pos`, the centre in
        pixels; `digit`, the class of every node.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images, digits = torch.from_numpy(pixels / 16).float(), torch.from_numpy(labels)
    draw = random.Random(seed)
    graphs: list[Graph] = []
    for count, pool in zip(
        (train, val, test), split_stratified(digits, 0.6, 0.2, seed=seed), strict=True
    ):
        members = pool.tolist()
        for _ in range(count):
            n = draw.randint(5, 8)
            chosen = torch.tensor(draw.choices(members, k=n))
            graphs.append(_scene(images[chosen], digits[chosen], _places(n, draw)))
    order = torch.arange(train + val + test)
    split = Split(order[:train], order[train : train + val], order[train + val :])
    return Dataset(
        name="digit-scenes",
        title="Digit scenes",
        level="edge",
        kind="multiclass",
        metric="f1_macro",
        graphs=graphs,
        num_outputs=len(RELATIONS),
        splits=[split],
        split_name=f"{train}/{val}/{test} scenes of different images",
        further={"relations": list(RELATIONS)},
    )


def _places(n: int, draw: random.Random) -> list[tuple[int, int]]:
    """Upper left corners (right, down) of `n` squares that do not overlap."""
    corners: list[tuple[int, int]] = []
    while len(corners) < n:
        right, down = draw.randint(0, _CANVAS - _SIDE), draw.randint(0, _CANVAS - _SIDE)
        if all(max(abs(right - x), abs(down - y)) >= _SIDE for x, y in corners):
            corners.append((right, down))
    return corners


def _scene(images: Tensor, digits: Tensor, corners: list[tuple[int, int]]) -> Graph:
    n = len(digits)
    ends = (~torch.eye(n, dtype=torch.bool)).nonzero().T
    centre = torch.tensor(corners) + (_SIDE - 1) / 2
    offset = centre[ends[1]] - centre[ends[0]]
    distance = offset.norm(dim=1)
    nearest = torch.full((n, n), torch.inf)
    nearest[ends[0], ends[1]] = distance
    right, down = offset.T
    # Seen from j: i is left of j if j lies to the right of i.
    place = torch.where(
        right.abs() >= down.abs(),
        torch.where(right > 0, 1, 2),
        torch.where(down > 0, 3, 4),
    )
    same = torch.where(digits[ends[0]] == digits[ends[1]], 5, 0)
    y = torch.where(nearest.argmin(dim=1)[ends[0]] == ends[1], place, same)
    return Graph(
        ends,
        n,
        x=torch.cat([images, centre / (_CANVAS - 1) - 0.5], dim=1),
        pos=centre,
        edge_attr=torch.cat([offset, distance[:, None]], dim=1) / (_CANVAS - 1),
        edge_attrs={"y": y},
        node_attrs={"digit": digits},
        undirected=True,
    )


def scene_picture(graph: Graph) -> Tensor:
    """``[48, 48]`` the picture of a scene, in [0, 1]."""
    picture = torch.zeros(_CANVAS, _CANVAS)
    corners = (graph.pos - (_SIDE - 1) / 2).round().long()
    for image, (right, down) in zip(graph.x[:, : _SIDE**2], corners.tolist(), strict=True):
        picture[down : down + _SIDE, right : right + _SIDE] = image.view(_SIDE, _SIDE)
    return picture
