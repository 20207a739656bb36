"""General, powerful, scalable graph transformer of Rampášek et al."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.dense.convert import to_dense_batch
from graphkit.nn.inits import reset
from graphkit.nn.resolver import activation_of, norm_of, takes_batch


class GPSConv(nn.Module):
    r"""Messages along the edges beside attention among all nodes, Rampášek et al. 2022, section 3.

    .. math::
        h^M_i &= \mathrm{norm}_1(x_i + \mathrm{conv}(x)_i) \\
        h^T_i &= \mathrm{norm}_2(x_i + \mathrm{attention}(x)_i) \\
        x'_i &= \mathrm{norm}_3\big(h_i + \mathrm{MLP}(h_i)\big), \quad h_i = h^M_i + h^T_i

    The attention is among the nodes of one graph, :math:`N^2` pairs each; where nodes stand in the
    graph has to be in their features.

    Args:
        channels: number of features, of input and output.
        conv: a layer that keeps their number, or None for attention alone.
        heads: number of attention heads.
        dropout: probability for either part and in the MLP.
        act: name of the activation in the MLP.
        act_kwargs: its arguments.
        norm: "batch_norm", "layer_norm", "graph_norm", ... or None.
        norm_kwargs: its arguments.
        attn_type: "multihead", the one there is.
        attn_kwargs: arguments of :class:`torch.nn.MultiheadAttention`.

    Shapes:
        ``x`` ``[N, channels]``; output ``[N, channels]``.
    """

    def __init__(
        self,
        channels: int,
        conv: nn.Module | None,
        heads: int = 1,
        dropout: float = 0.0,
        act: str = "relu",
        act_kwargs: dict[str, Any] | None = None,
        norm: str | None = "batch_norm",
        norm_kwargs: dict[str, Any] | None = None,
        attn_type: str = "multihead",
        attn_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if attn_type != "multihead":
            raise ValueError(f"attn_type: expected 'multihead', got {attn_type!r}")
        if channels % heads:
            raise ValueError(f"heads: expected a divisor of {channels} channels, got {heads}")
        self.channels = channels
        self.conv = conv
        self.heads = heads
        self.dropout = dropout
        self.attn_type = attn_type
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True, **(attn_kwargs or {}))
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels),
            activation_of(act, **(act_kwargs or {})),  # type: ignore[arg-type]
            nn.Dropout(dropout),
            nn.Linear(2 * channels, channels),
            nn.Dropout(dropout),
        )
        self.norm1, self.norm2, self.norm3 = (
            norm_of(norm, channels, **(norm_kwargs or {})) for _ in range(3)
        )
        self.norm_with_batch = isinstance(self.norm1, nn.Module) and takes_batch(self.norm1)

    def reset_parameters(self) -> None:
        reset(self.conv)
        self.attn.out_proj.reset_parameters()
        self.attn._reset_parameters()
        for module in (self.mlp, self.norm1, self.norm2, self.norm3):
            reset(module)

    def forward(
        self, x: Tensor, edge_index: Any, batch: Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """New features of the nodes.

        Args:
            x: ``[N, channels]``.
            edge_index: a Graph, or anything graph-like.
            batch: ``[N]`` graph of every node, ascending. None: as the Graph says, else one graph.
            **kwargs: passed on to ``conv``, such as ``edge_attr``.
        """
        if x.dim() != 2 or x.size(1) != self.channels:
            raise ValueError(f"x: expected shape [nodes, {self.channels}], got {tuple(x.shape)}")
        if batch is None and isinstance(edge_index, Graph) and edge_index.is_batch:
            batch = edge_index.batch
        h = self._add(self.norm2, x, self._attend(x, batch), batch)
        if self.conv is not None:
            h = h + self._add(self.norm1, x, self.conv(x, edge_index, **kwargs), batch)
        return self._normalise(self.norm3, h + self.mlp(h), batch)

    def _attend(self, x: Tensor, batch: Tensor | None) -> Tensor:
        if not len(x):
            return x
        if batch is None:
            return self.attn(x, x, x, need_weights=False)[0]
        rows, mask = to_dense_batch(x, batch)
        filled = mask.any(1)  # a graph without nodes would have nothing to attend to
        rows, mask = rows[filled], mask[filled]
        padded = None if bool(mask.all()) else ~mask
        return self.attn(rows, rows, rows, key_padding_mask=padded, need_weights=False)[0][mask]

    def _add(self, norm: Any, x: Tensor, h: Tensor, batch: Tensor | None) -> Tensor:
        return self._normalise(norm, x + F.dropout(h, self.dropout, self.training), batch)

    def _normalise(self, norm: Any, h: Tensor, batch: Tensor | None) -> Tensor:
        if norm is None:
            return h
        return norm(h, batch=batch) if self.norm_with_batch else norm(h)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.channels}, conv={self.conv}, heads={self.heads}, "
            f"attn_type={self.attn_type})"
        )
