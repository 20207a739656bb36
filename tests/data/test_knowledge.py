"""Knowledge graphs: small files made here, and the real sets beside their publishers' figures."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from graphkit.data import (
    DataError,
    available,
    load,
    load_triples,
    triple_indices,
    triples_of,
)
from graphkit.data.verify import fingerprint

loader = importlib.import_module("graphkit.data.load")

FILES = {
    "train": "b\tlikes\ta\na\tlikes\tc\nc\tknows\td\n",
    "valid": "a\tknows\tb\n",
    "test": "d\tlikes\te\nc\tknows\tc\n",
}
# Toutanova & Chen 2015 and Dettmers et al. 2018: entities, relations, triples of the three parts.
PUBLISHED = {
    "wn18rr": (40943, 11, 86835, 3034, 3134),
    "fb15k-237": (14541, 237, 272115, 17535, 20466),
}


def write(folder: Path, **changed: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (FILES | changed).items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def test_triples_of_three_files(tmp_path: Path) -> None:
    dataset = load_triples(write(tmp_path), name="small")
    graph, split = dataset.graph, dataset.further["triples"]
    assert dataset.further["entities"] == ["a", "b", "c", "d", "e"]
    assert dataset.further["relations"] == ["knows", "likes"]
    assert graph.num_nodes == 5
    assert graph.edge_index.tolist() == [[1, 0, 2], [0, 2, 3]]  # heads, tails: in the files' order
    assert graph.edge_type.tolist() == [1, 1, 0]
    assert not graph.is_undirected
    assert split.train.tolist() == [[1, 0, 2], [1, 1, 0], [0, 2, 3]]
    assert split.val.tolist() == [[0], [0], [1]]
    assert split.test.tolist() == [[3, 2], [1, 0], [4, 2]]
    assert triples_of(dataset) is split
    assert [part.tolist() for part in dataset.split()] == [[0, 1, 2], [3], [4, 5]]
    assert (dataset.level, dataset.kind, dataset.metric) == ("edge", "link", "mrr")


def test_ends_of_lines_change_nothing(tmp_path: Path) -> None:
    plain = load_triples(write(tmp_path / "a"), name="small")
    dos = {name: text.replace("\n", "\r\n") for name, text in FILES.items()}
    other = load_triples(write(tmp_path / "b", **dos), name="small")
    cut = {name: text.rstrip("\n") for name, text in FILES.items()}
    third = load_triples(write(tmp_path / "c", **cut), name="small")
    assert fingerprint(plain) == fingerprint(other) == fingerprint(third)


@pytest.mark.parametrize(
    "changed",
    [
        {"train": FILES["train"].replace("b\tlikes\ta", "b\tknows\ta")},
        {"test": FILES["test"].replace("c\tknows\tc", "c\tknows\ta")},
        {name: text.replace("e", "f") for name, text in FILES.items()},  # names alone
    ],
)
def test_whatever_else_changes_is_seen(changed: dict[str, str], tmp_path: Path) -> None:
    one = load_triples(write(tmp_path / "a"), name="small")
    other = load_triples(write(tmp_path / "b", **changed), name="small")
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"train": "a likes b\n"}, r"train.txt, line 1: expected head, .* got 1 cells"),
        ({"valid": "a\tlikes\tb\n\nb\tlikes\n"}, "valid.txt, line 3: expected head, .* got 2"),
        ({"valid": "a\t\tb\n"}, r"valid.txt, line 1: .*\['a', '', 'b'\]"),
        ({"valid": ""}, "small: val: expected at least one triple, got none"),
        ({"valid": "a\thates\tb\n"}, "small: train: expected a triple of every relation that val"),
        ({"test": FILES["valid"]}, "small: test: expected triples that are not in val, got 1"),
        ({"test": FILES["train"]}, "small: test: expected triples that are not in train, got 3"),
    ],
)
def test_files_that_say_something_else(changed: dict[str, str], text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=text):
        load_triples(write(tmp_path, **changed), name="small")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train\.txt"):
        load_triples(tmp_path, name="small")


def test_triples_by_name() -> None:
    entities, relations = {"a": 0, "b": 1}, {"likes": 0}
    found = triple_indices([("b", "likes", "a")], entities, relations)
    assert found.tolist() == [[1], [0], [0]]
    assert triple_indices([], entities, relations).shape == (3, 0)
    for triple, text in (
        (("a", "likes", "z"), r"triples: expected an entity of 2 known ones, got 'z' in \(a, lik"),
        (("a", "hates", "b"), r"triples: expected a relation of 1 known ones, got 'hates' in \(a"),
    ):
        with pytest.raises(ValueError, match=text):
            triple_indices([("a", "likes", "b"), triple], entities, relations)


# --- the real ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name: str, data_root: Path) -> None:
    state = {entry.card.name: entry.state for entry in available(data_root)}[name]
    if state != "at hand":
        pytest.skip(f"{name} is not in the folder that GRAPHKIT_DATA names")
    dataset = load(name, folder=data_root, download=False)
    split = triples_of(dataset)
    sizes = tuple(part.size(1) for part in split.parts.values())
    assert (split.num_entities, split.num_relations, *sizes) == PUBLISHED[name]
    entities, relations = dataset.further["entities"], dataset.further["relations"]
    lines = (data_root / loader.find(name)[0].files(name)[2].path).read_text("utf-8").splitlines()
    for place in (0, len(lines) - 1):
        h, r, t = split.test[:, place].tolist()
        assert [entities[h], relations[r], entities[t]] == lines[place].split("\t")


def test_other_ends_of_lines_are_the_same_set(data_root: Path, tmp_path: Path) -> None:
    """As FB15k-237 is published."""
    source = data_root / "kg/FB15k-237/raw"
    if not source.is_dir():
        pytest.skip("fb15k-237 is not in the folder that GRAPHKIT_DATA names")
    place = tmp_path / "kg/FB15k-237/raw"
    place.mkdir(parents=True)
    for file in source.glob("*.txt"):
        (place / file.name).write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert load("fb15k-237", folder=tmp_path, download=False).graph.num_edges == 272115
    (place / "test.txt").write_bytes((place / "valid.txt").read_bytes())
    with pytest.raises(DataError, match=r"fb15k-237: cannot be read from .* that are not in val"):
        load("fb15k-237", folder=tmp_path, download=False)


def test_a_set_of_another_content_is_refused(data_root: Path, tmp_path: Path) -> None:
    source = data_root / "kg/WN18RR/raw"
    if not source.is_dir():
        pytest.skip("wn18rr is not in the folder that GRAPHKIT_DATA names")
    place = tmp_path / "kg/WN18RR/raw"
    place.mkdir(parents=True)
    for file in source.glob("*.txt"):
        text = file.read_bytes()
        (place / file.name).write_bytes(text[: len(text) // 2] if file.stem == "valid" else text)
    with pytest.raises(DataError, match=r"valid\.txt: truncated or altered"):
        load("wn18rr", folder=tmp_path, download=False)
