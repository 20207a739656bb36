"""Tiny sets in the layout of the Open Graph Benchmark, to try the scripts beside this one on.

    python benchmarks/ogb/make_fixture.py tiny
    GRAPHKIT_DATA=tiny python benchmarks/ogb/ogbn_arxiv.py gcn --seeds 2 --epochs 20

They hold what can be learnt and nothing true: nodes belong to planted groups, most links are
within a group, features are the group's with noise; a molecule's labels say which pairs of atoms
are bonded in it. One seed makes the same files. Numbers of nodes, features and links are a
thousandth of the published ones or less; numbers of classes and labels, names and forms of the
files are the published ones. ogbg-molhiv has a card in `datasets/`, which `graphkit.data.load`
holds its files to, so this one is not taken for it.
"""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphkit.convert import ATOM_FEATURES

Array = np.ndarray
Random = np.random.Generator
YEARS = (2017, 2018)  # training up to the one, validation up to the other, the test after it
ELEMENTS = {"C": (6, 4), "N": (7, 3), "O": (8, 2)}  # number and valence
BONDED = ("CN", "NC", "OC", "CO", "NN", "OO", "NO", "ON")


def write_rows(file: Path, rows: Iterable[Any]) -> None:
    lines = (row if isinstance(row, str) else ",".join(map(str, np.ravel(row))) for row in rows)
    write_text(file, "".join(f"{line}\n" for line in lines))


def write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def write_arrays(file: Path, arrays: dict[str, Array]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    saved = io.BytesIO()
    torch.save(arrays, saved, _use_new_zipfile_serialization=False, pickle_protocol=4)
    file.write_bytes(saved.getvalue())


def write_graph(place: Path, num_nodes: int, edges: Array, **further: Array) -> None:
    """The one graph of a set of nodes or links; `further` files have dashes for underscores in
    those of features and labels."""
    raw = {"num-node-list": [num_nodes], "num-edge-list": [len(edges)], "edge": edges} | further
    for name, rows in raw.items():
        write_rows(place / f"raw/{name}.csv.gz", rows)


def planted(random: Random, nodes: int, size: int, links: int) -> tuple[Array, Array]:
    """``[nodes]`` groups of some size, and ``[links, 2]`` pairs, nine in ten within a group."""
    groups = nodes // size
    group = np.arange(nodes) % groups
    first = random.integers(nodes, size=4 * links)
    second = group[first] + groups * random.integers(size, size=4 * links)
    second = np.where(
        random.random(4 * links) < 0.9, second, random.integers(nodes, size=4 * links)
    )
    pairs = np.sort(np.stack([first, second], axis=1))
    pairs = random.permutation(np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0))
    assert len(pairs) >= links
    return group, pairs[:links]


def features(random: Random, group: Array, width: int) -> Array:
    centres = random.normal(size=(group.max() + 1, width))
    return (0.6 * centres[group] + random.normal(size=(len(group), width))).round(4)


def unlinked(random: Random, nodes: int, pairs: Array, count: int) -> Array:
    """``[count, 2]`` pairs that are not linked."""
    linked = np.eye(nodes, dtype=bool)
    linked[pairs[:, 0], pairs[:, 1]] = linked[pairs[:, 1], pairs[:, 0]] = True
    free = np.argwhere(np.triu(~linked))
    return random.permutation(free)[:count]


def by_year(year: Array) -> list[Array]:
    part = np.searchsorted(YEARS, year)
    return [np.flatnonzero(part == number) for number in range(3)]


def arxiv(place: Path, random: Random) -> None:
    """Papers cite papers, later ones earlier ones."""
    group, pairs = planted(random, 400, 80, 1600)
    year = np.sort(random.integers(2013, 2021, size=400))
    of_nodes = {"node-feat": features(random, group, 16), "node-label": group, "node_year": year}
    write_graph(place, 400, pairs[:, ::-1], **of_nodes)
    for part, nodes in zip(("train", "valid", "test"), by_year(year), strict=True):
        write_rows(place / f"split/time/{part}.csv.gz", nodes)
    papers = (f"{node},{10**6 + node}" for node in range(400))
    write_rows(place / "mapping/nodeidx2paperid.csv.gz", ["node idx,paper id", *papers])


