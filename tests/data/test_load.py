"""Loading by name: found, downloaded, checked, refused. The sets here are made up."""

import importlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
import torch

from graphkit.data import DataError, Dataset, Split, available, load
from graphkit.data.cards import Card
from graphkit.data.family import Family, RawFile
from graphkit.graph import Graph

loader = importlib.import_module("graphkit.data.load")
verify = importlib.import_module("graphkit.data.verify")

TEXT = "0 1\n1 2\n2 3\n"
FILE = "made-up/edges.txt"


def read(name: str, folder: Path) -> Dataset:
    ends = torch.tensor(
        [[int(end) for end in line.split()] for line in (folder / FILE).read_text().splitlines()]
    )
    graph = Graph(ends.T, node_attrs={"y": torch.arange(4) % 2})
    split = Split(torch.tensor([0]), torch.tensor([1]), torch.tensor([2, 3]))
    return Dataset(name, "Path", "node", "multiclass", "accuracy", [graph], 2, [split], "made up")


class World:
    """A family of two sets, "path" with a card and "path-two" without, a server and folders."""

    card: ClassVar[Card] = Card(
        name="path",
        title="Path",
        family="Made up",
        level="node",
        kind="multiclass",
        metric="accuracy",
        split="made up",
        about="A path.",
        origin=["nowhere"],
        paper="none",
        licence="none",
        state="official",
        statistics={"nodes": 4, "edges": 3, "outputs": 2},
        files={FILE: sha256(TEXT.encode()).hexdigest()},
    )

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.given, self.cache, self.server = (
            folder / name for name in ("given", "cache/graphkit", "server")
        )
        self.given.mkdir()
        self.server.mkdir()
        (self.server / "edges.txt").write_text(TEXT)
        monkeypatch.setenv("GRAPHKIT_DATA", str(self.given))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr("graphkit.data.folder.cache_folder", lambda: self.cache)
        self.serve([RawFile(FILE, (self.server / "edges.txt").as_uri())])
        self.describe(self.card)

    def serve(self, files: list[RawFile], **about) -> None:
        family = Family("Made up", ("path",), lambda name: files, read, ("path-two",), **about)
        bundled = Family("Bundled", ("at-once",), lambda name: [], read)
        self.patch.setattr(loader, "FAMILIES", (family, bundled))

    def describe(self, card: Card) -> None:
        self.patch.setattr(loader, "all_cards", lambda: {card.name: card})

    def put(self, text: str = TEXT, folder: Path | None = None) -> Path:
        file = (folder or self.given) / FILE
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return file

    def files(self) -> set[str]:
        """All that lies in the folder given and in the cache."""
        return {
            f"{folder.name}/{file.relative_to(folder).as_posix()}"
            for folder in (self.given, self.cache)
            for file in folder.rglob("*")
            if file.is_file()
        }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["path", "Path", "PATH"])
def test_a_name_may_be_spelt_with_capitals(name: str, world: World):
    world.put()
    assert load(name).num_outputs == 2


def test_underscores_count_as_dashes(world: World):
    world.put()
    assert load("path_two").name == "path-two"


def test_an_unknown_name_offers_near_ones():
    with pytest.raises(ValueError, match="got 'coar'; did you mean cora") as caught:
        load("coar")
    assert "'coar'" in str(caught.value)


def test_an_unknown_name_offers_sets_without_a_card():
    with pytest.raises(ValueError, match="did you mean amazon-photo"):
        load("amazon-phot")


def test_a_name_like_no_other_offers_nothing():
    with pytest.raises(ValueError, match=r"got 'xyzzyx'$"):
        load("xyzzyx")


def test_no_name_stands_for_two_sets():
    names = [
        name
        for family in loader.FAMILIES
        for name in {*family.names, *family.further, *family.aliases}
    ]
    assert sorted(names) == sorted(set(names))
    assert all(name == name.lower() and "_" not in name for name in names)


# --- finding -------------------------------------------------------------------------------------


def test_found_in_the_data_folder(world: World):
    world.put()
    assert load("path", download=False).graph.num_edges == 3


def test_found_in_a_folder_given(world: World, tmp_path: Path):
    world.put(folder=tmp_path / "other")
    assert load("path", folder=tmp_path / "other", download=False).graph.num_edges == 3
    assert load("path", folder=str(tmp_path / "other"), download=False).graph.num_edges == 3


def test_found_in_the_cache(world: World):
    world.put(folder=world.cache)
    assert load("path", download=False).graph.num_edges == 3


def test_nothing_is_written_where_it_is_found(world: World):
    file = world.put()
    before = world.files()
    for folder in (file.parent, world.given):
        folder.chmod(0o555)
    try:
        load("path")
    finally:
        for folder in (world.given, file.parent):
            folder.chmod(0o755)
    assert world.files() == before


