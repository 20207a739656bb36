"""Molecules: from SMILES to Graphs and back, and fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from graphkit._checks import describe
from graphkit._extras import require
from graphkit.graph import Graph

MISC = "misc"
"""What stands for all values of a feature that have no number of their own."""

ATOM_FEATURES: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "atomic_num": (*range(1, 119), MISC),
        "chirality": (
            "CHI_UNSPECIFIED",
            "CHI_TETRAHEDRAL_CW",
            "CHI_TETRAHEDRAL_CCW",
            "CHI_OTHER",
            MISC,
        ),
        "degree": (*range(11), MISC),
        "formal_charge": (*range(-5, 6), MISC),
        "num_h": (*range(9), MISC),
        "num_radical_electrons": (*range(5), MISC),
        "hybridization": ("SP", "SP2", "SP3", "SP3D", "SP3D2", MISC),
        "is_aromatic": (False, True),
        "is_in_ring": (False, True),
    }
)
"""The nine features of an atom, one column of `x` each: name -> values.

A column holds the place of its value among these; a value that is not listed has the last place.
They are the features of the Open Graph Benchmark, Hu et al. 2020.
"""

BOND_FEATURES: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "bond_type": ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC", MISC),
        "bond_stereo": (
            "STEREONONE",
            "STEREOZ",
            "STEREOE",
            "STEREOCIS",
            "STEREOTRANS",
            "STEREOANY",
        ),
        "is_conjugated": (False, True),
    }
)
"""The three features of a bond, one column of `edge_attr` each, as in `ATOM_FEATURES`."""


def from_smiles(smiles: str) -> Graph:
    """The Graph of a molecule: its heavy atoms, and every bond in both directions.

    Nodes are the atoms in the order in which the SMILES names them. The two directions of a bond
    follow each other, in rdkit's order of bonds. Hydrogen is a node only where the SMILES makes
    it an atom of its own. The numbers equal those of `ogb.utils.smiles2graph`.

    Args:
        smiles: One molecule, or several with dots between them.

    Returns:
        An undirected Graph with `x` int64 ``[N, 9]``, the columns of `ATOM_FEATURES`, and
        `edge_attr` int64 ``[E, 3]``, those of `BOND_FEATURES`.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: Not a SMILES that rdkit can read, or one without atoms.
    """
    molecule = read_molecule(smiles)
    x = [_encode(_describe_atom(atom), _ATOM_PLACES) for atom in molecule.GetAtoms()]
    ends, edge_attr = [], []
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        row = _encode(_describe_bond(bond), _BOND_PLACES)
        ends += [(i, j), (j, i)]
        edge_attr += [row, row]
    return Graph(
        torch.tensor(ends, dtype=torch.int64).view(-1, 2).T,
        x=torch.tensor(x),
        edge_attr=torch.tensor(edge_attr, dtype=torch.int64).view(-1, len(BOND_FEATURES)),
        undirected=True,
    )


def to_smiles(graph: Graph) -> str:
    """The canonical SMILES of a molecule.

    Atoms, charges, hydrogens, radicals, bonds, rings and both kinds of stereo chemistry come
    back from the features. What the features do not hold is lost: isotopes, numbers of atom
    maps, and the formula of an atom that is no element, which becomes ``*``.

    Args:
        graph: One molecule as `from_smiles` makes it. Nodes may have been permuted, but bonds
            must have kept their order: whether a centre turns left or right is said relative to
            it.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: The graph is not such a molecule; a feature that is needed is "misc"; or
            rdkit refuses the molecule, for a valence that cannot be.
    """
    chem = require("rdkit.Chem", extra="mol", what="writing SMILES")
    atoms, ends, bonds = _read_features(graph)
    molecule = chem.RWMol()
    for atom in atoms:
        molecule.AddAtom(_make_atom(chem, atom))
    for (i, j), bond in zip(ends, bonds, strict=True):
        _check_known("edge_attr", bond, "bond_type")
        molecule.AddBond(i, j, getattr(chem.BondType, bond["bond_type"]))
    with _silence():
        try:
            chem.SanitizeMol(molecule)
        except ValueError as error:  # rdkit's own errors are ValueErrors
            raise ValueError(f"graph: not a molecule that rdkit accepts: {error}") from None
        _set_stereo_bonds(chem, molecule, [bond["bond_stereo"] for bond in bonds])
        return chem.MolToSmiles(molecule)


def fingerprint(smiles: str, radius: int = 2, bits: int = 2048) -> Tensor:
    """The Morgan fingerprint of a molecule: which neighbourhoods of its atoms occur in it.

    Rogers & Hahn 2010, "Extended-connectivity fingerprints"; a radius of 2 is their ECFP4.

    Args:
        smiles: The molecule.
        radius: Bonds from an atom to the edge of its neighbourhood.
        bits: Length. Neighbourhoods are hashed, and two may share a bit.

    Returns:
        uint8 ``[bits]`` of 0 and 1.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: Not a SMILES that rdkit can read, or one without atoms.
    """
    molecule = read_molecule(smiles)
    return torch.from_numpy(_morgan(radius, bits).GetFingerprintAsNumPy(molecule))


@lru_cache(maxsize=8)
def _morgan(radius: int, bits: int) -> Any:
    generators = require("rdkit.Chem.rdFingerprintGenerator", extra="mol", what="a fingerprint")
    return generators.GetMorganGenerator(radius=radius, fpSize=bits)


def scaffold(smiles: str) -> str:
    """The Bemis-Murcko scaffold of a molecule: its rings and what joins them, as SMILES.

    Chirality counts. A molecule without rings has the scaffold "". Bemis & Murcko 1996.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: Not a SMILES that rdkit can read, or one without atoms.
    """
    scaffolds = require("rdkit.Chem.Scaffolds.MurckoScaffold", extra="mol", what="a scaffold")
    molecule = read_molecule(smiles)
    with _silence():
        return scaffolds.MurckoScaffoldSmiles(mol=molecule, includeChirality=True)


def read_molecule(smiles: str) -> Any:
    """The rdkit molecule of a SMILES; rdkit prints nothing about it."""
    chem = require("rdkit.Chem", extra="mol", what="reading SMILES")
    if not isinstance(smiles, str):
        raise TypeError(f"smiles: expected a string, got {type(smiles).__name__}")
    with _silence():
        molecule = chem.MolFromSmiles(smiles)
    if molecule is None:
        raise ValueError(f"smiles: expected a molecule that rdkit can read, got {smiles!r}")
    if molecule.GetNumAtoms() == 0:
        raise ValueError(f"smiles: expected at least one atom, got {smiles!r}")
    return molecule


def _silence() -> Any:
    """A context in which rdkit does not write to stderr."""
    return require("rdkit.rdBase", extra="mol", what="reading SMILES").BlockLogs()


def _places(features: Mapping[str, tuple[Any, ...]]) -> list[dict[Any, int]]:
    return [{value: place for place, value in enumerate(values)} for values in features.values()]


_ATOM_PLACES, _BOND_PLACES = _places(ATOM_FEATURES), _places(BOND_FEATURES)


def _encode(values: tuple[Any, ...], places: list[dict[Any, int]]) -> list[int]:
    return [place.get(value, len(place) - 1) for value, place in zip(values, places, strict=True)]


@lru_cache(maxsize=None, typed=True)  # values of different enumerations are equal
def _name(value: Any) -> str:
    """Of one of rdkit's enumerations; rdkit takes its time to write it."""
    return str(value)


