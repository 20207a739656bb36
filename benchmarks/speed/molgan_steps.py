"""A step of MolGAN, against the same networks in plain PyTorch on dense tensors.

    python benchmarks/speed/molgan_steps.py [--threads 1] [--csv FILE]

Molecules of up to nine atoms, as in QM9, in batches of 32, a critic of two relational layers (64
and 32 wide) with the gradient penalty, five of its steps for each of the generator's, Adam. The
peer is as the usual programs have it: a product per kind of bond, and atoms and bonds apart.
Rewards are left out, which rdkit computes for either. A turn is 50 steps of the critic and 10 of
the generator, a row's time that of one generator's step with its five of the critic.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import lab
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS, CRITIC_STEPS, BATCH, NOISE, SEED = 10, 5, 32, 32, 0
SIZE, TYPES, BONDS = 9, 5, 4
Molecules = tuple[Tensor, Tensor]
"""Atoms ``[B, N, T]`` and bonds ``[B, N, N, Y]``."""


def draw_molecules(count: int, generator: torch.Generator) -> Molecules:
    """Atoms and bonds at random; how long a step takes does not hang on what they are."""
    atoms = torch.randint(TYPES, (count, SIZE), generator=generator)
    bonds = torch.randint(BONDS, (count, SIZE, SIZE), generator=generator).triu(1)
    return F.one_hot(atoms, TYPES).float(), F.one_hot(bonds + bonds.mT, BONDS).float()


class PlainLayer(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.root = nn.Linear(in_channels, out_channels)
        self.relations = nn.ModuleList(
            nn.Linear(in_channels, out_channels) for _ in range(BONDS - 1)
        )

    def forward(self, h: Tensor, bonds: Tensor) -> Tensor:
        received = [bonds[..., y + 1] @ relation(h) for y, relation in enumerate(self.relations)]
        return torch.tanh(self.root(h) + torch.stack(received, dim=1).sum(dim=1))


class PlainCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = PlainLayer(TYPES, 64), PlainLayer(64 + TYPES, 32)
        self.gate, self.value = nn.Linear(32 + TYPES, 128), nn.Linear(32 + TYPES, 128)
        self.head = nn.Sequential(nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 1))

    def forward(self, x: Tensor, bonds: Tensor) -> Tensor:
        h = torch.cat([self.first(x, bonds), x], dim=2)
        h = torch.cat([self.second(h, bonds), x], dim=2)
        read = (torch.sigmoid(self.gate(h)) * torch.tanh(self.value(h))).sum(dim=1)
        return self.head(torch.tanh(read))


class PlainGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes, layers = (NOISE, 128, 256, 512), []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        self.atoms = nn.Linear(512, SIZE * TYPES)
        self.bonds = nn.Linear(512, SIZE * SIZE * BONDS)

    def forward(self, noise: Tensor) -> Molecules:
        h = self.body(noise)
        bonds = self.bonds(h).view(-1, SIZE, SIZE, BONDS)
        return (
            self.greatest(self.atoms(h).view(-1, SIZE, TYPES)),
            self.greatest((bonds + bonds.transpose(1, 2)) / 2),
        )

    @staticmethod
    def greatest(logits: Tensor) -> Tensor:
        soft = logits.softmax(dim=-1)
        hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
        return hard + soft - soft.detach()


class PlainGame:
    def __init__(self) -> None:
        self.generator, self.critic = PlainGenerator(), PlainCritic()

    def discriminator_loss(self, batch: Molecules) -> Tensor:
        real, count = batch, len(batch[0])
        with torch.no_grad():
            fake = self.generator(torch.randn(count, NOISE))
        share = torch.rand(count, 1, 1)
        x = (share * real[0] + (1 - share) * fake[0]).requires_grad_()
        bonds = share.unsqueeze(3) * real[1] + (1 - share.unsqueeze(3)) * fake[1]
        bonds = bonds.requires_grad_()
        slopes = torch.autograd.grad(self.critic(x, bonds).sum(), (x, bonds), create_graph=True)
        steepness = torch.cat([slope.flatten(1) for slope in slopes], dim=1).norm(dim=1)
        penalty = 10 * (steepness - 1).square().mean()
        return self.critic(*fake).mean() - self.critic(*real).mean() + penalty

    def generator_loss(self, batch: Molecules) -> Tensor:
        return -self.critic(*self.generator(torch.randn(len(batch[0]), NOISE))).mean()


def plain_weights(critic: nn.Module) -> dict[str, Tensor]:
    """Of graphkit's critic, under the names that :class:`PlainCritic` has for them."""
    found: dict[str, Tensor] = {}
    for name, value in critic.state_dict().items():
        if ".relations." in name:
            layer, kind = name.split(".relations.")
            parts = value.chunk(BONDS - 1)
            found |= {f"{layer}.relations.{y}.{kind}": part for y, part in enumerate(parts)}
        elif name.startswith("head."):
            number, kind = name.split(".")[-2:]
            found[f"head.{2 * int(number)}.{kind}"] = value
        else:
            found[name] = value
    return found


def build(system: str) -> lab.Work:
    """Plays for ten of the generator's steps in a turn, which gives the critic's last loss."""
    from graphkit import runtime
    from graphkit.generative.graph import DenseMolecules, MolGAN

    runtime.keep_memory()
    molecules = DenseMolecules(SIZE)
    generator = torch.Generator().manual_seed(SEED)
    drawn = [draw_molecules(BATCH, generator) for _ in range(STEPS * CRITIC_STEPS)]
    torch.manual_seed(SEED)
    known = MolGAN(molecules, noise=NOISE)
    critic: Any
    game: Any
    batches: list[Any]
    if system == "graphkit":
        game, critic = known, known.discriminator.critic
        batches = [(molecules.pack(*one),) for one in drawn]
    else:
        game, batches = PlainGame(), drawn
        critic = game.critic
        critic.load_state_dict(plain_weights(known.discriminator.critic))
    optimizers = [
        torch.optim.Adam(player.parameters(), 1e-4, (0.5, 0.9), fused=True)
        for player in (critic, game.generator)
    ]

    def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def turn() -> float:
        lost = 0.0
        for number, batch in enumerate(batches):
            lost = step(optimizers[0], game.discriminator_loss(batch))
            if number % CRITIC_STEPS == CRITIC_STEPS - 1:
                critic.requires_grad_(False)
                step(optimizers[1], game.generator_loss(batch))
                critic.requires_grad_(True)
        return lost

    with torch.no_grad():
        says = critic(*batches[0])
    return lab.Work(turn, {"critic": says.flatten().tolist()})


def options_parser() -> argparse.ArgumentParser:
    return lab.epochs_parser(__doc__, ("pytorch",))


if __name__ == "__main__":
    lab.measure_epochs(options_parser().parse_args(), build, STEPS, "loss")
