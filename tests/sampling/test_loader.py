"""Loaders: the same batches whatever draws them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphkit.graph import Graph
from graphkit.sampling import Blocks, NeighborLoader


def random_graph() -> Graph:
    generator = torch.Generator().manual_seed(0)
    return Graph(
        torch.randint(0, 100, (2, 800), generator=generator),
        100,
        x=torch.randn(100, 3, generator=generator),
        edge_weight=torch.rand(800, generator=generator),
        node_attrs={"y": torch.arange(100)},
    )


def test_batches_go_through_the_nodes() -> None:
    graph = random_graph()
    loader = NeighborLoader(graph, [3, 2], 16)
    batches = list(loader)
    assert len(batches) == len(loader) == 7
    assert all(isinstance(batch, Blocks) for batch in batches)
    assert [batch.batch_size for batch in batches] == [16] * 6 + [4]
    assert torch.equal(torch.cat([batch.seeds for batch in batches]), torch.arange(100))


@pytest.mark.parametrize("as_mask", [False, True])
def test_only_the_nodes_asked_for(as_mask: bool) -> None:
    nodes = torch.tensor([3, 50, 51, 99, 0])
    mask = torch.zeros(100, dtype=torch.bool)
    mask[nodes] = True
    loader = NeighborLoader(random_graph(), [3], 2, mask if as_mask else nodes)
    seeds = torch.cat([batch.seeds for batch in loader])
    assert torch.equal(seeds, nodes.sort().values if as_mask else nodes)


def same(a: Blocks, b: Blocks) -> bool:
    tensors = [(a.n_id, b.n_id), (a.x, b.x), (a.y, b.y), *zip(a.e_id, b.e_id, strict=True)]
    for mine, theirs in zip(a.blocks, b.blocks, strict=True):
        tensors.append((mine.edge_index, theirs.edge_index))
        tensors.append((mine.edge_weight, theirs.edge_weight))
        tensors.append((mine.by_destination.rowptr, theirs.by_destination.rowptr))
    return all(torch.equal(x, y) for x, y in tensors)


def test_epochs_differ_and_come_again() -> None:
    graph = random_graph()
    loader = NeighborLoader(graph, [3, 2], 30, shuffle=True, seed=4)
    epochs = [list(loader) for _ in range(3)]
    for epoch in epochs:
        assert torch.equal(torch.cat([b.seeds for b in epoch]).sort().values, torch.arange(100))
    assert not torch.equal(epochs[0][0].seeds, epochs[1][0].seeds)
    again = NeighborLoader(graph, [3, 2], 30, shuffle=True, seed=4)
    again.epoch = 2
    assert all(same(a, b) for a, b in zip(epochs[2], again, strict=True))
    other = NeighborLoader(graph, [3, 2], 30, shuffle=True, seed=5)
    assert not torch.equal(epochs[0][0].seeds, next(iter(other)).seeds)


def test_the_same_nodes_get_other_neighbours_in_the_next_epoch() -> None:
    loader = NeighborLoader(random_graph(), [3], 100)
    (first,), (second,) = loader, loader
    assert torch.equal(first.seeds, second.seeds)
    assert not torch.equal(first.e_id[0], second.e_id[0])


def test_torchs_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    for _ in NeighborLoader(random_graph(), [3], 50, shuffle=True):
        pass
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        ({"num_workers": -1}, ValueError, "num_workers: expected at least 0, got -1"),
        ({"input_nodes": torch.tensor([100])}, ValueError, "input_nodes: expected numbers from 0"),
        ({"input_nodes": torch.tensor([1, 1])}, ValueError, "input_nodes: expected every number"),
        ({"fanouts": [0]}, ValueError, "fanouts: expected positive"),
    ],
)
def test_bad_options(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NeighborLoader(random_graph(), **{"fanouts": [2], **options})


# --- threads and processes ----------------------------------------------------------------------

PRELUDE = """
import os, sys, warnings
import torch
from graphkit.engine.cpu import threads
from graphkit.engine.cpu.sample import twin
from graphkit.graph import Graph
from graphkit.sampling import *
twin.SMALL_WORK = 0