def _describe_atom(atom: Any) -> tuple[Any, ...]:
    """The values of `ATOM_FEATURES`."""
    return (
        atom.GetAtomicNum(),
        _name(atom.GetChiralTag()),
        atom.GetTotalDegree(),
        atom.GetFormalCharge(),
        atom.GetTotalNumHs(),
        atom.GetNumRadicalElectrons(),
        _name(atom.GetHybridization()),
        atom.GetIsAromatic(),
        atom.IsInRing(),
    )


def _describe_bond(bond: Any) -> tuple[Any, ...]:
    """The values of `BOND_FEATURES`."""
    return _name(bond.GetBondType()), _name(bond.GetStereo()), bond.GetIsConjugated()


def _read_features(
    graph: Graph,
) -> tuple[list[dict[str, Any]], list[list[int]], list[dict[str, Any]]]:
    """Atoms by feature, the ends of every bond, and the bonds by feature."""
    atoms = _decode("x", graph.x, ATOM_FEATURES)
    bonds = _decode("edge_attr", graph.edge_attr, BOND_FEATURES)
    if graph.is_batch:
        raise ValueError(f"graph: expected one molecule, got a batch of {graph.num_graphs}")
    if graph.is_bipartite or not graph.is_undirected:
        raise ValueError("graph: expected every bond in both directions")
    first: dict[tuple[int, int], int] = {}
    for edge, (i, j) in enumerate(graph.edge_index.T.tolist()):
        first.setdefault((min(i, j), max(i, j)), edge)
    edges = sorted(first.values())
    return atoms, graph.edge_index.T[edges].tolist(), [bonds[edge] for edge in edges]


