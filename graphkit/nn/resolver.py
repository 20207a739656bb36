"""Activations and normalisations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import activation

from graphkit.nn.norm import BatchNorm, LayerNorm

Function = Callable[..., Tensor]

_ACTIVATIONS = {
    name.lower(): cls
    for name, cls in vars(activation).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module) and cls is not nn.Module
}
_ACTIVATIONS["swish"] = nn.SiLU
_NORMS: dict[str, type[nn.Module]] = {"batchnorm": BatchNorm, "layernorm": LayerNorm}


def activation_of(act: str | Function | None, **kwargs: Any) -> Function | None:
    """ "relu", "LeakyReLU", "leaky_relu", ... as a module; a callable or None is returned as is."""
    return _resolve("act", act, _ACTIVATIONS, (), kwargs)


def norm_of(norm: str | Function | None, channels: int, **kwargs: Any) -> Function | None:
    """ "batch_norm" or "layer_norm" as a module; a callable or None is returned as is."""
    return _resolve("norm", norm, _NORMS, (channels,), kwargs)


def _resolve(
    argument: str, query: Any, known: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if not isinstance(query, str):
        return query
    name = query.lower().replace("_", "").replace("-", "").replace(" ", "")
    for spelling in (name, f"{name}norm"):
        if spelling in known:
            return known[spelling](*args, **kwargs)
    names = sorted(cls.__name__ for cls in set(known.values()))
    raise ValueError(f"{argument}: expected one of {names}, a callable or None; got {query!r}")
