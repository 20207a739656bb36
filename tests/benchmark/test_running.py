"""Runs that are broken off, and runs side by side, give what one quiet run gives."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from graphkit.benchmark import Config, Record, Results, run, running, summaries
from graphkit.data import load, split_folds
from graphkit.experiment import Experiment, GINProtocol

Values = dict[tuple[str, int], tuple[float | None, list[float], dict[str, float]]]


def values(file: Path) -> Values:
    return {key: (r.value, r.curve, r.further) for key, r in Results(file).records.items()}


def several(folder: Any) -> list[Config]:
    """Nodes, and links with a further metric."""
    links = {"task": "link", "split": "85/5/10 % of the links by seed"}
    return [
        folder.config("a", model="gat", settings={"epochs": 5}),
        folder.config("b", model="vgae", seeds=4, settings={"epochs": 5}, **links),
        folder.config("c", settings={"epochs": 5}, seeds=40),
    ]


SCRIPT = """
import sys
from pathlib import Path
from graphkit.benchmark import Results, read_all, run
if __name__ == "__main__":
    configs, results, jobs = Path(sys.argv[1]), Results(Path(sys.argv[2])), int(sys.argv[3])
    assert not run(read_all(configs), results, jobs=jobs)
"""


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(("jobs", "moments"), [(1, (2, 9)), (2, (25,))])
def test_a_run_that_is_killed_goes_on(
    folder: Any, tmp_path: Path, jobs: int, moments: tuple[int, ...]
) -> None:
    """Killed after about so many lines, at moments by chance; ended here, in another process."""
    configs = several(folder)
    quiet = Results(tmp_path / "quiet.csv")
    assert run(configs, quiet) == []
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    arguments = [sys.executable, script, folder.configs, folder.results, str(jobs)]
    for moment in moments:
        process = subprocess.Popen(arguments, start_new_session=True)
        while lines(folder.results) < moment and process.poll() is None:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.01))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        wait_for_the_end_of(process.pid)
        found = values(folder.results)
        assert found.items() <= values(quiet.file).items()
        assert moment - 1 <= len(found) < 50
    assert run(configs, Results(folder.results)) == []
    assert values(folder.results) == values(quiet.file)
    assert lines(folder.results) == 1 + 6 + 4 + 40  # none twice


def wait_for_the_end_of(group: int) -> None:
    """No process outlives the one that began it."""
    for _ in range(1000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("a process goes on")


def test_nothing_runs_twice(folder: Any) -> None:
    config = folder.config()
    told: list[Record] = []
    assert run([config], Results(folder.results), seeds=2, on_record=told.append) == []
    before = folder.results.read_bytes()
    assert run([config], Results(folder.results), seeds=2, on_record=told.append) == []
    assert folder.results.read_bytes() == before
    assert run([config], Results(folder.results), on_record=told.append) == []
    assert [record.seed for record in told] == list(range(6))
    assert folder.results.read_bytes().startswith(before)
    experiment = Experiment(load("karate"), "gcn", settings=config.settings)
    assert [record.value for record in told] == experiment.run(range(6)).values


def test_fresh_forgets_these_only(folder: Any) -> None:
    configs = [folder.config("a", seeds=2), folder.config("b", seeds=2)]
    results = Results(folder.results)
    run(configs, results)
    old = dict(results.records)
    results.records["a", 0] = replace(old["a", 0], value=-1.0)
    told: list[str] = []
    run(configs[:1], results, fresh=True, on_record=lambda record: told.append(record.config))
    assert told == ["a", "a"]
    again = Results(folder.results).records
    assert again.keys() == old.keys()
    assert [again[key].value for key in old] == [old[key].value for key in old]


def test_folds_are_resumed_to_what_they_are_at_once(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folds, later the rest, are read at the epoch that is best for all."""
    rings = load("toy-rings")
    part = rings.graphs[:30]
    folds = split_folds(torch.cat([graph.y for graph in part]), 3, val=0.25, seed=0)
    few = replace(rings, graphs=part, splits=folds, split_name="3 folds")
    monkeypatch.setattr(running, "load", lambda name: few)
    config = folder.config(
        dataset="toy-rings",
        split="3 folds",
        task="graph",
        protocol="gin",
        selection=GINProtocol.selection,
        settings={"epochs": 4, "hidden": 8},
        seeds=3,
    )
    results = Results(folder.results)
    assert run([config], results, seeds=2) == []
    assert run([config], Results(folder.results)) == []
    (found,) = summaries([config], Results(folder.results).records.values())
    at_once = GINProtocol(few, "gcn", settings=config.settings).run(range(3))
    assert found.values == at_once.values
    (why,) = run([config], results, seeds=4)
    assert "takes folds for seeds, and toy-rings has 3; got [3]" in why


