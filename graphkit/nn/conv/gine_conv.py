"""Graph isomorphism network with edge features of Hu et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphkit.nn.conv.attention import column
from graphkit.nn.conv.gin_conv import GINConv
from graphkit.nn.linear import Linear


class GINEConv(GINConv):
    r"""Graph isomorphism layer with edge features, Hu et al. 2020, section 5 and appendix A.

    .. math::
        x'_i = h\Big((1 + \epsilon)\, x_i + \sum_{j \in N(i)} \mathrm{ReLU}(x_j + e_{ji})\Big)

    Args:
        nn: :math:`h`, a module or any callable on rows.
        eps: start value of :math:`\epsilon`.
        train_eps: learn :math:`\epsilon`.
        edge_dim: size of the edge features, which are then mapped to the size of the node features
            (read off the first layer of `nn`). None: they have that size already.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in]``, ``[N_dst, in]`` (the second may be None),
        ``edge_attr`` ``[E, in]`` or ``[E, edge_dim]``; output ``[N_dst, out]``.
    """

    def __init__(
        self,
        nn: Callable[[Tensor], Tensor],
        eps: float = 0.0,
        train_eps: bool = False,
        edge_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(nn, eps, train_eps, **kwargs)
        self.lin = None if edge_dim is None else Linear(edge_dim, _size_of_input(nn))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.lin is not None:
            self.lin.reset_parameters()

    def forward(  # type: ignore[override]
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Any,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        graph = self.graph_of(edge_index, size, (source, root))
        e: Any = graph.edge_attr if edge_attr is None else edge_attr
        if e is None:
            raise ValueError("edge_attr: expected features of the edges, got None")
        if self.lin is not None:
            e = self.lin(column(e))
        if e.size(-1) != source.size(-1):
            raise ValueError(
                f"edge_attr: sizes of node and edge features do not match, got {source.size(-1)} "
                f"and {e.size(-1)}; edge_dim={e.size(-1)} would map the latter"
            )
        return self._update(self.propagate(graph, x=(source, root), edge_attr=e), root)

    def message(self, x_j: Tensor, edge_attr: Tensor) -> Tensor:  # type: ignore[override]
        return (x_j + edge_attr).relu()


def _size_of_input(nn: Any) -> int:
    first = nn[0] if isinstance(nn, torch.nn.Sequential) else nn
    for name in ("in_features", "in_channels"):
        if hasattr(first, name):
            return getattr(first, name)
    raise ValueError(
        "nn: expected a module whose first layer tells in_features or in_channels, as edge_dim "
        f"asks for a map to that size; got {type(nn).__name__}"
    )
