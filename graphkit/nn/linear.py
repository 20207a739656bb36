"""A linear map that may learn its input size, and that takes sparse features."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphkit.engine import dense, sparse
from graphkit.nn.inits import glorot, uniform, zeros


def is_lazy(weight: Tensor) -> bool:
    """Whether a weight has no shape yet."""
    return isinstance(weight, UninitializedParameter)


class Linear(nn.Linear):
    r"""Linear map :math:`x W^\top + b`.

    As :class:`torch.nn.Linear`, and besides: ``in_channels=-1`` takes the size from the first
    input, the start values can be chosen, and ``x`` may be a sparse matrix.

    Args:
        in_channels: size of each input, or -1.
        out_channels: size of each output.
        bias: add a learnt :math:`b`.
        weight_initializer: "glorot", "uniform" or "kaiming_uniform"; None is torch's own.
        bias_initializer: "zeros"; None is torch's own.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        weight_initializer: str | None = None,
        bias_initializer: str | None = None,
    ) -> None:
        if weight_initializer not in (None, "glorot", "uniform", "kaiming_uniform"):
            raise ValueError(
                "weight_initializer: expected 'glorot', 'uniform', 'kaiming_uniform' or None, "
                f"got {weight_initializer!r}"
            )
        if bias_initializer not in (None, "zeros"):
            raise ValueError(
                f"bias_initializer: expected 'zeros' or None, got {bias_initializer!r}"
            )
        self.weight_initializer = weight_initializer
        self.bias_initializer = bias_initializer
        super().__init__(max(in_channels, 0), out_channels, bias)
        self.in_features = in_channels
        if in_channels < 0:
            self.weight = UninitializedParameter()

    @property
    def in_channels(self) -> int:
        return self.in_features

    @property
    def out_channels(self) -> int:
        return self.out_features

    def reset_parameters(self) -> None:
        if self.in_features <= 0 or is_lazy(self.weight):
            return
        bound = 1.0 / math.sqrt(self.in_features)
        if self.weight_initializer == "glorot":
            glorot(self.weight)
        else:  # Kaiming's bound with the slope torch takes is 1 / sqrt(fan in) as well
            uniform(self.weight, bound)
        if self.bias_initializer == "zeros":
            zeros(self.bias)
        else:
            uniform(self.bias, bound)

    def forward(self, input: Tensor) -> Tensor:
        if input.layout != torch.strided or is_lazy(self.weight):
            return self.add_bias(self.multiply(input))
        self._check(input)
        return dense.linear(input, self.weight, self.bias)

    def _check(self, x: Tensor) -> None:
        if x.dim() == 0 or x.size(-1) != self.in_features:
            raise ValueError(
                f"x: expected {self.in_features} features in the last dimension, "
                f"got shape {tuple(x.shape)}"
            )

    def multiply(self, x: Tensor) -> Tensor:
        r""":math:`x W^\top`, without the bias."""
        if is_lazy(self.weight):
            self._materialize(x.size(-1))
        self._check(x)
        if x.layout == torch.strided:
            return dense.linear(x, self.weight)
        return sparse.matmul(x, self.weight.t())

    def add_bias(self, x: Tensor) -> Tensor:
        """:math:`x + b`, or just x."""
        return x if self.bias is None else dense.add(x, self.bias)

    def added_to(self, out: Tensor, x: Tensor) -> Tensor:
        r""":math:`out + x W^\top + b`, the sum in the product's own pass where that can be.

        Args:
            out: what nobody reads afterwards, and no backward pass has kept: it is written to.
            x: dense or sparse features.
        """
        plain = x.layout == torch.strided and x.dim() == out.dim() == 2 and x.dtype == out.dtype
        if not plain or is_lazy(self.weight) or torch.is_autocast_enabled(x.device.type):
            return out + self(x)
        self._check(x)
        return self.add_bias(dense.added(out, x, self.weight))

    @torch.no_grad()
    def _materialize(self, in_channels: int) -> None:
        self.in_features = in_channels
        self.weight.materialize((self.out_features, in_channels))  # type: ignore[attr-defined]
        self.reset_parameters()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        # A weight that has no shape yet cannot be detached.
        super()._save_to_state_dict(destination, prefix, keep_vars or is_lazy(self.weight))

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        weight = state_dict.get(prefix + "weight")
        if weight is not None and is_lazy(weight):
            self.in_features = -1
            self.weight = UninitializedParameter()
            return
        if weight is not None and is_lazy(self.weight):
            self._materialize(weight.size(-1))
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"bias={self.bias is not None})"
        )
