"""A value that is computed when somebody looks at it.

A layer of attention computes the weights of its edges, and hands them to its messages. Where both
run in one kernel these weights never exist; in case the layer's code does look at them, they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Deferred(Tensor):
    """Stands for the tensor that ``make()`` gives; any operation on it makes that tensor first."""

    make: Callable[[], Tensor]
    made: Tensor | None

    @staticmethod
    def by(make: Callable[[], Tensor]) -> Deferred:
        out = torch.empty(0).as_subclass(Deferred)
        out.make, out.made = make, None
        return out

    @property
    def value(self) -> Tensor:
        if self.made is None:
            self.made = self.make()
        return self.made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func(*settled(args), **settled(kwargs or {}))


def settled(value: Any) -> Any:
    """The value with the deferred tensors in it, and in its tuples, lists and dicts, computed."""
    if isinstance(value, Deferred):
        return value.value
    if type(value) in (tuple, list):
        return type(value)(settled(v) for v in value)
    if type(value) is dict:
        return {k: settled(v) for k, v in value.items()}
    return value
