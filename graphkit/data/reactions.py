"""Reactions made here of molecules, to predict their centre: which bonds of reactants change."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit._extras import require
from graphkit.convert.molecules import from_smiles, read_molecule
from graphkit.data.dataset import Dataset
from graphkit.data.split import Split
from graphkit.graph import Graph

CHANGES = ("kept", "broken", "other order")
"""What becomes of a bond of the reactants, by number."""

_AMINE = "[NX3;H1,H2;!$(N[!#6]);!$(N[C,S]=[O,N,S]):{}]"
REACTIONS = {
    "esterification": "[C:1](=[O:2])[OX2H1,OX1-].[CX4:3][OX2H1:4]>>[C:1](=[O:2])[O:4][C:3]",
    "amide coupling": f"[C:1](=[O:2])[OX2H1,OX1-].{_AMINE.format(3)}>>[C:1](=[O:2])[N:3]",
    "substitution": f"[CX4;H1,H2:1][Cl,Br,I].{_AMINE.format(2)}>>[C:1][N:2]",
    "hydrolysis": "[C:1](=[O:2])([#6:5])[OX2;!R:3][CX4:4]>>[C:1](=[O:2])([#6:5])O.[O:3][C:4]",
    "reduction": "[C:1]([#6:3])([#6:4])=[O:2]>>[C:1]([#6:3])([#6:4])-[O:2]",
    "oxidation": "[CX4;H1,H2:1][OX2H1:2]>>[C:1]=[O:2]",
    "hydrogenation": "[CX3:1]=[CX3:2]>>[C:1]-[C:2]",
}
"""The reactions as SMARTS, by name. In each site atom 1, or the first of a second reactant, counts
as its middle."""

# Places in ATOM_FEATURES of C, N, O, F, P, S, Cl, Br and I: one less than their numbers.
_ELEMENTS = (5, 6, 7, 8, 14, 15, 16, 34, 52)
_NEAR = 3  # bonds from the middle of a site


class Reaction(NamedTuple):
    """One reaction, its atoms numbered through."""

    name: str
    smiles: str
    """Reactants and products with numbers of atom maps, 1 more than the node's."""
    change: dict[tuple[int, int], int]
    """By bond of the reactants, the lower node first, a number of `CHANGES`."""
    formed: list[tuple[int, int]]
    """Pairs of nodes between which there is a bond in the products alone."""


def reaction_centres(smiles: Sequence[str], each: int = 300, *, seed: int = 0) -> Dataset:
    """Reactants as graphs, and which of their bonds the reaction changes.

    Seven reactions (`REACTIONS`) are applied to molecules that are drawn at random, first those
    with several sites for one. Of these the least crowded reacts: the one with the fewest atoms
    within three bonds of its middle. Molecules where two sites share that number are left out. So
    what becomes of a bond depends on the molecule around it, though the functional group tells most
    of it. The rule is made up: chemists' selectivity has more to it. Stereo chemistry is dropped.

    Molecules of training, validation and test reactions are different ones.

    Args:
        smiles: molecules to react, each in one part.
        each: reactions of every name, at most; 80 % for training, 10 % for validation and the test.
        seed: one seed, one data set.

    Returns:
        A Dataset of many graphs with two reactants, or one, each: `x` float, kinds of the atom and
        the reaction's name one-hot; `edge_attr` float, kinds of the bond; `y` ``[E]`` on edges,
        numbers of `CHANGES`, the same in both directions. `further["reactions"]` has a
        :class:`Reaction` for each graph.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: A part has no reaction at all.
    """
    draw = random.Random(seed)
    pool = sorted(set(smiles))
    draw.shuffle(pool)
    cuts = [0, round(0.8 * len(pool)), round(0.9 * len(pool)), len(pool)]
    found: list[Reaction] = []
    ends = [0]
    for first, last, share in zip(cuts[:-1], cuts[1:], (0.8, 0.1, 0.1), strict=True):
        for name in REACTIONS:
            found += _drawn(name, pool[first:last], round(share * each), draw)
        ends.append(len(found))
    if min(b - a for a, b in pairwise(ends)) == 0:
        raise ValueError(f"smiles: expected molecules that react in every part, got {len(pool)}")
    order = torch.arange(len(found))
    split = Split(*(order[a:b] for a, b in pairwise(ends)))
    return Dataset(
        name="reaction-centres",
        title="Reaction centres",
        level="edge",
        kind="multiclass",
        metric="f1_macro",
        graphs=[_graph(reaction) for reaction in found],
        num_outputs=len(CHANGES),
        splits=[split],
        split_name="80/10/10, of different molecules",
        further={"reactions": found, "changes": list(CHANGES)},
    )


