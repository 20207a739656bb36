"""Graph autoencoders: nodes are coded by a message-passing encoder, and links read off the codes.

They are :class:`~graphkit.generative.Autoencoder` like any other, so an adversary on the code
(:class:`~graphkit.generative.CodeAdversary`) makes ARGA of GAE, and ARVGA of VGAE.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from graphkit.data.links import LinkSplit
from graphkit.generative.autoencoder import Autoencoder, Gaussian, perceptron
from graphkit.generative.objectives import Reconstruction

Scores = Callable[[Tensor], Tensor]


class Links(NamedTuple):
    """What is to be reconstructed: pairs of nodes that are joined, and pairs that are not."""

    positive: Tensor
    """``[2, P]``"""
    negative: Tensor
    """``[2, Q]``"""
    whole: bool = False
    """Whether all ordered pairs but the positive ones count as negative, where the decoder can add
    them up (:class:`Products`); any other takes `negative`, a sample of them."""


def draw_links(split: LinkSplit, generator: torch.Generator, whole_up_to: int = 5000) -> Links:
    r"""What a step of training reconstructs, as Kipf & Welling's code counts it.

    Their target is :math:`A + I` over all :math:`N^2` ordered pairs of nodes: a link of the
    training part is positive in both directions, and so is every node with itself. All other pairs
    are negative, held-out links among them, as in the authors' code. In a large graph as many of
    them as there are positive ones are drawn, anew in every step, so that a step's time grows with
    the links and not with :math:`N^2`; memory grows with the links in either case.

    Args:
        split: of the links; of a directed graph they count in their own direction alone.
        generator: what the pairs without a link are drawn from.
        whole_up_to: nodes of the largest graph that counts all pairs.
    """
    graph = split.graph
    itself = torch.arange(graph.num_nodes, device=graph.device).expand(2, -1)
    positive = torch.cat([graph.edge_index, itself], dim=1)
    negative = split.unlinked.draw(positive.size(1), generator)
    if graph.is_undirected:  # (a, b) with a < b: which is the first is as likely as not
        turned = torch.rand(negative.size(1), generator=generator) < 0.5
        negative = torch.where(turned.to(graph.device), negative.flip(0), negative)
    return Links(positive, negative, graph.num_nodes <= whole_up_to)


class Products:
    r"""Logits :math:`a_i^\top b_j` of pairs of nodes: called with ``[2, P]`` pairs, gives ``[P]``.

    Args:
        first, second: a and b, ``[N, k]``.
    """

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self.first, self.second = first, second

    def __call__(self, pairs: Tensor) -> Tensor:
        return (_rows(self.first, pairs[0]) * _rows(self.second, pairs[1])).sum(dim=-1)

    def sum_of_softplus(self) -> Tensor:
        r""":math:`\sum_{ij} \log(1 + e^{a_i^\top b_j})` over all :math:`N^2` pairs, which are never
        in memory together."""
        itself = self.first is self.second
        return _SumOfSoftplus.apply(self.first, None if itself else self.second)

    @property
    def count(self) -> int:
        """:math:`N^2`"""
        return len(self.first) * len(self.second)


_AT_A_TIME = {"cpu": 2**18, "cuda": 2**25}
"""Products that are in memory at once: on a CPU they stay in its cache."""


class _SumOfSoftplus(torch.autograd.Function):
    """A number has one gradient but for a factor: it is made while the products are at hand.

    Without b it is of a with itself, and the products above the diagonal count twice.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor | None) -> Tensor:
        others = a if b is None else b
        of_a, of_b = torch.zeros_like(a), None if b is None else torch.zeros_like(b)
        exact = torch.promote_types(a.dtype, torch.float32)
        total = torch.zeros((), dtype=exact, device=a.device)
        at_a_time = _AT_A_TIME.get(a.device.type, _AT_A_TIME["cuda"])
        size = max(1, at_a_time // max(len(others), 1))
        for start in range(0, len(a), size):
            end = min(start + size, len(a))
            rows, columns = a[start:end], others if of_b is not None else a[start:]
            products = rows @ columns.T
            each = F.softplus(products)
            slope = products.sigmoid_()
            if of_b is not None:
                total += each.sum(dtype=exact)
                of_a[start:end] = slope @ columns
                of_b += slope.T @ rows
            else:
                on_diagonal = end - start
                total += 2 * each.sum(dtype=exact)
                total -= each[:, :on_diagonal].sum(dtype=exact)
                of_a[start:end] += 2 * (slope @ columns)
                of_a[end:] += 2 * (slope[:, on_diagonal:].T @ rows)
        ctx.save_for_backward(of_a, of_b)
        return total.to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        (gradient,) = gradients
        of_a, of_b = ctx.saved_tensors
        return gradient * of_a, None if of_b is None else gradient * of_b


class InnerProduct(nn.Module):
    r"""The logit of a link is :math:`z_i^\top z_j` (Kipf & Welling 2016, eq. 2).

    It is the same in both directions: of a directed graph it finds who is joined, not which way.

    Shapes:
        codes ``[N, k]``; output: a function from pairs ``[2, P]`` to logits ``[P]``, which can also
        add up over all pairs.
    """

    def forward(self, code: Tensor) -> Products:
        return Products(code, code)


class DistMult(nn.Module):
    r"""The logit of a link is :math:`z_i^\top \mathrm{diag}(r)\, z_j` (Yang et al. 2015, eq. 2).

    Args:
        channels: size of the code.
        directed: whether the two ends are read by maps of their own first, so that the logit of
            (i, j) is not that of (j, i).

    Shapes:
        as for :class:`InnerProduct`.
    """

    def __init__(self, channels: int, directed: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.source = nn.Linear(channels, channels) if directed else nn.Identity()
        self.destination = nn.Linear(channels, channels) if directed else nn.Identity()

    def forward(self, code: Tensor) -> Products:
        return Products(self.source(code) * self.weight, self.destination(code))


class MLPDecoder(nn.Module):
    r"""The logit of a link is :math:`\mathrm{MLP}(z_i \odot z_j)`, of the entry-wise product of
    both codes (Li et al. 2023).

    It is the same in both directions.

    Args:
        channels: size of the code.
        hidden: of the hidden layer.

    Shapes:
        as for :class:`InnerProduct`.
    """

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.layers = perceptron([channels, hidden, 1])

    def forward(self, code: Tensor) -> Scores:
        return lambda pairs: self.layers(_rows(code, pairs[0]) * _rows(code, pairs[1])).squeeze(-1)


def _rows(code: Tensor, nodes: Tensor) -> Tensor:
    return code.index_select(0, nodes)


def link_error(scores: Scores, links: Links) -> Tensor:
    r"""Mean cross-entropy of the links plus that of the other pairs,
    :math:`-\tfrac1P \sum \log \sigma(s_{ij}) - \tfrac1Q \sum \log(1 - \sigma(s_{ij}))`.

    Over all N² pairs (``links.whole``) it is twice the weighted cross-entropy of Kipf & Welling, if
    their weight of a positive is the number of the others over that of the positives. Their code
    leaves the N pairs of a node with itself out of that count. No positive pair may be there twice
    then. :func:`draw_links` draws the pairs of a step.

    Raises:
        ValueError: There are no pairs of a kind, or they are not ``[2, n]`` int64.
    """
    for name, pairs in (("positive", links.positive), ("negative", links.negative)):
        if pairs.dim() != 2 or pairs.size(0) != 2 or pairs.dtype != torch.int64:
            raise ValueError(
                f"{name}: expected pairs of shape [2, n], int64, got {list(pairs.shape)}, "
                f"{str(pairs.dtype).removeprefix('torch.')}"
            )
        if pairs.size(1) == 0:
            raise ValueError(f"{name}: expected at least one pair, got none")
    linked = scores(links.positive)
    if links.whole and isinstance(scores, Products):
        others = scores.sum_of_softplus() - F.softplus(linked).sum()
        of_others = others / (scores.count - len(linked))
    else:
        of_others = F.softplus(scores(links.negative)).mean()
    return F.softplus(-linked).mean() + of_others


def _probabilities(scores: Scores) -> Scores:
    return lambda pairs: torch.sigmoid(scores(pairs))


LINKS = Reconstruction(link_error, _probabilities, bounded=False)


def gae(encoder: nn.Module, decoder: nn.Module | None = None) -> Autoencoder:
    """A graph autoencoder (Kipf & Welling 2016).

    A step of training on the links of a :class:`~graphkit.data.LinkSplit`::

        links = draw_links(split, generator)
        model.loss(x, split.graph, target=links).backward()

    ``model.encode(x, graph)`` are the codes, and ``model.decode(codes)(pairs)`` the probabilities
    of links.

    Args:
        encoder: of ``(x, graph)``, gives a code for every node.
        decoder: of codes, gives a function from pairs to logits; an :class:`InnerProduct` if not
            given.
    """
    return Autoencoder(encoder, InnerProduct() if decoder is None else decoder, LINKS)


def vgae(encoder: nn.Module, num_nodes: int, decoder: nn.Module | None = None) -> Autoencoder:
    r"""A variational graph autoencoder (Kipf & Welling 2016, eq. 3).

    Args:
        encoder: of ``(x, graph)``, gives means and log-variances, ``[N, 2 k]``.
        num_nodes: N: the divergence counts 2/N beside the two means over pairs, which is what the
            authors' code does, up to a factor of 2 in the whole.
        decoder: as for :func:`gae`.
    """
    return Autoencoder(
        encoder,
        InnerProduct() if decoder is None else decoder,
        LINKS,
        bottleneck=Gaussian(2 / num_nodes),
    )
