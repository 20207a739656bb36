"""`graphkit run` and `graphkit datasets`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from graphkit.cli import app
from graphkit.experiment import Experiment

invoke = CliRunner().invoke
KEYS = {
    *("dataset", "split", "task", "model", "metric", "mean", "std", "seeds", "values"),
    *("published", "parameters", "seconds_per_epoch", "peak_memory_mb", "versions"),
}
QUICK = ["--epochs", "2", "--seeds", "2"]


def test_run_gives_a_table_and_json(tmp_path: Path):
    file, out = tmp_path / "result.json", tmp_path / "some" / "runs"
    done = invoke(app, ["run", "karate", "gcn", *QUICK, "--json", str(file), "--out", str(out)])
    assert done.exit_code == 0, done.output
    for word in ("karate", "gcn", "accuracy %", "mean ± deviation", "published", "s/epoch"):
        assert word in done.stdout
    found = json.loads(file.read_text())
    assert found.keys() >= KEYS
    assert (found["dataset"], found["model"], found["task"]) == ("karate", "gcn", "node")
    assert found["seeds"] == [0, 1]
    assert found["mean"] == pytest.approx(sum(found["values"]) / 2)
    assert found["complete"] is True
    assert found["peak_memory_mb"] > 50 or sys.platform == "win32"
    assert found["versions"]["torch"]
    assert json.loads((out / "result.json").read_text())["values"] == found["values"]
    for seed in (0, 1):
        state = load_file(out / f"seed-{seed}.safetensors")
        assert sum(value.numel() for value in state.values()) >= found["parameters"]
        assert len((out / f"seed-{seed}.csv").read_text().splitlines()) == 3


def test_json_on_standard_output_is_all_there_is():
    done = invoke(app, ["run", "karate", "sgc", "--seeds", "1", "--epochs", "1", "--json", "-"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["std"] is None
    assert "mean ± deviation" in done.stderr


def test_settings_and_tasks():
    arguments = ["run", "karate", "gcn", "--task", "link", *QUICK, "--json", "-"]
    arguments += ["--set", "lr=1e-3", "--set", "norm=batch_norm"]
    done = invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["settings"]["lr"] == 0.001
    assert found["settings"]["norm"] == "batch_norm"
    assert (found["task"], found["metric"]) == ("link", "roc_auc")


def test_precision(tmp_path: Path):
    values, losses = {}, {}
    for precision in ("float32", "bfloat16"):
        out = tmp_path / precision
        arguments = ["run", "karate", "gcn", "--seeds", "1", "--epochs", "40", "--out", str(out)]
        arguments += ["--set", "lr=0.05", "--set", "dropout=0", "--set", "input_dropout=0"]
        done = invoke(app, [*arguments, "--precision", precision])
        assert done.exit_code == 0, done.output
        state = load_file(out / "seed-0.safetensors")
        assert {str(value.dtype) for value in state.values()} == {"torch.float32"}
        values[precision] = {name: value.tolist() for name, value in state.items()}
        lines = (out / "seed-0.csv").read_text().splitlines()[1:]
        losses[precision] = [float(line.split(",")[1]) for line in lines]
    assert values["float32"] != values["bfloat16"]
    assert losses["float32"][-1] < losses["float32"][0] / 2
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1, abs=0.02)


def test_published_numbers_stand_beside(data_root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_DATA", str(data_root))
    done = invoke(app, ["run", "cora", "sgc", "--seeds", "1", "--epochs", "1", "--json", "-"])
    assert done.exit_code == 0, done.output
    published = json.loads(done.stdout)["published"]
    assert published["value"] == 81.0
    assert "Wu et al. 2019" in published["source"]
    assert "81.00" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["karat", "gcn"], "did you mean karate"),
        (["karate", "gnc"], "model: did you mean"),
        (["karate", "gcn", "--task", "graph"], "task: expected 'node' or 'edge'"),
        (["karate", "gcn", "--task", "nodes"], "task: expected one of node, link"),
        (
            ["karate", "gcn", "--precision", "half"],
            "--precision: expected one of float32, bfloat16",
        ),
        (["karate", "gcn", "--set", "hidden"], "--set: expected KEY=VALUE, got 'hidden'"),
        (["karate", "gcn", "--set", "hiden=3"], "did you mean hidden"),
        (["karate", "gine"], "gine needs features on the edges"),
        (["karate", "gcn", "--protocol", "best"], "protocol: expected one of split, gin, fair"),
        (["karate", "gcn", "--device", "abacus"], "--device: expected one that is here"),
        (["mine", "gcn", "--csv", "nowhere"], "nowhere"),
        (["mine", "gcn", "--graphml", "nowhere"], "nowhere"),
        (["mine", "gcn", "--csv", "a", "--graphml", "b"], "expected one of them, got several"),
    ],
)
def test_bad_input_is_a_sentence(arguments: list[str], text: str):
    done = invoke(app, ["run", *arguments])
    assert done.exit_code == 2
    assert text in done.stderr
    assert "Traceback" not in done.output


def test_wrong_engine_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_ENGINE", "fast")
    for arguments in (["run", "karate", "gcn"], ["info"]):
        done = invoke(app, arguments)
        assert done.exit_code == 2
        assert "GRAPHKIT_ENGINE: expected 'kernels' or 'reference', got 'fast'" in done.stderr


def test_ctrl_c_leaves_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train = Experiment.train

    def stop(self: Experiment, seed: int, *rest: object):
        if seed == 1:
            raise KeyboardInterrupt
        return train(self, seed, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Experiment, "train", stop)
    file = tmp_path / "result.json"
    done = invoke(app, ["run", "karate", "gcn", *QUICK, "--json", str(file)])
    assert done.exit_code == 130
    assert "interrupted" in done.stdout
    found = json.loads(file.read_text())
    assert found["seeds"] == [0]
    assert len(found["values"]) == 1
    assert found["complete"] is False


def test_your_own_graph(tmp_path: Path):
    edges = [f"n{k},n{(k + d) % 30}" for k in range(30) for d in (1, 2)]
    (tmp_path / "edges.csv").write_text("source,target\n" + "\n".join(edges) + "\n")
    labels = [f"n{k},{'red' if k < 15 else 'blue'}" for k in range(30)]
    (tmp_path / "labels.csv").write_text("node,label\n" + "\n".join(labels) + "\n")
    done = invoke(app, ["run", "mine", "gcn", "--csv", str(tmp_path), *QUICK, "--json", "-"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["dataset"] == "mine"
    assert found["metric"] == "accuracy"


def test_your_own_molecules(tmp_path: Path):
    pytest.importorskip("rdkit")
    file = tmp_path / "alcohols.csv"
    file.write_text("smiles,length\n" + "".join(f"{'C' * k}O,{k}\n" for k in range(1, 21)))
    arguments = ["run", "alcohols", "gin", "--smiles", str(file), *QUICK]
    done = invoke(app, [*arguments, "--set", "hidden=8", "--json", "-"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["dataset"], found["metric"], found["unit"]) == ("alcohols", "rmse", "")


def test_datasets_lists_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    done = invoke(app, ["datasets", "--json", "-"])
    assert done.exit_code == 0, done.output
    cards = {card["name"]: card for card in json.loads(done.stdout)}
    assert {"cora", "mutag", "esol", "ogbg-molhiv", "facebook", "karate"} <= cards.keys()
    assert cards["karate"]["where"] == "bundled"
    assert cards["cora"]["statistics"]["nodes"] == 2708
    shown = invoke(app, ["datasets", "--level", "graph"]).stdout
    assert "mutag" in shown
    assert "cora" not in shown
    assert invoke(app, ["datasets", "--level", "edges"]).exit_code == 2


def test_help_names_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "graphkit", "run", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for word in ("--task", "--seeds", "--epochs", "--set", "--device", "--json", "--out"):
        assert word in done.stdout
