"""`graphkit fit-autoencoder`, `fit-gan`, `generate` and `anomaly`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import networkx
import numpy as np
import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from graphkit.cli import app

invoke = CliRunner().invoke
GAN = ["fit-gan", "digits", "--size", "28", "--width", "2", "--batch-size", "256", "--noise", "8"]


def run(*arguments: str) -> str:
    done = invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*arguments: str) -> str:
    done = invoke(app, list(arguments))
    assert done.exit_code == 2, done.output
    assert not isinstance(done.exception, Exception)
    return done.stderr


def same_weights(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("kind", ["denoising", "stacked", "adversarial", "convolutional"])
def test_an_autoencoder_goes_on_after_a_break(kind: str, tmp_path: Path) -> None:
    common = ["fit-autoencoder", "digits", "--kind", kind, "--code", "4", "--every", "2"]
    # A stack is pre-trained for as many epochs as are asked for, so it is broken off otherwise.
    epochs = 2
    broken = tmp_path / "broken"
    found = json.loads(run(*common, "--epochs", "2", "--out", str(broken), "--json", "-"))
    assert found["test_pictures"] == 360
    if kind != "stacked":
        epochs = 4
        run(*common, "--epochs", "4", "--out", str(broken))
    run(*common, "--epochs", str(epochs), "--out", str(tmp_path / "whole"))
    for name in ("model.safetensors", "checkpoint.safetensors"):
        assert (broken / name).exists()
    assert same_weights(broken / "model.safetensors", tmp_path / "whole" / "model.safetensors")
    grids = sorted(file.name for file in broken.glob("epoch-*.png"))
    assert grids == [f"epoch-{k:04d}.png" for k in range(2, epochs + 1, 2)]
    page = (broken / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(grids) + 1
    assert "test_psnr" in page


def test_a_gan_is_trained_kept_and_sampled(tmp_path: Path) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    run(*GAN, "--conditional", "--epochs", "1", "--out", str(broken))
    run(*GAN, "--conditional", "--epochs", "2", "--out", str(broken))
    found = json.loads(
        run(*GAN, "--conditional", "--epochs", "2", "--out", str(whole), "--json", "-")
    )
    assert 0 <= found["told_apart"] <= 1
    generator = whole / "generator.safetensors"
    assert same_weights(broken / "generator.safetensors", generator)
    made = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        file = tmp_path / f"{name}.npz"
        run(
            "generate",
            str(generator),
            "--n",
            "7",
            "--label",
            "3",
            "--seed",
            seed,
            "--out",
            str(file),
        )
        with np.load(file) as loaded:
            made.append(loaded["X"])
    assert made[0].shape == (7, 1, 28, 28)
    assert 0 <= made[0].min() <= made[0].max() <= 1
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    run("generate", str(generator), "--n", "7", "--out", str(tmp_path / "g.png"))
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    assert "from 0 to 9, got [10]" in refused(
        "generate", str(generator), "--label", "10", "--out", str(tmp_path / "no.png")
    )
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize("objective", ["wasserstein", "hinge"])
def test_other_games(objective: str, tmp_path: Path) -> None:
    run(
        *GAN,
        "--objective",
        objective,
        "--norm",
        "spectral",
        "--epochs",
        "1",
        "--out",
        str(tmp_path),
    )
    assert (tmp_path / "generator.safetensors").exists()


def test_what_cannot_be_trained(tmp_path: Path) -> None:
    out = ["--epochs", "1", "--out", str(tmp_path / "run")]
    said = refused("fit-autoencoder", "mnits", *out)
    assert "expected one of mnist, fashion-mnist, cifar10, digits, or a folder, got mnits" in said
    assert "kind: expected one of undercomplete" in refused(
        "fit-autoencoder", "digits", "--kind", "odd", *out
    )
    assert "size: expected one of 28, 32, 64, got 8" in refused("fit-gan", "digits", *out)
    assert "label_smoothing: expected 0" in refused(
        *GAN, "--objective", "hinge", "--label-smoothing", "0.1", *out
    )
    assert not (tmp_path / "run").exists()  # nothing half-made
    run("fit-autoencoder", "digits", *out)
    said = refused("fit-autoencoder", "digits", "--code", "5", *out)
    assert "expected a new folder, or one with the same settings" in said
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"damaged")
    assert "something else or damaged" in refused("fit-autoencoder", "digits", *out)
    assert "expected an encoder" in refused("generate", str(tmp_path / "none.safetensors"))
    assert "--out: expected a file .png, .npz for pictures" in refused(
        "generate", str(tmp_path / "run" / "model.safetensors"), "--out", "x.jpg"
    )


def test_anomalies_of_a_table(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(size=(200, 4)), 9 + random.normal(size=(4, 4))])
    table, scores = tmp_path / "cards.csv", tmp_path / "scores.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Time", "V1", "V2", "Amount", "Class"])
        rows.writerows([*row, int(k >= 200)] for k, row in enumerate(x))
    for detector in ("autoencoder", "isolation-forest"):
        found = json.loads(
            run(
                "anomaly", str(table), "--detector", detector, "--contamination", "0.02",
                "--out", str(scores), "--json", "-",
            )
        )  # fmt: skip
        assert found["roc_auc"] > 0.99
        assert found["features"] == 4
        with scores.open(newline="") as file:
            written = list(csv.DictReader(file))
        assert [row["row"] for row in written] == [str(k) for k in range(204)]
        called = [k for k, row in enumerate(written) if row["anomaly"] == "1"]
        assert len(called) == found["called_anomalies"] == 5
        assert set(called) >= {200, 201, 202, 203}
    np.savez(tmp_path / "plain.npz", X=x)
    found = json.loads(
        run("anomaly", str(tmp_path / "plain.npz"), "--out", str(scores), "--json", "-")
    )
    assert "roc_auc" not in found
    scores.unlink()
    assert "label: expected one of" in refused(
        "anomaly", str(table), "--label", "fraud", "--out", str(scores)
    )
    assert "--contamination: expected a share" in refused(
        "anomaly", str(table), "--contamination", "0", "--out", str(scores)
    )
    assert "detector: expected one of" in refused(
        "anomaly", str(table), "--detector", "lof", "--out", str(scores)
    )
    assert not scores.exists()


def test_a_run_that_is_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "graphkit", "fit-autoencoder", "digits", "--code", "4"]
    command += ["--epochs", "12", "--out", str(tmp_path / "killed")]
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=one
    )
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = subprocess.run(command, capture_output=True, check=False, env=one)
    assert done.returncode == 0, done.stderr
    run(
        "fit-autoencoder", "digits", "--code", "4", "--epochs", "12",
        "--out", str(tmp_path / "whole"),
    )  # fmt: skip
    assert same_weights(
        tmp_path / "killed" / "model.safetensors", tmp_path / "whole" / "model.safetensors"
    )


MOLECULES = "CCO\nCCN\nC1CC\nCC(=O)O\nc1ccccc1 benzene\nfoo\nC1CC1O\nCC#N\nO=C=O\n[Na+]\n" * 4


@pytest.mark.parametrize("model", ["graph-vae", "molgan"])
def test_molecules_are_generated_and_again_from_the_file(model: str, tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    smiles, first, second = tmp_path / "m.smi", tmp_path / "a.smi", tmp_path / "b.smi"
    smiles.write_text(MOLECULES, encoding="utf-8")
    command = ["generate", model, "--dataset", str(smiles), "--n", "30", "--seed", "3"]
    further = ["--reward", "qed"] if model == "molgan" else []
    done = invoke(app, [*command, *further, "--epochs", "2", "--list-refused", "--out", str(first)])
    assert done.exit_code == 0, done.output
    assert "28 of 40 molecules" in done.stderr
    assert "8 are refused by rdkit" in done.stderr
    assert done.stderr.count("refused: foo") == 4
    kept = tmp_path / "a-generator.safetensors"
    again = [sys.executable, "-m", "graphkit", "generate", str(kept), "--n", "30", "--seed", "3"]
    done = subprocess.run([*again, "--out", str(second)], capture_output=True, check=True)
    assert second.read_bytes() == first.read_bytes()
    run("generate", str(kept), "--n", "5", "--out", str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["atoms"].shape == (5, 9)
        assert arrays["bonds"].shape == (5, 9, 9)
    if model == "graph-vae":  # corrected, so there is something to draw
        assert len(first.read_text(encoding="utf-8").split()) == 30
        run("generate", str(kept), "--n", "5", "--out", str(tmp_path / "x.svg"))
        assert "<svg" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_graphs_are_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphkit.cli._graphs._ROUND", 2)
    out = tmp_path / "g.graphml"
    run("generate", "netgan", "--dataset", "karate", "--epochs", "2", "--n", "2", "--out", str(out))
    graphs = [networkx.read_graphml(tmp_path / f"g-{k}.graphml") for k in range(2)]
    for graph in graphs:
        assert len(graph) == 34
        assert graph.number_of_edges() == 78
    kept = str(tmp_path / "g-generator.safetensors")
    run("generate", kept, "--n", "2", "--out", str(tmp_path / "g.npz"))
    with np.load(tmp_path / "g.npz") as arrays:
        for k, graph in enumerate(graphs):
            assert {tuple(map(int, edge)) for edge in graph.edges} <= {
                tuple(edge) for edge in arrays[f"edge_index_{k}"].T.tolist()
            }
    run("generate", kept, "--n", "1", "--out", str(tmp_path / "g.png"))
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_generated(tmp_path: Path) -> None:
    assert "one of molgan, graph-vae, netgan, got 'nothing'" in refused("generate", "nothing")
    assert "expected what molgan is to learn from" in refused("generate", "molgan")
    assert "karate, which has no SMILES" in refused("generate", "molgan", "--dataset", "karate")
    many = refused("generate", "netgan", "--dataset", "digits-pixels")
    assert "expected one graph, got digits-pixels" in many
    wrong = refused("generate", "netgan", "--dataset", "karate", "--out", str(tmp_path / "x.smi"))
    assert "expected a file .graphml, .npz, .png for graphs" in wrong
    wrong = refused("generate", "netgan", "--dataset", "karate", "--spread", "0.5")
    assert "--spread: expected 1 of a generator of walks, got 0.5" in wrong
    wrong = refused("generate", "netgan", "--dataset", "karate", "--reward", "qed")
    assert "--reward: expected with molgan alone" in wrong
    wrong = refused("generate", "molgan", "--dataset", "karate", "--reward", "beauty")
    assert "--reward: expected one of qed, solubility, synthesizability" in wrong
    assert "which does not exist" in refused("generate", "molgan", "--dataset", "none.smi")
    assert not list(tmp_path.iterdir())
