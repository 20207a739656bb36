"""Images as graphs: which pixels touch."""

from graphkit.convert.images import grid_edges

__all__ = ["grid_edges"]
