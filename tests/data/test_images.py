"""Pictures by name and of folders."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graphkit.data import DataError, load_images
from graphkit.data.images import resized

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


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_mnist_s_format(name: str, tmp_path: Path) -> None:
    place, ending = {
        "mnist": ("images/mnist/MNIST/raw", ""),
        "fashion-mnist": ("images/fashion-mnist", ".gz"),
    }[name]
    arrays = write_set(tmp_path / place, ending)
    images = load_images(name, folder=tmp_path)
    assert images.train.shape == (12, 1, 28, 28)
    expected = torch.from_numpy(arrays[PARTS[0]] / 255).float()
    assert torch.allclose(images.train[:, 0], expected)
    assert images.test_labels.tolist() == [0, 1, 2, 3, 4]
    assert len(images.classes) == 10
    larger = load_images(name, folder=tmp_path, size=32)
    assert torch.equal(larger.test[:, :, 2:-2, 2:-2], images.test)
    file = tmp_path / place / f"{PARTS[2]}-ubyte{ending}"
    data = file.read_bytes()
    for damaged in (data[:-30], b"", b"\0\0\x0d\x03" + data[4:]):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"t10k-images.*: expected (bytes in|a file packed)"):
            load_images(name, folder=tmp_path)


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
    with pytest.raises(DataError, match=r"00.png is coloured, 4 x 3 pixels and 00.png is grey, 4"):
        load_images(tmp_path)
    save(tmp_path / "other", 2, size=(5, 3))
    with pytest.raises(DataError, match=r"00.png is coloured, 5 x 3 pixels"):
        load_images(tmp_path)
    save(tmp_path, 2)
    with pytest.raises(DataError, match=r"got both: 00.png is in no folder"):
        load_images(tmp_path)
    (tmp_path / "one" / "00.png").write_bytes(b"\x89PNG damaged")
    (tmp_path / "00.png").unlink()
    (tmp_path / "01.png").unlink()
    with pytest.raises(DataError, match=r"00.png: expected a picture, got something damaged"):
        load_images(tmp_path)


def test_sets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("graphkit.data.images._DEBIAN", tmp_path / "none")
    with pytest.raises(DataError, match=r"fashion-mnist: not at hand: .*dataset-fashion-mnist has"):
        load_images("fashion-mnist")


def test_a_download_that_fails_says_what_loads_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("graphkit.data.images.fetch", fails)
    with pytest.raises(DataError, match=r'mnist: not at hand, .* no network. "digits" loads'):
        load_images("mnist")


def test_sizes() -> None:
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(resized(x, 28), x)
    assert resized(x, 64).shape == (3, 1, 64, 64)
    assert resized(torch.rand(2, 3, 5, 9), 6).shape == (2, 3, 6, 6)
    flat = torch.full((1, 1, 20, 20), 0.25)
    assert torch.allclose(resized(flat, 7), torch.full((1, 1, 7, 7), 0.25))
