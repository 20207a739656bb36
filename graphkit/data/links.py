"""Splits of edges for link prediction, without leaks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from graphkit.data.negatives import UnlinkedPairs, UnlinkedTargets
from graphkit.data.split import Split
from graphkit.graph import Graph


@dataclass(frozen=True)
class LinkSplit:
    """The links of a graph in three parts, and pairs that are not linked.

    Of an undirected graph a link is one column ``(a, b)`` with ``a < b``: both directions of an
    edge are on one side. Of a directed one ``(a, b)`` and ``(b, a)`` are two links.

    Attributes:
        graph: All nodes with the training links alone, of an undirected graph in both directions:
            what messages pass along in validation and test.
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

    @cached_property
    def unlinked(self) -> UnlinkedPairs:
        """What training may take for negatives: all pairs but the training links."""
        directed = not self.graph.is_undirected
        return UnlinkedPairs(self.train, self.graph.num_nodes, directed=directed)

    def to(self, device: torch.device | str | int) -> LinkSplit:
        """The same on another device."""
        parts = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        return LinkSplit(**parts)

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
        negative = self.unlinked.draw(count, generator)
        return _joined(messages, self.graph.num_nodes, self.unlinked.directed), positive, negative


@dataclass(frozen=True)
class RankedLinks:
    """The links of a directed graph in three parts, and targets to rank each of them among.

    Attributes:
        graph: All nodes with the training links alone.
        train, val, test: ``[2, n]`` links, sources above targets.
        val_targets, test_targets: ``[n, m]`` nodes: row i those that the source of link i is not
            linked to, and that compete with its target.
    """

    graph: Graph
    train: Tensor
    val: Tensor
    test: Tensor
    val_targets: Tensor
    test_targets: Tensor

    @cached_property
    def unlinked(self) -> UnlinkedTargets:
        """What training may take for negatives: of a source all nodes but its training targets."""
        return UnlinkedTargets(self.train, self.graph.num_nodes)

    def to(self, device: torch.device | str | int) -> RankedLinks:
        """The same on another device."""
        parts = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        return RankedLinks(**parts)


def split_links(
    graph: Graph, val: float = 0.1, test: float = 0.2, *, negatives: int = 1, seed: int
) -> LinkSplit:
    """Part the links of a graph at random.

    Self-loops are left out, and edges given several times count once.

    Args:
        graph: A Graph with one set of nodes. Its attributes of V stay on the split's graph. If it
            is undirected, so are the links.
        val, test: Shares of the links.
        negatives: Unlinked pairs for each link of validation and test.
        seed: One seed, one split, whatever the state of torch's own generator.

    Raises:
        ValueError: The graph is bipartite, a part would be empty, or there are too few unlinked
            pairs.
    """
    if graph.is_bipartite:
        raise ValueError("graph: expected one set of nodes, got a bipartite graph")
    directed = not graph.is_undirected
    links = _once(graph, directed)
    n = links.size(1)
    num_val, num_test = round(val * n), round(test * n)
    if min(num_val, num_test, n - num_val - num_test) < 1:
        raise ValueError(f"val, test: expected links in every part of {n}, got {val} and {test}")
    generator = torch.Generator().manual_seed(seed)
    links = links[:, torch.randperm(n, generator=generator)]
    unlinked = UnlinkedPairs(links, graph.num_nodes, directed=directed)
    if len(unlinked) < negatives * (num_val + num_test):
        raise ValueError(
            f"negatives: expected at most the {len(unlinked)} unlinked pairs, got "
            f"{negatives} for each of {num_val + num_test} links"
        )
    negative = unlinked.sample(negatives * (num_val + num_test), generator)
    train = links[:, num_val + num_test :]
    kept = _joined(train, graph.num_nodes, directed).replace(node_attrs=graph.node_attrs)
    return LinkSplit(
        graph=kept,
        train=train,
        val=links[:, :num_val],
        test=links[:, num_val : num_val + num_test],
        val_negative=negative[:, : negatives * num_val],
        test_negative=negative[:, negatives * num_val :],
    )


def pair_numbers(graph: Graph) -> Tensor:
    """``[E]`` a number for every edge, the same for edges that join the same nodes.

    Of an undirected graph both directions have one number, of a directed one two.
    """
    a, b = graph.edge_index
    if graph.is_undirected:
        a, b = torch.minimum(a, b), torch.maximum(a, b)
    return (a * graph.num_nodes + b).unique(return_inverse=True)[1]


def split_edges(graph: Graph, train: float, val: float, *, seed: int) -> Split:
    """Edges at random for training and validation, all others for the test.

    Edges that join the same nodes, of an undirected graph in either direction, are in one part.

    Args:
        graph: A Graph with one set of nodes.
        train, val: Shares of the joined pairs.
        seed: One seed, one split, whatever the state of torch's own generator.

    Returns:
        Positions in `graph.edge_index`.

    Raises:
        ValueError: The graph is bipartite, or a part would be empty.
    """
    if graph.is_bipartite:
        raise ValueError("graph: expected one set of nodes, got a bipartite graph")
    pair = pair_numbers(graph)
    n = int(pair.max()) + 1 if len(pair) else 0
    num_train, num_val = round(train * n), round(val * n)
    if min(num_train, num_val, n - num_train - num_val) < 1:
        raise ValueError(f"train, val: expected pairs in every part of {n}, got {train} and {val}")
    part = torch.full((n,), 2)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    part[order[:num_train]] = 0
    part[order[num_train : num_train + num_val]] = 1
    part = part[pair.cpu()]
    return Split(*((part == number).nonzero().flatten() for number in range(3)))


def _once(graph: Graph, directed: bool) -> Tensor:
    """Every link once, in order, without loops."""
    a, b = graph.edge_index
    wanted = a != b if directed else a < b
    # One number for each pair is sorted many times as fast as pairs are.
    number = (a[wanted] * graph.num_nodes + b[wanted]).unique()
    return torch.stack([number // graph.num_nodes, number % graph.num_nodes])


def _joined(links: Tensor, num_nodes: int, directed: bool) -> Graph:
    edges = links if directed else torch.cat([links, links.flip(0)], dim=1)
    return Graph(edges, num_nodes, undirected=not directed)
