"""What explains a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphkit.graph import Graph


@dataclass(frozen=True, eq=False)
class Explanation:
    """How much every edge, and every feature, counts for a prediction.

    Attributes:
        graph: What the edges are those of.
        edge_mask: ``[E]`` importance of the edges, the greater the more they support the
            prediction.
        feature_mask: Importance of the features, ``[F]`` if it is the same for all nodes, or
            ``[N, F]``; None if the method gives none.
    """

    graph: Graph
    edge_mask: Tensor
    feature_mask: Tensor | None = None

    @property
    def node_mask(self) -> Tensor:
        """Importance of the nodes, ``[N]``, which is that of their features together where these
        differ from node to node, else that of the most important edge from or to them."""
        if self.feature_mask is not None and self.feature_mask.dim() == 2:
            return self.feature_mask.sum(1)
        ends, mask = self.graph.edge_index.view(-1), self.edge_mask.repeat(2)
        found = mask.new_zeros(self.graph.num_nodes)
        return found.scatter_reduce(0, ends, mask, "amax", include_self=False)

    @property
    def sparsity(self) -> float:
        """Share of the edges that are left out, :math:`1 - |S| / |E|`; Yuan et al. 2022.

        Edges that are there in part count in part, so that this asks for a mask in [0, 1].
        """
        _check_factors(self.edge_mask)
        return 1.0 - float(self.edge_mask.mean()) if self.graph.num_edges else 0.0

    def top(self, count: int) -> Explanation:
        """The explanation that consists of the `count` most important edges, with the mask 1, and
        of all features. Of edges that are equally important the first are taken, but none of no
        importance."""
        if count < 0:
            raise ValueError(f"count: expected no negative number, got {count}")
        chosen = self.edge_mask.sort(descending=True, stable=True).indices[:count]
        hard = torch.zeros_like(self.edge_mask)
        hard[chosen] = 1.0
        return Explanation(self.graph, hard * (self.edge_mask > 0))


def _check_factors(mask: Tensor) -> None:
    if mask.numel() and not (mask.min() >= 0 and mask.max() <= 1):
        raise ValueError(
            "edge_mask: expected factors from 0 to 1, got numbers from "
            f"{float(mask.min()):.3g} to {float(mask.max()):.3g}; take explanation.top(count)"
        )
