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


def karate_club() -> Graph:
    """Who meets whom outside a karate club that fell apart: 34 members, 78 pairs.

    Zachary 1977, "An Information Flow Model for Conflict and Fission in Small Groups", as bundled
    with networkx.

    Returns:
        An undirected Graph; `y` ``[34]`` is 0 for those who stayed with the instructor, "Mr. Hi",
        and 1 for those who left with the officer; `edge_weight` ``[156]`` is in how many ways a
        pair met.
    """
    import networkx

    network = networkx.karate_club_graph()
    ends = torch.tensor(list(network.edges)).T
    weight = torch.tensor([float(w) for *_, w in network.edges(data="weight")])
    y = torch.tensor([int(club == "Officer") for _, club in network.nodes(data="club")])
    return Graph(
        torch.cat([ends, ends.flip(0)], dim=1),
        len(y),
        edge_weight=torch.cat([weight, weight]),
        node_attrs={"y": y},
        undirected=True,
    )