def the_graph():
    generator = torch.Generator().manual_seed(0)
    ends = (torch.rand(2, 40_000, generator=generator) ** 2 * 3000).long()
    return Graph(ends, 3000, x=torch.randn(3000, 4, generator=generator),
                 edge_weight=torch.rand(40_000, generator=generator))

def outcome(**options):
    found = []
    for batch in NeighborLoader(the_graph(), [5, 3], 700, shuffle=True, seed=1, **options):
        if isinstance(batch, Graph):
            found += [batch.n_id, batch.e_id, batch.edge_index, batch.x, batch.edge_weight]
        else:
            found += [batch.n_id, batch.x, *batch.e_id]
            found += [block.edge_index for block in batch.blocks]
    return found

def same(a, b):
    return len(a) == len(b) and all(torch.equal(p, q) for p, q in zip(a, b))
"""


def passes(body: str, layer: str, folder: Path) -> None:
    """Run a script in a process of its own; spawned workers import it as a file."""
    program = folder / "program.py"
    program.write_text(PRELUDE + "if __name__ == '__main__':\n" + body.replace("\n", "\n    "))
    done = subprocess.run(
        # Python warns of forks of threaded processes, torch of more workers than cores.
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore:This process",
            "-W",
            "ignore:This DataLoader",
            program,
        ],
        env={
            **os.environ,
            "NUMBA_THREADING_LAYER": layer,
            "NUMBA_NUM_THREADS": "2",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("done"), done.stdout + done.stderr


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_threads_change_nothing(layer: str, tmp_path: Path) -> None:
    passes(
        """
for weight_attr in (None, "edge_weight"):
    for replace in (False, True):
        options = dict(weight_attr=weight_attr, replace=replace)
        torch.set_num_threads(1)
        one = outcome(**options)
        torch.set_num_threads(2)
        assert threads.num_threads() == 2
        assert same(one, outcome(**options))
import numba
assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"]
print("done")
""",
        layer,
        tmp_path,
    )


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_workers_change_nothing(start_method: str, layer: str, tmp_path: Path) -> None:
    """Workers are forked after a parallel kernel has run, which Numba alone would not survive."""
    passes(
        f"""
torch.set_num_threads(2)
how = dict(start_method="{start_method}")
for form in ("blocks", "subgraph"):
    expected = outcome(form=form)
    for workers in (1, 3):
        assert same(expected, outcome(form=form, num_workers=workers, **how))
assert same(expected, outcome(form="subgraph"))
print("done")
""",
        layer,
        tmp_path,
    )


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_workers_stay_for_the_next_epoch(start_method: str, tmp_path: Path) -> None:
    passes(
        f"""
options = dict(batch_size=1000, shuffle=True, seed=3)
here = NeighborLoader(the_graph(), [5, 3], **options)
there = NeighborLoader(the_graph(), [5, 3], **options, num_workers=2, start_method="{start_method}")
import multiprocessing
for epoch in range(3):
    for a, b in zip(here, there):
        assert torch.equal(a.n_id, b.n_id) and torch.equal(a.e_id[0], b.e_id[0])
    workers = {{process.pid for process in multiprocessing.active_children()}}
    assert epoch == 0 or workers == before
    before = workers
    # Passes that are left early do no harm to later ones.
    next(iter(here)), next(iter(there))
print("done")
""",
        "omp",
        tmp_path,
    )


@pytest.mark.slow
def test_the_graph_is_shared_with_spawned_workers(tmp_path: Path) -> None:
    passes(
        """
graph = the_graph()
graph = graph.replace(x=torch.zeros(3000, 1))
loader = NeighborLoader(graph, [2], 1500, num_workers=1, start_method="spawn")
assert [batch.x.sum().item() for batch in loader] == [0, 0]
graph.x.fill_(1.0)
for batch in loader:
    assert batch.x.sum() == batch.n_id.numel()
print("done")
""",
        "omp",
        tmp_path,
    )


def test_a_batch_of_blocks_says_its_sizes():
    graph = Graph(torch.tensor([[1, 2, 3], [0, 0, 1]]), 4)
    (batch,) = NeighborLoader(graph, [-1, -1], batch_size=1, input_nodes=torch.tensor([0]), seed=0)
    assert repr(batch) == "Blocks(4 -> 3, 3 -> 1, batch_size=1)"
