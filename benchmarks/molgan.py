"""MolGAN on QM9: molecules of up to nine atoms, by a critic, and by a reward beside it.

    python benchmarks/molgan.py                                  # 5,000 molecules, all systems
    python benchmarks/molgan.py reward shared --subset 0 --csv benchmarks/results/molgan.csv

Systems: ``critic`` (lambda = 1); ``reward``, which from half of the steps on follows the reward
alone (lambda = 0), the QED of what is valid and 0 of what is not; ``shared``, the same with a
reward that repetitions share. ``data`` are molecules of the set, for comparison. `--subset` so many
molecules are learnt from, drawn by the seed; 0 takes all. Molecules with charges are left out.

Training goes on for `--steps` steps of the critic, a fifth as many of the generator, and stops
before that if fewer than 2 % of 1,000 samples are unique, as in the paper. Nothing else is chosen:
figures are those of `--samples` samples of the last generator. ``valid`` counts a molecule's
largest part where it has several, ``whole`` only what is valid in one part. ``novel`` is the share
of valid samples that are not in all of QM9.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress, track
from rows import about, put
from torch import Tensor

from graphkit.data import Samples, data_folder
from graphkit.data.qm9 import TABLE
from graphkit.data.smiles_csv import read_table
from graphkit.generative import play, sample
from graphkit.generative.graph import DenseMolecules, MolGAN, Scarce
from graphkit.metrics import molecule_quality, qed, uniqueness, validity
from graphkit.metrics.molecules import canonical

MOLECULES = DenseMolecules(9, ("C", "N", "O", "F"))
PUBLISHED = {"valid": 98.1, "unique": 10.4, "novel": 94.2}  # De Cao & Kipf 2018, table 3
SYSTEMS = ("data", "critic", "reward", "shared")
ROUND, CRITIC_STEPS, BATCH, RATE = 100, 5, 32, 1e-3
LEAST_UNIQUE = 0.02
REFERENCE = 2000  # molecules that descriptors are compared with


@lru_cache(maxsize=200_000)
def _worth(smiles: str | None) -> float:
    return 0.0 if smiles is None else qed([smiles]).item()


def reward(smiles: Sequence[str | None]) -> Tensor:
    """QED of what is valid, 0 of what is not."""
    return torch.tensor([_worth(one) for one in smiles])


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
) -> tuple[MolGAN, int]:
    """The game as it ends, and the steps it took."""
    torch.manual_seed(options.seed)
    of_system: Callable[..., Tensor] | None = {
        "critic": None,
        "reward": reward,
        "shared": Scarce(reward, options.memory),
    }[system]
    game = MolGAN(MOLECULES, of_system)
    optimizers = [
        torch.optim.Adam(player.parameters(), RATE, betas=(0.5, 0.9), fused=True)
        for player in (game.generator, game.discriminator)
    ]
    given = (molecules,) if of_system is None else (molecules, rewards)
    batches = Rounds(Samples(*given, batch_size=BATCH))
    rounds = max(options.steps // ROUND, 1)
    with Progress(transient=True) as progress:
        bar = progress.add_task(system, total=rounds)
        for done in range(1, rounds + 1):
            if of_system is not None and done > rounds // 2:
                game.critic_share = 0.0
            play(game, batches, *optimizers, epochs=1, discriminator_steps=CRITIC_STEPS)
            progress.advance(bar)
            if done % 10 == 0 and game.critic_share == 0:
                made = MOLECULES.decode(sample(game.generator, 1000))
                if uniqueness(made) < LEAST_UNIQUE:
                    return game, done * ROUND
    return game, rounds * ROUND


def figures(molecules: Tensor, known: set[str], real: list[str]) -> dict[str, float]:
    """In per cent, but for the last three."""
    made = MOLECULES.decode(molecules)
    found = molecule_quality(made, known, real)
    return {
        "valid": round(100 * found["validity"], 2),
        "whole": round(100 * validity(MOLECULES.decode(molecules, largest=False)), 2),
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
    parser.add_argument("--steps", type=int, default=20_000, help="of the critic")
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
    rewards = reward(chosen) if {"reward", "shared"} & set(options.systems or SYSTEMS) else None
    rows = []
    for system in options.systems or SYSTEMS:
        start = time.perf_counter()
        if system == "data":
            made, steps = MOLECULES.encode(other), 0
        else:
            assert rewards is not None or system == "critic"
            game, steps = trained(system, molecules, rewards, options)  # type: ignore[arg-type]
            torch.manual_seed(options.seed)
            made = sample(game.generator, options.samples)
        seconds = round(time.perf_counter() - start)
        row = figures(made, known, chosen[:REFERENCE])
        print(system, *(f"{name} {value}" for name, value in row.items()), flush=True)
        beside = {f"{name}_published": value for name, value in PUBLISHED.items()}
        if system not in ("reward", "shared"):
            beside = dict.fromkeys(beside, "")
        rows.append(
            {"system": system, "molecules": len(chosen), "seed": options.seed}
            | row
            | beside
            | {"samples": len(made), "steps": steps, "seconds": seconds}
            | about()
            | {"rdkit": version("rdkit")}
        )
    if options.csv:
        put(rows, options.csv, ("system", "molecules", "seed"))


if __name__ == "__main__":
    main()
