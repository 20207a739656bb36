"""Data sets that come with installed packages: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from graphkit.data.dataset import Dataset
from graphkit.data.digits import digits_neighbours, digits_pixels
from graphkit.data.family import Family
from graphkit.data.social import karate_club
from graphkit.data.split import split_per_class, split_stratified


def _karate() -> Dataset:
    graph = karate_club()
    return Dataset(
        name="karate",
        title="Karate club",
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph.replace(x=torch.eye(graph.num_nodes))],
        num_outputs=2,
        splits=lambda seed: split_per_class(graph.y, 1, 4, seed=seed),
        split_name="1/4 per class by seed",
        further={"classes": ["Mr. Hi", "Officer"]},
    )


def _digits() -> Dataset:
    graph = digits_neighbours()
    return Dataset(
        name="digits-knn",
        title="Digits, nearest neighbours",
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph],
        num_outputs=10,
        splits=lambda seed: split_per_class(graph.y, 20, 30, seed=seed),
        split_name="20/30 per class by seed",
    )


def _pixels() -> Dataset:
    graphs = digits_pixels()
    y = torch.cat([graph.y for graph in graphs])
    return Dataset(
        name="digits-pixels",
        title="Digits, pixels",
        level="graph",
        kind="multiclass",
        metric="accuracy",
        graphs=graphs,
        num_outputs=10,
        splits=lambda seed: split_stratified(y, 0.6, 0.2, seed=seed),
        split_name="60/20/20 by seed",
    )


_SETS: dict[str, Callable[[], Dataset]] = {
    "karate": _karate,
    "digits-knn": _digits,
    "digits-pixels": _pixels,
}


def _read(name: str, folder: Path) -> Dataset:
    return _SETS[name]()


FAMILY = Family(
    title="Bundled",
    names=tuple(_SETS),
    files=lambda name: [],
    read=_read,
    aliases={"karate-club": "karate", "zachary": "karate"},
)
