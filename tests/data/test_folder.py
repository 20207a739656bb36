"""Where data sets lie."""

from pathlib import Path

import pytest

from graphkit.data import data_folder


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("GRAPHKIT_DATA", "~/sets")
    assert data_folder() == Path.home() / "sets"


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "cache/graphkit"),
        ("win32", "LOCALAPPDATA", "cache/graphkit"),
        ("linux", None, ".cache/graphkit"),
        ("darwin", None, "Library/Caches/graphkit"),
    ],
)
def test_else_the_users_cache(
    platform: str,
    variable: str | None,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    for name in ("GRAPHKIT_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    assert data_folder() == tmp_path / expected
    assert not data_folder().exists()
