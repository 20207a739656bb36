"""The public face: models of other libraries on graphkit's engine."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn


def accelerate(model: nn.Module) -> Acceleration:
    """Run the layers of a model of PyTorch Geometric, or of DGL, on graphkit's engine.

    The model stays the object that it is, with the same parameters, buffers, state dict and
    results; it can be saved, copied, moved and trained as before. Every layer that passes messages
    (:class:`torch_geometric.nn.MessagePassing` and whatever derives from it; ``GraphConv``,
    ``SAGEConv``, ``GATConv`` and ``GINConv`` of :mod:`dgl.nn`) gets a class that is made for it, in
    which messages and their aggregation run as one kernel wherever the engine can trace them. What
    it cannot take stays as it is, and the result says so.

    Args:
        model: a model, or a single layer.

    Returns:
        What was done. Print it after a training step: it names the path that every layer took. It
        is a context manager too, which leaves the model as it was before::

            with graphkit.accelerate(model):
                train(model)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    libraries = _libraries()
    layers = []
    for name, module in model.named_modules():
        library = next((lib for lib in libraries if lib.is_layer(module)), None)
        if library is not None:
            reason = library.accelerate_layer(module)
            layers.append(Layer(name, module, library, reason))
    return Acceleration(layers)


def _libraries() -> list[ModuleType]:
    """What knows the libraries that are in use: a layer of another cannot be in the model."""
    found = []
    if "torch_geometric.nn" in sys.modules:
        from graphkit.acceleration import pyg

        found.append(pyg)
    if "dgl" in sys.modules:
        from graphkit.acceleration import dgl

        found.append(dgl)
    return found


@dataclass(frozen=True)
class Layer:
    """One layer of the model.

    Attributes:
        name: its name in the model; empty for the model itself.
        module: the layer.
        reason: why it was left as it is; None if it is accelerated.
    """

    name: str
    module: nn.Module
    _library: Any
    reason: str | None = None

    @property
    def paths(self) -> list[str]:
        """The paths that its calls took so far."""
        return self._library.paths_of(self.module) if self.is_accelerated else []

    @property
    def is_accelerated(self) -> bool:
        return self._library.is_accelerated(self.module)

    def __str__(self) -> str:
        if self.is_accelerated:
            return "; ".join(self.paths) or "accelerated, not called yet"
        return f"left as it is: {self.reason}" if self.reason else "as it was"


class Acceleration:
    """What :func:`accelerate` did; prints one line for every layer.

    Attributes:
        layers: the layers that pass messages, accelerated or not.
    """

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers

    def undo(self) -> None:
        """Leave every layer as it was before it was accelerated."""
        for layer in self.layers:
            layer._library.restore_layer(layer.module)

    def __enter__(self) -> Acceleration:
        return self

    def __exit__(self, *_: Any) -> None:
        self.undo()

    def __str__(self) -> str:
        count = sum(layer.is_accelerated for layer in self.layers)
        if not self.layers:
            return "no layer of PyTorch Geometric or DGL that passes messages"
        lines = [f"{count} of {len(self.layers)} layers on graphkit's engine"]
        names = [layer.name or "(the model)" for layer in self.layers]
        kinds = [type(layer.module).__name__ for layer in self.layers]
        wide = max(map(len, names)), max(map(len, kinds))
        for layer, name, kind in zip(self.layers, names, kinds, strict=True):
            lines.append(f"  {name:{wide[0]}}  {kind:{wide[1]}}  {layer}")
        return "\n".join(lines)

    __repr__ = __str__
