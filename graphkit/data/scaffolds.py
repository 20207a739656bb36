"""Splits by scaffold: the test asks for molecules with frameworks that training has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from graphkit.convert import scaffold
from graphkit.data.split import Split


def split_by_scaffold(smiles: Sequence[str], train: float = 0.8, val: float = 0.1) -> Split:
    """Molecules with one Bemis-Murcko scaffold are in one part; the rarest are for the test.

    Scaffolds are taken up from the most to the least frequent, of equally frequent ones first
    that whose first molecule comes last. Each goes to training if it still fits there, else to
    validation if it fits there, else to the test. Nothing is drawn. From the molecules of
    ogbg-molesol, molfreesolv and molbace this makes their published splits. The procedure is that
    of Ramsundar et al. 2019 (DeepChem), with scaffolds that tell mirror images apart.

    Args:
        smiles: The molecules.
        train, val: Shares of the molecules.

    Returns:
        A Split; indices ascend.

    Raises:
        ImportError: rdkit is not installed.
        ValueError: rdkit cannot read a molecule, or a part would be empty.
    """
    n = len(smiles)
    groups: dict[str, list[int]] = {}
    for member, molecule in enumerate(smiles):
        groups.setdefault(scaffold(molecule), []).append(member)
    parts: tuple[list[int], list[int], list[int]] = [], [], []
    for group in sorted(groups.values(), key=lambda group: (-len(group), -group[0])):
        if len(parts[0]) + len(group) <= train * n:
            parts[0].extend(group)
        elif len(parts[0]) + len(parts[1]) + len(group) <= (train + val) * n:
            parts[1].extend(group)
        else:
            parts[2].extend(group)
    if not all(parts):
        raise ValueError(
            f"smiles: expected scaffolds that fill three parts, got {n} molecules of "
            f"{len(groups)} scaffolds, which make parts of {', '.join(map(str, map(len, parts)))}"
        )
    return Split(*(torch.tensor(sorted(part)) for part in parts))
