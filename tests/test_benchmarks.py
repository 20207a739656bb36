"""The speed lab at a tiny size: what it promises of every comparison."""

from __future__ import annotations

import csv
import importlib
import math
import os
import shlex
import warnings
from pathlib import Path
from typing import Any

import bench
import dgl_layers
import lab
import plain_layers
import pytest
import steps
import torch
import workloads
from products import Products

# ------------------------------------------------------------------ systems in their processes


def works(value: float) -> lab.Work:
    def facts() -> dict[str, Any]:
        kept = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
        return {"threads": torch.get_num_threads(), "kept": kept}

    return lab.Work(lambda: value, {"output": [value, 1.0]}, facts)


def raises() -> lab.Work:
    raise NotImplementedError("no such layer\nand more words")


def raises_later() -> lab.Work:
    turns = iter([1.0, 2.0])
    return lab.Work(lambda: next(turns), {"output": [2.0, 1.0]})


def takes_too_much() -> lab.Work:
    torch.empty(2**40, dtype=torch.uint8)
    return works(2.0)


def dies() -> lab.Work:
    os._exit(3)


@pytest.mark.slow
def test_what_cannot_be_measured_says_why_and_the_others_go_on():
    systems = [
        lab.System("first", works, (2.0,)),
        lab.System("same", works, (2.0 + 1e-5,)),
        lab.System("other maths", works, (2.1,)),
        lab.System("another thing", works, (5.0,), tolerance=math.inf),
        lab.System("raises", raises),
        lab.System("raises later", raises_later),
        lab.System("large", takes_too_much),
        lab.System("dies", dies),
    ]
    setting = lab.Setting(threads=1, allocator="kept", rounds=2, warm_up=1, memory_gb=8.0)

    found = lab.take_turns(systems, setting)

    for name in ("first", "same", "another thing"):
        assert (len(found[name].seconds), found[name].note) == (2, "")
        assert found[name].peak_mb >= found[name].built_mb > 0
        assert found[name].facts == {"threads": 1, "kept": str(2**40)}
    assert found["other maths"].note == "not timed: its output is 5.0e-02 from the first system's"
    assert found["raises"].note == "NotImplementedError: no such layer"
    assert found["raises later"].note.startswith("StopIteration")
    assert len(found["raises later"].seconds) == 1
    assert found["large"].note == "needs more than 8.0 GB of memory"
    assert found["dies"].note == "the process ended with code 3"
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_medians_and_ratios_are_of_the_pairs():
    ours = lab.Result(seconds=[1.0, 2.0, 4.0], cpu_seconds=[1.0] * 3, peak_mb=100, built_mb=10)
    theirs = lab.Result(seconds=[3.0, 4.0, 4.0], cpu_seconds=[1.0] * 3, peak_mb=150, built_mb=10)

    row = lab.timing(theirs, ours, steps=2)

    assert [row[f"seconds_{k}"] for k in ("median", "min", "max")] == [2.0, 1.5, 2.0]
    assert [row[f"times_{k}"] for k in ("base", "min", "max")] == [2.0, 1.0, 3.0]
    assert (row["base_seconds"], row["peak_times_base"]) == (1.0, 1.5)
    assert set(lab.timing(lab.Result(note="no"), ours).values()) == {""}


def test_a_proof_must_have_all_numbers():
    assert not lab.disagreement({"output": [1.0, 100.0]}, {"output": [1.001, 100.0]}, 1e-4)
    assert lab.disagreement({"output": [1.0]}, {"output": [1.0, 2.0]}, 1e-4)
    assert lab.disagreement({}, {"output": [1.0]}, 1e-4)
    assert lab.disagreement({"output": [math.nan]}, {"output": [1.0]}, 1e-4)


def test_a_table_goes_on_where_it_was(tmp_path: Path):
    path = tmp_path / "new" / "rows.csv"
    table = lab.Table(path, ("layer", "scale"))
    table.put({"layer": "gcn", "scale": 1.0, "seconds": 2.0})
    table.put({"layer": "gat", "scale": 1.0, "seconds": 3.0})

    again = lab.Table(path, ("layer", "scale"))
    assert again.has(layer="gcn", scale=1.0)
    assert not again.has(layer="gcn", scale=0.5)
    again.put({"layer": "gcn", "scale": 1.0, "seconds": 1.0, "note": "new"})

    with path.open(newline="") as file:
        rows = {row["layer"]: row for row in csv.DictReader(file)}
    assert (rows["gcn"]["seconds"], rows["gcn"]["note"]) == ("1.0", "new")
    assert (rows["gat"]["seconds"], rows["gat"]["note"]) == ("3.0", "")


