"""DiffPool of Ying et al."""

from __future__ import annotations

from torch import Tensor

from graphkit.nn.dense.checks import as_batch

_TINY = 1e-15  # log(0) has no value


def dense_diff_pool(
    x: Tensor, adj: Tensor, s: Tensor, mask: Tensor | None = None, normalize: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Nodes softly assigned to clusters, which become the new nodes; Ying et al. 2018, eqs. 3-4.

    .. math::
        X' = S^\top X, \quad A' = S^\top A S, \quad S = \mathrm{softmax}(s)

    and, to be added to the loss, how far clusters are from joining neighbours, and how undecided
    the assignment is (section 3.3):

    .. math::
        L_{LP} = \lVert A - S S^\top \rVert_F, \quad L_E = \frac{1}{N} \sum_i H(S_i)

    Args:
        x: ``[B, N, F]`` features of the nodes, padded as :func:`to_dense_batch` does it; or
            ``[N, F]``.
        adj: ``[B, N, N]`` adjacency matrices.
        s: ``[B, N, C]`` scores of the assignment to :math:`C` clusters.
        mask: ``[B, N]`` what stands for a node.
        normalize: divide :math:`L_{LP}` by the number of entries of ``adj``.

    Returns:
        ``[B, C, F]`` features and ``[B, C, C]`` adjacency of the clusters, :math:`L_{LP}` and
        :math:`L_E`.
    """
    x, adj = as_batch(x, adj, mask)
    s = s.unsqueeze(0) if s.dim() == 2 else s
    if s.dim() != 3 or s.shape[:2] != x.shape[:2]:
        expected = [*x.shape[:2], "clusters"]
        raise ValueError(f"s: expected shape {expected}, got {tuple(s.shape)}")
    s = s.softmax(-1)
    if mask is not None:
        there = mask.unsqueeze(-1).to(x.dtype)
        x, s = x * there, s * there
    to_cluster = s.transpose(1, 2)
    link_loss = (adj - s @ to_cluster).norm()
    if normalize:
        link_loss = link_loss / adj.numel()
    entropy = -(s * (s + _TINY).log()).sum(-1).mean()
    return to_cluster @ x, to_cluster @ adj @ s, link_loss, entropy
