"""The matrix products of a program, recorded and done again without the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = ("mm", "addmm", "addmm_", "bmm", "baddbmm", "baddbmm_")


class Products(TorchDispatchMode):
    """Records the products that run inside of it; :meth:`again` does them on random operands.

    Operands of one shape and layout are one tensor, so that the record needs little memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, list[Any], dict[str, Any]]] = []
        self.operands: dict[Any, Tensor] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in PRODUCTS:
            numbers = {name: value for name, value in kwargs.items() if name != "out"}
            self.calls.append((func.overloadpacket, [self._operand(a) for a in args], numbers))
        return func(*args, **kwargs)

    def _operand(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        key = (value.dtype, tuple(value.shape), value.stride())
        if key not in self.operands:
            made = torch.empty_strided(*key[1:], dtype=value.dtype)
            self.operands[key] = made.uniform_() if 0 not in made.stride() else made.zero_()
        return self.operands[key]

    def again(self) -> None:
        for call, arguments, numbers in self.calls:
            call(*arguments, **numbers)
