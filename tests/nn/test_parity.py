"""Same state dict, same output, same gradients as PyTorch Geometric."""

import csv

import pytest
import torch

import graphkit.nn
from tests.nn.parity import ROWS, STATUS, TOLERANCE, Row, compare, path_of

CASES = [pytest.param(row, kind, id=f"{row.id}-{kind}") for row in ROWS for kind in row.graphs]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("row", "kind"), CASES)
def test_equals_pyg(row: Row, kind: str, dtype: torch.dtype):
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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_names_and_text_are_pygs(row: Row):
    import torch_geometric.nn

    ours, theirs = row.make(graphkit.nn), row.make(torch_geometric.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


def test_the_status_table_is_current(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "kernels")
    with STATUS.open(encoding="utf-8", newline="") as file:
        written = [(r["layer"], r["options"], r["graphs"], r["path"]) for r in csv.DictReader(file)]
    expected = [(r.layer, r.options, "; ".join(r.graphs), path_of(r)) for r in ROWS]
    assert written == expected, "run: python -m tests.nn.parity"
