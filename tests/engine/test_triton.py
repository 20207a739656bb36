"""The kernels for GPUs: in Triton's interpreter, compiled without a GPU, and on one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphkit.engine import devices
from graphkit.engine.fused import reduction
from graphkit.graph import Graph

HERE = Path(__file__).parent
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


def runs(*command: str, interpret: bool, **more: str) -> str:
    """What a process prints that ends well."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    if interpret:
        environment["TRITON_INTERPRET"] = "1"
    done = subprocess.run(
        [sys.executable, *command],
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=1800,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_triton
@pytest.mark.slow
def test_kernels_in_the_interpreter() -> None:
    """All cases of `triton_cases.py`, where Triton is imported as an interpreter."""
    out = runs("-m", "pytest", "-q", str(HERE / "triton_cases.py"), interpret=True)
    assert " passed" in out
    assert "skipped" not in out


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_kernels_on_a_gpu() -> None:
    runs("-m", "pytest", "-q", str(HERE / "triton_cases.py"), interpret=False)


@needs_triton
@pytest.mark.slow
def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """The interpreter forgives what the compiler refuses, and that one needs no GPU."""
    out = runs("-m", "tests.engine.triton_compile", interpret=False, TRITON_CACHE_DIR=str(tmp_path))
    assert out.split()[-1] == "done"


def test_tensors_in_several_places_are_an_error() -> None:
    """A kernel would read at an address that means nothing to it."""
    whole = reduction("sum", 3, torch.float32)
    graph = Graph(torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    with pytest.raises(ValueError, match=r"expected all tensors on cpu.* got one on meta"):
        whole(graph, [torch.ones(2, 3, device="meta")], [])


def test_without_triton_a_gpu_has_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGPU:
        device, dtype = torch.device("cuda", 0), torch.float32

    devices._runs_triton.cache_clear()
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: None)
    assert not devices.has_kernels(OnGPU())
    devices._runs_triton.cache_clear()
    monkeypatch.undo()
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert devices.has_kernels(OnGPU())
    devices._runs_triton.cache_clear()
