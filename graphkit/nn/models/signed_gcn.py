"""Signed graph convolutional network of Derr, Ma & Tang."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graphkit.engine.cpu.sample.linked import linked_of
from graphkit.graph import Graph, as_graph
from graphkit.nn.conv.signed_conv import SignedConv


class SignedGCN(nn.Module):
    r"""Codes of nodes that are joined by friendly and hostile links, Derr et al. 2018.

    The loss tells friendly links, hostile ones and pairs without a link from each other,
    each as important as the others, and wants friends nearer than strangers and strangers nearer
    than enemies:

    .. math::
        L = \tfrac13 \sum_s \operatorname{mean}_{(i, j) \in s} -\log p_s(z_i, z_j)
            + \lambda \operatorname{mean}_{(i, j) \in E^+} [d_{ij} - d_{ik}]_+
            + \lambda \operatorname{mean}_{(i, j) \in E^-} [d_{ik} - d_{ij}]_+

    with :math:`d_{ij} = \|z_i - z_j\|^2` and k drawn from the nodes that i has no such link to.

    Args:
        in_channels: size of the input features.
        hidden_channels: size of the codes, even: half of it is of friends, half of enemies.
        num_layers: number of layers.
        lamb: :math:`\lambda`.
        bias: learn the biases of the layers. PyTorch Geometric learns them in any case.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        lamb: float = 5,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if hidden_channels < 2 or hidden_channels % 2:
            raise ValueError(f"hidden_channels: expected an even number, got {hidden_channels}")
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.lamb = lamb
        half = hidden_channels // 2
        self.conv1 = SignedConv(in_channels, half, first_aggr=True, bias=bias)
        self.convs = nn.ModuleList(
            SignedConv(half, half, first_aggr=False, bias=bias) for _ in range(num_layers - 1)
        )
        self.lin = nn.Linear(2 * hidden_channels, 3)

    def reset_parameters(self) -> None:
        for layer in (self.conv1, *self.convs, self.lin):
            layer.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, pos_edge_index: Any, neg_edge_index: Any) -> Tensor:
        """Codes ``[N, hidden]`` from features and both kinds of edges, a Graph or anything
        graph-like each."""
        z = self.conv1(x, pos_edge_index, neg_edge_index).relu()
        for conv in self.convs:
            z = conv(z, pos_edge_index, neg_edge_index).relu()
        return z

    def discriminate(self, z: Tensor, edge_index: Any) -> Tensor:
        """Logarithms of the probabilities that pairs are friends, enemies or not linked,
        ``[P, 3]``."""
        first, second = (z.index_select(0, ends) for ends in _pairs(edge_index))
        return self.lin(torch.cat([first, second], dim=1)).log_softmax(dim=1)

    def nll_loss(self, z: Tensor, pos_edge_index: Any, neg_edge_index: Any) -> Tensor:
        """The first part of the loss. As many pairs without a link are drawn, by torch's
        generator, as there are links."""
        linked = [_pairs(pos_edge_index), _pairs(neg_edge_index)]
        links = torch.cat(linked, dim=1)
        known = linked_of(Graph(links, z.size(0)).to("cpu"))
        linked.append(known.sample(min(links.size(1), known.unlinked), _seed()).to(z.device))
        losses = [_mean(-self.discriminate(z, pairs)[:, kind]) for kind, pairs in enumerate(linked)]
        return torch.stack(losses).mean()

    def pos_embedding_loss(self, z: Tensor, pos_edge_index: Any) -> Tensor:
        """The second: friends are nearer than strangers."""
        return _mean(_further(z, pos_edge_index).relu())

    def neg_embedding_loss(self, z: Tensor, neg_edge_index: Any) -> Tensor:
        """The third: enemies are further than strangers."""
        return _mean(_further(z, neg_edge_index).neg().relu())

    def loss(self, z: Tensor, pos_edge_index: Any, neg_edge_index: Any) -> Tensor:
        """All three."""
        apart = self.pos_embedding_loss(z, pos_edge_index)
        apart = apart + self.neg_embedding_loss(z, neg_edge_index)
        return self.nll_loss(z, pos_edge_index, neg_edge_index) + self.lamb * apart

    def create_spectral_features(
        self, pos_edge_index: Any, neg_edge_index: Any, num_nodes: int | None = None
    ) -> Tensor:
        r"""Right singular vectors of the signed adjacency matrix, ``[N, in]``.

        Of the `in_channels` largest singular values, and of both directions of all links: a link
        counts 1 or -1, several between two nodes are added up.
        """
        import scipy.sparse
        from sklearn.decomposition import TruncatedSVD

        friends, enemies = _pairs(pos_edge_index), _pairs(neg_edge_index)
        links = torch.cat([friends, enemies], dim=1).cpu().numpy()
        size = int(links.max()) + 1 if num_nodes is None else num_nodes
        sign = np.repeat([1.0, -1.0], [friends.size(1), enemies.size(1)])
        signed = scipy.sparse.csr_matrix((sign, (links[0], links[1])), shape=(size, size))
        seed = int(torch.randint(2**31 - 1, ()))
        svd = TruncatedSVD(self.in_channels, n_iter=128, random_state=seed).fit(signed + signed.T)
        return torch.from_numpy(svd.components_.T.copy()).float().to(friends.device)

    def split_edges(self, edge_index: Tensor, test_ratio: float = 0.2) -> tuple[Tensor, Tensor]:
        """Edges for training and for the test, at random by torch's generator."""
        count = edge_index.size(1)
        order = torch.randperm(count)
        for_test = order < int(test_ratio * count)
        return edge_index[:, ~for_test], edge_index[:, for_test]

    def test(self, z: Tensor, pos_edge_index: Any, neg_edge_index: Any) -> tuple[float, float]:
        """Area under the ROC curve of friendly links among hostile ones, and the F1 of friends.

        Unlike PyTorch Geometric's, the area is that of the scores, not of rounded ones.
        """
        from sklearn.metrics import f1_score, roc_auc_score

        parts = [_pairs(pos_edge_index), _pairs(neg_edge_index)]
        target = np.repeat([1, 0], [part.size(1) for part in parts])
        with torch.no_grad():
            friend, enemy, _ = self.discriminate(z, torch.cat(parts, dim=1)).unbind(dim=1)
        found = (friend - enemy).cpu().numpy()
        f1 = f1_score(target, found > 0, zero_division=0)
        return float(roc_auc_score(target, found)), float(f1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.hidden_channels}, "
            f"num_layers={self.num_layers})"
        )


def _pairs(edge_index: Any) -> Tensor:
    return edge_index if isinstance(edge_index, Tensor) else as_graph(edge_index).edge_index


def _seed() -> int:
    return int(torch.randint(2**63 - 1, ()))


def _mean(value: Tensor) -> Tensor:
    """0 of none."""
    return value.sum() / max(len(value), 1)


def _further(z: Tensor, edge_index: Any) -> Tensor:
    """For every link how much further its other end is than a node that is not joined so."""
    i, j = _pairs(edge_index)
    graph = as_graph(edge_index, (z.size(0), z.size(0)))
    k = linked_of(graph.to("cpu")).targets(i.cpu(), _seed()).to(z.device)
    joined = k >= 0  # to some other node i has no such link
    i, j, k = i[joined], j[joined], k[joined]
    first, second, other = (z.index_select(0, ends) for ends in (i, j, k))
    return (first - second).square().sum(dim=1) - (first - other).square().sum(dim=1)
