"""Parts of a graph that hang together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from graphkit.convert import to_scipy
from graphkit.graph import Graph, as_graph


def largest_component(graph: Any) -> Graph:
    """The largest part in which every node is reached from every other along edges, whichever way
    they point; of equally large ones the one with the first node. Attributes come along.

    Args:
        graph: A Graph, or anything graph-like.
    """
    from scipy.sparse.csgraph import connected_components

    whole = as_graph(graph)
    if whole.num_nodes == 0:
        return whole
    _, part = connected_components(to_scipy(whole), directed=False)
    return whole.subgraph(torch.from_numpy(np.flatnonzero(part == np.bincount(part).argmax())))
