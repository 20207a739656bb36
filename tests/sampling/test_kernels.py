"""The kernels' random numbers, threads of Python, and a cache on disk that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit
from scipy import stats

from graphkit.engine.cpu.sample.random import below, far_below, key_of, unit
from graphkit.graph import Graph
from graphkit.sampling import NeighborSampler
from graphkit.sampling._seeds import derive

MASK = 2**64 - 1


@njit
def draws(seed, count, bound):
    near, far, shares = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    for i in range(count):
        near[i] = below(key_of(seed, i), 3, bound)
        far[i] = far_below(key_of(seed, i), 3, bound)
        shares[i] = unit(key_of(seed, 0), i)
    return near, far, shares


@njit
def words(seed, numbers, count, bound):
    return [far_below(key_of(seed, number), count, bound) for number in numbers]


@pytest.mark.parametrize("bound", [1, 2, 10, 1000])
def test_numbers_are_uniform(bound: int) -> None:
    near, far, shares = draws(np.uint64(1), 100_000, bound)
    np.testing.assert_array_equal(near, far)
    counts = np.bincount(near, minlength=bound)
    assert counts.size == bound
    assert bound == 1 or stats.chisquare(counts).pvalue > 1e-3
    assert shares.min() > 0
    assert shares.max() <= 1
    assert stats.kstest(shares, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("bound", [3, 2**32 - 1, 2**40 + 12345, 2**62 + 7])
def test_bounds_of_any_size(bound: int) -> None:
    """The product's upper half, against Python's own numbers."""

    def mix(word: int) -> int:
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & MASK
        word = (word ^ word >> 27) * 0x94D049BB133111EB & MASK
        return word ^ word >> 31

    step = 0x9E3779B97F4A7C15
    numbers = np.arange(50)
    for number, drawn in zip(numbers, words(np.uint64(9), numbers, 2, bound), strict=True):
        key = mix((9 + mix((int(number) + step) & MASK) * step) & MASK)
        assert drawn == mix((key + 3 * step) & MASK) * bound >> 64


def test_derived_seeds_differ() -> None:
    seeds = {derive(a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed <= MASK for seed in seeds)
    assert derive(3) == 3


def test_threads_of_python_share_a_sampler() -> None:
    ends = torch.randint(0, 500, (2, 5000), generator=torch.Generator().manual_seed(0))
    sampler = NeighborSampler(Graph(ends, 500), [5, 5])
    expected = [sampler.sample(torch.arange(100), seed).n_id for seed in range(20)]
    wrong = []

    def loop() -> None:
        for _ in range(5):
            for seed in range(20):
                if not torch.equal(sampler.sample(torch.arange(100), seed).n_id, expected[seed]):
                    wrong.append(seed)

    workers = [threading.Thread(target=loop) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


# --- the cache on disk --------------------------------------------------------------------------

PROGRAM = """
import torch
from graphkit.graph import Graph
from graphkit.sampling import NeighborSampler
torch.set_num_threads(1)
ring = torch.arange(10)
graph = Graph(torch.stack([ring, (ring + 1) % 10]), 10)
assert NeighborSampler(graph, [1, 1]).sample(ring[:1], 0).n_id.tolist() == [0, 9, 8]
print("done")
"""


def run(before: str = "", **environment: str) -> str:
    """Run the program in a process of its own; return what it warned of."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", before + PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "done", done.stderr
    return done.stderr


def stamps(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*.nbc")}


@pytest.mark.slow
def test_kernels_are_found_again_until_any_source_changes(tmp_path: Path) -> None:
    run(NUMBA_CACHE_DIR=str(tmp_path))
    first = stamps(tmp_path)
    assert first
    run(NUMBA_CACHE_DIR=str(tmp_path))
    assert stamps(tmp_path) == first
    other = "from graphkit.engine.cpu.sample import twin\ntwin.fingerprint = lambda: 'other'\n"
    run(other, NUMBA_CACHE_DIR=str(tmp_path))
    assert stamps(tmp_path) != first


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_cache_is_bypassed_with_one_warning(tmp_path: Path, suffix: str) -> None:
    run(NUMBA_CACHE_DIR=str(tmp_path))
    for file in tmp_path.rglob(f"*.{suffix}"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    errors = run(NUMBA_CACHE_DIR=str(tmp_path))
    assert errors.count("graphkit's kernel cache cannot be used") == 1, errors


NOWHERE = "import numba.core.caching as c; c.CompileResultCacheImpl._locator_classes = []\n"
FULL = """
import errno
import numba.core.caching as c
def full(self, key, data):
    raise OSError(errno.ENOSPC, "No space left on device")
c.IndexDataCacheFile.save = full
"""


@pytest.mark.slow
@pytest.mark.parametrize("reason", [NOWHERE, FULL], ids=["no folder", "disk full"])
def test_unwritable_cache_is_bypassed_with_one_warning(tmp_path: Path, reason: str) -> None:
    errors = run(reason, NUMBA_CACHE_DIR=str(tmp_path))
    assert errors.count("graphkit's kernel cache cannot be used") == 1, errors
