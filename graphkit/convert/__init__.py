"""From and to the graphs of other libraries."""

from graphkit.convert.networkx import from_networkx, to_networkx
from graphkit.convert.pyg import from_pyg, to_pyg

__all__ = ["from_networkx", "from_pyg", "to_networkx", "to_pyg"]
