"""Start values of parameters."""

from __future__ import annotations

import math

from torch import Tensor, nn


def uniform(tensor: Tensor | None, bound: float) -> None:
    """Fill from U(-bound, bound); None is left alone."""
    if tensor is not None:
        nn.init.uniform_(tensor, -bound, bound)


def glorot(tensor: Tensor | None) -> None:
    """Uniform with variance 2 / (fan in + fan out), the fans being the last two dimensions.

    Glorot & Bengio 2010, eq. 16. Unlike :func:`torch.nn.init.xavier_uniform_`, leading dimensions
    (heads) do not enlarge the fans.
    """
    if tensor is not None:
        uniform(tensor, math.sqrt(6.0 / (tensor.size(-2) + tensor.size(-1))))


def zeros(tensor: Tensor | None) -> None:
    """Fill with 0; None is left alone."""
    if tensor is not None:
        nn.init.zeros_(tensor)


def reset(module: object) -> None:
    """Draw new start values for a module and everything in it; other callables have none."""
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()  # type: ignore[attr-defined]
    elif isinstance(module, nn.Module):
        for child in module.children():
            reset(child)