def test_missing_and_not_to_be_downloaded(world: World):
    with pytest.raises(DataError) as caught:
        load("path", download=False)
    assert str(caught.value) == (
        f"path: not at hand: {world.given} has no {FILE}; downloading was not asked for. "
        "These load without any download: at-once"
    )


def test_missing_without_an_address(world: World):
    world.serve([RawFile(FILE)])
    with pytest.raises(DataError, match=f"has no {FILE}; it cannot be downloaded"):
        load("path")


def test_one_of_several_files_missing(world: World):
    world.put()
    world.serve([RawFile(FILE), RawFile("made-up/a.txt"), RawFile("made-up/b.txt")])
    with pytest.raises(DataError, match=r"has no made-up/a.txt and lacks 1 more of its files"):
        load("path")


def test_a_file_that_need_not_be_there(world: World):
    world.put()
    world.serve([RawFile(FILE), RawFile("made-up/a.txt", required=False)])
    load("path", download=False)
    world.describe(replace(world.card, files=world.card.files | {"made-up/a.txt": "0"}))
    with pytest.raises(DataError, match=r"has no made-up/a.txt"):
        load("path", download=False)  # the card says that this set has it
    load("path-two", download=False)


# --- downloading ---------------------------------------------------------------------------------


def test_downloaded_into_the_data_folder(world: World):
    assert load("path").graph.num_edges == 3
    assert world.files() == {f"given/{FILE}"}
    (world.server / "edges.txt").unlink()
    assert load("path").graph.num_edges == 3


def test_a_data_folder_is_made(world: World):
    world.given.rmdir()
    load("path")
    assert world.files() == {f"given/{FILE}"}


def test_a_folder_given_is_not_written_to(world: World, tmp_path: Path):
    (tmp_path / "other").mkdir()
    load("path", folder=tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())
    assert world.files() == {f"given/{FILE}"}


def test_downloaded_into_the_cache_if_the_data_folder_is_read_only(world: World):
    world.patch.setattr(os, "access", lambda *_: False)
    load("path")
    assert world.files() == {f"graphkit/{FILE}"}


def test_offline(world: World):
    world.serve([RawFile(FILE, (world.server / "gone.txt").as_uri())])
    with pytest.raises(DataError, match=f"has no {FILE}; downloading it to .*given failed: ") as e:
        load("path")
    assert "These load without any download: at-once" in str(e.value)
    assert not world.files()
    assert not list(world.given.iterdir())


def test_a_download_that_is_not_what_is_expected(world: World):
    (world.server / "edges.txt").write_text("0 1\n1 2\n")
    with pytest.raises(DataError, match=r"edges.txt: downloaded, but not .* SHA-256 \w{64} exp"):
        load("path")
    assert not world.files()


