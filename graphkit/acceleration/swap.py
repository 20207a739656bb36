"""A layer becomes an accelerated one by its class alone: what is common to all libraries.

The class is a subclass of the layer's own, made for it once and kept with it. Nothing in the
layer's attributes changes, so its state dict, its copies and its pickles are those that it had;
only the copies are accelerated too.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

STATE = "_graphkit_paths"  # of its attributes, the paths that the layer took, in order
WRITES = "_graphkit_writes"  # there, if its messages leave something on the layer
_KEPT = (STATE, WRITES, "_plans")  # what a layer has for the time it is accelerated


class Swapped:
    """Comes before a layer's own class.

    Attributes:
        _plain: the layer's own class.
        _make: makes the accelerated class from it, and is found by its name when unpickling.
    """

    _plain: type
    _make: Callable[[type], type]

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        made, arguments, *rest = super().__reduce_ex__(max(int(protocol), 2))
        if made is copyreg.__newobj__ and arguments == (type(self),):  # type: ignore[attr-defined]
            made, arguments = _blank, (type(self)._make, self._plain)
        if rest and isinstance(rest[0], dict):
            rest[0] = {name: value for name, value in rest[0].items() if name not in _KEPT}
        return (made, arguments, *rest)


def _blank(make: Callable[[type], type], plain: type) -> Any:
    """An accelerated layer without attributes, for unpickling."""
    layer = object.__new__(make(plain))
    vars(layer)[STATE] = {}
    return layer


def subclass(
    plain: type, bases: tuple[type, ...], make: Callable[[type], type], **members: Any
) -> type:
    """The accelerated class of a class: it bears its name, and has the members given."""
    like: dict[str, Any] = {
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
        "_plain": plain,
        "_make": staticmethod(make),
    }
    return type(plain)(plain.__name__, bases, {**like, **members})


def once(make: Callable[[type], type]) -> Callable[[type], type]:
    """A function of a class whose result is kept with that class."""

    def made(plain: type) -> type:
        known = vars(plain).get("_graphkit_accelerated")
        if known is None:
            known = make(plain)
            plain._graphkit_accelerated = known  # type: ignore[attr-defined]
        return known

    made.__module__, made.__qualname__ = make.__module__, make.__qualname__
    return made


def swap(layer: Any, accelerated: type) -> None:
    layer.__class__ = accelerated
    vars(layer)[STATE] = {}


def swap_back(layer: Any) -> None:
    layer.__class__ = layer._plain
    for name in _KEPT:
        vars(layer).pop(name, None)


def took(layer: Any, path: str) -> None:
    vars(layer)[STATE][path] = None


def paths_of(layer: Any) -> list[str]:
    return list(vars(layer)[STATE])