def react(name: str, *smiles: str) -> Reaction | None:
    """The reaction of that name of its reactants, at the least crowded sites; None if there is no
    site, or if two are as little crowded.

    Raises:
        ValueError: No such reaction, or it has another number of reactants.
    """
    if name not in REACTIONS:
        raise ValueError(f"name: expected one of {', '.join(REACTIONS)}, got {name!r}")
    template = _template(name)
    if len(smiles) != template.GetNumReactantTemplates():
        raise ValueError(
            f"smiles: expected {template.GetNumReactantTemplates()} reactant(s) for {name}, "
            f"got {len(smiles)}"
        )
    molecules = [_read(one) for one in smiles]
    sites: dict[int, int] = {}  # by the middle's number in the template
    start = [0, molecules[0].GetNumAtoms()]
    for k, molecule in enumerate(molecules):
        atom = _chosen(_sites(template, k, molecule))
        if atom is None:
            return None
        sites[_middle(template.GetReactantTemplate(k))[0]] = start[k] + atom
    for products in template.RunReactants(molecules):
        places = [_places(product, start) for product in products]
        at = {number: node for product in places for node, number in product.values() if number}
        if all(at[number] == node for number, node in sites.items()):
            return _compare(name, molecules, products, places, start)
    return None


def _drawn(name: str, pool: list[str], count: int, draw: random.Random) -> Iterator[Reaction]:
    template = _template(name)
    able: list[list[str]] = []
    for k in range(template.GetNumReactantTemplates()):
        sites = [_sites(template, k, _read(one)) for one in pool]
        fit = [
            (one, len(of)) for one, of in zip(pool, sites, strict=True) if _chosen(of) is not None
        ]
        draw.shuffle(fit)
        # First those where there is a choice.
        able.append([one for one, _ in sorted(fit, key=lambda pair: pair[1] == 1)])
    # Molecules of the shorter list take turns.
    for i in range(min(count, max(map(len, able))) if all(able) else 0):
        reaction = react(name, *(molecules[i % len(molecules)] for molecules in able))
        if reaction is not None:
            yield reaction


def _template(name: str) -> Any:
    reactions = require("rdkit.Chem.rdChemReactions", extra="mol", what="making reactions")
    template = reactions.ReactionFromSmarts(REACTIONS[name])
    template.Initialize()
    return template


def _read(smiles: str) -> Any:
    """Without stereo chemistry, and with hydrogens that follow the bonds of former centres."""
    chem = require("rdkit.Chem", extra="mol", what="making reactions")
    molecule = read_molecule(smiles)
    for atom in molecule.GetAtoms():
        if atom.GetChiralTag() != chem.ChiralType.CHI_UNSPECIFIED:
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    chem.RemoveStereochemistry(molecule)
    chem.SanitizeMol(molecule)
    return molecule


def _sites(template: Any, k: int, molecule: Any) -> list[tuple[int, int]]:
    """How crowded each site is, and the atom in its middle, ascending."""
    chem = require("rdkit.Chem", extra="mol", what="making reactions")
    pattern = template.GetReactantTemplate(k)
    middles = {match[_middle(pattern)[1]] for match in molecule.GetSubstructMatches(pattern)}
    near = (chem.GetDistanceMatrix(molecule) <= _NEAR).sum(axis=1)
    return sorted((int(near[atom]), atom) for atom in middles)


def _middle(pattern: Any) -> tuple[int, int]:
    """Map number and place of the pattern's atom with the lowest number."""
    return min((n, i) for i, atom in enumerate(pattern.GetAtoms()) if (n := atom.GetAtomMapNum()))


