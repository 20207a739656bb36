"""Who trusts whom among traders of bitcoin (Kumar et al. 2016)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.links import split_edges
from graphkit.graph import Graph

_MARKETS = {"otc": "OTC", "alpha": "Alpha"}
_NAMES = tuple(f"bitcoin-{market}{what}" for market in _MARKETS for what in ("", "-rating"))
_BEST = 10.0


def _market(name: str) -> str:
    return name.removeprefix("bitcoin-").removesuffix("-rating")


def _files(name: str) -> list[RawFile]:
    market = _market(name)
    return [RawFile(f"dynamic/bitcoin_{market}/raw/soc-sign-bitcoin{market}.csv")]


def _read(name: str, folder: Path) -> Dataset:
    """Read ratings of -10 to 10 that traders gave each other, none of them 0.

    Every edge has one rating. To predict is its sign (class 1 is trust) or, of the sets whose name
    ends in "-rating", the rating itself divided by 10. Nothing is known of the traders: `x` is 1.
    `further` has the times of the ratings, in seconds since 1970.
    """
    table = np.loadtxt(folder / _files(name)[0].path, delimiter=",", ndmin=2)
    traders, ends = np.unique(table[:, :2].astype(np.int64), return_inverse=True)
    edge_index = torch.from_numpy(ends.reshape(-1, 2).T.copy())
    rating = torch.from_numpy(table[:, 2:3]).float() / _BEST
    by_rating = name.endswith("-rating")
    graph = Graph(
        edge_index,
        len(traders),
        x=torch.ones(len(traders), 1),
        undirected=False,
        edge_attrs={"y": rating if by_rating else (rating[:, 0] > 0).long()},
    )
    return Dataset(
        name=name,
        title=f"Bitcoin {_MARKETS[_market(name)]}{', ratings' if by_rating else ''}",
        level="edge",
        kind="regression" if by_rating else "multiclass",
        metric="rmse" if by_rating else "roc_auc",
        graphs=[graph],
        num_outputs=1 if by_rating else 2,
        splits=lambda seed: split_edges(graph, 0.7, 0.1, seed=seed),
        split_name="70/10/20 of the edges by seed",
        further={"time": torch.from_numpy(table[:, 3])},
    )


FAMILY = Family(title="Bitcoin trust", names=_NAMES, files=_files, read=_read)
