"""Chebyshev graph convolution of Defferrard et al."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.conv.joint import joint
from graphkit.nn.conv.normalized import graph_for, weight_for
from graphkit.nn.conv.order import commutes, narrows
from graphkit.nn.inits import zeros
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing, reduce_edges

NORMALIZATIONS = (None, "sym", "rw")


class ChebConv(MessagePassing):
    r"""Chebyshev graph convolution, Defferrard et al. 2016, eq. 4.

    .. math::
        X' = \sum_{k=0}^{K-1} T_k(\tilde L) X \Theta_k + b, \quad
        \tilde L = \frac{2}{\lambda_{\max}} L - I, \quad
        T_0 = I, \; T_1 = \tilde L, \; T_k = 2 \tilde L T_{k-1} - T_{k-2}

    where the Laplacian :math:`L` is of the graph without its self-loops. Where the output is
    narrower than the input, or the input is sparse, the sum is computed backwards (Clenshaw's
    recurrence) on :math:`X \Theta_k`.

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        K: number of terms.
        normalization: of the Laplacian: "sym" :math:`I - D^{-1/2} A D^{-1/2}`, "rw"
            :math:`I - D^{-1} A`, or None :math:`D - A`. Degrees are counted at the sources.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]`` (dense or sparse), ``edge_weight`` ``[E]``; ``lambda_max`` a number, by
        default twice the largest entry of :math:`L`, or ``[graphs]`` for a batch, in which
        ``batch`` ``[N]`` is the graph of every node; output ``[N, out]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        K: int,
        normalization: str | None = "sym",
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        if K < 1:
            raise ValueError(f"K: expected at least 1, got {K}")
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization: expected one of {NORMALIZATIONS}, got {normalization!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.normalization = normalization
        self.lins = nn.ModuleList(
            Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
            for _ in range(K)
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for lin in self._maps:
            lin.reset_parameters()
        zeros(self.bias)

    @property
    def _maps(self) -> list[Linear]:
        return list(self.lins)  # type: ignore[arg-type]

    def forward(
        self,
        x: Tensor,
        edge_index: Any,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
        lambda_max: Tensor | float | None = None,
    ) -> Tensor:
        graph = graph_for(self, x, edge_index)
        norm, diagonal = self._scaled_laplacian(graph, edge_weight, batch, lambda_max, x.dtype)

        def times(x: Tensor) -> Tensor:
            """The scaled Laplacian times x."""
            out = self.propagate(graph, x=x, norm=norm)
            return out if diagonal is None else torch.addcmul(out, diagonal, x)

        if narrows(x, self.out_channels) and commutes(self, ChebConv):
            out = _backwards(joint(self._maps, x), times)
        else:
            out = _forwards(self._maps, x, times)
        return out if self.bias is None else out + self.bias

    def message(self, x_j: Tensor, norm: Tensor) -> Tensor:
        return norm.view(-1, 1) * x_j

    def _scaled_laplacian(
        self,
        graph: Graph,
        weight: Tensor | None,
        batch: Tensor | None,
        lambda_max: Tensor | float | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor | None]:
        r""":math:`\tilde L`: an entry for every edge, and the diagonal; None where that is 0."""
        kind = self.normalization
        weight = weight_for(graph, weight, dtype)
        if weight is None:
            ones = torch.ones(graph.num_edges, dtype=dtype, device=graph.device)
            key = ("laplacian", kind, dtype)
            entries, diagonal = graph.cached(key, lambda: _laplacian(graph, ones, kind))
            if lambda_max is None and kind is not None:
                return entries, None  # the largest entry of L is 1
        else:
            entries, diagonal = _laplacian(graph, weight, kind)
        if lambda_max is None:
            lambda_max = 2 * torch.cat([entries, diagonal]).max()
        largest = torch.as_tensor(lambda_max, dtype=dtype, device=graph.device)
        scale = (2 / largest).masked_fill(largest == 0, 0.0)
        if scale.numel() == 1:
            entries, diagonal = entries * scale, diagonal * scale
        else:
            of_node = scale[_graph_of_nodes(graph, batch, scale.numel())]
            entries, diagonal = entries * of_node[graph.edge_index[0]], diagonal * of_node
        return entries, (diagonal - 1).view(-1, 1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"K={len(self.lins)}, normalization={self.normalization})"
        )


def _laplacian(graph: Graph, weight: Tensor, kind: str | None) -> tuple[Tensor, Tensor]:
    """An entry for every edge, 0 for self-loops, and the diagonal."""
    source, target = graph.edge_index
    weight = weight.masked_fill(source == target, 0.0)
    degree = reduce_edges(graph.reverse(), weight, "sum")
    if kind is None:
        return -weight, degree
    alone = degree == 0  # its inverse has no derivative, so it is set aside first
    inverse = degree.masked_fill(alone, 1.0).pow(-0.5 if kind == "sym" else -1.0)
    inverse = inverse.masked_fill(alone, 0.0)
    weight = inverse[source] * weight
    if kind == "sym":
        weight = weight * inverse[target]
    return -weight, torch.ones_like(degree)


def _graph_of_nodes(graph: Graph, batch: Tensor | None, count: int) -> Tensor:
    if batch is None and graph.is_batch:
        batch = graph.batch
    if batch is None or batch.shape != (graph.num_nodes,):
        got = None if batch is None else tuple(batch.shape)
        raise ValueError(
            f"batch: expected shape ({graph.num_nodes},), as lambda_max has {count} entries, "
            f"got {got}"
        )
    return batch


def _forwards(lins: list[Linear], x: Tensor, times: Callable[[Tensor], Tensor]) -> Tensor:
    """The sum over k of lin_k(T_k x)."""
    out, before = lins[0](x), x
    for k, lin in enumerate(lins[1:]):
        if k == 0:
            x = times(x)
        else:
            before, x = x, 2 * times(x) - before
        out = out + lin(x)
    return out


def _backwards(terms: Sequence[Tensor], times: Callable[[Tensor], Tensor]) -> Tensor:
    """The sum over k of T_k terms_k."""
    first, *further = terms
    if not further:
        return first
    after, out = None, further.pop()
    for term in reversed(further):
        term = term + 2 * times(out)
        after, out = out, term if after is None else term - after
    out = first + times(out)
    return out if after is None else out - after
