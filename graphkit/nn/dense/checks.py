"""What dense layers are given."""

from __future__ import annotations

from torch import Tensor


def as_batch(x: Tensor, adj: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """``[B, N, F]`` and ``[B, N, N]`` (or ``[1, N, N]``) of batches or single graphs."""
    x = x.unsqueeze(0) if x.dim() == 2 else x
    adj = adj.unsqueeze(0) if adj.dim() == 2 else adj
    if x.dim() != 3:
        raise ValueError(f"x: expected shape [graphs, nodes, features], got {tuple(x.shape)}")
    batch_size, num_nodes = x.shape[:2]
    if adj.shape[1:] != (num_nodes, num_nodes) or adj.size(0) not in (1, batch_size):
        raise ValueError(
            f"adj: expected shape {(batch_size, num_nodes, num_nodes)}, got {tuple(adj.shape)}"
        )
    if mask is not None and mask.shape != (batch_size, num_nodes):
        raise ValueError(f"mask: expected shape {(batch_size, num_nodes)}, got {tuple(mask.shape)}")
    return x, adj
