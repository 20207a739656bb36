"""Two made-up tasks on whole graphs that only a model which looks at the edges can solve.

The graphs are skeletons of carbon atoms: connected, no atom has more than four bonds, and every
node has the same feature, 1. What is asked for is drawn independently of the number of atoms, so
that counting nodes is of no use.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import torch

from graphkit.data.dataset import Dataset
from graphkit.data.family import Family
from graphkit.data.scenes import digit_scenes
from graphkit.data.split import split_at_random, split_stratified
from graphkit.graph import Graph

_VALENCE = 4


class _Skeleton:
    """Atoms and bonds, grown one by one."""

    def __init__(self) -> None:
        self.bonds: list[tuple[int, int]] = []
        self.degree: list[int] = []

    def add(self, *neighbours: int) -> int:
        """A new atom bound to others."""
        atom = len(self.degree)
        self.degree.append(0)
        for other in neighbours:
            self.bind(other, atom)
        return atom

    def bind(self, a: int, b: int) -> None:
        self.bonds.append((a, b))
        self.degree[a] += 1
        self.degree[b] += 1

    def free(self, bonds: int = 1) -> list[int]:
        """Atoms that can have so many more bonds."""
        return [atom for atom, degree in enumerate(self.degree) if degree + bonds <= _VALENCE]

    def graph(self, y: torch.Tensor, draw: random.Random) -> Graph:
        """With the atoms numbered in random order, which therefore tells nothing."""
        order = list(range(len(self.degree)))
        draw.shuffle(order)
        ends = torch.tensor([(order[a], order[b]) for a, b in self.bonds]).T
        return Graph(
            torch.cat([ends, ends.flip(0)], dim=1),
            len(order),
            x=torch.ones(len(order), 1),
            undirected=True,
            graph_attrs={"y": y},
        )


def two_rings(n: int = 1000, seed: int = 0) -> Dataset:
    """Has the molecule two rings? Half of the graphs have two, the others one or three.

    Rings have 3 to 6 atoms, stand apart or share a bond, and carry side chains. The number of
    rings of a connected graph is edges - nodes + 1, the sum over the nodes of (degree / 2 - 1),
    plus 1.

    Args:
        n: Number of graphs, of 18 to 26 atoms each.
        seed: One seed, one data set.

    Returns:
        A Dataset of two classes, no and yes; splits are 60/20/20, stratified, drawn by seed.
    """
    draw = random.Random(seed)
    rings = [(2, 1, 2, 3)[k % 4] for k in range(n)]
    graphs = [_with_rings(count, draw) for count in rings]
    y = torch.tensor([int(count == 2) for count in rings])
    return Dataset(
        name="toy-rings",
        title="Two rings",
        level="graph",
        kind="multiclass",
        metric="accuracy",
        graphs=graphs,
        num_outputs=2,
        splits=lambda seed: split_stratified(y, 0.6, 0.2, seed=seed),
        split_name="60/20/20 by seed",
        further={"classes": ["another number", "two rings"], "rings": rings},
    )


def _with_rings(count: int, draw: random.Random) -> Graph:
    size = draw.randint(18, 26)
    skeleton = _Skeleton()
    for ring in range(count):
        atoms = draw.randint(3, 6)
        if ring and draw.random() < 0.5:
            # Fused: a chain from one end of a bond to the other closes a ring with it.
            a, b = draw.choice([bond for bond in skeleton.bonds if _open(skeleton, bond)])
            last = a
            for _ in range(atoms - 2):
                last = skeleton.add(last)
            skeleton.bind(last, b)
        else:
            first = skeleton.add(*([draw.choice(skeleton.free())] if ring else []))
            last = first
            for _ in range(atoms - 1):
                last = skeleton.add(last)
            skeleton.bind(last, first)
    while len(skeleton.degree) < size:
        skeleton.add(draw.choice(skeleton.free()))
    return skeleton.graph(torch.tensor([int(count == 2)]), draw)


def _open(skeleton: _Skeleton, bond: tuple[int, int]) -> bool:
    return all(skeleton.degree[atom] < _VALENCE for atom in bond)


def longest_path(n: int = 1000, seed: int = 0) -> Dataset:
    """How many bonds has the longest path? A number that belongs to the graph as a whole, U.

    The graphs are trees, so the path between two atoms is the only one, and the longest path is
    the greatest distance.

    Args:
        n: Number of graphs, of 16 to 24 atoms each. Paths have 5 to 12 bonds.
        seed: One seed, one data set.

    Returns:
        A Dataset with one target; splits are 60/20/20, drawn by seed.
    """
    draw = random.Random(seed)
    fifth = n // 5
    return Dataset(
        name="toy-longest-path",
        title="Longest path",
        level="graph",
        kind="regression",
        metric="mae",
        graphs=[_tree(draw.randint(5, 12), draw) for _ in range(n)],
        num_outputs=1,
        splits=lambda seed: split_at_random(n, n - 2 * fifth, fifth, seed=seed),
        split_name="60/20/20 by seed",
    )


def _tree(length: int, draw: random.Random) -> Graph:
    size = draw.randint(16, 24)
    skeleton = _Skeleton()
    last = skeleton.add()
    for _ in range(length):
        last = skeleton.add(last)
    # A branch may be as deep as its place on the path is far from the nearer end, and so may
    # all others: no path through branches is longer than the one they grow from.
    depth = [min(place, length - place) for place in range(length + 1)]
    while len(skeleton.degree) < size:
        parent = draw.choice([atom for atom in skeleton.free() if depth[atom] > 0])
        skeleton.add(parent)
        depth.append(depth[parent] - 1)
    return skeleton.graph(torch.tensor([[float(length)]]), draw)


_READ: dict[str, Callable[[], Dataset]] = {
    "toy-rings": two_rings,
    "toy-longest-path": longest_path,
    "digit-scenes": digit_scenes,
}


def _read(name: str, folder: Path) -> Dataset:
    return _READ[name]()


FAMILY = Family(title="Made up", names=tuple(_READ), files=lambda name: [], read=_read)
