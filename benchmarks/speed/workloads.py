"""What is computed: graphs of five kinds, made from a seed, and the sizes of the networks on them.

========== =========================================================== =============== ======
name       graph                                                       features        layers
========== =========================================================== =============== ======
power-law  169,343 nodes, 2,315,598 edges (the size of ogbn-arxiv)     128-256-256-40  3
large      1,000,000 nodes, 20,000,000 edges                           64-64           1
molecules  batches of 512 molecules, 25 nodes and 55 edges on average  128 (edges: 16) 5
dense      50,000 nodes, 10,000,000 edges (as dense as Reddit)         128-128-41      2
========== =========================================================== =============== ======

Every graph is undirected, without self-loops and without repeated edges, so that what libraries do
differently with those does not matter. Degrees fall as a power of the rank, but for the molecules.
A molecule's batch is new to the system in every step: what a library derives from the edges, it
derives anew.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SEED = 0
MOLECULES, ATOMS, BATCHES = 512, 25, 4


@dataclass(frozen=True)
class Workload:
    """Sizes at scale 1.

    Attributes:
        nodes, edges: of the graph, or of a batch of molecules.
        widths: features from the input to the output.
        edge_dim: features of an edge, for layers that read any.
        layers: those it is meant for; the others can be asked for by name.
    """

    nodes: int
    edges: int
    widths: tuple[int, ...]
    edge_dim: int
    layers: tuple[str, ...]
    molecules: bool = False

    def size(self, scale: float) -> tuple[int, int]:
        """Numbers of nodes and edges at a scale."""
        if self.molecules:
            graphs = max(2, round(MOLECULES * scale / 2) * 2)
            return graphs * ATOMS, graphs * 55
        return max(20, round(self.nodes * scale)), max(20, round(self.edges * scale / 2) * 2)


@dataclass(frozen=True)
class Batch:
    """What a system is given for one step."""

    edge_index: Tensor
    x: Tensor
    y: Tensor
    edge_attr: Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


NODE_LAYERS = (
    *("gcn", "sage", "sage-max", "gin", "gat", "gatv2"),
    *("resgated", "edgeconv", "pna", "transformer", "gate"),
)
EDGE_LAYERS = ("gine", "mpnn")
LAYERS = (*NODE_LAYERS, *EDGE_LAYERS, "nnconv")
WORKLOADS = {
    "power-law": Workload(169_343, 2_315_598, (128, 256, 256, 40), 8, (*NODE_LAYERS, *EDGE_LAYERS)),
    "large": Workload(
        1_000_000, 20_000_000, (64, 64), 8, ("gcn", "sage", "sage-max", "gin", "gat", "gate")
    ),
    "molecules": Workload(
        MOLECULES * ATOMS,
        MOLECULES * 55,
        (128,) * 6,
        16,
        LAYERS,
        molecules=True,
    ),
    "dense": Workload(
        50_000, 10_000_000, (128, 128, 41), 8, ("gcn", "sage", "sage-max", "gat", "gate")
    ),
}


@functools.cache
def batches(workload: Workload, scale: float, with_edges: bool) -> list[Batch]:
    """The inputs of the steps, which take them in turn; one where the graph is one.

    Args:
        with_edges: whether features of the edges are wanted, too.
    """
    import numpy as np
    import torch

    generator, torch_generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    nodes, edges = workload.size(scale)

    def batch() -> Batch:
        make = molecules if workload.molecules else power_law
        index = torch.from_numpy(make(nodes, edges, generator))
        x = torch.randn(nodes, workload.widths[0], generator=torch_generator)
        shape = (edges, workload.edge_dim if with_edges else 0)
        edge_attr = torch.randn(shape, generator=torch_generator)
        if workload.molecules:
            y = torch.randn(nodes // ATOMS, workload.widths[-1], generator=torch_generator)
        else:
            y = torch.randint(0, workload.widths[-1], (nodes,), generator=torch_generator)
        return Batch(index, x, y, edge_attr)

    return [batch() for _ in range(BATCHES if workload.molecules else 1)]


def power_law(nodes: int, edges: int, generator: np.random.Generator) -> np.ndarray:
    """`edge_index` [2, edges]: ends are drawn with a probability that falls with a node's rank."""
    import numpy as np

    weight = np.cumsum((np.arange(nodes) + 10.0) ** -0.6)
    place = generator.permutation(nodes)
    wanted = edges // 2
    if wanted > nodes * (nodes - 1) // 4:
        raise ValueError(f"edges: {edges} are too many for {nodes} nodes")
    pairs = np.empty(0, dtype=np.int64)
    while pairs.size < wanted:
        drawn = generator.random((2, int(1.2 * wanted))) * weight[-1]
        low, high = np.sort(place[np.searchsorted(weight, drawn, side="right")], axis=0)
        pairs = np.unique(np.concatenate([pairs, (low * nodes + high)[low != high]]))
    pairs = generator.permutation(pairs)[:wanted]
    one, other = pairs // nodes, pairs % nodes
    both = np.stack([np.concatenate([one, other]), np.concatenate([other, one])])
    return np.ascontiguousarray(both[:, generator.permutation(edges)])


def molecules(nodes: int, edges: int, generator: np.random.Generator) -> np.ndarray:
    """`edge_index` [2, edges] of molecules of 25 atoms: a tree of bonds and 3 or 4 more, by turns.

    Bonds are as near as in a molecule: an atom hangs on one of the four before it.
    """
    import numpy as np

    found = []
    for number in range(nodes // ATOMS):
        atoms = np.arange(1, ATOMS)
        ends = np.maximum(atoms - generator.integers(1, 5, size=ATOMS - 1), 0)
        bonds = {(int(a), int(b)) for a, b in zip(ends, atoms, strict=True)}
        while len(bonds) < ATOMS + 2 + number % 2:  # a ring closes over five or six atoms
            first = int(generator.integers(0, ATOMS - 5))
            bonds.add((first, first + int(generator.integers(4, 6))))
        found.append(np.array(sorted(bonds)).T + number * ATOMS)
    bonds = np.concatenate(found, axis=1)
    both = np.concatenate([bonds, bonds[::-1]], axis=1)
    assert both.shape[1] == edges
    return np.ascontiguousarray(both)
