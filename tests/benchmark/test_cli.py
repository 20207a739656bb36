"""`graphkit bench` and `graphkit tune`."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from graphkit import benchmark
from graphkit.benchmark import Results, read
from graphkit.cli import app

invoke = CliRunner().invoke


def bench(folder: Any, *arguments: str) -> Any:
    options = ["--configs", str(folder.configs), "--results", str(folder.results)]
    return invoke(app, ["bench", *arguments, *options])


def test_it_runs_and_tells(folder: Any, tmp_path: Path) -> None:
    published = {"value": 99.0, "source": "us", "deviation": 1.0, "seeds": 10}
    folder.put("paper_gcn_karate", published=published, seeds=3)
    folder.put("baseline_mlp_karate", model="mlp", seeds=2)
    folder.put("other_sage_karate", model="sage")
    table, out = tmp_path / "table.csv", tmp_path / "out.json"
    done = bench(folder, "*_gcn_*", "baseline*", "--table", str(table), "--json", str(out))
    assert done.exit_code == 0, done.output
    assert "paper_gcn_karate, seed 2: " in done.stderr
    for word in ("measured", "published", "99.00 ± 1.00", "worse", "Welch"):
        assert word in done.stdout
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["mlp (baseline)", "gcn"]
    assert (rows[1]["published"], rows[1]["verdict"], rows[1]["source"]) == (
        "99.00 ± 1.00",
        "worse",
        "us",
    )
    found = json.loads(out.read_text())
    assert [entry["config"]["name"] for entry in found] == [
        "baseline_mlp_karate",
        "paper_gcn_karate",
    ]
    assert len(found[1]["values"]) == 3
    assert 0 < found[1]["p"] < 1
    before = folder.results.read_bytes()
    again = bench(folder, "paper*", "--json", "-")
    assert json.loads(again.stdout) == found[1:]
    assert folder.results.read_bytes() == before
    fresh = bench(folder, "paper*", "--fresh", "--seeds", "1")
    assert fresh.exit_code == 0, fresh.output
    assert len(Results(folder.results).records) == 2 + 1


def test_results_lie_beside_the_configurations(folder: Any) -> None:
    folder.put(seeds=1)
    done = invoke(app, ["bench", "*", "--configs", str(folder.configs)])
    assert done.exit_code == 0, done.output
    (file,) = (folder.configs.parent / "results" / "experiments").iterdir()
    assert file.suffix == ".csv"
    assert file.stem == benchmark.machine().lower().replace(" ", "-")


def test_one_that_fails_does_not_stop_the_others(folder: Any) -> None:
    folder.put("a_gcn_karate", split="public")
    folder.put("b_gcn_karate", seeds=1)
    done = bench(folder, "*")
    assert done.exit_code == 2
    assert "Error: a_gcn_karate: split: expected '1/4 per class by seed'" in done.stderr
    assert list(Results(folder.results).records) == [("b_gcn_karate", 0)]


def test_ctrl_c(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put(seeds=1)

    def stop(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "run", stop)
    assert bench(folder, "*").exit_code == 130


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["papr_gcn_karate"], "PATTERN: expected one that matches a name"),
        (["papr_gcn_karate"], "near are paper_gcn_karate"),
        (["*", "--configs", "nowhere"], "--configs: expected a folder with configurations"),
        (["*", "--json", "/proc/nowhere/x.json"], "--json"),
        (["*", "--table", "/proc/nowhere/x.csv"], "--table"),
    ],
)
def test_bad_input_is_a_sentence(folder: Any, arguments: list[str], text: str) -> None:
    folder.put()
    options = [] if "--configs" in arguments else ["--configs", str(folder.configs)]
    done = invoke(app, ["bench", *arguments, *options])
    assert done.exit_code == 2
    assert text in done.stderr
    assert "Traceback" not in done.output


def test_damaged_and_other_files_are_a_sentence(folder: Any) -> None:
    folder.put(seeds=1)
    folder.results.write_text("dataset,mean\ncora,81\n")
    done = bench(folder, "*")
    assert done.exit_code == 2
    assert "results: expected the columns config,seed" in done.stderr


def test_an_installation_has_no_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("graphkit.cli.bench")
    monkeypatch.setattr(module, "CONFIGS", Path("nowhere"))
    done = invoke(app, ["bench", "*"])
    assert done.exit_code == 2
    assert "--configs: expected a folder of configurations, got none" in done.stderr


def test_tune_writes_a_configuration(folder: Any, optuna: None, tmp_path: Path) -> None:
    file, space = folder.put(), tmp_path / "space.yaml"
    space.write_text("hidden: [4, 8]\n")
    arguments = ["tune", str(file), "--trials", "2", "--seeds", "1", "--space", str(space)]
    done = invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "2/2: " in done.stderr
    found = read(folder.configs / "paper_gcn_karate_tuned.yaml")
    assert found.settings["hidden"] in (4, 8)
    assert found.tuned["trials"] == 2
    done = bench(folder, "*_tuned", "--seeds", "1")
    assert done.exit_code == 0
    assert "tuned on validation, 2 trials of" in " ".join(done.output.split())
    missing = invoke(app, ["tune", "nowhere.yaml"])
    assert missing.exit_code == 2
    assert "nowhere.yaml" in missing.stderr
