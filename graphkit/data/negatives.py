"""Pairs of nodes that are not linked, drawn exactly and without a table of all pairs.

All pairs of distinct nodes are numbered in order. The r-th pair that is *not* linked comes after r
unlinked and some c linked ones, so its number is r + c; c is found by bisection in the sorted
numbers of the links. Nothing is drawn in vain, however dense the graph.
"""

from __future__ import annotations

import torch
from torch import Tensor


class UnlinkedPairs:
    """The pairs of distinct nodes that are not among some links.

    Args:
        links: ``[2, n]`` linked pairs; loops are left out, repeated ones count once, and so do,
            unless `directed`, both directions of one.
        num_nodes: Number of nodes.
        directed: Whether (a, b) and (b, a) are two pairs. If not, pairs have a < b.
    """

    def __init__(self, links: Tensor, num_nodes: int, *, directed: bool = False) -> None:
        self.num_nodes = num_nodes
        self.directed = directed
        row = torch.arange(num_nodes + 1, device=links.device)
        # Number of the first pair (a, .): all later nodes follow on a, or all others.
        self._first = row * (num_nodes - 1) - (0 if directed else row * (row - 1) // 2)
        self._linked = self._number(links[:, links[0] != links[1]]).unique()
        self._before = self._linked - torch.arange(len(self._linked), device=links.device)

    def __len__(self) -> int:
        pairs = self.num_nodes * (self.num_nodes - 1)
        return (pairs if self.directed else pairs // 2) - len(self._linked)

    def __getitem__(self, rank: Tensor) -> Tensor:
        """``[2, n]`` unlinked pairs by their place in the order of all unlinked ones."""
        number = rank + torch.searchsorted(self._before, rank, right=True)
        a = torch.searchsorted(self._first, number, right=True) - 1
        after = number - self._first[a]
        b = after + (after >= a) if self.directed else after + a + 1
        return torch.stack([a, b])

    def __contains__(self, pair: tuple[int, int]) -> bool:
        number = self._number(torch.tensor(pair, device=self._linked.device).unsqueeze(1))
        return pair[0] != pair[1] and not bool(torch.isin(number, self._linked))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """``[2, count]`` pairs, each independent of the others.

        Raises:
            ValueError: Every pair is linked.
        """
        if len(self) == 0:
            raise ValueError("links: expected an unlinked pair to draw, got none")
        rank = torch.randint(len(self), (count,), generator=generator)
        return self[rank.to(self._linked.device)]

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """``[2, count]`` different pairs in random order.

        Raises:
            ValueError: There are fewer.
        """
        total = len(self)
        if count > total:
            raise ValueError(f"count: expected at most the {total} unlinked pairs, got {count}")
        return self[_distinct(total, count, generator).to(self._linked.device)]

    def _number(self, pairs: Tensor) -> Tensor:
        """Place of every pair in the order of all pairs."""
        a, b = pairs
        if self.directed:
            return self._first[a] + b - (b > a).long()
        a, b = torch.minimum(a, b), torch.maximum(a, b)
        return self._first[a] + b - a - 1


class UnlinkedTargets:
    """For any source the nodes that it is not linked to: negatives to rank its links among.

    Args:
        links: ``[2, n]`` known links. Of an undirected graph in both directions.
        num_nodes: Number of nodes; of sources, where targets are others.
        num_targets: Number of targets, where these are nodes of another kind, such as items of
            users. If not given, they are the same nodes, and none is a target of its own.
    """

    def __init__(self, links: Tensor, num_nodes: int, num_targets: int | None = None) -> None:
        if num_targets is None:
            num_targets = num_nodes
            itself = torch.arange(num_nodes, device=links.device).expand(2, -1)
            links = torch.cat([links, itself], dim=1)
        number = (links[0] * num_targets + links[1]).unique()
        source, target = number // num_targets, number % num_targets  # sorted by source
        degree = source.bincount(minlength=num_nodes)
        self._first = degree.cumsum(0) - degree
        self._count = num_targets - degree
        self._stride = num_targets + 1
        place = torch.arange(len(source), device=links.device) - self._first[source]
        # Unlinked targets before each linked one, in one ascending list for all sources.
        self._before = source * self._stride + target - place

    def draw(self, source: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """``[n, count]`` targets for every source, each independent of the others.

        Raises:
            ValueError: A source is linked to every other node.
        """
        choices = self._count[source]
        if len(source) and int(choices.min()) == 0:
            full = int(source[choices == 0][0])
            raise ValueError(f"source: expected nodes with an unlinked one, got {full}")
        share = torch.rand(len(source), count, generator=generator, dtype=torch.double)
        rank = (share.to(choices.device) * choices.unsqueeze(1)).long()
        row = source.unsqueeze(1)
        before = torch.searchsorted(self._before, row * self._stride + rank, right=True)
        return rank + before - self._first[row]


def _distinct(total: int, count: int, generator: torch.Generator) -> Tensor:
    """``[count]`` different numbers below `total`, in random order."""
    if total < max(4 * count, 1 << 20):
        return torch.randperm(total, generator=generator)[:count]
    drawn = torch.empty(0, dtype=torch.long)
    while len(drawn) < count:
        more = torch.randint(total, (count + count // 4 + 8,), generator=generator)
        drawn = torch.cat([drawn, more]).unique()
    return drawn[torch.randperm(len(drawn), generator=generator)[:count]]
