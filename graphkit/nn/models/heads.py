"""Heads: predictions on nodes, edges and graphs from the features an encoder gives the nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.inits import reset
from graphkit.nn.pool.readout import Readout


class NodeHead(nn.Module):
    """Prediction on every node: ``predict(h_i)``.

    Args:
        predict: a module or any callable on rows.
    """

    def __init__(self, predict: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.predict = predict

    def forward(self, h: Tensor) -> Tensor:
        return self.predict(h)


class EdgeHead(nn.Module):
    """Score of pairs of nodes: the inner product of h_i and h_j, or ``predict(h_i * h_j)``.

    Both treat the two ends alike.

    Args:
        predict: a module or any callable on rows; None is the inner product.
    """

    def __init__(self, predict: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.predict = predict

    def forward(self, h: Tensor, edge_label_index: Tensor) -> Tensor:
        """``edge_label_index``: ``[2, P]`` pairs to score; output ``[P]`` or ``[P, out]``."""
        if edge_label_index.dim() != 2 or edge_label_index.size(0) != 2:
            raise ValueError(
                f"edge_label_index: expected shape [2, pairs], got {tuple(edge_label_index.shape)}"
            )
        product = h[edge_label_index[0]] * h[edge_label_index[1]]
        return product.sum(-1) if self.predict is None else self.predict(product)


class GraphHead(nn.Module):
    """Prediction on every graph: ``predict(pool(h))``.

    Args:
        predict: a module or any callable on rows.
        pool: name of an aggregation ("mean", "sum", "max", "median", ...) or a callable
            ``pool(h, batch, size)`` such as a :class:`~graphkit.nn.Readout`.
    """

    def __init__(
        self, predict: Callable[[Tensor], Tensor], pool: str | Callable[..., Tensor] = "mean"
    ) -> None:
        super().__init__()
        self.predict = predict
        self.pool = Readout(pool) if isinstance(pool, str) else pool

    def forward(
        self, h: Tensor, batch: Tensor | Graph | None = None, size: int | None = None
    ) -> Tensor:
        """``batch``: ``[N]`` graph of every node, a batched Graph, or None for one graph."""
        return self.predict(self.pool(h, batch, size))


class Predictor(nn.Module):
    """An encoder of nodes and a head on it.

    The two stay apart: ``model.encode`` gives the features of the nodes, ``model.head`` the
    prediction from them, and either can be exchanged, frozen or trained elsewhere.

    Args:
        encoder: module called as ``encoder(x, edge_index, **edges)``.
        head: module called as ``head(h, *of)``.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def reset_parameters(self) -> None:
        reset(self.encoder)
        reset(self.head)

    def encode(self, x: Tensor, edge_index: Any, **edges: Any) -> Tensor:
        """Features of the nodes, ``[N, F]``."""
        return self.encoder(x, edge_index, **edges)

    def forward(self, x: Tensor, edge_index: Any, *of: Any, **edges: Any) -> Tensor:
        """Prediction; ``of`` is what the head asks for: nothing for :class:`NodeHead`, the pairs
        for :class:`EdgeHead`, ``batch`` (or the Graph) for :class:`GraphHead`."""
        return self.head(self.encode(x, edge_index, **edges), *of)
