"""Users and items: small files made here, and the real set beside its publisher's figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graphkit.data import DataError, Interactions, interactions_of, load, load_interactions
from graphkit.data.verify import fingerprint, measure

TRAIN = "".join(f"u{u}\ti{(u + j) % 6}\t{j}\n" for u in range(4) for j in range(3))
TEST = "u0\ti4\nu3\ti2\t9\r\n\nu0\ti4\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_bytes(TRAIN.encode())
    test.write_bytes(TEST.encode())
    return train, test


def test_files_are_read(files: tuple[Path, Path]) -> None:
    data = load_interactions(*files, name="mine")
    pairs = interactions_of(data)
    assert (pairs.num_users, pairs.num_items) == (4, 6)
    assert data.further["users"] == ["u0", "u1", "u2", "u3"]
    assert data.further["items"] == [f"i{i}" for i in range(6)]
    assert pairs.train[:, :4].tolist() == [[0, 0, 0, 1], [0, 1, 2, 1]]
    assert pairs.test.tolist() == [[0, 3], [4, 2]]  # what is repeated counts once
    assert (data.level, data.kind, data.metric) == ("edge", "link", "recall@20")


def test_the_graph_has_users_then_items_and_both_directions(files: tuple[Path, Path]) -> None:
    data = load_interactions(*files, name="mine")
    graph, pairs = data.graph, interactions_of(data)
    assert (graph.num_nodes, graph.num_edges) == (10, 24)
    edges = {tuple(edge) for edge in graph.edge_index.T.tolist()}
    there = {(u, i + 4) for u, i in pairs.train.T.tolist()}
    assert edges == there | {(i, u) for u, i in there}


def test_a_tenth_is_for_validation_by_seed(tmp_path: Path) -> None:
    for part, base in (("train", 0), ("test", 50)):
        text = "".join(f"{u}\t{base + i}\n" for u in range(1, 6) for i in range(1, 9))
        (tmp_path / f"{part}.txt").write_text(text)
    data = load_interactions(tmp_path / "train.txt", tmp_path / "test.txt", name="mine")
    first, again, other = data.split(0), data.split(0), data.split(1)
    assert [len(part) for part in first] == [36, 4, 40]
    assert torch.cat(list(first)).sort().values.tolist() == list(range(80))
    assert first.test.tolist() == list(range(40, 80))
    assert torch.equal(first.val, again.val)
    assert not torch.equal(first.val.sort().values, other.val.sort().values)


def test_numbers_are_in_their_order(tmp_path: Path) -> None:
    text = "".join(f"{u}\t{i}\n" for u in (10, 9) for i in (100, 20, 3, 11, 5))
    (tmp_path / "train.txt").write_text(text)
    (tmp_path / "test.txt").write_text("9\t7\n")
    data = load_interactions(tmp_path / "train.txt", tmp_path / "test.txt", name="mine")
    assert data.further["users"] == ["9", "10"]
    assert data.further["items"] == ["3", "5", "7", "11", "20", "100"]


def test_what_a_card_can_name(files: tuple[Path, Path]) -> None:
    data = load_interactions(*files, name="mine")
    found = measure(data)
    assert (found["users"], found["items"], found["train"], found["val"]) == (4, 6, 11, 1)
    whole = fingerprint(data)
    files[1].write_text("u0\ti4\nu3\ti1\n")
    assert fingerprint(load_interactions(*files, name="mine")) != whole
    # Names count, too: the same pairs of others are other data.
    files[1].write_text(TEST)
    files[0].write_text(TRAIN.replace("i5", "i7"))
    assert fingerprint(load_interactions(*files, name="mine")) != whole


@pytest.mark.parametrize(
    ("train", "test", "text"),
    [
        (TRAIN, "", "mine: test: expected at least one pair, got none"),
        ("", TEST, "mine: train: expected at least one pair, got none"),
        (TRAIN, "u1\ti1\n", r"mine: test: expected pairs that are not in train, got 1 that are, "),
        (TRAIN, "u1 i1\n", r"test.txt, line 1: expected user and item .* got 1 cells: \['u1 i1'\]"),
        (TRAIN, "\ti1\n", "test.txt, line 1: expected user and item"),
        ("u\ti\n", TEST, "mine: train: expected at least 10 pairs, .*, got 1"),
    ],
)
def test_wrong_files_are_named(train: str, test: str, text: str, files: tuple[Path, Path]) -> None:
    files[0].write_text(train)
    files[1].write_text(test)
    with pytest.raises(ValueError, match=text):
        load_interactions(*files, name="mine")


@pytest.mark.parametrize(
    ("train", "test", "text"),
    [
        ([[0, 2], [0, 1]], [[1], [1]], "train: expected users of 0 to 1, got 2"),
        ([[0, 1], [0, 1]], [[1], [3]], "test: expected items of 0 to 2, got 3"),
        ([[0, 1], [0, 1]], [[1], [-1]], "test: expected items of 0 to 2, got -1"),
        ([[0, 1, 1], [0, 2, 2]], [[1], [0]], r"train: expected every pair once, .*\[1, 2\] the f"),
        ([[0, 1], [0, 2]], [[1], [2]], r"test: expected pairs that are not in train, .*\[1, 2\]"),
        ([[0, 1]], [[1], [2]], r"train: expected int64 pairs \[2, n\], got torch.int64 \(1, 2\)"),
        ([[0.0], [1.0]], [[1], [2]], "train: expected int64 pairs .*, got torch.float32"),
    ],
)
def test_wrong_pairs_are_named(train: list, test: list, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Interactions(torch.tensor(train), torch.tensor(test), 2, 3)


def test_a_graph_without_users_is_none() -> None:
    with pytest.raises(DataError, match=r"dataset: expected users and items, .*, got karate"):
        interactions_of(load("karate"))


def test_lastfm(data_root: Path) -> None:
    """Sizes as its publishers have them; the card's are checked on loading."""
    if not (data_root / "recsys/lastfm").is_dir():
        pytest.skip("lastfm is not in the folder that GRAPHKIT_DATA names")
    data = load("lastfm", folder=data_root, download=False)
    pairs = interactions_of(data)
    assert (pairs.num_users, pairs.num_items) == (1880, 4489)
    assert (pairs.train.size(1), pairs.test.size(1)) == (42135, 10533)
    user, item = pairs.train[:, 0].tolist()
    assert (data.further["users"][user], data.further["items"][item]) == ("424", "4076")