def products(place: Path, random: Random) -> None:
    """The best sold are labelled; most are not."""
    group, pairs = planted(random, 500, 100, 2500)
    of_nodes = {"node-feat": features(random, group, 16), "node-label": group}
    write_graph(place, 500, pairs, **of_nodes)
    ranking = np.split(random.permutation(500), [100, 150])
    for part, nodes in zip(("train", "valid", "test"), ranking, strict=True):
        write_rows(place / f"split/sales_ranking/{part}.csv.gz", nodes)
    names = (f"{node},B{node:09}" for node in range(500))
    write_rows(place / "mapping/nodeidx2asin.csv.gz", ["node idx,asin", *names])


def collab(place: Path, random: Random) -> None:
    """Links of later years are to be found."""
    group, pairs = planted(random, 300, 15, 1500)
    year = random.integers(2010, 2020, size=1500)
    year[year < 2016] -= 3
    weight = random.integers(1, 4, size=1500)
    parts = by_year(year)
    negative = np.split(unlinked(random, 300, pairs, 4000), 2)
    for number, (part, links) in enumerate(zip(("train", "valid", "test"), parts, strict=True)):
        arrays = {"edge": pairs[links], "weight": weight[links], "year": year[links]}
        arrays |= {"edge_neg": negative[number - 1]} if number else {}
        write_arrays(place / f"split/time/{part}.pt", arrays)
    of_edges = {"edge_weight": weight[parts[0]], "edge_year": year[parts[0]]}
    x = {"node-feat": features(random, group, 16)}
    write_graph(place, 300, pairs[parts[0]], **x, **of_edges)
    authors = (f"{node},{10**6 + node}" for node in range(300))
    write_rows(place / "mapping/nodeidx2authorid.csv.gz", ["node idx,author id", *authors])


def ppa(place: Path, random: Random) -> None:
    """Proteins know their species alone, one of 58."""
    group, pairs = planted(random, 400, 20, 2400)
    parts = np.split(pairs, [1600, 2000])
    negative = np.split(unlinked(random, 400, pairs, 6000), 2)
    for number, (part, links) in enumerate(zip(("train", "valid", "test"), parts, strict=True)):
        arrays = {"edge": links} | ({"edge_neg": negative[number - 1]} if number else {})
        write_arrays(place / f"split/throughput/{part}.pt", arrays)
    write_graph(place, 400, parts[0], **{"node-feat": np.eye(58, dtype=int)[group]})
    proteins = (f"{node},{group[node]}.P{node:05}" for node in range(400))
    write_rows(place / "mapping/nodeidx2proteinid.csv.gz", ["node idx,protein id", *proteins])


def citation2(place: Path, random: Random) -> None:
    """Papers cite earlier ones; of some late ones two citations are to be found."""
    group, pairs = planted(random, 1200, 20, 6000)
    arcs = pairs[:, ::-1]
    linked = np.eye(1200, dtype=bool)
    linked[arcs[:, 0], arcs[:, 1]] = True
    cited = np.bincount(arcs[:, 0], minlength=1200)
    sources = random.permutation(np.flatnonzero(cited >= 4))[:40]
    kept = np.ones(len(arcs), dtype=bool)
    for number, part in enumerate(("valid", "test")):
        places = [np.flatnonzero(arcs[:, 0] == source)[number] for source in sources]
        kept[places] = False
        negative = [random.permutation(np.flatnonzero(~linked[s]))[:1000] for s in sources]
        arrays = {"source_node": arcs[places, 0], "target_node": arcs[places, 1]}
        write_arrays(
            place / f"split/time/{part}.pt", arrays | {"target_node_neg": np.stack(negative)}
        )
    arcs = arcs[kept]
    write_arrays(
        place / "split/time/train.pt",
        {"source_node": arcs[:, 0].copy(), "target_node": arcs[:, 1].copy()},
    )
    year = np.sort(random.integers(1990, 2020, size=1200))
    of_nodes = {"node-feat": features(random, group, 16), "node_year": year}
    write_graph(place, 1200, arcs, **of_nodes)
    papers = (f"{node},{10**6 + node}" for node in range(1200))
    write_rows(place / "mapping/nodeidx2paperid.csv.gz", ["node idx,paper id", *papers])


