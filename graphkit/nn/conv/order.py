"""Whether a linear map may change places with an aggregation, and should."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit.nn.message_passing import MessagePassing


def commutes(layer: MessagePassing, written_for: type[MessagePassing]) -> bool:
    """True if lin(aggregate(x)) = aggregate(lin(x)) for a `lin` without bias.

    So it is where rows are only scaled and summed, and no subclass has put a message of its own in
    the place of the one this was `written_for`.
    """
    own = type(layer)
    return (
        layer.aggr in ("sum", "add", "mean")
        and own.message is written_for.message
        and own.aggregate is MessagePassing.aggregate
        and own.update is MessagePassing.update
    )


def narrows(x: Tensor, out_channels: int) -> bool:
    """True if `x` had better be mapped first: it gets narrower, or dense."""
    return out_channels < x.size(-1) or x.layout != torch.strided
