r"""
A GAN in five steps
===================

A generative adversarial network is two players (Goodfellow et al. 2014). The generator makes
samples out of noise; the discriminator is shown real samples and made ones, and says which is
which. Each learns against the other as it stands at that moment. This page goes through the five
steps of such a game on the small digits that scikit-learn brings, so nothing is downloaded.
"""

# %%
# Real samples first: 1,797 handwritten digits of 8 x 8 pixels, as vectors. The generator will end
# in a hyperbolic tangent, so they go from -1 to 1.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

from graphkit.data import Samples
from graphkit.generative import (
    GAN,
    load_generator,
    play,
    sample,
    save_generator,
    train_discriminator,
    train_generator,
)

torch.manual_seed(0)
real = torch.from_numpy(load_digits().data / 8 - 1).float()


def show(digits, title):
    figure, axes = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
    for picture, place in zip(digits, axes.flat, strict=False):
        place.imshow(picture.view(8, 8).numpy(), cmap="gray", vmin=-1, vmax=1)
        place.axis("off")
    figure.suptitle(title)


show(real, "real digits")

# %%
# Step 1: define both players
# ---------------------------
#
# Any two modules will do. The generator takes noise and gives a digit; the discriminator takes a
# digit and gives a number, the higher the more real it looks. `GAN` holds them and knows what each
# minimises. The generator's batch norm is no ornament: without it, this very game ends with one
# shape made over and over, which is called mode collapse. With :math:`D(x)` for the probability
# that x is real,
#
# .. math::
#     L_D = -\log D(x) - \log(1 - D(G(z))), \qquad L_G = -\log D(G(z)).
#
# The second is the *non-saturating* form of the game: the first paper's own, :math:`L_G = \log(1 -
# D(G(z)))`, hardly has a slope as long as the discriminator sees through everything, which is when
# the generator has most to learn. It is one word away: ``objective="minimax"``.

NOISE = 16


def build(width):
    return nn.Sequential(
        nn.Linear(NOISE, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, 64),
        nn.Tanh(),
    )


def judge():
    return nn.Sequential(
        nn.Linear(64, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 128),
        nn.LeakyReLU(0.2),
        nn.Linear(128, 1),
    )


generator, discriminator = build(128), judge()
game = GAN(generator, discriminator, NOISE, "non-saturating")
first = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.99))
second = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.99))

# %%
# Step 2: train the discriminator, with the generator frozen
# ----------------------------------------------------------
#
# One batch of real digits, as many made ones, one step. The generator does not change: none of its
# parameters even gets a gradient.

batch = (real[:64],)
before = [p.clone() for p in generator.parameters()]
losses = [train_discriminator(game, batch, second) for _ in range(20)]
print(f"the discriminator's loss: {losses[0]:.3f} at first, {losses[-1]:.3f} after 20 steps")
print("generator as it was:", all(map(torch.equal, before, generator.parameters())))

# %%
# Step 3: train the generator, with the discriminator frozen
# ----------------------------------------------------------
#
# Here nothing real is needed. The loss says how well the discriminator sees through what is made,
# and its gradient reaches the generator through the discriminator.

before = [p.clone() for p in discriminator.parameters()]
losses = [train_generator(game, batch, first) for _ in range(20)]
print(f"the generator's loss: {losses[0]:.3f} at first, {losses[-1]:.3f} after 20 steps")
print("discriminator as it was:", all(map(torch.equal, before, discriminator.parameters())))

# %%
# Step 4: repeat
# --------------
#
# `play` does both, batch by batch, for as many epochs as you like. It watches whether one side wins
# outright: a discriminator that makes no mistake for three epochs teaches nothing any more, and a
# warning says so. With ``checkpoint=FILE`` a game that is broken off goes on where it was.

show(game.sample(20), "before the game")
rounds = play(game, Samples(real, batch_size=64), first, second, epochs=120)
show(game.sample(20), "after 120 epochs")

# %%
# A falling loss is no sign of success here, for each player's loss depends on the other's skill.
# What one looks at is whether neither runs away, and the samples.

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.plot([r.discriminator_loss for r in rounds], label="discriminator's loss")
axes.plot([r.generator_loss for r in rounds], label="generator's loss")
axes.plot([r.told_apart for r in rounds], label="share told apart")
axes.set_xlabel("epoch")
axes.legend(frameon=False)

# %%
# Step 5: keep the generator, and sample it elsewhere
# ---------------------------------------------------
#
# The discriminator has done its work. The generator is kept as a file of tensors, not a pickle; how
# it was made is written in it, by name for graphkit's own networks, and given again for yours.

file = Path(tempfile.mkdtemp()) / "generator.safetensors"
save_generator(generator, file, build, width=128)

elsewhere = load_generator(file, build)  # in another program, on another machine
torch.manual_seed(1)
again = sample(elsewhere, 20, noise=NOISE)
torch.manual_seed(1)
print("the same digits:", torch.equal(again, game.sample(20)))

# %%
# Other games
# -----------
#
# Objectives are words: ``"minimax"``, ``"non-saturating"``, ``"least-squares"``, ``"hinge"``, and
# ``"wasserstein"``, whose discriminator is a critic that measures a distance and wants a gradient
# penalty. Here the same players play for Wasserstein's distance, five steps of the critic for one
# of the generator's.

torch.manual_seed(0)
game = GAN(build(128), judge(), NOISE, "wasserstein", penalty=10.0)
first = torch.optim.Adam(game.generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
second = torch.optim.Adam(game.discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9))
play(game, Samples(real, batch_size=64), first, second, epochs=120, discriminator_steps=5)
show(game.sample(20), "for Wasserstein's distance")

# %%
# For pictures worth looking at, the players should be convolutional: that is the next page,
# *DCGAN*. From the command line the same is ``graphkit fit-gan mnist`` and
# ``graphkit generate runs/mnist-gan/generator.safetensors``.