def molecules(labels: list[str], missing: float) -> Callable[[Path, Random], None]:
    """Chains of carbon, nitrogen and oxygen. Label k says whether pair k of `BONDED` occurs."""

    def write(place: Path, random: Random) -> None:
        chains = [
            "".join(random.choice(list("CCCNO"), size=n)) for n in random.integers(2, 12, 200)
        ]
        raw: dict[str, list[Any]] = {
            "num-node-list": [len(chain) for chain in chains],
            "num-edge-list": [len(chain) - 1 for chain in chains],
            "edge": [f"{i},{i + 1}" for chain in chains for i in range(len(chain) - 1)],
            "node-feat": [row for chain in chains for row in atoms(chain)],
            "edge-feat": ["0,0,0"] * sum(len(chain) - 1 for chain in chains),
        }
        known = random.random((200, len(labels))) >= missing
        of_pair = [BONDED[number % len(BONDED)] for number in range(len(labels))]
        rows = [
            ",".join(str(int(p in chain)) if k else "" for p, k in zip(of_pair, row, strict=True))
            for chain, row in zip(chains, known, strict=True)
        ]
        for name, values in (raw | {"graph-label": rows}).items():
            write_rows(place / f"raw/{name}.csv.gz", values)
        parts = np.split(random.permutation(200), [140, 170])
        for part, members in zip(("train", "valid", "test"), parts, strict=True):
            write_rows(place / f"split/scaffold/{part}.csv.gz", members)
        lines = [
            f"{row},{chain},M{m}" for m, (row, chain) in enumerate(zip(rows, chains, strict=True))
        ]
        write_rows(place / "mapping/mol.csv.gz", [",".join([*labels, "smiles,mol_id"]), *lines])

    return write


def atoms(chain: str) -> list[Array]:
    """The features of the atoms of a chain of single bonds."""
    rows = []
    for place, element in enumerate(chain):
        number, valence = ELEMENTS[element]
        hydrogens = valence - (place > 0) - (place < len(chain) - 1)
        values = (number, "CHI_UNSPECIFIED", valence, 0, hydrogens, 0, "SP3", False, False)
        pairs = zip(ATOM_FEATURES.values(), values, strict=True)
        rows.append(np.array([known.index(value) for known, value in pairs]))
    return rows


SETS: dict[str, Callable[[Path, Random], None]] = {
    "ogbn-arxiv": arxiv,
    "ogbn-products": products,
    "ogbl-collab": collab,
    "ogbl-ppa": ppa,
    "ogbl-citation2": citation2,
    "ogbg-molhiv": molecules(["HIV_active"], 0.0),
    "ogbg-molpcba": molecules([f"PCBA-{1000 + number}" for number in range(128)], 0.3),
}


def make(folder: Path, seed: int = 0) -> None:
    """Write all sets into a folder that has none of them yet.

    Raises:
        FileExistsError: One is there already.
    """
    places = {name: folder / "ogb" / name.replace("-", "_") for name in SETS}
    for place in places.values():
        if place.exists():
            raise FileExistsError(f"folder: expected one without {place}, which may be a real set")
    for number, (name, place) in enumerate(places.items()):
        SETS[name](place, np.random.default_rng([seed, number]))
        (place / "RELEASE_v1.txt").write_text(f"In the form of {name}; made by make_fixture.py.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="tiny sets in the layout of OGB")
    parser.add_argument("folder", type=Path, help="what GRAPHKIT_DATA is to name")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make(options.folder, options.seed)
    print(f"{options.folder}/ogb: {', '.join(SETS)}")


if __name__ == "__main__":
    main()
