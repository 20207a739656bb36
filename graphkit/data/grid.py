"""Images as graphs: which pixels touch."""

from __future__ import annotations

import torch
from torch import Tensor


def grid_edges(height: int, width: int) -> Tensor:
    """Edges between every pixel and its up to 8 neighbours, in both directions.

    A corner has 3 neighbours, a pixel on the border 5, one inside 8. Pixels are numbered row by
    row; edges are sorted by source.

    Returns:
        ``[2, E]`` int64.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height, width: expected at least 1, got {height} and {width}")
    pixel = torch.arange(height * width)
    row, column = pixel // width, pixel % width
    near = torch.maximum(
        (row[:, None] - row[None, :]).abs(), (column[:, None] - column[None, :]).abs()
    )
    return (near == 1).nonzero().T.contiguous()
