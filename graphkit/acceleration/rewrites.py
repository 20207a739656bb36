"""Messages that are cheaper when a part of them is computed on nodes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Rewriting(NamedTuple):
    """Other values, and the message of them that is the same as before."""

    values: dict[str, Any]
    names: list[inspect.Parameter]
    message: Callable[..., Any]


def rewritten(layer: Any, values: dict[str, Any]) -> Rewriting | None:
    """The layer's message in another form; None where there is none for it."""
    from torch_geometric.nn import PNAConv

    if isinstance(layer, PNAConv) and type(layer).message is PNAConv.message:
        return _split(layer, values)
    return None


def _split(layer: Any, values: dict[str, Any]) -> Rewriting | None:
    r"""PNA: :math:`M [x_i, x_j, e] = M_1 x_i + M_2 x_j + M_3 e`, with a linear map for each tower,
    of which the first two are for nodes."""
    x, edge_attr, width = values.get("x"), values.get("edge_attr"), layer.F_in
    if not isinstance(x, Tensor) or any(len(net) != 1 for net in layer.pre_nns):
        return None
    weight = torch.stack([net[0].weight for net in layer.pre_nns])
    bias = torch.stack([net[0].bias for net in layer.pre_nns])
    parts = weight.split(width, dim=-1)
    found = {"a": _per_tower(x, parts[0]) + bias, "b": _per_tower(x, parts[1])}
    if edge_attr is not None:
        encoded = layer.edge_encoder(edge_attr).unsqueeze(1).expand(-1, layer.towers, -1)
        found["c"] = _per_tower(encoded, parts[2])
    names = [_parameter("a_i"), _parameter("b_j"), _parameter("c", None)]
    return Rewriting(found, names, _sum)


def _sum(self: Any, a_i: Tensor, b_j: Tensor, c: Tensor | None) -> Tensor:
    return a_i + b_j if c is None else a_i + b_j + c


def _per_tower(x: Tensor, weight: Tensor) -> Tensor:
    """``[N, towers, in]`` times ``[towers, out, in]``."""
    return torch.einsum("nti,toi->nto", x, weight)


def _parameter(name: str, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
