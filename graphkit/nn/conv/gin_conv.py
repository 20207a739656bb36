"""Graph isomorphism network of Xu et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.engine import dense
from graphkit.nn.inits import reset
from graphkit.nn.message_passing import MessagePassing


class GINConv(MessagePassing):
    r"""Graph isomorphism layer, Xu et al. 2019, eq. 4.1.

    .. math::
        x'_i = h\Big((1 + \epsilon)\, x_i + \sum_{j \in N(i)} x_j\Big)

    Args:
        nn: :math:`h`, a module or any callable on rows.
        eps: start value of :math:`\epsilon`.
        train_eps: learn :math:`\epsilon`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in]``, ``[N_dst, in]`` (the second may be None);
        output ``[N_dst, out]``.
    """

    eps: Tensor

    def __init__(
        self,
        nn: Callable[[Tensor], Tensor],
        eps: float = 0.0,
        train_eps: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", **kwargs})
        self.nn = nn
        self.initial_eps = eps
        start = torch.full((1,), float(eps))
        if train_eps:
            self.eps = torch.nn.Parameter(start)
        else:
            self.register_buffer("eps", start)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        reset(self.nn)
        nn.init.constant_(self.eps, self.initial_eps)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Any,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        return self._update(self.propagate(edge_index, x=(source, root), size=size), root)

    def _update(self, out: Tensor, root: Tensor | None) -> Tensor:
        if root is not None:
            out = self._and_root(out, root)
        if torch.compiler.is_compiling():
            return self.nn(out)
        with dense.reusing(out):
            return self.nn(out)

    def _and_root(self, out: Tensor, root: Tensor) -> Tensor:
        r""":math:`out + (1 + \epsilon) x_i`, in the place of `out` where no gradient needs it."""
        fixed = not (torch.compiler.is_compiling() or self.eps.requires_grad)
        kept_nowhere = self.aggr in ("add", "sum", "mean")
        same = root.dtype == out.dtype and root.is_floating_point()
        if fixed and kept_nowhere and same and out.device.type == "cpu":
            return out.add_(root, alpha=1 + float(self.eps))
        return torch.addcmul(out, root, 1 + self.eps)

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}(nn={self.nn})"
