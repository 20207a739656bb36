"""Recipes: the settings a model's paper names, and the numbers it published, as YAML files.

A file ``recipes/gcn.yaml`` holds::

    title: GCN
    paper: Kipf & Welling 2017, section 5.2
    settings: {hidden: 16, ...}         # over those of common.yaml
    node: {...}                         # over these, by level: node, edge, graph
    datasets: {pubmed: {...}}           # over these, by data set, or "molecules" for all of atoms
    published:
      - {dataset: cora, level: node, value: 81.5, source: ...}

`common` names another file for what a recipe starts from. A row with ``further: ap`` is of another
metric than the task's; `deviation` and `seeds` are there where the source tells them. A source that
says "recalled" was not read again.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from graphkit.data.dataset import Level


@dataclass(frozen=True)
class Published:
    """A published mean, in the unit of the metric (per cent where that is a share).

    Attributes:
        deviation, seeds: Of the runs it is the mean of, where the source tells them.
    """

    value: float
    source: str
    deviation: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Recipe:
    """How a model is trained."""

    name: str
    title: str
    paper: str
    layers: dict[str, Any]

    def settings(
        self, datasets: Sequence[str], level: Level, changes: dict[str, Any]
    ) -> dict[str, Any]:
        """All settings for a data set.

        Args:
            datasets: The names it goes by in recipes, the most special last.
            level: What is predicted on.
            changes: What shall be different.

        Raises:
            ValueError: `changes` names a setting that does not exist, or a value of another kind.
        """
        common, own = self._common, self.layers
        found: dict[str, Any] = {}
        for source in (common, own):
            found |= source.get("settings", {})
            found |= source.get(level, {})
            for name in datasets:
                special = source.get("datasets", {}).get(name, {})
                found |= {key: value for key, value in special.items() if key not in _LEVELS}
                found |= special.get(level, {})
        for name, value in changes.items():
            if name not in found:
                near = difflib.get_close_matches(name, found, n=3)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise ValueError(
                    f"settings: expected one of {', '.join(sorted(found))}; got {name!r}{hint}"
                )
            found[name] = _like(name, found[name], value)
        return found

    @property
    def kind(self) -> str:
        """What it is an experiment of: "network", trained on targets; "autoencoder", which
        reconstructs links, by an encoder of any network's name; "knowledge", which scores triples;
        "signs", which tells the signs of links from those of others; "recommender", which scores
        items for users; or "baseline", which is fitted at once. A recipe says `experiment` where
        its settings do not tell."""
        if "experiment" in self.layers:
            return self.layers["experiment"]
        if "encoder" in self.layers.get("settings", {}):
            return "autoencoder"
        return self.layers.get("common", "common.network").removeprefix("common.")

    @property
    def grid(self) -> dict[str, list[Any]]:
        """The settings that the fair protocol chooses among, and their values."""
        return self.layers.get("grid") or self._common.get("grid", {})

    @property
    def _common(self) -> dict[str, Any]:
        return _read(self.layers.get("common", "common"))

    def published(
        self, dataset: str, level: Level, protocol: str, further: str | None = None
    ) -> Published | None:
        """What was published for a data set under a protocol, of its metric or of a further one."""
        for row in self.layers.get("published", []):
            same = (row["dataset"], row.get("level", "node"), row.get("protocol", "split"))
            if (*same, row.get("further")) == (dataset, level, protocol, further):
                return Published(
                    row["value"], row["source"], row.get("deviation"), row.get("seeds")
                )
        return None


_LEVELS = ("node", "edge", "graph")


def names() -> list[str]:
    """Names of all models that have a recipe."""
    folder = resources.files("graphkit.experiment") / "recipes"
    found = (entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    return sorted(name for name in found if name != "common" and "." not in name)


def recipe_of(name: str) -> Recipe:
    """The recipe of a model.

    Raises:
        ValueError: There is none of that name; near ones are offered.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"model: {hint}expected one of {', '.join(names())}; got {name!r}")
    read = _read(name)
    return Recipe(name, read["title"], read["paper"], read)


@cache
def _read(name: str) -> dict[str, Any]:
    import yaml

    file = resources.files("graphkit.experiment") / "recipes" / f"{name}.yaml"
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _like(name: str, default: Any, value: Any) -> Any:
    """`value`, if it is of the kind of the default; None stands for any."""
    if isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(default, bool | None) and isinstance(value, bool | None)
    elif isinstance(default, int | float) and isinstance(value, int | float):
        fits = isinstance(default, float) or isinstance(value, int) or value == int(value)
        value = type(default)(value) if fits else value
    elif name == "weight_decay":
        fits = isinstance(value, int | float | dict)
    else:
        fits = default is None or value is None or isinstance(value, type(default))
    if not fits:
        raise ValueError(
            f"settings: {name}: expected {type(default).__name__} as in {default!r}, got {value!r}"
        )
    return value
