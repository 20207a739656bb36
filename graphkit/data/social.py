"""Small social networks that come with installed packages."""

from __future__ import annotations

import torch

from graphkit.graph import Graph


def les_miserables() -> Graph:
    """Who meets whom in "Les Misérables": 77 characters, 254 pairs in a common chapter.

    Knuth 1993, "The Stanford GraphBase", as bundled with networkx.

    Returns:
        An undirected Graph; `edge_weight` ``[508]`` is the number of common chapters, the node
        attribute `name` a list.
    """
    import networkx

    network = networkx.les_miserables_graph()
    number = {name: node for node, name in enumerate(network)}
    pairs = [(number[a], number[b], w) for a, b, w in network.edges(data="weight")]
    ends = torch.tensor([pair[:2] for pair in pairs]).T
    weight = torch.tensor([float(pair[2]) for pair in pairs])
    return Graph(
        torch.cat([ends, ends.flip(0)], dim=1),
        len(number),
        edge_weight=torch.cat([weight, weight]),
        undirected=True,
        node_attrs={"name": list(number)},
    )
