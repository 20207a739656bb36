"""Trained encoders as files, and encoders that stay as they are while a head on them learns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from graphkit import __version__
from graphkit.nn.linear import is_lazy
from graphkit.resume import KEY, write

Module = TypeVar("Module", bound=nn.Module)


def save_encoder(
    encoder: nn.Module,
    file: str | os.PathLike[str],
    build: Callable[..., nn.Module] | None = None,
    **arguments: Any,
) -> None:
    """Write an encoder to a file from which :func:`load_encoder` makes it anew.

    The file is one of safetensors: the weights, and in its header, as JSON, the class, the
    arguments it was made with and the versions of graphkit and torch. Nothing is pickled. The
    file is there as a whole or not at all, and one of that name is replaced only then.

    Args:
        encoder: A module, on whatever device.
        file: Where to; folders that lack are made.
        build: What makes such a module; its class if not given.
        **arguments: What to call `build` with: numbers, strings, bools, None, lists and
            dictionaries of these.

    Raises:
        TypeError: JSON cannot hold an argument, or safetensors what the module keeps.
        ValueError: What these arguments build has other weights than `encoder`.
    """
    build = type(encoder) if build is None else build
    state = _state_of(encoder)
    description = {
        "class": _name_of(build),
        "arguments": {name: _through_json(name, value) for name, value in arguments.items()},
        "versions": {"graphkit": __version__, "torch": str(torch.__version__)},
    }
    _compare(state, _build(build, description["arguments"]), "encoder")
    write(file, state, description)


def load_encoder(
    file: str | os.PathLike[str],
    build: Callable[..., nn.Module] | None = None,
    *,
    frozen: bool = False,
) -> nn.Module:
    """Make an encoder of a file that :func:`save_encoder` wrote, on the CPU.

    Put another head on it: ``Predictor(load_encoder(file), NodeHead(...))``.

    Args:
        file: Where from.
        build: What makes the module; may be left out for the classes of `graphkit.nn`. Nothing is
            imported because a file says so.
        frozen: :func:`freeze` it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or a damaged one; or its weights do not fit what `build`
            makes, of which the names and shapes are told.
    """
    file = Path(file)
    description, state = _read(file)
    build = _find(description["class"], file) if build is None else build
    encoder = _build(build, description["arguments"])
    _compare(state, encoder, str(file))
    for name, own in encoder.state_dict(keep_vars=True).items():
        if not is_lazy(own):
            own.data = own.data.to(state[name].dtype)
    encoder.load_state_dict(state)
    return freeze(encoder) if frozen else encoder


def made_by(file: str | os.PathLike[str]) -> str:
    """The name of what :func:`save_encoder` was told makes the module."""
    return _read(Path(file))[0]["class"]


def freeze(module: Module) -> Module:
    """Let a module stay as it is: its parameters get no gradients, and it is in evaluation mode
    whenever it runs, even within a model in training mode, so that running statistics stay too."""
    if _stay_in_eval not in module._forward_pre_hooks.values():
        module.register_forward_pre_hook(_stay_in_eval)
    return module.requires_grad_(False).eval()


def thaw(module: Module) -> Module:
    """The reverse of :func:`freeze`: all parameters learn, in training mode."""
    for key, hook in list(module._forward_pre_hooks.items()):
        if hook is _stay_in_eval:
            del module._forward_pre_hooks[key]
    return module.requires_grad_(True).train()


def _stay_in_eval(module: nn.Module, _: Any) -> None:
    if module.training:
        module.eval()


def _state_of(encoder: nn.Module) -> dict[str, Tensor]:
    """All weights and buffers, each in memory of its own, as safetensors wants them."""
    state = encoder.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"encoder: expected tensors alone, got {type(value).__name__} {name!r}")
        if is_lazy(value):
            raise ValueError(
                f"encoder: expected every size known, but {name} has none; run it once"
            )
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


def _through_json(name: str, value: Any) -> Any:
    """An argument as it will be read."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: expected what JSON can hold, got {value!r}") from error


def _build(build: Callable[..., nn.Module], arguments: dict[str, Any]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # the start values drawn here are thrown away
        return build(**arguments)


def _name_of(build: Any) -> str:
    from graphkit import nn as ours

    name = getattr(build, "__qualname__", type(build).__qualname__)
    if getattr(ours, name, None) is build:
        return f"graphkit.nn.{name}"
    return f"{getattr(build, '__module__', '')}.{name}"


def _find(name: str, file: Path) -> Callable[..., nn.Module]:
    from graphkit import nn as ours

    room, _, short = name.rpartition(".")
    if room == "graphkit.nn" and short in ours.__all__:
        return getattr(ours, short)
    raise ValueError(
        f"build: expected what makes the module of {file}, as {name} is not of graphkit.nn, "
        "got none"
    )


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not file.is_file():
        raise FileNotFoundError(f"file: expected an encoder, got {file}, which does not exist")
    try:
        with safe_open(file, "pt") as opened:
            description = json.loads((opened.metadata() or {})[KEY])
            return description, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(
            f"file: expected an encoder that save_encoder wrote, got {file}, "
            "which is something else or damaged"
        ) from error


def _compare(state: Mapping[str, Tensor], built: nn.Module, what: str) -> None:
    """Raise unless what was built has weights of these names and shapes."""
    own = built.state_dict()
    wrong = [f"{name} is missing" for name in own.keys() - state.keys()]
    wrong += [f"{name} {list(state[name].shape)} is unknown" for name in state.keys() - own.keys()]
    for name in own.keys() & state.keys():
        if not is_lazy(own[name]) and own[name].shape != state[name].shape:
            sizes = f"{list(own[name].shape)}, got {list(state[name].shape)}"
            wrong.append(f"{name}: expected shape {sizes}")
    if wrong:
        raise ValueError(
            f"{what}: expected the weights of {type(built).__name__} as the arguments build it, "
            f"but {'; '.join(sorted(wrong))}"
        )
