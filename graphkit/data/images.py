"""Pictures: of published sets by name, or of a folder."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.data.download import fetch
from graphkit.data.family import DataError, RawFile
from graphkit.data.folder import places, writable_folder

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_SHA256 = dict(
    zip(
        _PARTS,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        strict=True,
    )
)
_CLOTHES = (
    *("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer"),
    *("bag", "ankle boot"),
)
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NAMES = ("mnist", "fashion-mnist", "cifar10", "digits")


@dataclass(frozen=True)
class Images:
    """Pictures for training and for the test.

    Attributes:
        train, test: ``[n, C, H, W]`` in [0, 1].
        train_labels, test_labels: ``[n]``, numbers of `classes`; all 0 where there are none.
        classes: Names of the classes; empty if the pictures have none.
    """

    train: Tensor
    test: Tensor
    train_labels: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]


def load_images(
    name: str | Path, *, size: int | None = None, folder: Path | str | None = None
) -> Images:
    """Load a set of pictures.

    Args:
        name: "mnist" (60,000 and 10,000 digits of 28 x 28 pixels, downloaded where they are not at
            hand), "fashion-mnist" (as many pieces of clothing, as Debian's package
            dataset-fashion-mnist brings them), "cifar10" (a folder ``images/cifar10_subset`` of
            colour pictures of 32 x 32), "digits" (scikit-learn's 1,797 of 8 x 8, the last fifth for
            the test); or a folder of pictures of one size, in folders named after their classes if
            they have any, and those in ``train`` and ``test`` if they are split. Every tenth
            picture is for the test otherwise. Transparency and hidden files are left out. Capitals
            and underscores of a name do not matter.
        size: Pixels a side to bring them to, by :func:`~graphkit.data.images.resized`.
        folder: Where sets are looked for, besides `GRAPHKIT_DATA` and the user's cache.

    Raises:
        ValueError: `size` is not positive.
        DataError: Files are missing or damaged, or pictures of a folder are not of one kind.
    """
    if size is not None and size < 1:
        raise ValueError(f"size: expected at least 1, got {size}")
    match str(name).lower().replace("_", "-"):
        case "mnist":
            images = _mnist(folder)
        case "fashion-mnist":
            images = _fashion_mnist(folder)
        case "digits":
            images = _digits()
        case "cifar10":
            images = _folder(_cifar10(folder))
        case _ if Path(name).is_dir():
            images = _folder(Path(name))
        case _:
            raise DataError(f"name: expected one of {', '.join(NAMES)}, or a folder, got {name}")
    if size is None:
        return images
    train, test = resized(images.train, size), resized(images.test, size)
    return Images(train, test, images.train_labels, images.test_labels, images.classes)


def resized(images: Tensor, size: int) -> Tensor:
    """``[n, C, H, W]`` brought to squares of `size` pixels a side: 28 x 28 to 32 by a border of 0,
    as is usual for MNIST, all else by interpolation."""
    given = tuple(images.shape[2:])
    if given == (size, size):
        return images
    if given == (28, 28) and size == 32:
        return F.pad(images, [2] * 4)
    parts = [
        F.interpolate(part, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        for part in images.split(4096)
    ]
    return torch.cat(parts).clamp(0, 1)


def check_images(images: Tensor, *, name: str = "images") -> None:
    """Raise unless `images` is ``[n, C, H, W]`` of floating-point numbers in [0, 1].

    Args:
        images: What is checked.
        name: What it is called in the error.

    Raises:
        TypeError: They are whole numbers.
        ValueError: The shape is another, there are none, or a number is NaN or not in [0, 1].
    """
    if not images.is_floating_point():
        raise TypeError(f"{name}: expected floating-point numbers in [0, 1], got {images.dtype}")
    if images.dim() != 4 or images.numel() == 0:
        raise ValueError(
            f"{name}: expected shape [n, C, H, W] with at least one picture, "
            f"got {list(images.shape)}"
        )
    low, high = (end.item() for end in images.aminmax())
    if not 0 <= low <= high <= 1:  # NaN is not, either
        raise ValueError(f"{name}: expected numbers in [0, 1], got {low:.4g} to {high:.4g}")


# ------------------------------------------------------------------ sets in MNIST's format


def _mnist(folder: Path | str | None) -> Images:
    raw = "images/mnist/MNIST/raw"
    classes = tuple("0123456789")
    for place in places(folder):
        if files := _parts(place / raw):
            return _of_idx(files, classes)
    url = "https://ossci-datasets.s3.amazonaws.com/mnist"
    wanted = [RawFile(f"{raw}/{part}-ubyte", f"{url}/{part}-ubyte.gz") for part in _PARTS]
    place = writable_folder()
    try:
        fetch(wanted, place, {f"{raw}/{part}-ubyte": found for part, found in _SHA256.items()})
    except (OSError, HTTPException) as error:
        raise DataError(
            f"mnist: not at hand, and downloading it to {place / raw} failed: {error}. Put its "
            'four idx files there, or take "digits", which is not downloaded'
        ) from error
    return _of_idx([place / file.path for file in wanted], classes)


def _fashion_mnist(folder: Path | str | None) -> Images:
    here = [place / "images/fashion-mnist" for place in places(folder)]
    for place in (*here, _DEBIAN):
        if files := _parts(place):
            return _of_idx(files, _CLOTHES)
    raise DataError(
        f"fashion-mnist: not at hand: there is no {here[0]} with {_PARTS[0]}-ubyte.gz and the "
        "others; Debian's package dataset-fashion-mnist has them"
    )


def _parts(folder: Path) -> list[Path]:
    """The four files of a set, packed or not; empty unless all are there."""
    found = []
    for part in _PARTS:
        plain, packed = folder / f"{part}-ubyte", folder / f"{part}-ubyte.gz"
        found.append(plain if plain.is_file() else packed)
    return found if all(file.is_file() for file in found) else []


def _of_idx(files: Sequence[Path], classes: tuple[str, ...]) -> Images:
    train, train_labels, test, test_labels = (_read_idx(file) for file in files)
    for pictures, labels, k in ((train, train_labels, 0), (test, test_labels, 2)):
        if pictures.ndim != 3 or pictures.size == 0 or labels.shape != pictures.shape[:1]:
            raise DataError(
                f"{files[k]}: expected pictures and one label for each, got shapes "
                f"{pictures.shape}, {labels.shape}"
            )
        if labels.max() >= len(classes):
            raise DataError(
                f"{files[k + 1]}: expected labels from 0 to {len(classes) - 1}, got {labels.max()}"
            )
    return Images(
        _unit(train[:, None]),
        _unit(test[:, None]),
        torch.from_numpy(train_labels).long(),
        torch.from_numpy(test_labels).long(),
        classes,
    )


def _read_idx(file: Path) -> np.ndarray:
    """An array of bytes in the format of MNIST: two zeros, the type 8, how many dimensions, their
    sizes, and the bytes."""
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: expected a file packed by gzip: {error}") from None
    if len(data) >= 4 and data[:3] == b"\0\0\x08":
        start = 4 + 4 * data[3]
        shape = [int.from_bytes(data[k : k + 4], "big") for k in range(4, start, 4)]
        if len(data) - start == math.prod(shape):
            return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()
    raise DataError(f"{file}: expected bytes in MNIST's idx format, got something else or damaged")


# ------------------------------------------------------------------ others


def _digits() -> Images:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    pictures = torch.from_numpy(bundled.images / 16).float()[:, None]
    labels = torch.from_numpy(bundled.target).long()
    cut = len(pictures) * 4 // 5
    return Images(pictures[:cut], pictures[cut:], labels[:cut], labels[cut:], tuple("0123456789"))


def _cifar10(folder: Path | str | None) -> Path:
    here = [place / "images/cifar10_subset" for place in places(folder)]
    for place in here:
        if place.is_dir():
            return place
    raise DataError(
        f"cifar10: not at hand: there is no {here[0]} with train/<class>/*.jpg and "
        "test/<class>/*.jpg"
    )


def _folder(folder: Path) -> Images:
    inside = {path.name for path in folder.glob("[!.]*") if path.is_dir()}
    if inside in ({"train"}, {"test"}):
        raise DataError(f"{folder}: expected both of train and test, got only {inside.pop()}")
    split = {"train", "test"} <= inside
    listed = [_listed(folder / part) for part in (("train", "test") if split else ("",))]
    names = sorted({name for files in listed for name, _ in files})
    if "" in names and len(names) > 1:
        plain = next(file for files in listed for name, file in files if not name)
        raise DataError(
            f"{folder}: expected pictures in folders of classes or beside each other, got both: "
            f"{plain.relative_to(folder)} is in no folder of a class"
        )
    first: tuple[Path, tuple[int, ...]] | None = None
    read: list[tuple[Tensor, Tensor]] = []
    for files in listed:
        pictures = []
        for _, file in files:
            picture = _read(file)
            first = (file, picture.shape) if first is None else first
            if picture.shape != first[1]:
                raise DataError(
                    f"{folder}: expected pictures of one size and type, but "
                    f"{first[0].relative_to(folder)} is {_said(first[1])} and "
                    f"{file.relative_to(folder)} is {_said(picture.shape)}"
                )
            pictures.append(picture)
        labels = torch.tensor([names.index(name) for name, _ in files])
        read.append((_unit(np.stack(pictures)), labels))
    classes = tuple(name for name in names if name)
    if split:
        (train, train_labels), (test, test_labels) = read
        return Images(train, test, train_labels, test_labels, classes)
    pictures, labels = read[0]
    if len(pictures) < 2:
        raise DataError(f"{folder}: expected at least two pictures, got one")
    held_out = torch.arange(len(pictures)) % 10 == 9
    held_out[-1] |= not held_out.any()
    return Images(
        pictures[~held_out], pictures[held_out], labels[~held_out], labels[held_out], classes
    )


def _listed(root: Path) -> list[tuple[str, Path]]:
    """Class and file of every picture in a folder; the class is empty if there are none."""
    found = [
        ("" if file.parent == root else file.parent.name, file)
        for file in sorted(root.glob("*")) + sorted(root.glob("*/*"))
        if file.suffix.lower() in _ENDINGS
        and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    if not found:
        raise DataError(f"{root}: expected pictures ({', '.join(_ENDINGS)}), got none")
    return found


def _read(file: Path) -> np.ndarray:
    """``[C, H, W]``, bytes."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            mode = opened.mode
            array = np.asarray(opened.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{file}: expected a picture, got something damaged: {error}") from None
    if mode[0] in "IF":  # which the conversion cuts off at 255
        raise DataError(f"{file}: expected 8 bits a channel, got a picture of more ({mode})")
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _said(shape: tuple[int, ...]) -> str:
    return f"{'grey' if shape[0] == 1 else 'coloured'}, {shape[2]} x {shape[1]} pixels"


def _unit(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures)).float() / 255
