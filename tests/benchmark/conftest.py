"""A configuration that takes no time and no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from graphkit.benchmark import Config, read

CLUB: dict[str, Any] = {
    "dataset": "karate",
    "split": "1/4 per class by seed",
    "task": "node",
    "model": "gcn",
    "selection": "best validation metric, then lowest validation loss, then earliest epoch",
    "settings": {"epochs": 3},
    "seeds": 6,
}


class Folder:
    """A folder of configurations, and a place for results."""

    def __init__(self, root: Path) -> None:
        self.configs = root / "configs"
        self.configs.mkdir(parents=True)
        self.results = root / "results.csv"

    def put(self, name: str = "paper_gcn_karate", **changes: Any) -> Path:
        """Write a configuration; None takes a key away."""
        given = {k: v for k, v in (CLUB | changes).items() if v is not None}
        file = self.configs / f"{name}.yaml"
        file.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
        return file

    def config(self, name: str = "paper_gcn_karate", **changes: Any) -> Config:
        return read(self.put(name, **changes))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def optuna() -> None:
    pytest.importorskip("optuna", reason="optuna, of the extra tune, is not installed")