# ------------------------------------------------------------------ what is computed


@pytest.mark.parametrize("workload", workloads.WORKLOADS)
def test_graphs_are_undirected_and_simple(workload: str):
    w = workloads.WORKLOADS[workload]
    (batch, *_) = workloads.batches(w, 0.01, with_edges=True)
    nodes, edges = w.size(0.01)
    assert batch.edge_index.shape == (2, edges)
    assert batch.x.shape == (nodes, w.widths[0])
    assert batch.edge_attr.shape == (edges, w.edge_dim)
    source, destination = batch.edge_index
    assert batch.edge_index.min() >= 0
    assert batch.edge_index.max() < nodes
    assert not (source == destination).any()
    there, back = source * nodes + destination, destination * nodes + source
    assert len(there.unique()) == edges
    assert torch.equal(there.unique(), back.unique())


@pytest.mark.parametrize("layer", workloads.LAYERS)
def test_every_system_computes_the_same(layer: str, tmp_path: Path):
    pytest.importorskip("dgl")
    size = ("molecules", 0.01)
    steps.write_weights(layer, *size, tmp_path / "weights")
    proofs = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers' imports
        for system in ("graphkit", "pyg", "pyg-edgeindex", "dgl", "index-add"):
            proofs[system] = steps.build(system, layer, *size, str(tmp_path / "weights")).proof
    for system, proof in proofs.items():
        assert not lab.disagreement(proof, proofs["graphkit"], 1e-4), system
    assert max(map(abs, proofs["graphkit"]["gradient"])) > 1e-3


def test_products_are_those_of_the_step():
    x, layer = torch.randn(7, 5), torch.nn.Linear(5, 3)
    with Products() as products:
        layer(x).addmm_(x, torch.ones(5, 3)).sum().backward()
    products.again()
    # Forward, and backward for the weight; x wants no gradient.
    assert [call.__name__ for call, *_ in products.calls] == ["addmm", "addmm_", "mm"]
    assert {tuple(t.shape) for t in products.operands.values()} >= {(7, 5), (5, 3)}


@pytest.mark.slow
def test_a_comparison_has_a_row_for_every_system():
    pytest.importorskip("dgl")
    setting = lab.Setting(threads=1, rounds=2, warm_up=1)
    peers = ["pyg", "pyg-csr", "dgl"]
    rows = list(steps.compare("gine", peers, "power-law", 2e-3, "graphkit", setting, at_once=3))
    found = {row["system"]: row for row in rows}
    assert list(found) == ["graphkit", "pyg", "dgl", "pyg-csr"]
    assert "fused kernel" in found["graphkit"]["path"]
    assert found["pyg-csr"]["note"] == "a CSR tensor has no place for features of edges"
    assert found["pyg-csr"]["seconds_median"] == ""
    for system in ("graphkit", "pyg", "dgl"):
        row = found[system]
        assert row["note"] == ""
        assert 0 < row["seconds_min"] <= row["seconds_median"] <= row["seconds_max"]
        assert row["times_gemm"] > 1
        assert row["loss"] == pytest.approx(found["graphkit"]["loss"], rel=1e-3)


@pytest.mark.parametrize("command", [c for _, group in bench.GROUPS.values() for c in group])
def test_commands_of_the_groups_are_understood(command: str):
    script, *words = shlex.split(command)
    options = importlib.import_module(script.removesuffix(".py")).options_parser()
    options.parse_args([*words, "--csv", "rows.csv", "--again"])


@pytest.mark.parametrize("command", [*bench.QUICK, "gpu.py --layers gcn gate --csv rows.csv"])
def test_commands_without_a_file_of_their_own_are_understood(command: str):
    script, *words = shlex.split(command)
    importlib.import_module(script.removesuffix(".py")).options_parser().parse_args(words)


def test_layers_have_a_function_in_every_library():
    assert set(dgl_layers.DGL) == set(plain_layers.PLAIN) == set(workloads.LAYERS)
