"""Pictures by name and of folders."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graphkit.data import DataError, load_images
from graphkit.data.images import check_images, resized

PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_set(folder: Path, ending: str) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {
        part: random.integers(256, size=(n, 28, 28)) if "images" in part else np.arange(n) % 10
        for part, n in zip(PARTS, (12, 12, 5, 5), strict=True)
    }
    folder.mkdir(parents=True)
    for part, array in arrays.items():
        data = idx(array)
        (folder / f"{part}-ubyte{ending}").write_bytes(
            gzip.compress(data) if ending == ".gz" else data
        )
    return arrays


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "place"),
    [("mnist", "images/mnist/MNIST/raw"), ("fashion-mnist", "images/fashion-mnist")],
)
def test_mnist_s_format(name: str, place: str, ending: str, tmp_path: Path) -> None:
    arrays = write_set(tmp_path / place, ending)
    images = load_images(name, folder=tmp_path)
    assert images.train.shape == (12, 1, 28, 28)
    expected = torch.from_numpy(arrays[PARTS[0]] / 255).float()
    assert torch.allclose(images.train[:, 0], expected)
    assert images.test_labels.tolist() == [0, 1, 2, 3, 4]
    assert len(images.classes) == 10
    larger = load_images(name.upper().replace("-", "_"), folder=tmp_path, size=32)
    assert torch.equal(larger.test[:, :, 2:-2, 2:-2], images.test)
    file = tmp_path / place / f"{PARTS[2]}-ubyte{ending}"
    data = file.read_bytes()
    for damaged in (data[:-30], b"", b"\0\0\x0d\x03" + data[4:]):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"t10k-images.*: expected (bytes in|a file packed)"):
            load_images(name, folder=tmp_path)


def test_files_in_mnist_s_format_that_do_not_fit(tmp_path: Path) -> None:
    place = tmp_path / "images" / "fashion-mnist"
    write_set(place, "")
    labels, pictures = place / f"{PARTS[3]}-ubyte", place / f"{PARTS[2]}-ubyte"
    labels.write_bytes(idx(np.arange(6)))
    with pytest.raises(DataError, match=r"t10k-images.*: expected pictures and one label for each"):
        load_images("fashion-mnist", folder=tmp_path)
    labels.write_bytes(idx(np.array([0, 1, 2, 3, 10])))
    with pytest.raises(DataError, match=r"t10k-labels.*: expected labels from 0 to 9, got 10"):
        load_images("fashion-mnist", folder=tmp_path)
    # Sizes whose product, in 64 bits, wraps round to the 0 bytes that the file holds.
    pictures.write_bytes(b"\0\0\x08\x03" + b"\x80\0\0\0" * 2 + b"\0\0\0\x04")
    with pytest.raises(DataError, match=r"t10k-images.*: expected bytes in MNIST's idx format"):
        load_images("fashion-mnist", folder=tmp_path)


def test_real_digits() -> None:
    try:
        images = load_images("mnist")
    except DataError as error:
        pytest.skip(str(error))
    assert images.train.shape == (60_000, 1, 28, 28)
    assert images.test_labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert images.train.mean().item() == pytest.approx(0.1307, abs=1e-4)


def test_bundled_digits() -> None:
    images = load_images("digits")
    assert images.train.shape == (1437, 1, 8, 8)
    assert images.test.shape == (360, 1, 8, 8)
    assert 0 == images.train.min() < images.train.max() == 1
    assert images.classes == tuple("0123456789")


def save(folder: Path, count: int, size: tuple[int, int] = (4, 3), mode: str = "RGB") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    for k in range(count):
        Image.fromarray(np.full(shape, k, dtype=np.uint8)).save(folder / f"{k:02d}.png")


def test_a_folder_of_classes(tmp_path: Path) -> None:
    save(tmp_path / "cat", 12)
    save(tmp_path / "dog", 8)
    images = load_images(tmp_path)
    assert images.train.shape == (18, 3, 3, 4)
    assert images.test.shape == (2, 3, 3, 4)
    assert images.classes == ("cat", "dog")
    assert images.train_labels.tolist() == [0] * 11 + [1] * 7
    assert (images.test[:, 0, 0, 0] * 255).round().tolist() == [9, 7]


def test_a_folder_that_is_split_already(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for name in ("a", "b"):
            save(tmp_path / part / name, count, mode="L")
    images = load_images(str(tmp_path))
    assert images.train.shape == (6, 1, 3, 4)
    assert images.test_labels.tolist() == [0, 0, 1, 1]


def test_a_plain_folder(tmp_path: Path) -> None:
    save(tmp_path, 4)
    images = load_images(tmp_path, size=8)
    assert images.classes == ()
    assert images.train.shape == (3, 3, 8, 8)
    assert images.train_labels.tolist() == [0, 0, 0]


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"name: expected one of mnist, .*, or a folder, got mnits"):
        load_images("mnits")
    with pytest.raises(DataError, match=r"expected pictures \(.png.*, got none"):
        load_images(tmp_path)
    save(tmp_path / "one", 1)
    with pytest.raises(DataError, match="expected at least two pictures, got one"):
        load_images(tmp_path)
    save(tmp_path / "other", 2, mode="L")
    with pytest.raises(
        DataError, match=r"one.00.png is coloured, 4 x 3 pixels and other.00.png is grey"
    ):
        load_images(tmp_path)
    save(tmp_path / "other", 2, size=(5, 3))
    with pytest.raises(DataError, match=r"other.00.png is coloured, 5 x 3 pixels"):
        load_images(tmp_path)
    save(tmp_path, 2)
    with pytest.raises(DataError, match=r"got both: 00.png is in no folder of a class"):
        load_images(tmp_path)
    (tmp_path / "one" / "00.png").write_bytes(b"\x89PNG damaged")
    (tmp_path / "00.png").unlink()
    (tmp_path / "01.png").unlink()
    with pytest.raises(DataError, match=r"00.png: expected a picture, got something damaged"):
        load_images(tmp_path)


def test_folders_whose_parts_do_not_fit(tmp_path: Path) -> None:
    save(tmp_path / "train" / "a", 2)
    with pytest.raises(DataError, match="expected both of train and test, got only train"):
        load_images(tmp_path)
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"test: expected pictures \(.png.*, got none"):
        load_images(tmp_path)
    save(tmp_path / "test", 2)  # without the classes that train has
    with pytest.raises(DataError, match=r"got both: test.00.png is in no folder of a class"):
        load_images(tmp_path)


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "a", 2)
    save(tmp_path / ".thumbnails", 2, size=(2, 2))
    (tmp_path / "a" / "._00.png").write_bytes(b"of another system")
    images = load_images(tmp_path)
    assert (images.classes, len(images.train)) == (("a",), 1)


def test_what_pictures_hold(tmp_path: Path) -> None:
    """One bit, shades with transparency and palettes are read. More than 8 bits would be cut."""
    ink = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    for mode, channels in (("1", 1), ("LA", 1), ("P", 3), ("RGBA", 3)):
        folder = tmp_path / mode
        folder.mkdir()
        for k in range(2):
            Image.fromarray(ink).convert(mode).save(folder / f"{k}.png")
        expected = torch.from_numpy(ink / 255).float().expand(channels, 2, 2)
        assert torch.equal(load_images(folder).train[0], expected)
    for k in range(2):
        Image.fromarray(np.full((2, 2), 1000, dtype=np.uint16)).save(tmp_path / "1" / f"{k}.png")
    with pytest.raises(DataError, match=r"0.png: expected 8 bits a channel, got .*\(I;16\)"):
        load_images(tmp_path / "1")


def test_a_picture_whose_damage_makes_it_huge(tmp_path: Path) -> None:
    save(tmp_path, 2)
    bmp = tmp_path / "a.bmp"
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(bmp)
    data = bytearray(bmp.read_bytes())
    data[20] = 255  # of the width
    bmp.write_bytes(data)
    with pytest.raises(DataError, match=r"a.bmp: expected a picture, got something damaged"):
        load_images(tmp_path)


def test_sets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("graphkit.data.images._DEBIAN", tmp_path / "none")
    with pytest.raises(DataError, match=r"fashion-mnist: not at hand: .*dataset-fashion-mnist has"):
        load_images("fashion-mnist")
    with pytest.raises(
        DataError, match=r"cifar10: not at hand: .*cifar10_subset with train/<class"
    ):
        load_images("cifar10")


def test_a_download_that_fails_says_what_loads_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("graphkit.data.images.fetch", fails)
    with pytest.raises(
        DataError, match=r"mnist: not at hand, .* no network. Put its four idx files there"
    ):
        load_images("mnist")


def test_sizes() -> None:
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(resized(x, 28), x)
    assert resized(x, 64).shape == (3, 1, 64, 64)
    assert resized(torch.rand(2, 3, 5, 9), 6).shape == (2, 3, 6, 6)
    flat = torch.full((1, 1, 20, 20), 0.25)
    assert torch.allclose(resized(flat, 7), torch.full((1, 1, 7, 7), 0.25))
    assert resized(torch.ones(1, 1, 8, 8), 10).min() > 0.99  # a border is for 28 to 32 alone
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        load_images("digits", size=0)


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        (torch.zeros(2, 3, 4), ValueError, r"shape \[n, C, H, W\] .*, got \[2, 3, 4\]"),
        (torch.zeros(0, 1, 4, 4), ValueError, r"at least one picture, got \[0, 1, 4, 4\]"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), TypeError, r"floating-point .*, got .*uint8"),
        (torch.full((1, 1, 2, 2), 255.0), ValueError, r"in \[0, 1\], got 255 to 255"),
        (torch.full((1, 1, 2, 2), -1.0), ValueError, r"in \[0, 1\], got -1 to -1"),
        (torch.full((1, 1, 2, 2), float("nan")), ValueError, r"in \[0, 1\], got nan to nan"),
    ],
)
def test_pictures_are_checked(images: torch.Tensor, error: type[Exception], said: str) -> None:
    check_images(torch.linspace(0, 1, 16).view(1, 1, 4, 4))
    with pytest.raises(error, match=f"made: expected .*{said}"):
        check_images(images, name="made")