class Server(BaseHTTPRequestHandler):
    """Answers as the address asks for."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/gone" else 200)
        if self.path in ("/short", "/whole"):
            self.send_header("Content-Length", str(len(TEXT)))
        if self.path == "/chunks":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = {"/whole": TEXT, "/short": TEXT[:5], "/chunks": f"{len(TEXT):x}\r\n0 1"}
        self.wfile.write(body.get(self.path, "").encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_downloaded_from_a_server(world: World, address: str):
    world.serve([RawFile(FILE, f"{address}/whole")])
    assert load("path-two").graph.num_edges == 3
    assert world.files() == {f"given/{FILE}"}


@pytest.mark.parametrize("path", ["gone", "short", "chunks"])
def test_a_download_that_breaks_off(path: str, world: World, address: str):
    world.serve([RawFile(FILE, f"{address}/{path}")])
    with pytest.raises(DataError, match=r"path-two: not at hand: .* downloading it to .* failed: "):
        load("path-two")
    assert not world.files()


def test_ctrl_c_while_downloading(world: World):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    world.patch.setattr("shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load("path")
    assert not world.files()


def pack(file: Path, members: dict[str, str]) -> str:
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.as_uri()


def test_downloaded_in_an_archive(world: World):
    url = pack(world.server / "all.zip", {"all/edges.txt": TEXT, "all/readme.txt": "no"})
    files = [
        RawFile(FILE, url, "all/edges.txt"),
        RawFile("made-up/a.txt", url, "all/a.txt", required=False),
    ]
    world.serve(files)
    assert load("path").graph.num_edges == 3
    assert world.files() == {f"given/{FILE}"}


@pytest.mark.parametrize("name", ["path", "path-two"])
def test_an_archive_that_lacks_a_file(name: str, world: World):
    url = pack(world.server / "all.zip", {"all/readme.txt": "no"})
    world.serve([RawFile(FILE, url, "all/edges.txt")])
    with pytest.raises(DataError, match=r"all.zip: expected all/edges.txt in it"):
        load(name)
    assert not world.files()


def test_an_archive_that_is_none(world: World):
    world.serve([RawFile(FILE, (world.server / "edges.txt").as_uri(), "all/edges.txt")])
    with pytest.raises(DataError, match=r"edges.txt: expected a zip archive"):
        load("path")
    assert not world.files()


# --- checking ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TEXT[:-4], TEXT.replace("1 2", "1 3"), ""])
def test_a_truncated_or_altered_file_is_not_read(text: str, world: World):
    file = world.put(text)

    def never(name: str, folder: Path) -> Dataset:
        raise AssertionError("read")

    world.patch.setattr(loader, "FAMILIES", (replace(loader.FAMILIES[0], read=never),))
    with pytest.raises(DataError, match=r"truncated or altered: .* nothing was read") as caught:
        load("path")
    assert str(caught.value).startswith(f"path: {file}: ")
    assert world.card.files[FILE] in str(caught.value)
    assert sha256(text.encode()).hexdigest() in str(caught.value)


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"statistics": {"nodes": 5}}, "path: nodes: expected 5 as the card says, got 4"),
        ({"statistics": {"train": 2}}, "path: train: expected 2 as the card says, got 1"),
        ({"kind": "link"}, "path: kind: expected link as the card says, got multiclass"),
        ({"split": "public"}, "path: split: expected public as the card says, got made up"),
    ],
)
def test_statistics_that_do_not_match(about: dict, expected: str, world: World):
    world.put()
    world.describe(replace(world.card, **about))
    with pytest.raises(DataError, match=expected):
        load("path")


def test_contents_tell_where_files_may_differ(world: World):
    content = verify.fingerprint(read("path", world.put().parent.parent))
    world.describe(replace(world.card, content=content))
    file = world.given / FILE
    file.write_text(TEXT.replace(" ", "  "))  # another file, the same graph
    load("path")
    file.write_text(TEXT.replace("2 3", "3 2"))
    with pytest.raises(DataError, match="path: contents: expected SHA-256"):
        load("path")
    (world.server / "edges.txt").write_text(TEXT.replace(" ", "  "))
    file.unlink()
    load("path")


def test_a_file_that_cannot_be_read(world: World):
    world.put("0 one\n")
    with pytest.raises(DataError, match=r"path-two: cannot be read from .*given.*ValueError: inv"):
        load("path-two")


def test_a_split_that_overlaps(world: World):
    world.put()

    def overlap(name: str, folder: Path) -> Dataset:
        dataset = read(name, folder)
        train, val, _ = dataset.split()
        return replace(dataset, splits=[dataset.split(), Split(train, val, train)])

    world.patch.setattr(loader, "FAMILIES", (replace(loader.FAMILIES[0], read=overlap),))
    with pytest.raises(DataError, match=r"path: cannot be read .* got 1 in both train and test"):
        load("path")


def test_a_pickle_without_a_checksum_is_refused(world: World):
    world.put()
    world.serve([RawFile(FILE)], pickled=True)
    load("path")
    for name in ("path", "path-two"):
        world.describe(replace(world.card, files={}))
        with pytest.raises(DataError, match=f"{FILE}: a pickle without a checksum"):
            load(name)


# --- what there is -------------------------------------------------------------------------------


def test_available_tells_what_is_at_hand(world: World):
    def state() -> str:
        return available()[0].state

    assert state() == "download"
    world.serve([RawFile(FILE)])
    assert state() == "missing"
    world.put()
    assert state() == "at hand"
    world.serve([])
    assert state() == "bundled"


def test_every_listed_set_has_a_card_and_every_card_a_family():
    listed = {name: family for family in loader.FAMILIES for name in family.names}
    cards = loader.all_cards()
    assert listed.keys() == cards.keys()
    for name, card in cards.items():
        family = listed[name]
        assert card.family == family.title
        paths = {file.path for file in family.files(name)}
        assert card.files.keys() <= paths
        # Of a set that was made anew, official files may differ, and are to load as well.
        needed = {file.path for file in family.files(name) if file.required}
        assert needed <= card.files.keys() or card.state == "rebuilt"
        assert all(len(digest) == 64 for digest in card.files.values())
        assert card.state in {"official", "converted", "rebuilt", "subset", "bundled"}
        assert (card.state == "bundled") == (not paths)
        assert card.statistics.keys() >= {"features", "outputs"}
        assert all(isinstance(text, str) for text in (*card.notes, *card.origin, card.about))
