"""Strange rows, and tables that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit.tasks.anomalies import DETECTORS, detector, read_rows


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "cards.csv"
    file.write_text("Time,V1,Class\n0,1.5,0\n1,-2,0\n2,80,1\n", encoding="utf-8")
    return file


def test_a_column_of_labels_is_found_by_its_usual_name(table: Path) -> None:
    rows = read_rows(table)
    assert rows.x.tolist() == [[0, 1.5], [1, -2], [2, 80]]
    assert rows.y is not None
    assert rows.y.tolist() == [0, 0, 1]
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("Class", "fraud"), encoding="utf-8")
    assert read_rows(table).y is None
    named = read_rows(table, "fraud")
    assert named.y is not None
    assert named.x.shape == (3, 2)


def test_npz_with_and_without_labels(tmp_path: Path) -> None:
    x = np.arange(6).reshape(3, 2)
    np.savez(tmp_path / "a.npz", X=x, y=[[0], [1], [0]])
    np.savez(tmp_path / "b.npz", X=x)
    rows = read_rows(tmp_path / "a.npz")
    assert rows.x.dtype == np.float64
    assert rows.y is not None
    assert rows.y.tolist() == [0, 1, 0]
    assert read_rows(tmp_path / "b.npz").y is None


def test_tables_that_cannot_be_used(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"file: expected a CSV or npz, got .*, which does not"):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="label: expected one of Time, V1, Class, got 'fraud'"):
        read_rows(table, "fraud")
    with pytest.raises(ValueError, match=r"expected labels 0 and 1, .*got 3 with values \[-2"):
        read_rows(table, "V1")
    table.write_text("a,b\n1,2\n3,x\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a number in column 'b', got 'x' in line 3"):
        read_rows(table)
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected at least two rows of numbers, got .*\(1, 2\)"):
        read_rows(table)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="expected an npz with X"):
        read_rows(broken)
    np.savez(tmp_path / "nan.npz", X=[[1.0, 2.0], [3.0, np.nan]])
    with pytest.raises(ValueError, match="expected finite numbers, got nan in row 1, column 1"):
        read_rows(tmp_path / "nan.npz")


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_finds_what_is_off_the_plane(name: str) -> None:
    random = np.random.default_rng(0)
    plane = random.normal(size=(300, 2)) @ random.normal(size=(2, 6))
    usual = plane + 0.05 * random.normal(size=plane.shape)
    odd = 4 * random.normal(size=(5, 6))
    x = np.concatenate([usual, odd])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    scores = detector(name, 6, seed=0).fit(x).score_samples(x)
    assert len(set(np.argsort(scores)[:5]) & set(range(300, 305))) >= 4


def test_the_name_is_checked() -> None:
    with pytest.raises(ValueError, match=r"detector: expected one of autoencoder, .* got 'lof'"):
        detector("lof", 3)
