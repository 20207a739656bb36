"""GraphGAN: a generator that walks down breadth-first trees proposes neighbours, a discriminator
says which pairs are joined, and both end up with embeddings of the nodes (Wang et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine.ops import segment_softmax
from graphkit.generative.adversarial import Batch, Game
from graphkit.graph import Graph, as_graph
from graphkit.sampling import random_walk


class Trees:
    """Breadth-first trees of a graph, for some roots at a time.

    A tree is kept as the parent of every node, 4 N bytes, and its edges are read off the graph's:
    those on which one end is the parent of the other. Trees of the last roots are kept until others
    are asked for, so that both players' steps on a batch share them.

    Args:
        graph: A Graph, or anything graph-like, undirected, on the CPU.
    """

    def __init__(self, graph: Any) -> None:
        from scipy.sparse import csr_array

        graph = graph if isinstance(graph, Graph) else as_graph(graph)
        if graph.is_bipartite or not graph.is_undirected:
            raise ValueError("graph: expected an undirected graph with one set of nodes")
        apart = graph.edge_index[:, graph.edge_index[0] != graph.edge_index[1]].numpy()
        shape = graph.num_nodes, graph.num_nodes
        matrix = csr_array((np.ones(apart.shape[1]), tuple(apart)), shape=shape)
        matrix.sum_duplicates()
        self._matrix = matrix
        self.rowptr = torch.from_numpy(matrix.indptr).long()
        self.col = torch.from_numpy(matrix.indices).long()
        self._roots = torch.empty(0, dtype=torch.int64)
        self._parent = torch.empty(0, graph.num_nodes, dtype=torch.int32)

    @property
    def num_nodes(self) -> int:
        return self.rowptr.numel() - 1

    def parents(self, roots: Tensor) -> Tensor:
        """``[R, N]`` int32, the parent of every node in the tree of every root; -1 for the root
        itself and for what it does not reach."""
        from scipy.sparse.csgraph import breadth_first_order

        if not torch.equal(roots, self._roots):
            found = np.empty((len(roots), self.num_nodes), dtype=np.int32)
            for row, root in zip(found, roots.tolist(), strict=True):
                row[:] = breadth_first_order(self._matrix, root)[1]
            self._roots = roots.clone()
            self._parent = torch.from_numpy(found).clamp_(min=-1)
        return self._parent

    def neighbours(self, parent: Tensor, tree: Tensor, node: Tensor) -> tuple[Tensor, Tensor]:
        """Parent and children of nodes in their trees.

        Args:
            parent: what :meth:`parents` gave.
            tree, node: ``[n]``, which row of it, and which node.

        Returns:
            ``[m]`` which of the n an entry belongs to, ascending, and ``[m]`` the neighbour.
        """
        first = self.rowptr[node]
        count = self.rowptr[node + 1] - first
        owner = torch.arange(len(node)).repeat_interleave(count)
        place = torch.arange(len(owner)) - (count.cumsum(0) - count - first)[owner]
        other = self.col[place]
        down = parent[tree[owner], other] == node[owner]
        up = parent[tree, node][owner] == other
        kept = down | up
        return owner[kept], other[kept]


class Paths(NamedTuple):
    """Walks down trees, the last step of each back up, as one list of steps."""

    walk: Tensor
    """``[S]`` which walk a step is of"""
    tree: Tensor
    """``[S]``"""
    at: Tensor
    """``[S]`` where it starts"""
    to: Tensor
    """``[S]`` and where it leads"""
    end: Tensor
    """``[W]`` the sample of each walk: the node from which it turned back"""


class TreeGenerator(nn.Module):
    r"""The graph softmax (Wang et al. 2018, eqs. 6 and 7).

    In the breadth-first tree of a root c, a step from v to one of its neighbours there has the
    probability

    .. math::
        p_c(v_i \mid v) = \frac{\exp(g_i^\top g_v)}{\sum_{j \in N_c(v)} \exp(g_j^\top g_v)},

    and with the path :math:`c = r_0, \dots, r_m = v` the node v is generated with

    .. math::
        G(v \mid c) = p_c(r_{m-1} \mid r_m) \prod_{k=1}^m p_c(r_k \mid r_{k-1}):

    a walk goes down the tree, and where it turns back is the sample. Over all nodes that c reaches,
    but c, this adds up to 1 (there, theorem 1).

    Args:
        trees: of the graph.
        initial: ``[N, k]`` embeddings to start from.
    """

    def __init__(self, trees: Trees, initial: Tensor) -> None:
        super().__init__()
        self.trees = trees
        self.embedding = nn.Parameter(initial.clone())

    def _softmax(self, owner: Tensor, other: Tensor, at: Tensor) -> Tensor:
        """Probabilities of steps, each among those of its owner."""
        one, two = (F.embedding(nodes, self.embedding) for nodes in (at[owner], other))
        return segment_softmax((one * two).sum(dim=1), owner, num_nodes=len(at))

    @torch.no_grad()
    def walk(self, roots: Tensor, tree: Tensor) -> Paths:
        """Samples by walks, all of them at once (there, algorithm 1).

        Args:
            roots: ``[R]`` different nodes, each with an edge.
            tree: ``[W]`` which root each walk starts at.
        """
        parent = self.trees.parents(roots)
        at, end = roots[tree], torch.empty_like(tree)
        active = torch.arange(len(tree))
        steps: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        while len(active):
            owner, other = self.trees.neighbours(parent, tree, at)
            count = owner.bincount(minlength=len(at))
            if len(count) and int(count.min()) == 0:
                raise ValueError(
                    f"roots: expected nodes with an edge, got {int(at[count.argmin()])}"
                )
            to = other[_draw(self._softmax(owner, other, at), count)]
            steps.append((active, tree, at, to))
            back = parent[tree, at] == to
            end[active[back]] = at[back]
            active, tree, at = active[~back], tree[~back], to[~back]
        return Paths(*(torch.cat(part) for part in zip(*steps, strict=True)), end=end)

    def log_probability(self, roots: Tensor, paths: Paths) -> Tensor:
        r""":math:`\log G(v \mid c)` of every walk, ``[W]``, with gradients."""
        parent = self.trees.parents(roots)
        owner, other = self.trees.neighbours(parent, paths.tree, paths.at)
        taken = other == paths.to[owner]
        chances = self._softmax(owner, other, paths.at)[taken]
        log = chances.clamp(min=torch.finfo(chances.dtype).tiny).log()
        return log.new_zeros(len(paths.end)).index_add(0, paths.walk, log)

    @torch.no_grad()
    def distribution(self, root: int) -> Tensor:
        r""":math:`G(\cdot \mid c)`, ``[N]``: 0 at the root and where it leads nowhere."""
        roots = torch.tensor([root])
        parent = self.trees.parents(roots)
        nodes = torch.arange(self.trees.num_nodes)
        owner, other = self.trees.neighbours(parent, torch.zeros_like(nodes), nodes)
        chances = self._softmax(owner, other, nodes)
        up = parent[0, owner] == other
        down = torch.zeros(len(nodes), dtype=chances.dtype).index_add_(0, other[~up], chances[~up])
        back = torch.zeros_like(down).index_add_(0, owner[up], chances[up])
        reached = torch.zeros_like(down).index_fill_(0, roots, 1.0)
        level = roots
        while len(level):
            level = torch.isin(parent[0], level.int()).nonzero().flatten()
            reached[level] = down[level] * reached[parent[0, level].long()]
        return reached * back


class PairDiscriminator(nn.Module):
    r"""The logit of a pair being joined is :math:`d_i^\top d_j` (there, eq. 2).

    Shapes:
        pairs ``[2, B]``; output: ``[B]``.
    """

    def __init__(self, initial: Tensor) -> None:
        super().__init__()
        self.embedding = nn.Parameter(initial.clone())

    def forward(self, pairs: Tensor) -> Tensor:
        one, two = (F.embedding(nodes, self.embedding) for nodes in pairs)
        return (one * two).sum(dim=1)


class GraphGAN(Game):
    r"""The game of neighbours (Wang et al. 2018, eq. 1).

    The discriminator tells a node's neighbours from nodes that the generator proposes for it. A
    proposal has no gradient, so the generator learns by the policy gradient (there, eq. 4)

    .. math::
        \sum_c \mathbb{E}_{v \sim G(\cdot \mid c)} \big[\nabla \log G(v \mid c)
        \, (\log (1 - D(v, c)) - b)\big],

    where b, the mean over the batch, is ours: it takes variance away and changes the expectation by
    no more than one part in the size of the batch.

    Args:
        graph: A Graph, or anything graph-like, undirected, on the CPU.
        initial: ``[N, k]`` embeddings that both players start from, pre-trained or random;
            ``0.1 * randn`` of 50 columns if not given.
        samples: proposals for every root in a step of the generator.

    Batches are ``(roots, neighbours)``, ``[B]`` each, pairs that are joined: those of
    :class:`NeighbourBatches`.
    """

    generator: TreeGenerator
    discriminator: PairDiscriminator

    def __init__(self, graph: Any, initial: Tensor | None = None, *, samples: int = 20) -> None:
        trees = Trees(graph)
        if initial is None:
            initial = 0.1 * torch.randn(trees.num_nodes, 50)
        if initial.dim() != 2 or len(initial) != trees.num_nodes:
            raise ValueError(
                f"initial: expected a row for each of {trees.num_nodes} nodes, "
                f"got shape {list(initial.shape)}"
            )
        if samples < 2:
            raise ValueError(f"samples: expected at least 2, got {samples}")
        super().__init__(TreeGenerator(trees, initial), PairDiscriminator(initial), "minimax")
        self.samples = samples

    def discriminator_loss(self, batch: Batch) -> Tensor:
        centres, neighbours = batch
        roots, tree = centres.unique(return_inverse=True)
        proposed = self.generator.walk(roots, tree).end
        real, fake = (torch.stack([centres, other]) for other in (neighbours, proposed))
        return self.judged(self.discriminator, real, fake)

    def generator_loss(self, batch: Batch) -> Tensor:
        roots = batch[0].unique()
        tree = torch.arange(len(roots)).repeat_interleave(self.samples)
        paths = self.generator.walk(roots, tree)
        with torch.no_grad():
            said = self.discriminator(torch.stack([roots[tree], paths.end]))
            cost = torch.vmap(self.objective.generator)(said)
        return ((cost - cost.mean()) * self.generator.log_probability(roots, paths)).mean()


class NeighbourBatches:
    """Nodes and neighbours of theirs, drawn anew each time: what :class:`GraphGAN` learns from.

    Args:
        graph: as for :class:`GraphGAN`.
        batches: in an epoch.
        roots: different nodes in a batch; there is a breadth-first search for each.
        neighbours: drawn for each of them.
    """

    def __init__(self, graph: Any, batches: int, roots: int = 64, neighbours: int = 20) -> None:
        self.graph = graph if isinstance(graph, Graph) else as_graph(graph)
        self.batches, self.roots, self.neighbours = batches, roots, neighbours
        self._joined = self.graph.edge_index[0].unique()
        if len(self._joined) == 0:
            raise ValueError("graph: expected at least one edge, got none")

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self.batches):
            roots = self._joined[torch.randperm(len(self._joined))[: self.roots]]
            centres = roots.repeat_interleave(self.neighbours)
            yield centres, random_walk(self.graph, centres, 1)[:, 1]


def _draw(chances: Tensor, count: Tensor) -> Tensor:
    """One position in each run of probabilities that add up to 1, by one number drawn for each."""
    sums = chances.double().cumsum(0)
    last = count.cumsum(0)
    first = last - count
    before = torch.where(first > 0, sums[first - 1], 0.0)
    at = before + torch.rand(len(count), dtype=torch.double) * (sums[last - 1] - before)
    return torch.searchsorted(sums, at, right=True).clamp(min=first, max=last - 1)
