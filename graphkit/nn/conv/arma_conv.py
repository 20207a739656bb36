"""Graph convolution with ARMA filters, of Bianchi et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphkit.engine import sparse
from graphkit.nn.conv.normalized import normalized
from graphkit.nn.dropout import dropout
from graphkit.nn.inits import glorot, zeros
from graphkit.nn.linear import is_lazy
from graphkit.nn.message_passing import MessagePassing


class ARMAConv(MessagePassing):
    r"""Graph convolution with auto-regressive moving-average filters, Bianchi et al. 2021, eqs. 11
    and 12.

    .. math::
        X' = \frac{1}{K} \sum_{k=1}^K X_k^{(T)}, \quad
        X_k^{(t+1)} = \sigma\big(S X_k^{(t)} W_k^{(t)} + X V_k^{(t)} + b_k^{(t)}\big), \quad
        X_k^{(0)} = X, \quad S = D^{-1/2} A D^{-1/2}

    Args:
        in_channels: size of the input features, or -1 to take it from the first input.
        out_channels: size of the output features.
        num_stacks: number of stacks :math:`K`, which run side by side.
        num_layers: number of layers :math:`T` of each.
        shared_weights: all layers of a stack but the first share :math:`W_k`, and all :math:`V_k`.
        act: :math:`\sigma`; None for none.
        dropout: probability of setting entries of the :math:`X` beside :math:`V_k` to 0 while
            training.
        bias: learn :math:`b_k`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]`` (dense or sparse), ``edge_weight`` ``[E]``; output ``[N, out]``.
    """

    init_weight: Tensor
    root_weight: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_stacks: int = 1,
        num_layers: int = 1,
        shared_weights: bool = False,
        act: Callable[[Tensor], Tensor] | None = torch.relu,
        dropout: float = 0.0,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_stacks = num_stacks
        self.num_layers = num_layers
        self.shared_weights = shared_weights
        self.act = act
        self.dropout = dropout
        layers = 1 if shared_weights else num_layers
        self.weight = nn.Parameter(
            torch.empty(max(1, layers - 1), num_stacks, out_channels, out_channels)
        )
        self.init_weight = UninitializedParameter()
        self.root_weight = UninitializedParameter()
        self.bias = nn.Parameter(torch.empty(layers, num_stacks, 1, out_channels)) if bias else None
        self.reset_parameters()
        if in_channels > 0:
            self._materialize(in_channels)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        glorot(self.weight)
        if not is_lazy(self.init_weight):
            glorot(self.init_weight)
            glorot(self.root_weight)
        zeros(self.bias)

    def forward(self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None) -> Tensor:
        graph, coefficients = normalized(self, x, edge_index, edge_weight)
        if is_lazy(self.init_weight):
            self._materialize(x.size(-1))
        self._check(x)
        out = x  # and from the first layer on [N, stacks * out], the stacks side by side
        for t in range(self.num_layers):
            own = 0 if self.shared_weights else t
            out = _to_stacks(out, self.init_weight) if t == 0 else self._between(out, t)
            out = self.propagate(graph, x=out, edge_weight=coefficients)
            skip = dropout(x, self.dropout, self.training)
            out = out + _to_stacks(skip, self.root_weight[own])
            if self.bias is not None:
                out = out + self.bias[own].flatten()
            if self.act is not None:
                out = self.act(out)
        return out.unflatten(-1, (self.num_stacks, -1)).mean(1)

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        return edge_weight.view(-1, 1) * x_j

    def _between(self, out: Tensor, t: int) -> Tensor:
        """Every stack's features times its matrix, after the first layer."""
        weight = self.weight[0 if self.shared_weights else t - 1]
        if self.num_stacks == 1:
            return out @ weight[0]
        stacks = out.unflatten(-1, (self.num_stacks, -1))
        return torch.einsum("nki,kio->nko", stacks, weight).flatten(1)

    def _check(self, x: Tensor) -> None:
        if x.dim() != 2 or x.size(1) != self.init_weight.size(1):
            raise ValueError(
                f"x: expected shape [nodes, {self.init_weight.size(1)}], got {tuple(x.shape)}"
            )

    def _materialize(self, size: int) -> None:
        stacks, out = self.num_stacks, self.out_channels
        layers = 1 if self.shared_weights else self.num_layers
        with torch.no_grad():
            self.init_weight.materialize((stacks, size, out))  # type: ignore[attr-defined]
            self.root_weight.materialize((layers, stacks, size, out))  # type: ignore[attr-defined]
            glorot(self.init_weight)
            glorot(self.root_weight)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        # Weights that have no shape yet cannot be detached.
        super()._save_to_state_dict(destination, prefix, keep_vars or is_lazy(self.init_weight))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        weight = state_dict.get(f"{prefix}init_weight")
        if weight is not None and is_lazy(self.init_weight) and not is_lazy(weight):
            self._materialize(weight.size(1))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_stacks={self.num_stacks}, num_layers={self.num_layers})"
        )


def _to_stacks(x: Tensor, weight: Tensor) -> Tensor:
    """``[N, in]`` times ``[stacks, in, out]``, the stacks side by side."""
    matrix = weight.transpose(0, 1).flatten(1)
    return x @ matrix if x.layout == torch.strided else sparse.matmul(x, matrix)
