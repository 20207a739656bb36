"""A node that stands beside all nodes of a graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn.dropout import dropout
from graphkit.nn.models.mlp import MLP
from graphkit.nn.pool import global_add_pool


class VirtualNode(nn.Module):
    r"""A node for every graph that is tied to all its nodes, so that any two are two steps apart.

    The master node of Gilmer et al. 2017, section 5.2, in the form of Hu et al. 2020 (OGB). Before
    layer :math:`l` the nodes hear from it, and it hears from them:

    .. math::
        x_i \leftarrow x_i + v^{(l)}_g, \quad
        v^{(l+1)}_g = \mathrm{MLP}_l\Big(v^{(l)}_g + \sum_{i \in V_g} x_i\Big)

    from a learnt :math:`v^{(0)}`, at first 0, that all graphs share. Called before every layer::

        v = None
        for layer, conv in enumerate(convs):
            x, v = virtual(x, v, layer, batch)
            x = conv(x, graph).relu()

    Args:
        channels: number of features of the nodes.
        num_layers: number of layers; what it would hear before the last is of no use, and left out.
        dropout: probability after every MLP.
        residual: add :math:`v^{(l)}_g` to the MLP's result.
    """

    def __init__(
        self, channels: int, num_layers: int, dropout: float = 0.0, residual: bool = False
    ) -> None:
        super().__init__()
        self.channels = channels
        self.num_layers = num_layers
        self.dropout = dropout
        self.residual = residual
        self.start = nn.Parameter(torch.zeros(1, channels))
        # A batch of one graph has no statistics.
        norm_kwargs = {"allow_single_element": True}
        self.mlps = nn.ModuleList(
            MLP([channels, 2 * channels, channels], norm_kwargs=norm_kwargs, plain_last=False)
            for _ in range(num_layers - 1)
        )

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.start)
        for mlp in self.mlps:
            mlp.reset_parameters()  # type: ignore[operator]

    def forward(
        self,
        x: Tensor,
        v: Tensor | None,
        layer: int,
        batch: Tensor | Graph | None = None,
        batch_size: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """New features of the nodes and of the virtual ones.

        Args:
            x: ``[N, channels]`` what goes into layer number ``layer``, from 0.
            v: ``[graphs, channels]`` as the call before gave them; None before the first layer.
            layer: its number.
            batch: ``[N]`` graph of every node, a batched Graph, or None: one graph.
            batch_size: number of graphs, if ``batch`` does not tell.
        """
        if not 0 <= layer < self.num_layers:
            raise ValueError(f"layer: expected a number below {self.num_layers}, got {layer}")
        if x.dim() != 2 or x.size(1) != self.channels:
            raise ValueError(f"x: expected shape [nodes, {self.channels}], got {tuple(x.shape)}")
        if isinstance(batch, Graph):
            batch, batch_size = batch.batch, batch.num_graphs
        elif batch is None:
            batch, batch_size = x.new_zeros(len(x), dtype=torch.int64), 1
        elif batch_size is None:
            batch_size = int(batch.max()) + 1 if batch.numel() else 0
        if v is None:
            v = self.start.expand(batch_size, -1)
        elif v.shape != (batch_size, self.channels):
            raise ValueError(
                f"v: expected shape ({batch_size}, {self.channels}), got {tuple(v.shape)}"
            )
        x = x + v.index_select(0, batch)
        if layer == self.num_layers - 1:
            return x, v
        heard = self.mlps[layer](v + global_add_pool(x, batch, batch_size))
        heard = dropout(heard, self.dropout, self.training)
        return x, v + heard if self.residual else heard

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, num_layers={self.num_layers})"
