"""Molecules made better by editing: QED and penalised logP of molecules from ZINC's test part.

    python benchmarks/design.py                         # both scores, both judges
    python benchmarks/design.py qed --csv benchmarks/results/design.csv --pictures pictures

Each of `--molecules` test molecules, drawn by the seed, is edited by beam search that may score
`--budget` molecules. The judge is rdkit's own figure, or a graph network (GIN with features of
bonds) that learnt the figure from molecules of ZINC's validation part. What was designed for a
network is scored by rdkit in the end: where the network believes in more than is true, the two
columns part. Such a network is led astray by molecules unlike those it knows; so in each of
`--rounds` rounds it designs from molecules it learnt from, half as many as `--learn` of those that
were looked at are scored by rdkit (the best in its eyes, and as many others), and a network learns
from all.

Mean and deviation are over the starting molecules; a network's error is that on 2,000 other test
molecules. Figures are not standardised.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress, track
from rows import about, put
from torch import Tensor

from graphkit import plot
from graphkit.convert import from_smiles
from graphkit.data import Dataset, data_folder
from graphkit.data.smiles_csv import draw
from graphkit.experiment import experiment_of
from graphkit.generative.graph import PredictedScore, Step, design
from graphkit.generative.graph.edit import Score
from graphkit.metrics import penalized_log_p, qed

SCORES: dict[str, Callable[[Sequence[str]], Tensor]] = {
    "qed": qed,
    "penalized_log_p": penalized_log_p,
}


JUDGES = ("rdkit", "network", "rounds")
HELD_OUT = 2000  # molecules that a network's error is measured on


def smiles_of(part: str) -> list[str]:
    return (data_folder() / "zinc_smiles" / f"{part}.txt").read_text().split()


def trained(name: str, smiles: Sequence[str], options: argparse.Namespace) -> PredictedScore:
    """A network that learnt a score from molecules; a tenth of them chooses the epoch."""
    values = SCORES[name](smiles).float()
    graphs = [
        from_smiles(one).replace(graph_attrs={"y": y.view(1, 1)})
        for one, y in zip(smiles, values.clone(), strict=True)
    ]
    n = len(graphs)
    dataset = Dataset(
        name=f"zinc-{name}",
        title=f"ZINC, {name}",
        level="graph",
        kind="regression",
        metric="mae",
        graphs=graphs,
        num_outputs=1,
        splits=lambda seed: draw(n, n - n // 10 - 10, n // 10, seed),
        split_name="random",
    )
    settings = {
        "hidden": 64,
        "mlp_hidden": 128,
        "layers": 4,
        "dropout": 0.0,
        "pool": "sum",
        "head_layers": 3,  # QED is far from linear in a sum over atoms
        "lr": 0.002,
        "halve_every": 4,
    }
    experiment = experiment_of(dataset, "gin", epochs=options.epochs, settings=settings)
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{name}: {n} molecules", total=options.epochs)
        return PredictedScore(experiment.train(options.seed, lambda _: progress.advance(bar)).model)


class Recorded:
    """A score that remembers what it was asked and what it said."""

    def __init__(self, score: Score) -> None:
        self.score, self.said = score, dict[str, float]()

    def __call__(self, smiles: Sequence[str]) -> Tensor:
        found = self.score(smiles)
        self.said |= zip(smiles, found.tolist(), strict=True)
        return found

    def worth_knowing(self, count: int, draws: random.Random) -> list[str]:
        """The best as it believes, where belief and truth part most; and as many others."""
        best_first = sorted(self.said, key=lambda smiles: (-self.said[smiles], smiles))
        best, others = best_first[: count // 2], best_first[count // 2 :]
        return best + draws.sample(others, min(len(others), count - len(best)))


def judges(name: str, options: argparse.Namespace) -> Iterator[tuple[str, Score]]:
    """rdkit itself; a network that knows molecules of ZINC alone; and one that also learnt from
    what designs for its predecessors, from molecules it knew, looked at."""
    if "rdkit" in options.judges:
        yield "rdkit", SCORES[name]
    if not {"network", "rounds"} & set(options.judges):
        return
    smiles = smiles_of("valid")[: options.learn]
    network = trained(name, smiles, options)
    if "network" in options.judges:
        yield "network", network
    if "rounds" not in options.judges:
        return
    draws = random.Random(options.seed)
    known = list(smiles)
    for turn in range(1, options.rounds + 1):
        recorded = Recorded(network)
        starts = draws.sample(smiles, min(options.starts, len(smiles)))
        for start in track(starts, f"{name}: round {turn}", transient=True):
            design(start, recorded, budget=options.budget, beam=options.beam, seed=turn)
        known += recorded.worth_knowing(options.learn // 2, draws)
        network = trained(name, known, options)
    yield f"network, {options.rounds} rounds", network


def row_of(
    name: str, judge: str, starts: list[str], score: Any, options: argparse.Namespace
) -> dict[str, Any]:
    begun = time.perf_counter()
    ways: list[list[Step]] = [
        design(start, score, budget=options.budget, beam=options.beam, seed=options.seed)
        for start in track(starts, f"{name}: {judge}", transient=True)
    ]
    seconds = time.perf_counter() - begun
    true = [SCORES[name]([way[0].smiles, way[-1].smiles]).tolist() for way in ways]
    gains = [after - before for before, after in true]
    believed = [way[-1].score - way[0].score for way in ways]
    mean, deviation = statistics.fmean, statistics.stdev
    print(
        f"{name}, {judge}: {mean(b for b, _ in true):.3f} to {mean(a for _, a in true):.3f}, "
        f"gain {mean(gains):.3f} ± {deviation(gains):.3f}, by its judge {mean(believed):.3f}",
        flush=True,
    )
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
        best = ways[max(range(len(ways)), key=gains.__getitem__)]
        captions = [f"{step.edit}: {step.score:.2f}" for step in best]
        file = options.pictures / f"design_{name}_{judge.replace(', ', '_').replace(' ', '_')}.svg"
        plot.molecules(file, [step.smiles for step in best], captions)
    return {
        "score": name,
        "judge": judge,
        "before": round(mean(b for b, _ in true), 4),
        "after": round(mean(a for _, a in true), 4),
        "gain": round(mean(gains), 4),
        "gain_deviation": round(deviation(gains), 4),
        "gain_by_judge": round(mean(believed), 4),
        "gain_by_judge_deviation": round(deviation(believed), 4),
        "improved": sum(gain > 0 for gain in gains),
        "edits": round(mean(len(way) - 1 for way in ways), 1),
        "molecules": len(ways),
        "budget": options.budget,
        "beam": options.beam,
        "seed": options.seed,
        "seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", nargs="*", metavar="SCORE", help=", ".join(SCORES))
    parser.add_argument("--molecules", type=int, default=100, help="to start from")
    parser.add_argument("--budget", type=int, default=1000, help="molecules scored for each")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--learn", type=int, default=10_000, help="molecules for the network")
    parser.add_argument("--epochs", type=int, default=12, help="of the network")
    parser.add_argument("--judges", nargs="+", choices=JUDGES, default=JUDGES)
    parser.add_argument("--rounds", type=int, default=4, help="of learning from designs")
    parser.add_argument("--starts", type=int, default=40, help="designs in a round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--pictures", type=Path, help="draw the way of the greatest gain there")
    options = parser.parse_args()
    for name in options.scores:
        if name not in SCORES:
            parser.error(f"SCORE: expected one of {', '.join(SCORES)}, got {name!r}")
    if options.molecules < 2:
        parser.error(f"--molecules: expected at least 2, got {options.molecules}")
    test = smiles_of("test")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(options.seed))
    starts = [test[i] for i in order[: options.molecules].tolist()]
    held_out = [test[i] for i in order[options.molecules :][:HELD_OUT].tolist()]
    rows = []
    for name in options.scores or SCORES:
        true = SCORES[name](held_out)
        for judge, score in judges(name, options):
            row = row_of(name, judge, starts, score, options) | {"judge_error": ""}
            if judge != "rdkit":
                error = (score(held_out) - true).abs().mean().item()
                print(f"{name}: mean absolute error of the {judge} {error:.3f}", flush=True)
                row["judge_error"] = round(error, 4)
            rows.append(row)
    if options.csv:
        versions = {**about(), "rdkit": version("rdkit")}
        put([row | versions for row in rows], options.csv, ("score", "judge", "seed"))


if __name__ == "__main__":
    main()
