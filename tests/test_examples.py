"""The scripts of docs/examples do what they say."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANETOID = Path(__file__).parent.parent / "docs" / "examples" / "planetoid.py"


@pytest.mark.slow
@pytest.mark.parametrize(("model", "epochs", "least"), [("gcn", 30, 70.0), ("gat", 12, 60.0)])
def test_planetoid(model: str, epochs: int, least: float, data_root: Path, tmp_path: Path):
    # a copy, as the loader writes beside what it reads
    shutil.copytree(data_root / "planetoid" / "Cora" / "raw", tmp_path / "Cora" / "raw")
    files = {"--json": tmp_path / "result.json", "--csv": tmp_path / "results.csv"}
    command = [sys.executable, str(PLANETOID), "--model", model, "--data", str(tmp_path)]
    command += ["--seeds", "2", "--epochs", str(epochs)]
    command += [str(part) for option in files.items() for part in option]
    root = {"PYTHONPATH": str(PLANETOID.parents[2])}
    for _ in range(2):  # the second run adds a row
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **root}
        )
        assert done.returncode == 0, done.stderr
    result = json.loads(files["--json"].read_text(encoding="utf-8"))
    assert result["mean"] >= least
    assert result["dataset"] == "Cora"
    assert len(result["values"].split()) == 2
    with files["--csv"].open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 2
    assert rows[0]["values"] == rows[1]["values"] == result["values"]  # one seed, one result
    assert rows[0]["published"] == str(result["published"])