def _decode(name: str, rows: Any, features: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    sizes = torch.tensor([len(values) for values in features.values()])
    if not isinstance(rows, Tensor) or rows.dtype != torch.int64 or rows.dim() != 2:
        raise TypeError(f"{name}: expected int64 [..., {len(sizes)}], got {describe(rows)}")
    if rows.size(1) != len(sizes) or bool(((rows < 0) | (rows >= sizes)).any()):
        raise ValueError(f"{name}: expected the columns {', '.join(features)} of a molecule")
    return [
        {
            feature: values[place]
            for (feature, values), place in zip(features.items(), row, strict=True)
        }
        for row in rows.tolist()
    ]


def _check_known(name: str, features: dict[str, Any], *needed: str) -> None:
    for feature in needed:
        if features[feature] == MISC:
            raise ValueError(f"{name}: {feature} is {MISC!r} somewhere, which cannot be written")


def _make_atom(chem: Any, features: dict[str, Any]) -> Any:
    _check_known("x", features, "chirality", "formal_charge", "num_h", "num_radical_electrons")
    number = features["atomic_num"]
    atom = chem.Atom(0 if number == MISC else number)  # all elements have numbers of their own
    atom.SetChiralTag(getattr(chem.ChiralType, features["chirality"]))
    atom.SetFormalCharge(features["formal_charge"])
    atom.SetNumExplicitHs(features["num_h"])
    atom.SetNoImplicit(True)
    atom.SetNumRadicalElectrons(features["num_radical_electrons"])
    atom.SetIsAromatic(features["is_aromatic"])
    return atom


_SIDES = {
    "STEREOZ": "STEREOCIS",
    "STEREOE": "STEREOTRANS",
    "STEREOCIS": "STEREOCIS",
    "STEREOTRANS": "STEREOTRANS",
}


def _set_stereo_bonds(chem: Any, molecule: Any, stereo: list[str]) -> None:
    """Z and E say on which side of a double bond the neighbours of highest rank are."""
    marked = [number for number, value in enumerate(stereo) if value in _SIDES]
    if not marked:
        return
    chem.AssignStereochemistry(molecule, force=True, flagPossibleStereoCenters=True)
    for number in marked:
        bond = molecule.GetBondWithIdx(number)
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        highest = [_highest_neighbour(ends[0], ends[1]), _highest_neighbour(ends[1], ends[0])]
        bond.SetStereoAtoms(*highest)
        bond.SetStereo(getattr(chem.BondStereo, _SIDES[stereo[number]]))
    # A molecule of several parts is written part by part, from the directions of single bonds.
    chem.SetDoubleBondNeighborDirections(molecule)


def _highest_neighbour(atom: Any, other: Any) -> int:
    neighbours = [n for n in atom.GetNeighbors() if n.GetIdx() != other.GetIdx()]
    return max(neighbours, key=lambda n: int(n.GetProp("_CIPRank"))).GetIdx()
