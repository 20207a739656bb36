"""MolGAN on QM9: molecules of up to nine atoms, by an autoencoder, a critic and a reward.

    python benchmarks/molgan.py                                  # 5,000 molecules, all systems
    python benchmarks/molgan.py shared --subset 0 --csv benchmarks/results/molgan.csv

Systems: ``vae`` is a variational autoencoder of molecules, without an adversary; ``vae, corrected``
the same with bonds kept within valences. ``scratch`` is MolGAN from random weights, whose second
half of the steps follows the reward: of what is valid 0.5 and half of its QED, 0 of what is not.
``reward`` starts as the autoencoder's decoder, and follows that reward from the first step on;
``shared`` does the same with a reward of which repetitions share a part; ``shared, less spread`` is
that generator with noise of `--spread` in place of 1. ``data`` are molecules of the set.
`--subset` so many molecules are learnt from, drawn by the seed; 0 takes all. Molecules with charges
are left out.

A game is `--steps` steps of the critic and the reward's network, a fifth as many of the generator,
after some of theirs alone where it has a start. Validity rises and falls on the way. So a
generator, whose weights are a mean over its latest steps, is looked at every 500 steps, and kept as
it was when most of 1,000 samples were valid; the paper stops when fewer than 2 % are unique.
Figures are those of `--samples` other samples. ``valid`` is what rdkit accepts and is in one part,
as the authors count it; ``valid_part`` counts the largest part. ``unique`` is of the valid ones,
``novel`` the share of these that is not in all of QM9.
"""

from __future__ import annotations

import argparse
import copy
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
from graphkit.generative import (
    Autoencoder,
    Average,
    fit_autoencoder,
    play,
    sample,
    train_discriminator,
)
from graphkit.generative.graph import DenseMolecules, MolGAN, OfValid, Scarce, graph_vae
from graphkit.metrics import molecule_quality, qed, validity
from graphkit.metrics.molecules import canonical

MOLECULES = DenseMolecules(9, ("C", "N", "O", "F"))
PUBLISHED = {"valid": 98.1, "unique": 10.4, "novel": 94.2}  # De Cao & Kipf 2018, table 3
SYSTEMS = ("data", "vae", "scratch", "reward", "shared")
ROUND, CRITIC_STEPS, BATCH, RATE = 100, 5, 32, 1e-3
RATE_AFTER_START, JUDGES_ALONE, DECAY = 1e-4, 500, 0.98
CRITIC_SHARE, FLOOR = 0.05, 0.5  # of ``shared``
LOOK, LOOKED_AT = 5, 1000  # rounds between looks at validity, and samples of each
WORTH = OfValid(qed, least=0.5)
CODE = 56  # of the autoencoder, and the generators' noise
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


def played(
    system: str,
    start: Autoencoder | None,
    molecules: Tensor,
    rewards: Tensor,
    options: argparse.Namespace,
) -> nn.Module:
    """The mean generator of the game, as it was when most of its samples were valid."""
    torch.manual_seed(options.seed)
    shared = system == "shared"
    game = MolGAN(
        MOLECULES,
        Scarce(WORTH, options.memory, FLOOR) if shared else WORTH,
        critic_share=CRITIC_SHARE if shared else float(start is None),
        noise=CODE,
    )
    if start is not None:
        game.generator.load_state_dict(start.decoder.state_dict())
    average = Average(game.generator, DECAY)
    most, kept = -1.0, average.generator
    rates = (RATE if start is None else RATE_AFTER_START, RATE)
    of_generator, of_judges = (
        torch.optim.Adam(player.parameters(), rate, betas=(0.5, 0.9), fused=True)
        for player, rate in zip((game.generator, game.discriminator), rates, strict=True)
    )
    batches = Rounds(Samples(molecules, rewards, batch_size=BATCH))
    rounds = max(options.steps // ROUND, 2)
    alone = 0 if start is None else JUDGES_ALONE // ROUND
    with Progress(transient=True) as progress:
        bar = progress.add_task(system, total=alone + rounds)
        for _ in range(alone):
            for batch in batches:
                train_discriminator(game, batch, of_judges)
            progress.advance(bar)
        for done in range(rounds):
            if start is None and done == rounds // 2:
                game.critic_share = 0.0
            play(
                game,
                batches,
                of_generator,
                of_judges,
                epochs=1,
                discriminator_steps=CRITIC_STEPS,
                average=average,
            )
            if (done + 1) % LOOK == 0 or done + 1 == rounds:
                share = valid_share(average.generator, options.seed)
                if share > most:
                    most, kept = share, copy.deepcopy(average.generator)
            progress.advance(bar)
    return kept


def valid_share(generator: nn.Module, seed: int) -> float:
    """Of samples that the game's own random numbers have no part in."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + seed)
        return validity(MOLECULES.decode(sample(generator, LOOKED_AT), largest=False))


def autoencoded(molecules: Tensor, options: argparse.Namespace) -> Autoencoder:
    torch.manual_seed(options.seed)
    model = graph_vae(MOLECULES.size, MOLECULES.elements, CODE)
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
    made = MOLECULES.decode(molecules, correct=correct, largest=False)
    found = molecule_quality(made, known, real)
    of_parts = validity(MOLECULES.decode(molecules, correct=correct))
    return {
        "valid": round(100 * found["validity"], 2),
        "valid_part": round(100 * of_parts, 2),
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
    parser.add_argument("--spread", type=float, default=0.8, help="of the noise, in a second look")
    parser.add_argument("--memory", type=int, default=5000, help="samples that share a reward")
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
    rewards = WORTH(chosen)
    rows = []

    def add(system: str, made: Tensor, steps: int, seconds: float, correct: bool = False) -> None:
        row = figures(made, known, chosen[:REFERENCE], correct)
        print(system, *(f"{name} {value}" for name, value in row.items()), flush=True)
        beside = {f"{name}_published": value for name, value in PUBLISHED.items()}
        if not system.startswith(("scratch", "reward", "shared")):
            beside = dict.fromkeys(beside, "")
        rows.append(
            {"system": system, "molecules": len(chosen), "seed": options.seed}
            | row
            | beside
            | {"samples": len(made), "steps": steps, "seconds": round(seconds)}
            | about()
            | {"rdkit": version("rdkit")}
        )

    start: Autoencoder | None = None
    coded = options.epochs * -(-len(molecules) // 64)
    if {"vae", "reward", "shared"} & set(systems):
        begun = time.perf_counter()
        start = autoencoded(molecules, options)
        seconds_before = time.perf_counter() - begun
    for system in systems:
        if system == "data":
            add(system, MOLECULES.encode(other), 0, 0.0)
            continue
        begun = time.perf_counter()
        torch.manual_seed(options.seed)
        if system == "vae" and start is not None:
            made = sample(start, options.samples)
            add(system, made, coded, seconds_before)
            add("vae, corrected", made, coded, seconds_before, correct=True)
            continue
        given = None if system == "scratch" else start
        generator = played(system, given, molecules, rewards, options)
        seconds = time.perf_counter() - begun
        torch.manual_seed(options.seed)
        add(system, sample(generator, options.samples), options.steps, seconds)
        if system == "shared":
            torch.manual_seed(options.seed)
            made = sample(generator, options.samples, spread=options.spread)
            add("shared, less spread", made, options.steps, seconds)
    if options.csv:
        put(rows, options.csv, ("system", "molecules", "seed"))


if __name__ == "__main__":
    main()
