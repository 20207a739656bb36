"""A configuration that takes no time and no download."""

from __future__ import annotations

import random
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
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


class _Trial:
    """A trial of a search by chance, with the names of optuna's."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        return self.chance.choice(choices)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        return self.chance.randint(low, high)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        return self.chance.uniform(low, high)


class _Study:
    def __init__(self, direction: str, sampler: int) -> None:
        assert direction == "maximize"
        self.chance = random.Random(sampler)

    def ask(self) -> _Trial:
        return _Trial(self.chance)

    def tell(self, trial: _Trial, value: float | None = None, state: Any = None) -> None:
        assert (value is None) != (state is None)


@pytest.fixture
def optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    """optuna; where it is not installed, a search by chance in its place."""
    if find_spec("optuna") is None:
        chance = SimpleNamespace(
            logging=SimpleNamespace(set_verbosity=lambda level: None, WARNING=30),
            samplers=SimpleNamespace(TPESampler=lambda seed: seed),
            trial=SimpleNamespace(TrialState=SimpleNamespace(FAIL="fail")),
            create_study=_Study,
        )
        monkeypatch.setitem(sys.modules, "optuna", chance)
