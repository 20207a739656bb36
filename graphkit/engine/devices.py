"""Which tensors have kernels, and who runs them."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphkit._structure import Adjacency
from graphkit.engine.cpu import run as cpu

SHORT = (torch.bfloat16, torch.float16)
DTYPES = {"cpu": cpu.DTYPES, "cuda": (torch.float32, torch.float64, *SHORT)}


def has_kernels(tensor: Tensor) -> bool:
    """Whether there are kernels for a tensor's device and dtype."""
    device = tensor.device
    if tensor.dtype not in DTYPES.get(device.type, ()):
        return False
    return device.type == "cpu" or _runs_triton(device)


@functools.cache
def _runs_triton(device: torch.device) -> bool:
    """Triton comes with torch's builds for GPUs, and serves NVIDIA's from Volta on."""
    if importlib.util.find_spec("triton") is None:
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (7, 0)


def run(walk: cpu.Pass, adjacency: Adjacency, leaves: Sequence[Any], *details: Any) -> list[Tensor]:
    """Walk over the edges where they lie: :func:`graphkit.engine.cpu.run.run` or its GPU twin."""
    device = adjacency.col.device
    for number in walk.leaves:
        if leaves[number].device != device:
            raise ValueError(
                f"expected all tensors on {device}, where the graph is, got one on "
                f"{leaves[number].device}"
            )
    if device.type == "cpu":
        return cpu.run(walk, adjacency, leaves, *details)
    from graphkit.engine.gpu.run import run as on_gpu  # imports triton

    return on_gpu(walk, adjacency, leaves, *details)
