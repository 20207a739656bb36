"""Interactions: which users took which items, and those held out to be recommended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graphkit.data._arrays import read_tabbed
from graphkit.data.dataset import Dataset
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.split import Split, split_at_random
from graphkit.graph import Graph

_URL = "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data"
_TITLES = {"lastfm": "LastFM"}
_PARTS = ("data1", "test1")


@dataclass(frozen=True)
class Interactions:
    """Pairs of a user and an item, in two parts that share none.

    Attributes:
        train, test: ``[2, n]`` int64: users and items, each from 0.
        num_users, num_items: How many there are.

    Raises:
        ValueError: A part is empty, holds a user or item that does not exist, a pair twice or one
            of the other part.
    """

    train: Tensor
    test: Tensor
    num_users: int
    num_items: int

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            self._check(name, part)
        shared = torch.isin(self.numbers(self.test), self.numbers(self.train))
        if shared.any():
            first = self.test[:, shared][:, 0].tolist()
            raise ValueError(
                f"test: expected pairs that are not in train, got {int(shared.sum())} that are, "
                f"{first} the first"
            )

    @property
    def parts(self) -> dict[str, Tensor]:
        return {"train": self.train, "test": self.test}

    def to(self, device: torch.device) -> Interactions:
        """The same on a device."""
        if self.train.device == device:
            return self
        parts = {name: part.to(device) for name, part in self.parts.items()}
        return Interactions(**parts, num_users=self.num_users, num_items=self.num_items)

    def numbers(self, pairs: Tensor) -> Tensor:
        """One number for every pair: its cell in a table with a row for every user."""
        return pairs[0] * self.num_items + pairs[1]

    def graph(self, pairs: Tensor) -> Graph:
        """Users, then items, as the nodes of one graph; edges are the pairs in both directions."""
        ends = torch.stack([pairs[0], pairs[1] + self.num_users])
        return Graph(torch.cat([ends, ends.flip(0)], dim=1), self.num_users + self.num_items)

    def _check(self, name: str, part: Tensor) -> None:
        if part.dtype != torch.long or part.dim() != 2 or part.size(0) != 2:
            raise ValueError(
                f"{name}: expected int64 pairs [2, n], got {part.dtype} {tuple(part.shape)}"
            )
        if part.size(1) == 0:
            raise ValueError(f"{name}: expected at least one pair, got none")
        for what, row, limit in zip(
            ("users", "items"), part, (self.num_users, self.num_items), strict=True
        ):
            lowest, highest = int(row.min()), int(row.max())
            if lowest < 0 or highest >= limit:
                raise ValueError(
                    f"{name}: expected {what} of 0 to {limit - 1}, "
                    f"got {lowest if lowest < 0 else highest}"
                )
        number, counts = self.numbers(part).unique(return_counts=True)
        if (counts > 1).any():
            cell = int(number[counts > 1][0])
            raise ValueError(
                f"{name}: expected every pair once, got {int((counts > 1).sum())} that are "
                f"repeated, {list(divmod(cell, self.num_items))} the first"
            )


def load_interactions(
    train: Path | str, test: Path | str, *, name: str, title: str = ""
) -> Dataset:
    """Users and items from a file of pairs for training and one of pairs to be found.

    A line is ``user TAB item``; further cells, such as how often, are not read, and a pair that a
    file repeats counts once. Users and items are numbered in the order of their names, of numbers
    where all are. The graph has users, then items as nodes, and the pairs for training as edges in
    both directions. `further` has the :class:`Interactions` "interactions", and the names "users"
    and "items". The members of a split are pairs, those of `train` before those of `test`; a tenth
    of those for training, drawn by the seed, is for validation.

    Raises:
        ValueError: A line is no pair, there are fewer than ten for training, or what
            :class:`Interactions` says.
    """
    read = [
        list(dict.fromkeys(read_tabbed(Path(file), ("user", "item"), more=True)))
        for file in (train, test)
    ]
    users, items = (_in_order({pair[k] for part in read for pair in part}) for k in range(2))
    number = [{name: i for i, name in enumerate(names)} for names in (users, items)]
    parts = [
        torch.tensor([[number[0][u], number[1][i]] for u, i in part], dtype=torch.long)
        .view(-1, 2)
        .T.contiguous()
        for part in read
    ]
    try:
        found = Interactions(*parts, num_users=len(users), num_items=len(items))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    count = found.train.size(1)
    if count < 10:
        raise ValueError(
            f"{name}: train: expected at least 10 pairs, a tenth of them for validation, "
            f"got {count}"
        )
    return Dataset(
        name=name,
        title=title or name,
        level="edge",
        kind="link",
        metric="recall@20",
        graphs=[found.graph(found.train)],
        num_outputs=1,
        splits=lambda seed: _split(count, found.test.size(1), seed),
        split_name="published pairs, 10 % of training for validation by seed",
        further={"interactions": found, "users": users, "items": items},
    )


def _split(train: int, test: int, seed: int) -> Split:
    drawn = split_at_random(train, train - train // 10, 0, seed=seed)
    return Split(drawn.train, drawn.test, torch.arange(train, train + test))


def _in_order(names: set[str]) -> list[str]:
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def interactions_of(dataset: Dataset) -> Interactions:
    """The interactions of a data set for recommendation.

    Raises:
        DataError: The data set is none.
    """
    found = dataset.further.get("interactions")
    if not isinstance(found, Interactions):
        raise DataError(
            f"dataset: expected users and items, such as {' or '.join(_TITLES)}, got {dataset.name}"
        )
    return found


def _files(name: str) -> list[RawFile]:
    return [RawFile(f"recsys/{name}/{part}.txt", f"{_URL}/{name}/{part}.txt") for part in _PARTS]


def _read(name: str, folder: Path) -> Dataset:
    train, test = (folder / "recsys" / name / f"{part}.txt" for part in _PARTS)
    return load_interactions(train, test, name=name, title=_TITLES[name])


FAMILY = Family(title="Recommendation", names=tuple(_TITLES), files=_files, read=_read)
