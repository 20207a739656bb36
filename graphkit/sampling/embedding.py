"""Vectors of nodes from random walks: DeepWalk and node2vec, fitted in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphkit.sampling._seeds import Seed, check_number, derive, generator_of, seed_of
from graphkit.sampling._source import check_graph
from graphkit.sampling.random_walk import random_walk


def walk_embedding(
    graph: Any,
    channels: int = 128,
    *,
    walks: int = 10,
    length: int = 40,
    window: int = 5,
    p: float = 1.0,
    q: float = 1.0,
    seed: Seed = None,
) -> Tensor:
    r"""Vectors whose inner products tell which nodes meet on random walks.

    DeepWalk (Perozzi et al. 2014) where p = q = 1, node2vec (Grover & Leskovec 2016) else. Their
    skip-gram is not trained but solved: its optimum factorises the pointwise mutual information of
    nodes that meet within a window (Levy & Goldberg 2014; Qiu et al. 2018). Here the positive part
    of it, :math:`M_{ij} = \max(0, \log \frac{n_{ij} \sum n}{n_i n_j})` with :math:`n_{ij}` how
    often i and j meet, is factorised: :math:`U \Lambda^{1/2}` of its greatest eigenvalues.

    Args:
        graph: a Graph, or anything graph-like, on the CPU.
        channels: k, size of the vectors; below the number of nodes.
        walks: from every node.
        length: steps of a walk.
        window: nodes that are at most so many steps apart meet.
        p, q: of :func:`random_walk`.
        seed: of all that is drawn.

    Returns:
        ``[N, k]`` float32.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import eigsh

    graph = check_graph(graph)
    n = graph.num_nodes
    for name, value in (("walks", walks), ("length", length), ("window", window)):
        check_number(name, value, 1)
    if not 1 <= channels < n:
        raise ValueError(
            f"channels: expected 1 to {n - 1}, below the number of nodes, got {channels}"
        )
    number = seed_of(seed)
    start = torch.arange(n).repeat(walks)
    found = random_walk(graph, start, length, p, q, derive(number, 0)).numpy()
    near = csr_array((n, n))
    for gap in range(1, min(window, length) + 1):
        ends = found[:, :-gap].ravel(), found[:, gap:].ravel()
        near = near + csr_array((np.ones(len(ends[0])), ends), shape=(n, n))
    near = (near + near.T).tocoo()
    total, often = near.sum(), near.sum(axis=0)
    a, b = near.coords
    near.data = np.log(near.data * total / (often[a] * often[b])).clip(min=0)
    first = torch.rand(n, dtype=torch.double, generator=generator_of(number)).numpy()
    values, vectors = eigsh(near.tocsr(), channels, which="LA", v0=first)
    return torch.from_numpy(vectors * np.sqrt(values.clip(min=0))).float()
