"""Quantiles and the median."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from graphkit.nn.aggr.base import Aggregation, groups_of

_INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


class QuantileAggregation(Aggregation):
    r"""Quantile by feature: what stands at place :math:`q\,(n - 1)`, from 0, of the :math:`n`
    sorted entries.

    Equal entries stay in their order, and only the ones that are read have a gradient.

    Args:
        q: a number from 0 to 1, or several, whose results are concatenated.
        interpolation: what counts where the place lies between two entries: the "lower", the
            "higher", the "nearest" (in the middle the even place), the "midpoint" of both, or the
            "linear" way between them.
        fill_value: of groups without entries.
    """

    q: Tensor

    def __init__(
        self,
        q: float | Sequence[float],
        interpolation: str = "linear",
        fill_value: float = 0.0,
    ) -> None:
        super().__init__()
        several: list[float] = [q] if isinstance(q, (int, float)) else list(q)
        if not several or not all(0.0 <= one <= 1.0 for one in several):
            raise ValueError(f"q: expected a number from 0 to 1, or several, got {q!r}")
        if interpolation not in _INTERPOLATIONS:
            raise ValueError(
                f"interpolation: expected one of {_INTERPOLATIONS}, got {interpolation!r}"
            )
        self._q = q
        self.register_buffer("q", torch.tensor(several).view(-1, 1))
        self.interpolation = interpolation
        self.fill_value = fill_value

    def get_out_channels(self, in_channels: int) -> int:
        return in_channels * self.q.numel()

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        x = x.movedim(dim, 0)
        groups = groups_of(x, index, ptr, dim_size)
        count = groups.by_destination.degree.long()
        filled = (count > 0).nonzero().view(-1)
        count = count[filled]
        order = _sorted(x.detach(), groups.edge_index[1])
        found = self._between(x, order, count.cumsum(0) - count, self.q * (count - 1))
        out = x.new_full((self.q.numel(), groups.num_dst, *x.shape[1:]), self.fill_value)
        out = out.index_copy(1, filled, found).movedim(0, 1)  # [groups, quantiles, ...]
        out = out.flatten(1, 2) if x.dim() > 1 and self.q.numel() > 1 else out.squeeze(1)
        return out.movedim(0, dim)

    def _between(self, x: Tensor, order: Tensor, first: Tensor, place: Tensor) -> Tensor:
        """The entries around every place ``[quantiles, groups]``, combined; ``first`` is where
        the groups begin in ``order``."""

        def entry(at: Tensor) -> Tensor:
            rows = order[(first + at.long()).flatten()]
            return x.gather(0, rows).view(*place.shape, *x.shape[1:])

        if self.interpolation == "nearest":
            return entry(place.round())
        if self.interpolation in ("lower", "higher"):
            return entry(place.floor() if self.interpolation == "lower" else place.ceil())
        low, high = entry(place.floor()), entry(place.ceil())
        if self.interpolation == "midpoint":
            return 0.5 * low + 0.5 * high
        part = place.frac().to(x.dtype).view(*place.shape, *[1] * (x.dim() - 1))
        return low + (high - low) * part

    def __repr__(self) -> str:
        return f"{type(self).__name__}(q={self._q})"


class MedianAggregation(QuantileAggregation):
    """Median by feature; of an even number of entries, the lower of the two in the middle.

    Args:
        fill_value: of groups without entries.
    """

    def __init__(self, fill_value: float = 0.0) -> None:
        super().__init__(0.5, "lower", fill_value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _sorted(x: Tensor, index: Tensor) -> Tensor:
    """Numbers of the rows in the order of (index, value), for every feature."""
    # Feature after feature: sorting along contiguous memory is several times as fast.
    values = x.reshape(len(x), math.prod(x.shape[1:])).t().contiguous()
    by_value = values.sort(dim=1, stable=True).indices
    by_group = index.int()[by_value].sort(dim=1, stable=True).indices
    return by_value.gather(1, by_group).t().reshape(x.shape)
