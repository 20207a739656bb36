"""MolGAN on QM9: molecules of up to nine atoms, by a critic, and by a reward beside it.

    python benchmarks/molgan.py                                  # 5,000 molecules, all systems
    python benchmarks/molgan.py reward shared --subset 0 --csv benchmarks/results/molgan.csv

Systems: ``critic`` (lambda = 1); ``reward``, which for the second half of the steps follows the
reward (lambda = 0.05), the QED of what is valid and 0 of what is not; ``shared``, the same with a
reward of which repetitions share a half; ``vae``, a variational autoencoder without any adversary,
and ``vae, corrected``, whose bonds are kept within valences. ``data`` are molecules of the set, for
comparison. `--subset` so many molecules are learnt from, drawn by the seed; 0 takes all. Molecules
with charges are left out.

A game is `--steps` steps of the critic, a fifth as many of the generator. The paper stops when
fewer than 2 % of samples are unique; here all systems have the same steps, and nothing is chosen:
figures are those of `--samples` samples of the generator whose weights are a mean over its latest
steps. ``valid`` counts a molecule's largest part where it has several, ``whole`` only what is valid
in one part. ``unique`` is of the valid ones, ``novel`` the share of these that is not in all of
QM9.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress, track
from rows import about, put
from torch import Tensor, nn

from graphkit.data import Samples, data_folder
from graphkit.data.qm9 import TABLE
from graphkit.data.smiles_csv import read_table
from graphkit.generative import Average, fit_autoencoder, play, sample
from graphkit.generative.graph import DenseMolecules, MolGAN, OfValid, Scarce, graph_vae
from graphkit.metrics import molecule_quality, qed, validity
from graphkit.metrics.molecules import canonical

MOLECULES = DenseMolecules(9, ("C", "N", "O", "F"))
PUBLISHED = {"valid": 98.1, "unique": 10.4, "novel": 94.2}  # De Cao & Kipf 2018, table 3
SYSTEMS = ("data", "critic", "reward", "shared", "vae")
ROUND, CRITIC_STEPS, BATCH, RATE = 100, 5, 32, 1e-3
RATE_FOR_REWARD, CRITIC_SHARE, DECAY = 3e-4, 0.05, 0.98
WORTH = OfValid(qed)
REFERENCE = 2000  # molecules that descriptors are compared with


class Rounds:
    """So many batches at a time, of epochs that follow each other."""

    def __init__(self, batches: Samples) -> None:
        self.batches, self.left = batches, iter(())

    def __iter__(self) -> Iterator[Any]:
        for _ in range(ROUND):
            batch = next(self.left, None)
            if batch is None or len(batch[0]) < BATCH:
                self.left = iter(self.batches)
                batch = next(self.left)
            yield batch


def trained(
    system: str, molecules: Tensor, rewards: Tensor, options: argparse.Namespace
) -> nn.Module:
    """The mean generator at the end of the game."""
    torch.manual_seed(options.seed)
    reward = {"critic": None, "reward": WORTH, "shared": Scarce(WORTH, options.memory)}[system]
    game = MolGAN(MOLECULES, reward)
    average = Average(game.generator, DECAY)
    optimizers = [
        torch.optim.Adam(player.parameters(), RATE, betas=(0.5, 0.9), fused=True)
        for player in (game.generator, game.discriminator)
    ]
    given = (molecules,) if reward is None else (molecules, rewards)
    batches = Rounds(Samples(*given, batch_size=BATCH))
    rounds = max(options.steps // ROUND, 2)
    with Progress(transient=True) as progress:
        bar = progress.add_task(system, total=rounds)
        for done in range(rounds):
            if reward is not None and done == rounds // 2:
                game.critic_share = CRITIC_SHARE
                optimizers[0].param_groups[0]["lr"] = RATE_FOR_REWARD
            play(
                game,
                batches,
                *optimizers,
                epochs=1,
                discriminator_steps=CRITIC_STEPS,
                average=average,
            )
            progress.advance(bar)
    return average.generator


def autoencoded(molecules: Tensor, options: argparse.Namespace) -> nn.Module:
    torch.manual_seed(options.seed)
    model = graph_vae(MOLECULES.size, MOLECULES.elements)
    with Progress(transient=True) as progress:
        bar = progress.add_task("vae", total=options.epochs)
        fit_autoencoder(
            model,
            molecules,
            epochs=options.epochs,
            batch_size=64,
            on_epoch=lambda _: progress.advance(bar),
        )
    return model


def figures(molecules: Tensor, known: set[str], real: list[str], correct: bool) -> dict[str, float]:
    """In per cent, but for the last three."""
    made = MOLECULES.decode(molecules, correct=correct)
    found = molecule_quality(made, known, real)
    whole = validity(MOLECULES.decode(molecules, correct=correct, largest=False))
    return {
        "valid": round(100 * found["validity"], 2),
        "whole": round(100 * whole, 2),
        "unique": round(100 * found["uniqueness"], 2),
        "novel": round(100 * found["novelty"], 2),
        "qed": round(found["qed"], 4),
        "diversity": round(found["internal_diversity"], 4),
        "descriptor_distance": round(found["descriptor_distance"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument("--subset", type=int, default=5000, help="molecules; 0 for all")
    parser.add_argument("--steps", type=int, default=6000, help="of the critic")
    parser.add_argument("--epochs", type=int, default=40, help="of the autoencoder")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--memory", type=int, default=1000, help="samples that share a reward")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    for system in options.systems:
        if system not in SYSTEMS:
            parser.error(f"SYSTEM: expected one of {', '.join(SYSTEMS)}, got {system!r}")
    table = read_table(data_folder() / TABLE, "smiles", ("mu",)).smiles
    smiles = [canonical(one) for one in track(table, "QM9", transient=True)]
    known = {one for one in smiles if one is not None}
    order = torch.randperm(len(smiles), generator=torch.Generator().manual_seed(options.seed))
    shuffled = [one for i in order.tolist() if (one := smiles[i]) is not None]
    chosen = [one for one in shuffled if MOLECULES.fits(one)]
    chosen, other = chosen[: options.subset or len(chosen)], chosen[-options.samples :]
    molecules = MOLECULES.encode(chosen)
    systems = options.systems or SYSTEMS
    rewards = WORTH(chosen) if {"reward", "shared"} & set(systems) else torch.empty(0)
    rows = []

    def add(system: str, made: Tensor, steps: int, seconds: float, correct: bool = False) -> None:
        row = figures(made, known, chosen[:REFERENCE], correct)
        print(system, *(f"{name} {value}" for name, value in row.items()), flush=True)
        beside = {f"{name}_published": value for name, value in PUBLISHED.items()}
        if system not in ("reward", "shared"):
            beside = dict.fromkeys(beside, "")
        rows.append(
            {"system": system, "molecules": len(chosen), "seed": options.seed}
            | row
            | beside
            | {"samples": len(made), "steps": steps, "seconds": round(seconds)}
            | about()
            | {"rdkit": version("rdkit")}
        )

    for system in systems:
        start = time.perf_counter()
        if system == "data":
            add(system, MOLECULES.encode(other), 0, 0.0)
            continue
        if system == "vae":
            generator = autoencoded(molecules, options)
            steps = options.epochs * -(-len(molecules) // 64)
        else:
            generator, steps = trained(system, molecules, rewards, options), options.steps
        seconds = time.perf_counter() - start
        torch.manual_seed(options.seed)
        made = sample(generator, options.samples)
        add(system, made, steps, seconds)
        if system == "vae":
            add("vae, corrected", made, steps, seconds, correct=True)
    if options.csv:
        put(rows, options.csv, ("system", "molecules", "seed"))


if __name__ == "__main__":
    main()
