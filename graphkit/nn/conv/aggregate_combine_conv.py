"""The general layer of message passing: aggregate, then combine."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.nn.inits import reset
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing

_OF_EDGES = ("x_i", "x_j", "edge_attr", "edge_weight")


class AggregateCombineConv(MessagePassing):
    r"""Aggregate-combine layer with any functions, Barceló et al. 2020, eq. 3.

    .. math::
        m_i = G\big(\{F(x_j) : j \in N(i)\}\big), \quad
        h_i = \sigma(K(H(x_i) + m_i)) \text{ or } \sigma(K(H(x_i) \,\Vert\, m_i))

    The default is :math:`h_i = \sigma(W_1 x_i + \sum_j W_2 x_j + b)`, their eq. 6; with
    ``combine="cat"`` it is :math:`h_i = \sigma(W [x_i \,\Vert\, \sum_j x_j] + b)`. The graph
    layers that have names are choices of these functions.

    Args:
        in_channels: size of the input features; only the default functions need it.
        out_channels: size of the output features; likewise.
        message: :math:`F`. It is applied to every node once; one whose arguments are among
            ``x_i, x_j, edge_attr, edge_weight`` and include an edge's is applied to every edge.
        aggr: :math:`G`, see :class:`MessagePassing`.
        root: :math:`H`.
        combine: "add" or "cat".
        update: :math:`K`.
        act: :math:`\sigma`.
        **kwargs: of :class:`MessagePassing`.

    Shapes:
        ``x`` ``[N, in]``, or a pair ``[N_src, in]``, ``[N_dst, in]``; output ``[N_dst, out]``.
    """

    def __init__(
        self,
        in_channels: int | None = None,
        out_channels: int | None = None,
        *,
        message: Callable[..., Tensor] | None = None,
        aggr: Any = "sum",
        root: Callable[[Tensor], Tensor] | None = None,
        combine: str = "add",
        update: Callable[[Tensor], Tensor] | None = None,
        act: Callable[[Tensor], Tensor] = torch.relu,
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr=aggr, **kwargs)
        if combine not in ("add", "cat"):
            raise ValueError(f"combine: expected 'add' or 'cat', got {combine!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.combine = combine
        self.act = act
        if combine == "add":
            self.message_fn = message or self._linear(1, bias=False)
            self.root_fn = root or self._linear(1, bias=True)
            self.update_fn = update or nn.Identity()
        else:
            self.message_fn = message or nn.Identity()
            self.root_fn = root or nn.Identity()
            self.update_fn = update or self._linear(2, bias=True)
        self._of_edges = _arguments_of_edges(self.message_fn)

    def _linear(self, parts: int, bias: bool) -> Linear:
        if self.in_channels is None or self.out_channels is None:
            raise ValueError(
                "in_channels, out_channels: expected sizes, as a default function needs them, "
                f"got {self.in_channels}, {self.out_channels}"
            )
        return Linear(parts * self.in_channels, self.out_channels, bias=bias)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for function in (self.message_fn, self.root_fn, self.update_fn):
            reset(function)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Any,
        edge_attr: Tensor | None = None,
        edge_weight: Tensor | None = None,
    ) -> Tensor:
        source, root = (x, x) if isinstance(x, Tensor) else x
        sent = source if self._of_edges else self.message_fn(source)
        ends = (sent, root if "x_i" in self._of_edges else None)
        m = self.propagate(edge_index, x=ends, edge_attr=edge_attr, edge_weight=edge_weight)
        h = self.root_fn(root)
        return self.act(self.update_fn(h + m if self.combine == "add" else torch.cat([h, m], -1)))

    def message(
        self,
        x_j: Tensor,
        x_i: Tensor | None,
        edge_attr: Tensor | None,
        edge_weight: Tensor | None,
    ) -> Tensor:
        if not self._of_edges:
            return x_j
        values = {"x_j": x_j, "x_i": x_i, "edge_attr": edge_attr, "edge_weight": edge_weight}
        return self.message_fn(**{name: values[name] for name in self._of_edges})


def _arguments_of_edges(function: Callable[..., Tensor]) -> tuple[str, ...]:
    """The names by which `function` asks for what belongs to an edge; empty if it does not."""
    call = function.forward if isinstance(function, nn.Module) else function
    try:
        names = tuple(inspect.signature(call).parameters)
    except ValueError:  # a built-in, such as torch.relu, does not tell
        return ()
    return names if names and set(names) <= set(_OF_EDGES) else ()
