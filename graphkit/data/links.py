"""Splits of edges for link prediction, without leaks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphkit.graph import Graph


@dataclass(frozen=True)
class LinkSplit:
    """The links of an undirected graph in three parts, and pairs that are not linked.

    A link is one column ``(a, b)`` with ``a < b``: both directions of an edge are on one side.

    Attributes:
        graph: All nodes with the training links alone, in both directions: what messages pass
            along in validation and test.
        train, val, test: ``[2, n]`` links.
        val_negative, test_negative: ``[2, n]`` pairs that are links in no part. The two share
            none.
    """

    graph: Graph
    train: Tensor
    val: Tensor
    test: Tensor
    val_negative: Tensor
    test_negative: Tensor

    def draw(self, supervised: float, generator: torch.Generator) -> tuple[Graph, Tensor, Tensor]:
        """One training step: what messages pass along, links to predict, negatives.

        The share `supervised` of the training links, drawn anew, is taken out of the graph, so
        that no message passes along a link that is to be predicted. As many negatives are drawn
        from all pairs but the training links. A held-out link may be among them, as in use:
        leaving those out would tell the model where they are.
        """
        n = self.train.size(1)
        count = round(supervised * n)
        if not 0 < count < n:
            raise ValueError(
                f"supervised: expected a share that parts the {n} training links in two, "
                f"got {supervised}"
            )
        order = torch.randperm(n, generator=generator)
        positive, messages = self.train[:, order[:count]], self.train[:, order[count:]]
        unlinked = _unlinked(self.train, self.graph.num_nodes)
        chosen = torch.randint(unlinked.size(1), (count,), generator=generator)
        return _both_ways(messages, self.graph.num_nodes), positive, unlinked[:, chosen]


def split_links(
    graph: Graph, val: float = 0.1, test: float = 0.2, *, negatives: int = 1, seed: int
) -> LinkSplit:
    """Part the links of an undirected graph at random.

    Self-loops are left out, and edges given several times count once. Negatives come from a
    list of all pairs of nodes: for graphs of up to a few thousand nodes.

    Args:
        graph: An undirected Graph. Its attributes of V stay on the split's graph.
        val, test: Shares of the links.
        negatives: Unlinked pairs for each link of validation and test.
        seed: One seed, one split, whatever the state of torch's own generator.

    Raises:
        ValueError: The graph is not undirected, a part would be empty, or there are too few
            unlinked pairs.
    """
    if graph.is_bipartite or not graph.is_undirected:
        raise ValueError("graph: expected an undirected graph with one set of nodes")
    ends = graph.edge_index
    links = ends[:, ends[0] < ends[1]].unique(dim=1)
    n = links.size(1)
    num_val, num_test = round(val * n), round(test * n)
    if min(num_val, num_test, n - num_val - num_test) < 1:
        raise ValueError(f"val, test: expected links in every part of {n}, got {val} and {test}")
    generator = torch.Generator().manual_seed(seed)
    links = links[:, torch.randperm(n, generator=generator)]
    unlinked = _unlinked(links, graph.num_nodes)
    if unlinked.size(1) < negatives * (num_val + num_test):
        raise ValueError(
            f"negatives: expected at most the {unlinked.size(1)} unlinked pairs, got "
            f"{negatives} for each of {num_val + num_test} links"
        )
    unlinked = unlinked[:, torch.randperm(unlinked.size(1), generator=generator)]
    train = links[:, num_val + num_test :]
    kept = _both_ways(train, graph.num_nodes).replace(node_attrs=graph.node_attrs)
    return LinkSplit(
        graph=kept,
        train=train,
        val=links[:, :num_val],
        test=links[:, num_val : num_val + num_test],
        val_negative=unlinked[:, : negatives * num_val],
        test_negative=unlinked[:, negatives * num_val : negatives * (num_val + num_test)],
    )


def _both_ways(links: Tensor, num_nodes: int) -> Graph:
    return Graph(torch.cat([links, links.flip(0)], dim=1), num_nodes, undirected=True)


def _unlinked(links: Tensor, num_nodes: int) -> Tensor:
    """All pairs a < b that are not among `links`."""
    pairs = torch.ones(num_nodes, num_nodes, dtype=torch.bool).triu(1)
    pairs[links[0], links[1]] = False
    return pairs.nonzero().T
