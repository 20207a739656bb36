"""The reference leaves nothing public out."""

import importlib
from pathlib import Path

import pytest

API = Path(__file__).parent.parent / "docs" / "api"


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("graphkit", "graph"),
        ("graphkit.convert", "convert"),
        ("graphkit.nn", "nn"),
        ("graphkit.data", "data"),
        ("graphkit.sampling", "sampling"),
        ("graphkit.metrics", "metrics"),
        ("graphkit.tasks", "tasks"),
        ("graphkit.explain", "explain"),
        ("graphkit.acceleration", "acceleration"),
        ("graphkit.experiment", "experiment"),
    ],
)
def test_every_public_name_is_in_the_reference(module: str, page: str):
    words = (API / f"{page}.rst").read_text(encoding="utf-8").replace(".", " ").split()
    public = {name for name in importlib.import_module(module).__all__ if name[0] != "_"}
    assert public <= set(words)
