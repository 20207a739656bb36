"""The scripts for the Open Graph Benchmark: sizes of their models, and seeds that are run once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import leaderboard
import ogbl_ddi
import pytest
import torch
from torch import nn

from graphkit.data.links import split_links
from graphkit.experiment import count_parameters
from graphkit.graph import Graph


@pytest.mark.parametrize(("model", "parameters"), [("gcn", 1_289_985), ("sage", 1_421_057)])
def test_models_are_as_large_as_those_of_the_leaderboard(model: str, parameters: int):
    assert count_parameters(ogbl_ddi.LinkPredictor(model, 4267, 256, 0.5)) == parameters


def test_seeds_are_run_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = argparse.Namespace(seeds=2, csv=tmp_path / "ogb.csv", device="cpu")
    ran: list[int] = []

    def run(seed: int) -> tuple[float, float, nn.Module]:
        ran.append(seed)
        return 0.5, 0.25 + 0.5 * seed, nn.Linear(2, 1)

    for seeds, settings in ((2, {"lr": 0.1}), (3, {"lr": 0.1}), (1, {"lr": 0.2})):
        options.seeds = seeds
        leaderboard.run_seeds("ogbl-ddi", "gcn", settings, run, options)
    assert ran == [0, 1, 2, 0]
    said = capsys.readouterr().out
    assert "test 50.00 ± 35.36 | validation 50.00 ± 0.00 | 2 seeds | 3 parameters" in said
    assert "test 75.00 ± 50.00" in said
    assert "test 25.00 | validation 50.00 | 1 seeds" in said


@pytest.mark.parametrize("loss", ["cross-entropy", "auc"])
def test_a_model_is_trained_and_the_best_epoch_kept(loss: str):
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(60) % 2
    share = torch.where(group[:, None] == group, 0.6, 0.02)
    joined = (torch.rand(60, 60, generator=generator) < share).triu(1).nonzero().t()
    graph = Graph(torch.cat([joined, joined.flip(0)], dim=1), 60, undirected=True)
    split = split_links(graph, 0.1, 0.2, seed=0)
    given: dict[str, Any] = {"channels": 16, "dropout": 0.0, "lr": 0.01, "epochs": 40, "every": 10}
    given["loss"] = loss
    val, test, model = ogbl_ddi.trained("sage", split, 0, argparse.Namespace(**given))
    assert isinstance(model, ogbl_ddi.LinkPredictor)
    assert ogbl_ddi.scores(model, split) == pytest.approx((val, test))
    assert test > 0.6  # half of all pairs is across, and hardly ever linked
