"""Is a data set what its card says? Files before they are read, contents after."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphkit.data.cards import Card
from graphkit.data.checks import check_split
from graphkit.data.dataset import Dataset
from graphkit.data.download import checksum
from graphkit.data.family import DataError
from graphkit.data.interactions import Interactions
from graphkit.data.knowledge import TripleSplit

# Of what a data set joins, where it has names.
_NAMES = ("entities", "relations", "users", "items")


def check_files(card: Card, folder: Path) -> None:
    """Compare the checksums of the raw files with the card's.

    Where the card knows the content as well, other files may hold the same: these are left to
    `check_contents`.
    """
    if card.content:
        return
    for path, expected in card.files.items():
        got = checksum(folder / path)
        if got != expected:
            raise DataError(
                f"{card.name}: {folder / path}: truncated or altered: expected SHA-256 "
                f"{expected}, got {got}; nothing was read"
            )


def check_parts(dataset: Dataset) -> None:
    """Raise unless the published splits, if there are any, hold members that exist, each once."""
    if callable(dataset.splits) or dataset.level == "edge":
        return  # drawn here; or members that are no edges of the graph
    n = len(dataset.graphs) if dataset.level == "graph" else dataset.graph.num_nodes
    for split in dataset.splits:
        check_split(split, n)


def check_contents(card: Card, dataset: Dataset) -> None:
    """Compare what was read with the card."""
    got = measure(dataset)
    about = {name: getattr(dataset, name) for name in ("level", "kind", "metric")}
    expected = {name: getattr(card, name) for name in about} | {"split": card.split}
    for name, wanted in (expected | card.statistics).items():
        found = (got | about | {"split": dataset.split_name})[name]
        if found != wanted:
            raise DataError(
                f"{card.name}: {name}: expected {wanted} as the card says, got {found}; the data "
                "set is not used"
            )
    if card.content and (digest := fingerprint(dataset)) != card.content:
        raise DataError(
            f"{card.name}: contents: expected SHA-256 {card.content} as the card says, got "
            f"{digest}; the data set is not used"
        )


def measure(dataset: Dataset) -> dict[str, Any]:
    """The statistics of a data set that a card can name."""
    sizes = [(graph.num_nodes, graph.num_edges) for graph in dataset.graphs]
    counts: dict[str, Any] = {
        "graphs": len(sizes),
        "nodes": sum(nodes for nodes, _ in sizes),
        "edges": sum(edges for _, edges in sizes),
        "features": dataset.num_features,
        "edge_features": dataset.num_edge_features,
        "outputs": dataset.num_outputs,
    }
    for name in _NAMES:
        if name in dataset.further:
            counts[name] = len(dataset.further[name])
    for name, part in dataset.split(0)._asdict().items():
        counts[name] = len(part)
    return counts


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of edges, features and targets, whatever file they came from; of a knowledge graph
    of its triples, of users and items of their pairs, and of the names of what they join."""
    digest = sha256()
    for value in _values(dataset):
        for part in _dense_parts(value):
            digest.update(str((part.dtype, tuple(part.shape))).encode())
            digest.update(part.contiguous().numpy().tobytes())
    for names in _NAMES:
        for name in dataset.further.get(names, ()):
            digest.update(name.encode() + b"\n")
    return digest.hexdigest()


def _values(dataset: Dataset) -> Iterator[Tensor | None]:
    triples = dataset.further.get("triples")
    if isinstance(triples, TripleSplit):
        yield from triples.parts.values()
        return
    interactions = dataset.further.get("interactions")
    if isinstance(interactions, Interactions):
        yield from interactions.parts.values()
        return
    for graph in dataset.graphs:
        yield from (graph.edge_index, graph.x, graph.y)


def _dense_parts(value: Tensor | None) -> list[Tensor]:
    if value is None:
        return []
    if value.layout == torch.sparse_csr:
        return [value.crow_indices(), value.col_indices(), value.values()]
    return [value]