def _chosen(sites: list[tuple[int, int]]) -> int | None:
    """The middle of the least crowded site, if there is one such."""
    if not sites or (len(sites) > 1 and sites[0][0] == sites[1][0]):
        return None
    return sites[0][1]


def _places(product: Any, start: list[int]) -> dict[int, tuple[int, int]]:
    """By atom of the product: its node among the reactants, and its number in the template or 0."""
    found: dict[int, tuple[int, int]] = {}
    for atom in product.GetAtoms():
        has = atom.GetPropsAsDict(includePrivate=False, includeComputed=False)
        if "react_atom_idx" in has:
            node = start[has["react_idx"]] + has["react_atom_idx"]
            found[atom.GetIdx()] = node, has.get("old_mapno", 0)
    return found


def _bonds(molecule: Any, node: dict[int, int]) -> dict[tuple[int, int], str]:
    """Types of the bonds between nodes, the lower first."""
    found: dict[tuple[int, int], str] = {}
    for bond in molecule.GetBonds():
        i, j = node.get(bond.GetBeginAtomIdx()), node.get(bond.GetEndAtomIdx())
        if i is not None and j is not None:
            found[min(i, j), max(i, j)] = str(bond.GetBondType())
    return found


def _compare(
    name: str, reactants: Sequence[Any], products: Sequence[Any], places: Any, start: list[int]
) -> Reaction:
    chem = require("rdkit.Chem", extra="mol", what="making reactions")
    before: dict[tuple[int, int], str] = {}
    after: dict[tuple[int, int], str] = {}
    written: list[list[str]] = [[], []]
    for molecule, first in zip(reactants, start, strict=False):
        node = {i: first + i for i in range(molecule.GetNumAtoms())}
        before |= _bonds(molecule, node)
        written[0].append(_numbered(chem, molecule, node))
    for product, place in zip(products, places, strict=True):
        node = {i: at for i, (at, _) in place.items()}
        after |= _bonds(product, node)
        written[1].append(_numbered(chem, product, node))
    change = {
        bond: 0 if after.get(bond) == kind else 1 + (bond in after) for bond, kind in before.items()
    }
    smiles = ">>".join(".".join(side) for side in written)
    return Reaction(name, smiles, change, sorted(after.keys() - before.keys()))


def _numbered(chem: Any, molecule: Any, node: dict[int, int]) -> str:
    copy = chem.Mol(molecule)
    for i, at in node.items():
        copy.GetAtomWithIdx(i).SetAtomMapNum(at + 1)
    return chem.MolToSmiles(copy, canonical=False)


def _graph(reaction: Reaction) -> Graph:
    """The reactants, nodes in the order of the numbers of their maps."""
    graph = from_smiles(reaction.smiles.split(">>")[0])
    name = torch.tensor([list(REACTIONS).index(reaction.name)]).expand(graph.num_nodes)
    number, _, degree, charge, hydrogens, *_, aromatic, ring = graph.x.T
    x = torch.cat(
        [
            _one_hot(number, _ELEMENTS),
            _one_hot(degree, tuple(range(5))),
            _one_hot(charge, (4, 5, 6)),  # -1, 0, 1
            _one_hot(hydrogens, tuple(range(4))),
            torch.stack([aromatic, ring], dim=1).float(),
            F.one_hot(name, len(REACTIONS)).float(),
        ],
        dim=1,
    )
    kind, _, conjugated = graph.edge_attr.T
    edge_attr = torch.cat([F.one_hot(kind, 5).float(), conjugated[:, None].float()], dim=1)
    y = [reaction.change[min(i, j), max(i, j)] for i, j in graph.edge_index.T.tolist()]
    return Graph(
        graph.edge_index,
        graph.num_nodes,
        x=x,
        edge_attr=edge_attr,
        edge_attrs={"y": torch.tensor(y, dtype=torch.int64)},
        undirected=True,
    )


def _one_hot(values: Tensor, known: tuple[int, ...]) -> Tensor:
    """A column for each known value; all 0 for another."""
    return (values[:, None] == torch.tensor(known)).float()
