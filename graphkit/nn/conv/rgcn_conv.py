"""Relational graph convolution of Schlichtkrull et al."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.graph import Graph
from graphkit.nn.conv.relations import Relations, all_of
from graphkit.nn.inits import glorot, zeros
from graphkit.nn.message_passing import MessagePassing

Ends = Tensor | None | tuple[Tensor | None, Tensor]


class RGCNConv(MessagePassing):
    r"""Relational graph convolution, Schlichtkrull et al. 2018, eq. 2.

    .. math::
        x'_i = W_0 x_i + \sum_r W_r \Big(\bigoplus_{j \in N_r(i)} x_j\Big) + b

    over the neighbours by edges of type :math:`r`, with the mean as :math:`\bigoplus` by default.
    What enters a node by one relation is aggregated before it is mapped, so there are no more rows
    to map than edges, and no edges x features x relations tensor.

    Args:
        in_channels: size of the input features, or a pair (sources, destinations); number of
            nodes, if the layer learns an embedding of them instead.
        out_channels: size of the output features.
        num_relations: number of relations.
        num_bases: make the :math:`W_r` of so many matrices, :math:`W_r = \sum_b a_{rb} V_b`
            (eq. 3).
        num_blocks: make them block-diagonal, of so many blocks (eq. 4).
        aggr: aggregation, see :class:`MessagePassing`.
        root_weight: include :math:`W_0 x_i`.
        is_sorted: without effect, for edges are sorted once and found again.
        bias: learn :math:`b`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in_0]``, ``[N_dst, in_1]``; for learnt embeddings
        int64 ``[N]``, or None: node k has embedding k. ``edge_type`` int64 ``[E]``; output
        ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        num_relations: int,
        num_bases: int | None = None,
        num_blocks: int | None = None,
        aggr: str = "mean",
        root_weight: bool = True,
        is_sorted: bool = False,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": aggr, "node_dim": 0, **kwargs})
        if num_bases is not None and num_blocks is not None:
            raise ValueError(
                f"num_bases, num_blocks: expected one of them, got {num_bases} and {num_blocks}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_relations = num_relations
        self.num_bases = num_bases
        self.num_blocks = num_blocks
        source, root = [in_channels] * 2 if isinstance(in_channels, int) else in_channels
        self.in_channels_l = source
        if num_blocks is not None:
            if source % num_blocks or out_channels % num_blocks:
                raise ValueError(
                    f"num_blocks: expected a divisor of {source} and {out_channels} channels, "
                    f"got {num_blocks}"
                )
            shape = (num_relations, num_blocks, source // num_blocks, out_channels // num_blocks)
        else:
            shape = (num_relations if num_bases is None else num_bases, source, out_channels)
        self.weight = nn.Parameter(torch.empty(shape))
        self.comp = None
        if num_bases is not None:
            self.comp = nn.Parameter(torch.empty(num_relations, num_bases))
        self.root = nn.Parameter(torch.empty(root, out_channels)) if root_weight else None
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        glorot(self.weight)
        glorot(self.comp)
        glorot(self.root)
        zeros(self.bias)

    def forward(self, x: Ends, edge_index: Any, edge_type: Tensor | None = None) -> Tensor:
        """New features of the nodes.

        Args:
            x: features or indices, see above.
            edge_index: a Graph, or anything graph-like.
            edge_type: the relation of every edge; None: those of the Graph.
        """
        graph, source, root = self._ends(x, edge_index)
        # The flow is as it was given; inside, messages run from row 0 to row 1.
        along = graph.reverse() if self.flow == "target_to_source" else graph
        relations = Relations.of(along, edge_type, self.num_relations)
        if source.is_floating_point():
            h = self._map(self._receive(relations.rows, source), relations.sizes)
        else:
            table = self._weight().flatten(0, 1)
            h = self._receive(relations.lookup(source, self.in_channels_l), table)
        out = ops.segment_reduce(h, relations.destination, None, along.num_dst, 0, "sum")
        if self.root is not None:
            out = out + (root @ self.root if root.is_floating_point() else self.root[root])
        return out if self.bias is None else out + self.bias

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def _ends(self, x: Ends, edge_index: Any) -> tuple[Graph, Tensor, Tensor]:
        """The graph, and features or indices of sources and destinations."""
        source, root = x if isinstance(x, (tuple, list)) else (x, x)
        num_src = self.in_channels_l if source is None else source.size(0)
        num_dst = num_src if root is None else root.size(0)
        forwards = self.flow == "source_to_target"
        size = (num_src, num_dst) if forwards else (num_dst, num_src)
        graph = self.graph_of(edge_index, None if isinstance(edge_index, Graph) else size)
        if source is None:
            source = all_of(graph, num_src)
        root = source if root is None else root
        ends = (graph.num_src, graph.num_dst) if forwards else (graph.num_dst, graph.num_src)
        _check("sources", source, ends[0])
        _check("destinations", root, ends[1])
        if self.num_blocks is not None and not source.is_floating_point():
            raise ValueError("x: expected features, as num_blocks is given, got indices")
        return graph, source, root

    def _receive(self, graph: Graph, x: Tensor) -> Tensor:
        """What enters every row of the relations, aggregated."""
        if self.flow == "target_to_source":
            graph = graph.reverse()
        return self.propagate(graph, x=(x, None))

    def _weight(self) -> Tensor:
        """All :math:`W_r`, ``[relations, in, out]``."""
        if self.comp is None:
            return self.weight
        return torch.einsum("rb,bio->rio", self.comp, self.weight)

    def _map(self, h: Tensor, sizes: list[int]) -> Tensor:
        """``h`` times the matrix of its relation."""
        weight = self._weight()
        parts = []
        for part, matrix in zip(h.split(sizes), weight, strict=True):
            if self.num_blocks is None:
                parts.append(part @ matrix)
            else:
                blocks = part.view(-1, self.num_blocks, matrix.size(1))
                parts.append(torch.einsum("nbi,bio->nbo", blocks, matrix).flatten(1))
        return torch.cat(parts)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_relations={self.num_relations})"
        )


def _check(what: str, x: Tensor, num_nodes: int) -> None:
    features = x.is_floating_point()
    if x.layout != torch.strided or x.dim() != 1 + features or x.size(0) != num_nodes:
        raise ValueError(
            f"x: expected dense features [{num_nodes}, channels] or indices [{num_nodes}] of the "
            f"{what}, got {x.dtype} {tuple(x.shape)}"
        )
