"""What a family of data sets tells the loader: its names, its raw files, how they are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graphkit.data.dataset import Dataset


class DataError(RuntimeError):
    """A data set is not to be had, or its files are not what they should be."""


@dataclass(frozen=True)
class RawFile:
    """One raw file of a data set.

    Attributes:
        path: Where it lies in the data folder, with slashes: "planetoid/Cora/raw/ind.cora.x".
        url: Where it is downloaded from; empty, if it cannot be. What ends in ``.gz`` there and
            not in `path` is unpacked.
        member: The file's name in the zip archive that `url` names; empty, if `url` is the file
            itself.
        required: Whether the set cannot be read without it. What a card lists always is.
    """

    path: str
    url: str = ""
    member: str = ""
    required: bool = True


@dataclass(frozen=True)
class Family:
    """Data sets that are kept, downloaded and read in one way.

    Attributes:
        title: What it is called: "Planetoid".
        names: The sets of the family that have a card, as `graphkit.data.load` takes them: lower
            case with dashes.
        files: From a name to the raw files of that set; empty, if it comes with an installed
            package.
        read: From a name and the folder that holds the files (at their `RawFile.path`) to the
            Dataset. It writes nothing there. It is called when all required files are there and
            their checksums have matched.
        further: All sets, those without a card too, that are kept and read in the same way.
        aliases: Other names of the sets.
        pickled: Whether files are pickles. They are read only where the card has a checksum for
            every one of them.
    """

    title: str
    names: Sequence[str]
    files: Callable[[str], Sequence[RawFile]]
    read: Callable[[str, Path], Dataset]
    further: Collection[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    pickled: bool = False
