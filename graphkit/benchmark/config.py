"""An experiment as a file, ``configs/<paper>_<model>_<dataset>.yaml``::

    dataset: proteins
    split: 10 folds, stratified
    task: graph
    model: gin
    protocol: gin
    selection: "no test set: the epoch with the best mean over the held-out folds"
    settings: {epochs: 200}
    seeds: 10
    shortened: 200 of the paper's 350 epochs

The model's settings and the published number are those of its recipe: `settings` names what
differs, and `published` is for a number that no recipe holds. What is stated of split and selection
is compared with what runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from graphkit.data.dataset import Level
from graphkit.data.load import find
from graphkit.experiment import PROTOCOLS, Published, recipe_of

LEVELS: dict[str, Level] = {"node": "node", "link": "edge", "edge": "edge", "graph": "graph"}
"""What a task predicts on."""


@dataclass(frozen=True)
class Config:
    """An experiment, and what is claimed of it.

    Attributes:
        name: That of the file.
        dataset: A name of `graphkit datasets`.
        split, selection: As the outcome states them.
        task: "node", "link", "edge" or "graph".
        model: Name of a recipe.
        seeds: How many; they are 0, 1, ..., or the folds.
        protocol: "split", "gin" or "fair".
        settings: What differs from the recipe.
        published: The number to compare with, if the recipe has none.
        tolerance: How far from it the mean may be; see :func:`~graphkit.benchmark.verdict`.
        budget: No seed is begun after so many minutes, those of earlier runs included.
        shortened: Why it runs shorter than its paper.
        search: What :func:`~graphkit.benchmark.tune` may change.
        tuned: How the settings were found.
    """

    name: str
    dataset: str
    split: str
    task: str
    model: str
    selection: str
    seeds: int
    protocol: str = "split"
    settings: dict[str, Any] = field(default_factory=dict)
    published: Published | None = None
    tolerance: float | None = None
    budget: float | None = None
    shortened: str = ""
    search: dict[str, Any] = field(default_factory=dict)
    tuned: dict[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        return LEVELS[self.task]

    def reference(self, further: str | None = None) -> Published | None:
        """The published number of the metric, or of a further one."""
        if self.published is not None and further is None:
            return self.published
        return recipe_of(self.model).published(self.dataset, self.level, self.protocol, further)


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


Check = tuple[str, Callable[[Any], bool]]
_TEXT: Check = ("a text", _is_text)
_COUNT: Check = ("a whole number of at least 1", _is_count)
_POSITIVE: Check = ("a number above 0", _is_positive)
_MAPPING: Check = ("keys and values", _is_mapping)


def _one_of(names: Sequence[str]) -> Check:
    return f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names


_KEYS: dict[str, Check] = {
    "dataset": _TEXT,
    "split": _TEXT,
    "task": _one_of(list(LEVELS)),
    "model": _TEXT,
    "selection": _TEXT,
    "seeds": _COUNT,
    "protocol": _one_of(list(PROTOCOLS)),
    "settings": _MAPPING,
    "published": _MAPPING,
    "tolerance": _POSITIVE,
    "budget": _POSITIVE,
    "shortened": _TEXT,
    "search": _MAPPING,
    "tuned": _MAPPING,
}
_REQUIRED = ("dataset", "split", "task", "model", "selection", "seeds")
_PUBLISHED: dict[str, Check] = {
    "value": ("a number", _is_number),
    "source": _TEXT,
    "deviation": ("a number of at least 0", lambda value: _is_number(value) and value >= 0),
    "seeds": _COUNT,
    "protocol": _one_of(list(PROTOCOLS)),
}


def load_yaml(file: Path) -> dict[str, Any]:
    """A file of keys and values.

    Raises:
        ValueError: It is something else.
    """
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{file}: expected YAML, got something else: {why}") from None
    if not _is_mapping(found):
        raise ValueError(f"{file}: expected keys and values, got {found!r}")
    return found


def read(file: Path) -> Config:
    """A configuration, checked.

    Raises:
        ValueError: A key is unknown or missing, or a value cannot be; names the file, the key,
            what was expected and what came.
    """
    found = load_yaml(file)
    try:
        _check(found, _KEYS, _REQUIRED)
        config = _config(file.stem, found)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return config


def _config(name: str, found: dict[str, Any]) -> Config:
    known = find(found["dataset"])[1]
    if known != found["dataset"]:
        raise ValueError(f"dataset: expected its name {known!r}, got {found['dataset']!r}")
    recipe = recipe_of(found["model"])
    given = dict(found)
    if "published" in given:
        _check(given["published"], _PUBLISHED, ("value", "source"), "published: ")
        number = dict(given["published"])
        protocol = given.get("protocol", "split")
        if number.pop("protocol", protocol) != protocol:
            raise ValueError(
                f"published: protocol: expected {protocol!r}, as the experiment's, got "
                f"{given['published']['protocol']!r}: the numbers cannot be compared"
            )
        given["published"] = Published(**number)
        level = LEVELS[given["task"]]
        already = recipe.published(given["dataset"], level, protocol)
        if already is not None:
            raise ValueError(
                f"published: expected none, as the recipe of {recipe.name} holds {already.value} "
                f"({already.source}), got {number['value']}"
            )
    config = Config(name, **given)
    recipe.settings([config.dataset], config.level, config.settings)  # says what it does not know
    return config


def _check(
    found: dict[str, Any], keys: dict[str, Check], required: Sequence[str], where: str = ""
) -> None:
    for key, value in found.items():
        if key not in keys:
            near = get_close_matches(key, keys, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{where}expected keys among {', '.join(keys)}, got {key!r}{hint}")
        expected, fits = keys[key]
        if not fits(value):
            raise ValueError(f"{where}{key}: expected {expected}, got {value!r}")
    for key in required:
        if key not in found:
            raise ValueError(f"{where}{key}: expected {keys[key][0]}, got nothing")


def read_all(folder: Path) -> list[Config]:
    """All configurations of a folder, by name."""
    return [read(file) for file in sorted(folder.glob("*.yaml"))]


def choose(folder: Path, patterns: Sequence[str]) -> list[Config]:
    """The configurations whose names match any of the patterns, such as ``kipf2017_*_cora``.

    Raises:
        ValueError: A pattern matches none; says which names are near.
    """
    files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if not files:
        raise ValueError(f"--configs: expected a folder with configurations, got {folder}")
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in files):
            near = get_close_matches(pattern.replace("*", ""), files, n=3, cutoff=0.4)
            hint = f"; near are {', '.join(near)}" if near else ""
            raise ValueError(
                f"PATTERN: expected one that matches a name in {folder}, got {pattern!r}{hint}"
            )
    chosen = [name for name in files if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return [read(files[name]) for name in chosen]


def write(config: Config, file: Path) -> None:
    """Write a configuration so that :func:`read` gives it back."""
    import yaml

    optional = {f.name for f in fields(Config)} - set(_REQUIRED)
    given = {k: v for k, v in asdict(config).items() if k not in optional or v}
    if given.get("protocol") == "split":
        del given["protocol"]
    if "published" in given:
        given["published"] = {k: v for k, v in given["published"].items() if v is not None}
    text = yaml.safe_dump(
        {key: given[key] for key in _KEYS if key in given},
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    file.write_text(text, encoding="utf-8")
