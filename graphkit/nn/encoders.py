"""Encoders of categorical features: of atoms and bonds, and of anything counted in columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit._checks import describe
from graphkit.convert.molecules import ATOM_FEATURES, BOND_FEATURES


class CategoricalEncoder(nn.Module):
    r"""Sum of one learnt vector for every column:
    :math:`h_v = \sum_k W^{(k)}_{x_{vk}}`. Hu et al. 2020, "Open Graph Benchmark", section 5.

    The tables :math:`W^{(k)}` stand one below the other in `weight`, so that all columns are
    looked up and summed in one pass.

    Args:
        sizes: Number of categories of every column.
        channels: Size of the vectors.

    Shapes:
        `x` int64 ``[N, len(sizes)]``, column k with categories 0 to ``sizes[k] - 1``; result
        ``[N, channels]``.
    """

    starts: Tensor
    ends: Tensor

    def __init__(self, sizes: Sequence[int], channels: int) -> None:
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes: expected at least one column of categories, got {sizes}")
        self.sizes, self.channels = tuple(sizes), channels
        ends = torch.tensor(list(accumulate(sizes)))
        self.weight = nn.Parameter(torch.empty(int(ends[-1]), channels))
        self.register_buffer("starts", ends - torch.tensor(self.sizes), persistent=False)
        self.register_buffer("ends", ends, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every table as Glorot and Bengio 2010 do, uniformly."""
        for table in self.weight.split(self.sizes):
            nn.init.xavier_uniform_(table)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.int64 or x.dim() != 2 or x.size(1) != len(self.sizes):
            raise ValueError(f"x: expected int64 [N, {len(self.sizes)}], got {describe(x)}")
        row = x + self.starts
        # A category that does not exist must not be taken for one of the next column.
        odd = (row < self.starts) | (row >= self.ends)
        if not torch.compiler.is_compiling() and x.device.type == "cpu":
            self._check(x, odd)
        row = row.masked_fill(odd, self.weight.size(0))
        return F.embedding_bag(row, self.weight, mode="sum")

    def _check(self, x: Tensor, odd: Tensor) -> None:
        if odd.any():
            node, column = odd.nonzero()[0].tolist()
            raise ValueError(
                f"x: expected categories of 0 to {self.sizes[column] - 1} in column {column}, "
                f"got {int(x[node, column])} in row {node}"
            )

    def extra_repr(self) -> str:
        return f"{list(self.sizes)}, {self.channels}"


class AtomEncoder(CategoricalEncoder):
    """The nine features of an atom, as :func:`graphkit.convert.from_smiles` gives them, as one
    vector of `channels`."""

    def __init__(self, channels: int) -> None:
        super().__init__([len(values) for values in ATOM_FEATURES.values()], channels)


class BondEncoder(CategoricalEncoder):
    """The three features of a bond, as :func:`graphkit.convert.from_smiles` gives them, as one
    vector of `channels`."""

    def __init__(self, channels: int) -> None:
        super().__init__([len(values) for values in BOND_FEATURES.values()], channels)
