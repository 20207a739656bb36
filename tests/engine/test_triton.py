"""The kernels for GPUs: in Triton's interpreter, compiled for GPUs that are not here, and on one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphkit.engine import devices
from graphkit.graph import Graph
from graphkit.nn import GCNConv

HERE = Path(__file__).parent
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


def runs(*command: str, interpret: bool) -> str:
    """What a process prints that ends well."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    if interpret:
        environment["TRITON_INTERPRET"] = "1"
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_triton
def test_kernels_in_the_interpreter() -> None:
    """All cases of `triton_cases.py`, where Triton is imported as an interpreter."""
    out = runs("-m", "pytest", "-q", str(HERE / "triton_cases.py"), interpret=True)
    assert " passed" in out
    assert "skipped" not in out


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_kernels_on_a_gpu() -> None:
    runs("-m", "pytest", "-q", str(HERE / "triton_cases.py"), interpret=False)


@needs_triton
def test_kernels_compile_for_a_gpu() -> None:
    """The interpreter forgives what the compiler refuses; that one needs no GPU."""
    out = runs("-m", "tests.engine.triton_compile", interpret=False)
    assert out.split()[-1] == "done"


def test_tensors_in_several_places_are_an_error() -> None:
    graph = Graph(torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    layer = GCNConv(3, 3, bias=False)
    walk = []
    ...
