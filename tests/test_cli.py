"""The command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.decomposition import PCA
from typer.testing import CliRunner

import graphkit
from graphkit.cli import app
from graphkit.demo import TASKS, EdgeTask, NodeTask, Task

run = CliRunner().invoke


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch for each task, and a picture of the nodes that takes no seconds."""
    for task in TASKS:
        monkeypatch.setattr(task, "epochs", 1)
    monkeypatch.setattr("sklearn.manifold.TSNE", lambda n, **_: PCA(n))
    monkeypatch.setattr("graphkit.cli.demo._DEMO_THREADS", torch.get_num_threads())


@pytest.mark.usefixtures("quick")
def test_demo(tmp_path: Path):
    out, file = tmp_path / "some" / "runs", tmp_path / "results.json"
    done = run(app, ["demo", "--seeds", "2", "--out", str(out), "--json", str(file)])
    assert done.exit_code == 0, done.output
    for word in ("node", "edge", "graph", "ROC-AUC", "mean ± deviation", "s/epoch", "GIN"):
        assert word in done.stdout
    for picture in ("node.png", "edge.png", "graph.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
        assert picture in done.stdout.replace("\n", "")
    check(json.loads(file.read_text()), seeds=[0, 1], complete=True)


def check(found: dict[str, Any], seeds: list[int], complete: bool) -> None:
    assert found["complete"] is complete
    assert found["versions"]["graphkit"] == graphkit.__version__
    assert {"python", "torch", "numpy", "numba"} <= found["versions"].keys()
    assert found["engine"] in ("kernels", "reference")
    assert found["seconds"] > 0
    trained = [row for row in found["results"] if row["seconds_per_epoch"]]
    for row in found["results"]:
        assert row["seeds"] == seeds
        assert len(row["values"]) == len(seeds)
        assert all(0 <= value <= 1 for value in row["values"])
        assert row["mean"] == pytest.approx(sum(row["values"]) / len(seeds))
        assert (row["deviation"] is None) == (len(seeds) == 1)
    for row in trained:
        assert [detail["best_epoch"] for detail in row["details"]] == [1] * len(seeds)
        assert all(0 <= detail["validation"] <= 1 for detail in row["details"])
        assert len(row["seconds_per_epoch"]) == len(seeds)
    if complete:
        assert [row["task"] for row in trained] == ["node", "edge", "graph"]
        assert len(found["results"]) == 4
        assert len(found["pictures"]) == 3


@pytest.mark.usefixtures("quick")
def test_json_on_standard_output_is_all_there_is(tmp_path: Path):
    done = run(app, ["demo", "--seeds", "1", "--out", str(tmp_path), "--json", "-"])
    assert done.exit_code == 0, done.output
    check(json.loads(done.stdout), seeds=[0], complete=True)
    assert "mean ± deviation" in done.stderr


@pytest.mark.usefixtures("quick")
def test_interrupted_it_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(self: Task, seed: int, on_epoch: Any):
        raise KeyboardInterrupt

    monkeypatch.setattr(EdgeTask, "train", interrupted)
    done = run(app, ["demo", "--seeds", "1", "--out", str(tmp_path), "--json", "-"])
    assert done.exit_code == 130
    found = json.loads(done.stdout)
    check(found, seeds=[0], complete=False)
    assert [row["task"] for row in found["results"]] == ["node"]
    assert [Path(picture).name for picture in found["pictures"]] == ["node.png"]
    assert "Interrupted" in done.stderr


@pytest.mark.usefixtures("quick")
def test_interrupted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(self: Task, seed: int, on_epoch: Any):
        raise KeyboardInterrupt

    monkeypatch.setattr(NodeTask, "train", interrupted)
    done = run(app, ["demo", "--out", str(tmp_path), "--json", "-"])
    assert done.exit_code == 130
    assert json.loads(done.stdout)["results"] == []


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_a_folder_that_cannot_be_written_is_told_before_training(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def never(*_: Any):
        raise AssertionError("training began")

    monkeypatch.setattr("graphkit.cli.demo._train", never)
    file = tmp_path / "file"
    file.write_text("in the way")
    sound = [] if option == "--out" else ["--out", str(tmp_path / "runs")]
    done = run(app, ["demo", *sound, option, str(file / "below")])
    assert done.exit_code == 2
    message = " ".join(done.stderr.replace("│", " ").split())
    assert option in message
    assert "expected a folder to write to" in message
    assert "Traceback" not in done.stderr


def test_a_json_file_that_is_a_folder(tmp_path: Path):
    done = run(app, ["demo", "--out", str(tmp_path), "--json", str(tmp_path)])
    assert done.exit_code == 2
    assert "expected a file" in done.stderr


def test_no_seeds(tmp_path: Path):
    assert run(app, ["demo", "--seeds", "0", "--out", str(tmp_path)]).exit_code == 2


def test_version():
    done = run(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout == f"graphkit {graphkit.__version__}\n"


@pytest.mark.parametrize("engine", ["reference", "kernels"])
def test_info(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", engine)
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    done = run(app, ["info"])
    assert done.exit_code == 0, done.output
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["graphkit"] == graphkit.__version__
    assert told["engine"] == engine
    assert told["data"] == str(tmp_path)
    assert int(told["threads"]) >= 1
    assert "torch" in told


def test_help_answers_without_torch():
    program = (
        "import sys\n"
        "from graphkit.cli import app\n"
        "try:\n    app(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
    assert "info" in done.stdout


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "graphkit", "--version"], capture_output=True, text=True
    )
    assert done.stdout == f"graphkit {graphkit.__version__}\n"


def test_explain_plan(tmp_path: Path):
    file = tmp_path / "plan.json"
    done = run(app, ["explain-plan", "toy-rings", "gin", "--json", str(file)])
    assert done.exit_code == 0, done.output
    layers = json.loads(file.read_text())["layers"]
    assert list(layers) == ["convs.0", "convs.1", "convs.2"]
    for name, text in layers.items():
        assert text == "GINConv: fused kernel (sum)"
        assert f"{name}  {text}" in done.stdout


def test_explain_plan_of_what_is_not_known():
    done = run(app, ["explain-plan", "toy-rings", "gim"])
    assert done.exit_code == 2
    assert "did you mean gin" in done.stderr