def test_what_is_stated_is_compared(folder: Any) -> None:
    configs = [
        folder.config("a", split="public"),
        folder.config("b", selection="the last epoch"),
        folder.config("c", task="graph"),
        folder.config("d", seeds=1),
    ]
    results = Results(folder.results)
    why = run(configs, results)
    assert why[0].startswith("a: split: expected '1/4 per class by seed', as it runs, got 'public'")
    assert why[1].startswith("b: selection: expected 'best validation")
    assert why[2].startswith("c: task: expected 'node'")
    assert list(results.records) == [("d", 0)]


def test_a_missing_data_set_is_said(
    folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(running, "load", lambda name: load(name, download=False))
    (why,) = run([folder.config(dataset="cora", split="public")], Results(folder.results))
    assert why.startswith("paper_gcn_karate: cora: not at hand")
    assert not folder.results.exists()


def test_a_score_that_is_no_number_is_not_kept(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Experiment.train

    def at_seed_1(self: Experiment, seed: int, *rest: Any) -> Any:
        return replace(train(self, seed, *rest), score=float("nan") if seed == 1 else 0.5)

    monkeypatch.setattr(Experiment, "train", at_seed_1)
    results = Results(folder.results)
    why = run([folder.config("a"), folder.config("b", seeds=1)], results)
    assert why == ["a: seed 1: expected a finite accuracy, got nan; it is not recorded"]
    assert list(results.records) == [("a", 0), ("b", 0)]


def test_seeds_of_other_settings_are_not_mixed(folder: Any) -> None:
    results = Results(folder.results)
    run([folder.config(seeds=1)], results)
    other = folder.config(seeds=1, settings={"epochs": 4})
    with pytest.raises(ValueError, match=r"got others \(epochs 3, now 4\); --fresh runs them anew"):
        run([other], results)
    assert run([other], results, fresh=True) == []
    (record,) = results.records.values()
    assert record.settings["epochs"] == 4
    # A setting that came later has a default that changes nothing.
    older = replace(record, settings={"epochs": 4, "a former one": 1})
    results.records["paper_gcn_karate", 0] = older
    assert run([other], results) == []


def test_a_budget_ends_a_configuration(folder: Any) -> None:
    config = folder.config(budget=1)
    results, notes = Results(folder.results), []
    run([config], results, seeds=1)
    key = ("paper_gcn_karate", 0)
    results.records[key] = replace(results.records[key], seconds=61.0)
    run([config], results, on_note=notes.append)
    assert notes == ["paper_gcn_karate: its budget of 1 minutes is spent after 1 seeds"]
    assert list(results.records) == [key]


def test_a_damaged_line_is_said_and_runs_again(folder: Any) -> None:
    config = folder.config(seeds=2)
    run([config], Results(folder.results))
    whole = folder.results.read_bytes()
    folder.results.write_bytes(whole[:-20])
    notes: list[str] = []
    run([config], Results(folder.results), on_note=notes.append)
    said = f"line 3 of {folder.results} is broken off; it is cut off, and its seed runs again"
    assert notes == [said]
    assert values(folder.results).keys() == {("paper_gcn_karate", 0), ("paper_gcn_karate", 1)}


def test_ctrl_c_leaves_what_is_finished(folder: Any) -> None:
    def stop(record: Record) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([folder.config()], Results(folder.results), on_record=stop)
    assert lines(folder.results) == 2


@pytest.mark.slow
def test_a_process_that_is_ended_is_a_sentence(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_work", die)
    with pytest.raises(OSError, match="a process was ended from outside"):
        run([folder.config()], Results(folder.results), jobs=2)


def die(config: Config, seed: int) -> Record:
    os._exit(1)


def test_threads_are_given_back(folder: Any) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run([folder.config(seeds=1)], Results(folder.results))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
