"""LightGCN: recommendation by embeddings that spread between users and items."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.graph import as_graph
from graphkit.nn.conv.lg_conv import LGConv


class LightGCN(nn.Module):
    r"""Light graph convolution network, He et al. 2020, eq. 3, 4 and 8.

    .. math::
        x_i = \sum_{l=0}^L \alpha_l x_i^{(l)}, \quad
        x_i^{(l+1)} = \sum_{j \in N(i)} \frac{1}{\sqrt{d_i d_j}} x_j^{(l)}

    from one learnt :math:`x_i^{(0)}` for every node. A pair is scored by the inner product of its
    ends. The arguments, methods and names of parameters are those of PyTorch Geometric's class.

    Args:
        num_nodes: N, of users and items together.
        embedding_dim: k.
        num_layers: L.
        alpha: one number for all :math:`\alpha_l`, or ``[L + 1]``; None is 1 / (L + 1).
        **kwargs: of :class:`~graphkit.nn.LGConv`.
    """

    alpha: Tensor

    def __init__(
        self,
        num_nodes: int,
        embedding_dim: int,
        num_layers: int,
        alpha: float | Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        for name, value in (("num_nodes", num_nodes), ("embedding_dim", embedding_dim)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if num_layers < 0:
            raise ValueError(f"num_layers: expected at least 0, got {num_layers}")
        self.num_nodes, self.embedding_dim, self.num_layers = num_nodes, embedding_dim, num_layers
        if not isinstance(alpha, Tensor):
            share = 1 / (num_layers + 1) if alpha is None else alpha
            alpha = torch.full((num_layers + 1,), float(share))
        elif alpha.shape != (num_layers + 1,):
            raise ValueError(f"alpha: expected shape ({num_layers + 1},), got {tuple(alpha.shape)}")
        self.register_buffer("alpha", alpha)
        self.embedding = nn.Embedding(num_nodes, embedding_dim)
        self.convs = nn.ModuleList(LGConv(**kwargs) for _ in range(num_layers))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.embedding.weight)

    def get_embedding(self, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        """``[N, k]``; `edge_index` as of any layer, in both directions."""
        x = self.embedding.weight
        out = self.alpha[0] * x
        for conv, share in zip(self.convs, self.alpha[1:], strict=True):
            x = conv(x, edge_index, edge_weight)
            out = out + share * x
        return out

    def forward(
        self,
        edge_index: Any,
        edge_label_index: Tensor | None = None,
        edge_weight: Tensor | None = None,
    ) -> Tensor:
        """``[P]`` scores of the pairs ``edge_label_index`` ``[2, P]``; None: of the edges."""
        if edge_label_index is None:
            edge_label_index = as_graph(edge_index).edge_index
        out = self.get_embedding(edge_index, edge_weight)
        first, second = (out.index_select(0, ends) for ends in edge_label_index)
        return (first * second).sum(dim=-1)

    def predict_link(
        self,
        edge_index: Any,
        edge_label_index: Tensor | None = None,
        edge_weight: Tensor | None = None,
        prob: bool = False,
    ) -> Tensor:
        """``[P]`` whether pairs are linked, 0 or 1; with `prob` the probability."""
        probability = self(edge_index, edge_label_index, edge_weight).sigmoid()
        return probability if prob else probability.round()

    def recommend(
        self,
        edge_index: Any,
        edge_weight: Tensor | None = None,
        src_index: Tensor | None = None,
        dst_index: Tensor | None = None,
        k: int = 1,
        sorted: bool = True,
    ) -> Tensor:
        """``[S, k]`` the nodes of `dst_index` with the highest scores for each of `src_index`, of
        all nodes where these are None."""
        source = target = self.get_embedding(edge_index, edge_weight)
        if src_index is not None:
            source = source[src_index]
        if dst_index is not None:
            target = target[dst_index]
        if not 1 <= k <= len(target):
            raise ValueError(f"k: expected 1 to {len(target)}, as many as there are, got {k}")
        top = (source @ target.T).topk(k, dim=-1, sorted=sorted).indices
        return top if dst_index is None else dst_index[top]

    def link_pred_loss(self, pred: Tensor, edge_label: Tensor, **kwargs: Any) -> Tensor:
        """Mean cross-entropy of scores and whether pairs are linked; ``kwargs`` as of
        :func:`torch.nn.functional.binary_cross_entropy_with_logits`."""
        return F.binary_cross_entropy_with_logits(pred, edge_label.to(pred.dtype), **kwargs)

    def recommendation_loss(
        self,
        pos_edge_rank: Tensor,
        neg_edge_rank: Tensor,
        node_id: Tensor | None = None,
        lambda_reg: float = 1e-4,
    ) -> Tensor:
        r"""Bayesian personalised ranking: :math:`-\frac1P \sum \ln \sigma(s_{ui} - s_{uj}) +
        \frac{\lambda}{P} \lVert x^{(0)} \rVert^2` (there, eq. 15).

        Args:
            pos_edge_rank, neg_edge_rank: ``[P]`` scores of a user with an item that it has, and
                with one that it has not.
            node_id: nodes whose embeddings count in the penalty; None: all.
            lambda_reg: :math:`\lambda`.
        """
        if pos_edge_rank.shape != neg_edge_rank.shape:
            raise ValueError(
                f"neg_edge_rank: expected shape {tuple(pos_edge_rank.shape)} as pos_edge_rank, "
                f"got {tuple(neg_edge_rank.shape)}"
            )
        embedding = self.embedding.weight
        counted = embedding if node_id is None else embedding[node_id]
        penalty = lambda_reg * counted.square().sum() / len(pos_edge_rank)
        return penalty - F.logsigmoid(pos_edge_rank - neg_edge_rank).mean()

    def __repr__(self) -> str:
        sizes = f"{self.num_nodes}, {self.embedding_dim}"
        return f"{type(self).__name__}({sizes}, num_layers={self.num_layers})"
