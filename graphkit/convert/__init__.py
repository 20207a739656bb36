"""From and to the graphs of other libraries."""

from graphkit.convert.molecules import (
    ATOM_FEATURES,
    BOND_FEATURES,
    fingerprint,
    from_smiles,
    scaffold,
    to_smiles,
)
from graphkit.convert.networkx import from_networkx, to_networkx
from graphkit.convert.pyg import from_pyg, to_pyg

__all__ = [
    "ATOM_FEATURES",
    "BOND_FEATURES",
    "fingerprint",
    "from_networkx",
    "from_pyg",
    "from_smiles",
    "scaffold",
    "to_networkx",
    "to_pyg",
    "to_smiles",
]
