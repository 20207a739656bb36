"""Activations and normalisations by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import activation

from graphkit.engine import dense
from graphkit.nn.norm import BatchNorm, GraphNorm, InstanceNorm, LayerNorm, PairNorm

Function = Callable[..., Tensor]


class ReLU(nn.ReLU):
    """torch's, whose large results come from reused memory."""

    def forward(self, input: Tensor) -> Tensor:
        return dense.relu(input, self.inplace)


_ACTIVATIONS = {
    name.lower(): cls
    for name, cls in vars(activation).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module) and cls is not nn.Module
}
_ACTIVATIONS |= {"relu": ReLU, "swish": nn.SiLU}
_NORMS: dict[str, type[nn.Module]] = {
    cls.__name__.lower(): cls for cls in (BatchNorm, GraphNorm, InstanceNorm, LayerNorm, PairNorm)
}


def activation_of(act: str | Function | None, **kwargs: Any) -> Function | None:
    """ "relu", "LeakyReLU", "leaky_relu", ... as a module; a callable or None is returned as is."""
    return _class_of("act", act, _ACTIVATIONS)(**kwargs) if isinstance(act, str) else act


def norm_of(norm: str | Function | None, channels: int, **kwargs: Any) -> Function | None:
    """ "batch_norm", "layer_norm", "graph_norm", "pair_norm" or "instance_norm" as a module; a
    callable or None is returned as is."""
    if not isinstance(norm, str):
        return norm
    cls = _class_of("norm", norm, _NORMS)
    return cls(**kwargs) if cls is PairNorm else cls(channels, **kwargs)  # it has nothing to learn


def takes_batch(norm: nn.Module) -> bool:
    """Whether a normalisation wants to know the graph of every node."""
    return "batch" in inspect.signature(norm.forward).parameters


def _class_of(argument: str, query: str, known: dict[str, type[nn.Module]]) -> Any:
    name = query.lower().replace("_", "").replace("-", "").replace(" ", "")
    for spelling in (name, f"{name}norm"):
        if spelling in known:
            return known[spelling]
    names = sorted(cls.__name__ for cls in set(known.values()))
    raise ValueError(f"{argument}: expected one of {names}, a callable or None; got {query!r}")
