"""A graph of which it is known why its nodes have their classes."""

import networkx as nx
import torch
from torch import Tensor

from graphkit.convert import from_networkx
from graphkit.graph import Graph

# Walls 0 to 3 in a ring, the roof on 0 and 1.
_HOUSE = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4)]
# Of the basis 0; the top of a wall 1, its foot 2, the roof 3.
_CLASSES = [1, 1, 2, 2, 3]


def houses(base: int, count: int, seed: int = 0) -> tuple[Graph, Tensor]:
    """BA-shapes of Ying et al. 2019: houses that hang on a graph of Barabási and Albert, and as
    many random edges as a tenth of the nodes. All features are 1, so that only the house a node
    belongs to, and where it stands in it, tells its class.

    Returns:
        The Graph, and ``[E]`` the number of the house an edge belongs to, -1 for none.
    """
    network = nx.barabasi_albert_graph(base, 5, seed=seed)
    draw = torch.Generator().manual_seed(seed)

    def choose(below: int) -> int:
        return int(torch.randint(below, (), generator=draw))

    classes = [0] * base
    for number in range(count):
        first = network.number_of_nodes()
        network.add_edges_from((first + u, first + v, {"house": number}) for u, v in _HOUSE)
        network.add_edge(first + 3, choose(base))
        classes += _CLASSES
    size = network.number_of_nodes()
    for _ in range(size // 10):
        u, v = choose(size), choose(size)
        if u != v and not network.has_edge(u, v):
            network.add_edge(u, v)
    for *_, edge in network.edges(data=True):
        edge.setdefault("house", -1)
    graph = from_networkx(network)
    graph = graph.replace(x=torch.ones(size, 10), node_attrs={"y": torch.tensor(classes)})
    return graph.replace(house=None), graph.house
