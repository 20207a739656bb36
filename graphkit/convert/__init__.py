"""From and to the graphs of other libraries, and from images, texts and molecules."""

from graphkit.convert.dgl import from_dgl, to_dgl
from graphkit.convert.images import from_image, from_image_superpixels, to_image
from graphkit.convert.molecules import (
    ATOM_FEATURES,
    BOND_FEATURES,
    fingerprint,
    from_smiles,
    scaffold,
    to_smiles,
)
from graphkit.convert.networkx import from_networkx, to_networkx
from graphkit.convert.pandas import from_pandas, to_pandas
from graphkit.convert.pyg import from_pyg, to_pyg
from graphkit.convert.scipy import from_scipy, to_scipy
from graphkit.convert.text import (
    from_cooccurrence,
    from_documents,
    from_text,
    from_tokens,
    to_text,
    to_tokens,
)

__all__ = [
    "ATOM_FEATURES",
    "BOND_FEATURES",
    "fingerprint",
    "from_cooccurrence",
    "from_dgl",
    "from_documents",
    "from_image",
    "from_image_superpixels",
    "from_networkx",
    "from_pandas",
    "from_pyg",
    "from_scipy",
    "from_smiles",
    "from_text",
    "from_tokens",
    "scaffold",
    "to_dgl",
    "to_image",
    "to_networkx",
    "to_pandas",
    "to_pyg",
    "to_scipy",
    "to_smiles",
    "to_text",
    "to_tokens",
]
