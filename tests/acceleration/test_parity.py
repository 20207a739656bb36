"""Every layer of the table against itself as it was: the same outputs and gradients."""

import csv

import pytest
import torch
from torch_geometric.nn import conv

from tests.acceleration.parity import ROWS, STATUS, TOLERANCE, Row, compare, path_of

CASES = [pytest.param(row, kind, id=f"{row.id}-{kind}") for row in ROWS for kind in row.kinds]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("row", "kind"), CASES)
def test_accelerated_equals_plain(row: Row, kind: str, dtype: torch.dtype):
    limit = TOLERANCE[dtype]
    results = list(compare(row, kind, dtype))
    # What large terms leave of each other is no more precise than they are.
    size = max(1.0, *(float(value.detach().abs().max()) for *_, value in results if value.numel()))
    for name, found, expected in results:
        torch.testing.assert_close(
            found,
            expected,
            rtol=limit,
            atol=limit * size,
            msg=lambda text, name=name: f"{name}: {text}",
        )


def test_at_least_thirty_classes_are_fused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    fused = {row.layer for row in ROWS if path_of(row) == "fused"}
    assert len(fused) >= 30, sorted(fused)
    assert fused <= set(conv.__all__)


def test_the_status_table_is_current(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    with STATUS.open(encoding="utf-8", newline="") as file:
        written = [(r["layer"], r["options"], r["path"]) for r in csv.DictReader(file)]
    expected = [(row.layer, row.options, path_of(row)) for row in ROWS]
    assert written == expected, "run: python -m tests.acceleration.parity"
