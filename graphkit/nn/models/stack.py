"""Layers of any kind, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from graphkit.nn.message_passing import MessagePassing
from graphkit.nn.models.basic_gnn import BasicGNN


class ConvStack(BasicGNN):
    """Layers that a function makes; see :class:`BasicGNN`.

    Args:
        conv: makes a layer, ``conv(in_channels, out_channels, to_output)``; the last argument says
            that it is the last layer and maps to `out_channels`.
        *args: of :class:`BasicGNN`.
        **kwargs: of :class:`BasicGNN`.
    """

    supports_edge_weight = False
    supports_edge_attr = False

    def __init__(
        self, conv: Callable[[Any, int, bool], nn.Module], *args: Any, **kwargs: Any
    ) -> None:
        self._make = conv
        super().__init__(*args, **kwargs)
        del self._make

    def init_conv(
        self, in_channels: Any, out_channels: int, to_output: bool, **kwargs: Any
    ) -> MessagePassing:
        return self._make(in_channels, out_channels, to_output)  # type: ignore[return-value]
