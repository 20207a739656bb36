"""Data sets by name.

To add a family, write a module beside this one with a `Family` and name it in `FAMILIES`; write a
card `datasets/<name>.yaml` for each of its `names`. The loader finds or downloads the raw files,
checks them against the card, calls the family's `read` and checks what came out.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

from graphkit.data import (
    bitcoin,
    blogcatalog,
    bundled,
    collab,
    geom_gcn,
    gnn_benchmark,
    heterophilous,
    interactions,
    knowledge,
    moleculenet,
    musae,
    ogb,
    planetoid,
    qm9,
    qm9_positions,
    reddit_threads,
    texts,
    toys,
    tu,
    zinc,
)
from graphkit.data.cards import Card, all_cards
from graphkit.data.dataset import Dataset
from graphkit.data.download import fetch
from graphkit.data.family import DataError, Family, RawFile
from graphkit.data.folder import places, writable_folder
from graphkit.data.verify import check_contents, check_files, check_parts

FAMILIES: tuple[Family, ...] = (
    bitcoin.FAMILY,
    blogcatalog.FAMILY,
    bundled.FAMILY,
    collab.FAMILY,
    geom_gcn.FAMILY,
    gnn_benchmark.FAMILY,
    heterophilous.FAMILY,
    interactions.FAMILY,
    knowledge.FAMILY,
    moleculenet.FAMILY,
    musae.FAMILY,
    ogb.FAMILY,
    planetoid.FAMILY,
    qm9.FAMILY,
    qm9_positions.FAMILY,
    reddit_threads.FAMILY,
    texts.FAMILY,
    toys.FAMILY,
    tu.FAMILY,
    zinc.FAMILY,
)


# What readers raise for files that do not hold what they should.
_UNREADABLE = (ValueError, LookupError, EOFError, OSError, BadZipFile, zlib.error)


def load(name: str, *, folder: Path | str | None = None, download: bool = True) -> Dataset:
    """A data set by name.

    Listed sets (`available`) are checked against their card: the checksums of all raw files
    before anything is read from them, the statistics afterwards. A set of a known family that is
    not listed loads by its usual name, too, with the family's usual split.

    Args:
        name: "cora", "amazon-photo", "nci1". Capitals and underscores do not matter.
        folder: Where to look for the raw files; `data_folder()` if not given. It is only read.
            Files in the user's cache are found as well.
        download: Whether a set that is not at hand is downloaded: into the folder that
            `GRAPHKIT_DATA` names, if it can be written to, else into the user's cache.

    Raises:
        ValueError: There is no such set; says which names are near.
        DataError: The set is not at hand and cannot be downloaded, or files or statistics are
            not what the card says.
    """
    family, name = find(name)
    card = all_cards().get(name)
    place = _provide(family, name, card, folder, download)
    if card is not None:
        check_files(card, place)
    if family.pickled:
        _refuse_unknown(family.files(name), card)
    try:
        dataset = family.read(name, place)
        check_parts(dataset)
    except _UNREADABLE as error:
        raise DataError(
            f"{name}: cannot be read from {place}, so its files are truncated, altered or of "
            f"another kind: {type(error).__name__}: {error}"
        ) from error
    if card is not None:
        check_contents(card, dataset)
    return dataset


def find(name: str) -> tuple[Family, str]:
    """The family of a data set, and the name by which the family knows it."""
    plain = name.lower().replace("_", "-").replace(" ", "-")
    for family in FAMILIES:
        known = family.aliases.get(plain, plain)
        if known in family.names or known in family.further:
            return family, known
    names = {
        known for family in FAMILIES for known in (*family.names, *family.further, *family.aliases)
    }
    near = get_close_matches(plain, sorted(names), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"name: expected a data set of `graphkit datasets`, got {name!r}{hint}")


State = Literal["bundled", "at hand", "download", "missing"]


@dataclass(frozen=True)
class Available:
    """A listed data set.

    Attributes:
        card: What is known of it.
        state: "bundled" with an installed package, "at hand" in a folder, to "download", or
            "missing" where it cannot be.
    """

    card: Card
    state: State


def available(folder: Path | str | None = None) -> list[Available]:
    """All listed data sets, in alphabetical order, and whether they are at hand.

    Args:
        folder: Where to look for them, as `load` has it.
    """
    family_of = {name: family for family in FAMILIES for name in family.names}
    return [
        Available(card, _state(family_of[name].files(name), card, folder))
        for name, card in all_cards().items()
    ]


def _state(files: Sequence[RawFile], card: Card, folder: Path | str | None) -> State:
    if not files:
        return "bundled"
    if any(not _lacking(files, card.files, place) for place in places(folder)):
        return "at hand"
    return "download" if all(file.url for file in files) else "missing"


def _provide(
    family: Family, name: str, card: Card | None, folder: Path | str | None, download: bool
) -> Path:
    """The folder that has the raw files; they are downloaded if none has."""
    files = family.files(name)
    listed = card.files if card else {}
    tried = list(places(folder))
    if not files:
        return tried[0]
    for place in tried:
        if not _lacking(files, listed, place):
            return place
    lacking = _lacking(files, listed, tried[0])
    sought = f"{name}: not at hand: {tried[0]} has no {lacking[0].path}"
    if len(lacking) > 1:
        sought += f" and lacks {len(lacking) - 1} more of its files"
    bundled = [each for family in FAMILIES for each in family.names if not family.files(each)]
    advice = f"These load without any download: {', '.join(sorted(bundled))}"
    if not all(file.url for file in lacking):
        raise DataError(f"{sought}; it cannot be downloaded. {advice}")
    if not download:
        raise DataError(f"{sought}; downloading was not asked for. {advice}")
    target = writable_folder()
    # The card's checksums are of another container where it knows the content as well.
    expected = {} if card is not None and card.content else listed
    try:
        fetch(files, target, expected)
    except (OSError, HTTPException) as error:
        raise DataError(
            f"{sought}; downloading it to {target} failed: {error}. {advice}"
        ) from error
    return target


def _refuse_unknown(files: Sequence[RawFile], card: Card | None) -> None:
    """Unpickling runs what is in a file: only files whose checksum matched may be."""
    unknown = [file.path for file in files if card is None or file.path not in card.files]
    if unknown:
        raise DataError(
            f"{unknown[0]}: a pickle without a checksum on a card of `datasets/`; nothing was read"
        )


def _lacking(files: Sequence[RawFile], listed: Mapping[str, str], place: Path) -> list[RawFile]:
    """The files that a set cannot do without and that a folder does not have."""
    return [
        file
        for file in files
        if (file.required or file.path in listed) and not (place / file.path).is_file()
    ]
