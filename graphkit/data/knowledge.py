"""Knowledge graphs: triples of head, relation and tail, and those held out to be found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from graphkit.data._arrays import read_tabbed
from graphkit.data.dataset import Dataset
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.split import Split
from graphkit.graph import Graph

_URL = "https://raw.githubusercontent.com/DeepGraphLearning/KnowledgeGraphEmbedding/master/data"
_PARTS = ("train", "valid", "test")
# Title, and the publisher's folder.
_SETS = {"wn18rr": ("WN18RR", "wn18rr"), "fb15k-237": ("FB15k-237", "FB15k-237")}


@dataclass(frozen=True)
class TripleSplit:
    """Triples of a knowledge graph, in three parts that share none.

    Attributes:
        train, val, test: ``[3, n]`` int64: heads, relations and tails.
        num_entities, num_relations: How many there are.

    Raises:
        ValueError: A part is empty, holds an entity or relation that does not exist or a triple of
            another part; or a relation is in no training triple, so that nothing is learnt of it.
    """

    train: Tensor
    val: Tensor
    test: Tensor
    num_entities: int
    num_relations: int

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            self._check(name, part)
        seen = self.train[1].unique()
        for name in ("val", "test"):
            unseen = [r for r in self.parts[name][1].unique().tolist() if r not in seen]
            if unseen:
                raise ValueError(
                    f"train: expected a triple of every relation that {name} asks for, got none "
                    f"of relation {unseen[0]}"
                )
        numbers = {name: self._numbers(part) for name, part in self.parts.items()}
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            shared = torch.isin(numbers[other], numbers[one])
            if shared.any():
                first = self.parts[other][:, shared][:, 0].tolist()
                raise ValueError(
                    f"{other}: expected triples that are not in {one}, got {int(shared.sum())} "
                    f"that are, {first} the first"
                )

    @property
    def parts(self) -> dict[str, Tensor]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def to(self, device: torch.device) -> TripleSplit:
        """The same on a device."""
        if self.train.device == device:
            return self
        parts = {name: part.to(device) for name, part in self.parts.items()}
        return TripleSplit(
            **parts, num_entities=self.num_entities, num_relations=self.num_relations
        )

    def _check(self, name: str, part: Tensor) -> None:
        if part.dtype != torch.long or part.dim() != 2 or part.size(0) != 3:
            raise ValueError(
                f"{name}: expected int64 triples [3, n], got {part.dtype} {tuple(part.shape)}"
            )
        if part.size(1) == 0:
            raise ValueError(f"{name}: expected at least one triple, got none")
        limits = (self.num_entities, self.num_relations, self.num_entities)
        for what, row, limit in zip(("heads", "relations", "tails"), part, limits, strict=True):
            lowest, highest = int(row.min()), int(row.max())
            if lowest < 0 or highest >= limit:
                raise ValueError(
                    f"{name}: expected {what} of 0 to {limit - 1}, "
                    f"got {lowest if lowest < 0 else highest}"
                )

    def _numbers(self, part: Tensor) -> Tensor:
        """One number for every triple."""
        head, relation, tail = part
        return (head * self.num_relations + relation) * self.num_entities + tail


def triple_indices(
    triples: Iterable[Sequence[str]], entities: Mapping[str, int], relations: Mapping[str, int]
) -> Tensor:
    """``[3, n]`` the numbers of triples that are given by name.

    Args:
        triples: Head, relation and tail of each.
        entities, relations: Their numbers.

    Raises:
        ValueError: A name is not known; says which, in which triple.
    """
    rows: list[list[int]] = []
    for head, relation, tail in triples:
        for kind, known, name in (
            ("an entity", entities, head),
            ("a relation", relations, relation),
            ("an entity", entities, tail),
        ):
            if name not in known:
                raise ValueError(
                    f"triples: expected {kind} of {len(known)} known ones, got {name!r} in "
                    f"({head}, {relation}, {tail})"
                )
        rows.append([entities[head], relations[relation], entities[tail]])
    return torch.tensor(rows, dtype=torch.long).view(-1, 3).T.contiguous()


def load_triples(folder: Path | str, *, name: str, title: str = "") -> Dataset:
    """A knowledge graph from ``train.txt``, ``valid.txt`` and ``test.txt`` of a folder.

    A line is ``head TAB relation TAB tail``. Entities and relations are numbered in the order of
    their names. The graph holds the training triples: edges from head to tail with `edge_type`.
    `further` has the :class:`TripleSplit` "triples", and the names "entities" and "relations".

    Raises:
        ValueError: A line is no triple, or what :class:`TripleSplit` says.
    """
    read = [
        read_tabbed(Path(folder) / f"{part}.txt", ("head", "relation", "tail")) for part in _PARTS
    ]
    everything = [triple for part in read for triple in part]
    entities = sorted({end for head, _, tail in everything for end in (head, tail)})
    relations = sorted({relation for _, relation, _ in everything})
    number = [{name: i for i, name in enumerate(names)} for names in (entities, relations)]
    train, val, test = (triple_indices(part, *number) for part in read)
    try:
        split = TripleSplit(train, val, test, len(entities), len(relations))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    graph = Graph(
        split.train[[0, 2]],
        len(entities),
        undirected=False,
        edge_attrs={"edge_type": split.train[1]},
    )
    ends = torch.tensor([0, *(part.size(1) for part in split.parts.values())]).cumsum(0).tolist()
    members = [torch.arange(a, b) for a, b in pairwise(ends)]
    return Dataset(
        name=name,
        title=title or name,
        level="edge",
        kind="link",
        metric="mrr",
        graphs=[graph],
        num_outputs=1,
        splits=[Split(*members)],
        split_name="published triples",
        further={"triples": split, "entities": entities, "relations": relations},
    )


def triples_of(dataset: Dataset) -> TripleSplit:
    """The triples of a knowledge graph.

    Raises:
        DataError: The data set is none.
    """
    found = dataset.further.get("triples")
    if not isinstance(found, TripleSplit):
        raise DataError(
            f"dataset: expected a knowledge graph, such as {' or '.join(_SETS)}, got {dataset.name}"
        )
    return found


def _files(name: str) -> list[RawFile]:
    title, theirs = _SETS[name]
    return [RawFile(f"kg/{title}/raw/{part}.txt", f"{_URL}/{theirs}/{part}.txt") for part in _PARTS]


def _read(name: str, folder: Path) -> Dataset:
    title = _SETS[name][0]
    return load_triples(folder / "kg" / title / "raw", name=name, title=title)


FAMILY = Family(title="Knowledge graphs", names=tuple(_SETS), files=_files, read=_read)
