"""Threads, forks, several processes, and a kernel cache that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = ["omp", "workqueue"]
PRELUDE = """
import os, sys, threading, multiprocessing, warnings
import torch
from graphkit.engine.cpu import threads
from graphkit.graph import Graph
from graphkit.nn import MessagePassing
threads.SMALL_WORK = 0
torch.set_num_threads(2)

class Gate(MessagePassing):
    def forward(self, x, graph):
        return self.propagate(graph, x=x)
    def message(self, x_i, x_j):
        return torch.sigmoid(x_i) * x_j

generator = torch.Generator().manual_seed(0)
graph = Graph(torch.randint(0, 3000, (2, 40_000), generator=generator), num_nodes=3000)
x = torch.randn(3000, 20, generator=generator)
layer = Gate()

def run():
    leaf = x.clone().requires_grad_()
    out = layer(leaf, graph)
    out.square().sum().backward()
    return out.detach(), leaf.grad

def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a, b))
"""


def script(body: str, layer: str = "omp", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with one of Numba's thread layers."""
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", PRELUDE + body],
        env={**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )


def passes(body: str, layer: str = "omp", **environment: str) -> str:
    done = script(body, layer, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("done"), done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("layer", LAYERS)
def test_threads_do_not_change_a_bit(layer: str) -> None:
    passes(
        """
two = run()
import numba
assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"]
assert same(two, run())
threads.num_threads = lambda: 1
assert same(two, run())
print("done")
""",
        layer,
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_fork_after_kernels_ran(layer: str) -> None:
    passes(
        """
expected = run()
warnings.simplefilter("ignore")  # Python warns of forks of threaded processes
pid = os.fork()
if pid == 0:
    torch.set_num_threads(1)
    os._exit(0 if threads.num_threads() == 1 and same(expected, run()) else 1)
assert os.waitpid(pid, 0)[1] == 0
assert same(expected, run())
print("done")
""",
        layer,
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_python_threads_at_once(layer: str) -> None:
    passes(
        """
expected = run()
wrong = []
def loop():
    for _ in range(20):
        if not same(expected, run()):
            wrong.append(1)
workers = [threading.Thread(target=loop) for _ in range(4)]
[w.start() for w in workers]
[w.join() for w in workers]
assert not wrong
print("done")
""",
        layer,
    )


def test_spawned_workers(tmp_path: Path) -> None:
    """What a DataLoader's workers do."""
    work = tmp_path / "work.py"
    work.write_text(
        PRELUDE
        + """
def total(_):
    return float(run()[0].double().sum())

if __name__ == "__main__":
    here = total(0)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(total, range(4)) == [here] * 4
    print("done")
"""
    )
    done = subprocess.run(
        [sys.executable, str(work)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip() == "done", done.stderr


def test_two_processes_compile_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "2"}
    body = PRELUDE + "print(float(run()[0].double().sum()))"
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", body],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert list(tmp_path.rglob("*.nbi"))


def test_cached_kernels_are_found_again(tmp_path: Path) -> None:
    body = "run()"
    first = script(body, NUMBA_CACHE_DIR=str(tmp_path))
    assert first.returncode == 0, first.stderr
    written = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nbc")}
    second = script(body, NUMBA_CACHE_DIR=str(tmp_path))
    assert second.returncode == 0, second.stderr
    assert written
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nbc")} == written


def test_code_of_another_program_is_replaced(tmp_path: Path) -> None:
    """What two processes leave that write one file for two programs at the same time."""
    passes("run(); print('done')", NUMBA_CACHE_DIR=str(tmp_path))
    first, second, *_ = sorted(tmp_path.rglob("*._rows-*.nbc"))
    second.write_bytes(first.read_bytes())
    errors = passes("run(); print('done')", NUMBA_CACHE_DIR=str(tmp_path))
    assert "cache" not in errors
    written = {p: p.read_bytes() for p in tmp_path.rglob("*.nbc")}
    assert written[first] != written[second]
    passes("run(); print('done')", NUMBA_CACHE_DIR=str(tmp_path))
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.nbc")} == written


@pytest.mark.parametrize("damage", ["index", "code"])
def test_damaged_cache_is_bypassed_with_one_warning(tmp_path: Path, damage: str) -> None:
    passes("run(); print('done')", NUMBA_CACHE_DIR=str(tmp_path))
    for file in tmp_path.rglob("*.nbi" if damage == "index" else "*.nbc"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    errors = passes("run(); print('done')", NUMBA_CACHE_DIR=str(tmp_path))
    assert errors.count("graphkit's kernel cache cannot be used") == 1, errors


NOWHERE = "import numba.core.caching as c; c.CompileResultCacheImpl._locator_classes = []"
FULL = """
import errno
import numba.core.caching as c
def full(self, key, data):
    raise OSError(errno.ENOSPC, "No space left on device")
c.IndexDataCacheFile.save = full
"""


@pytest.mark.parametrize("reason", [NOWHERE, FULL], ids=["no folder", "disk full"])
def test_unwritable_cache_is_bypassed_with_one_warning(tmp_path: Path, reason: str) -> None:
    errors = passes(reason + "\nrun(); print('done')", NUMBA_CACHE_DIR=str(tmp_path))
    assert errors.count("graphkit's kernel cache cannot be used") == 1, errors


def test_engine_switched_off_loads_no_kernel() -> None:
    passes(
        """
run()
from graphkit.engine.cpu.compile import _kernels
assert not _kernels
print("done")
""",
        GRAPHKIT_ENGINE="reference",
    )


def test_unknown_engine_is_refused() -> None:
    done = script("run()", GRAPHKIT_ENGINE="gpu")
    assert done.returncode != 0
    assert "GRAPHKIT_ENGINE: expected 'kernels' or 'reference', got 'gpu'" in done.stderr
