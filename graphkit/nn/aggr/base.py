"""The interface of all aggregations."""

from __future__ import annotations

from torch import Tensor, nn

from graphkit.engine import ops
from graphkit.engine.plan import Reduction


class Aggregation(nn.Module):
    """Base class; ``reduce`` names the reduction in the engine, or is None for one of its own."""

    reduce: str | None = None

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        if self.reduce is None:
            raise NotImplementedError(f"{type(self).__name__} must define forward or reduce")
        return ops.segment_reduce(x, index, ptr, dim_size, dim, self.reduce)

    def reductions(self) -> list[Reduction] | None:
        """This aggregation in the engine's terms, or None if it is one of its own."""
        if self.reduce is None or type(self).forward is not Aggregation.forward:
            return None
        return [Reduction(self.reduce)]

    def reset_parameters(self) -> None:
        """Nothing to learn by default."""

    def get_out_channels(self, in_channels: int) -> int:
        """Number of features that come out for so many going in."""
        return in_channels

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def groups_of(
    x: Tensor, index: Tensor | None, ptr: Tensor | None, dim_size: int | None
) -> ops.Segments:
    """Which rows of ``x`` belong together, sorted once for an ``index`` or ``ptr``."""
    groups = ops.segments(index, ptr, dim_size)
    if len(x) != groups.num_edges:
        raise ValueError(f"x: expected {groups.num_edges} entries, as index has, got {len(x)}")
    return groups
