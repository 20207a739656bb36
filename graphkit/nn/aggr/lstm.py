"""An LSTM over the entries."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from graphkit.nn.aggr.base import Aggregation, groups_of
from graphkit.nn.dense.convert import to_dense_batch


class LSTMAggregation(Aggregation):
    r"""What an LSTM says at the end of the entries, Hamilton et al. 2017, section 3.3.

    The entries of a group are taken in their order, so the result depends on it. As in PyTorch
    Geometric all sequences are brought to the length of the longest by zeros at their end, which
    the LSTM reads too.

    Args:
        in_channels: size of the input features.
        out_channels: size of the output features.
        **kwargs: of :class:`torch.nn.LSTM`.
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.lstm = nn.LSTM(in_channels, out_channels, batch_first=True, **kwargs)

    def reset_parameters(self) -> None:
        self.lstm.reset_parameters()

    def get_out_channels(self, in_channels: int) -> int:
        width = self.lstm.proj_size or self.out_channels
        return width * (2 if self.lstm.bidirectional else 1)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        if x.dim() != 2 or dim not in (0, -2) or x.size(1) != self.in_channels:
            raise ValueError(
                f"x: expected shape [entries, {self.in_channels}], got {tuple(x.shape)}"
            )
        groups = groups_of(x, index, ptr, dim_size)
        order = groups.by_destination
        out = x.new_zeros(groups.num_dst, self.get_out_channels(self.in_channels))
        if not len(x):
            return out + x.sum()
        edge = order.edge.long()
        rows, mask = to_dense_batch(x[edge], groups.edge_index[1][edge], batch_size=len(out))
        filled = mask.any(1).nonzero().view(-1)
        return out.index_copy(0, filled, self.lstm(rows[filled])[0][:, -1])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"
