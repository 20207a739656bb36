"""Graph learning in PyTorch: write a layer as its paper does, and it runs as one fused kernel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.acceleration import accelerate
    from graphkit.graph import Graph, as_graph

__version__ = "0.1.0.dev0"

__all__ = ["Graph", "__version__", "accelerate", "as_graph"]

# What is opened when somebody enters, so that the command line answers before torch is loaded.
_ROOMS = (
    "acceleration",
    "convert",
    "data",
    "engine",
    "experiment",
    "explain",
    "generative",
    "metrics",
    "nn",
    "runtime",
    "sampling",
    "tasks",
)
_FROM = {"Graph": "graph", "accelerate": "acceleration", "as_graph": "graph"}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"graphkit.{_FROM[name]}"), name)
    if name in _ROOMS:
        return import_module(f"graphkit.{name}")
    raise AttributeError(f"module 'graphkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_FROM})
