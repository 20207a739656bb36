"""Where a training run stands, as one file, from which it goes on as if it had never stopped.

The file is one of safetensors: all tensors, and in its header, as JSON, what holds them. Nothing is
pickled. It is there as a whole or not at all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

KEY = "graphkit"  # of the description, in the header
_SIMPLE = (bool, int, float, str, type(None))


def save(file: str | os.PathLike[str], state: Any) -> None:
    """Write dictionaries, lists and tuples of tensors, numbers, strings and None to a file.

    Raises:
        TypeError: Something else is among them.
    """
    tensors: dict[str, Tensor] = {}
    description = _described(state, tensors)  # which fills tensors
    write(file, tensors, description)


def write(file: str | os.PathLike[str], tensors: dict[str, Tensor], description: Any) -> None:
    """A file of tensors, with a description as JSON in its header; as a whole or not at all."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        save_file(tensors, unfinished, {KEY: json.dumps(description)})
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)


def load(file: str | os.PathLike[str]) -> Any:
    """What :func:`save` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is something else, or damaged.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"file: expected a checkpoint, got {file}, which does not exist")
    try:
        with safe_open(file, "pt") as opened:
            description = json.loads((opened.metadata() or {})[KEY])
            return _restored(description, opened.get_tensor)
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"file: expected a checkpoint that graphkit wrote, got {file}, which is something "
            "else or damaged"
        ) from error


def random_state() -> dict[str, Tensor]:
    """Where torch's generators stand."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _described(value: Any, tensors: dict[str, Tensor]) -> Any:
    """What JSON can hold; tensors are put aside. Keys of dictionaries may be numbers, too."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[k, _described(v, tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_described(v, tensors) for v in value]}
    if isinstance(value, _SIMPLE):
        return value
    raise TypeError(f"state: expected tensors, numbers and strings, got {type(value).__name__}")


def _restored(value: Any, tensor: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {k: _restored(v, tensor) for k, v in content}
    found = [_restored(v, tensor) for v in content]
    return tuple(found) if kind == "tuple" else found


def restore(parts: dict[str, Any], states: dict[str, Any], file: str | os.PathLike[str]) -> None:
    """Load the states of modules and optimisers.

    Raises:
        ValueError: They are those of others.
    """
    if parts.keys() != states.keys():
        expected, got = (", ".join(sorted(names)) for names in (parts, states))
        raise ValueError(f"checkpoint: expected the states of {expected} in {file}, got {got}")
    for name, part in parts.items():
        try:
            part.load_state_dict(states[name])
        except (RuntimeError, ValueError, KeyError) as error:
            why = str(error).strip().splitlines()[-1].strip()
            raise ValueError(
                f"checkpoint: {file} is of another run, its {name} does not fit: {why}"
            ) from error
