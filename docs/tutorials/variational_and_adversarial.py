r"""
Variational and adversarial autoencoders
========================================

The code of a plain autoencoder lies wherever training happened to put it: decode a random point,
and what comes out need not be a digit. Two kinds bring the codes to a known distribution, the
prior, so that the decoder becomes a generator. One does it by a divergence, the other by an
adversary.
"""

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

from graphkit.data import Samples
from graphkit.generative import (
    CodeAdversary,
    autoencoder,
    fit_autoencoder,
    log_likelihood,
    play,
    sample,
)
from graphkit.generative.objectives import mmd

bundled = load_digits()
digits = torch.from_numpy(bundled.data / 16).float()
labels = bundled.target
train, test = digits[:-300], digits[-300:]


def show(rows):
    _, axes = plt.subplots(
        len(rows), 10, figsize=(10, 1.1 * len(rows)), layout="constrained", squeeze=False
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for place, picture in zip(line, pictures, strict=False):
            place.imshow(picture.view(8, 8).detach().numpy(), cmap="gray", vmin=0, vmax=1)
            place.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")


# %%
# The variational autoencoder
# ---------------------------
#
# The encoder gives mean and variance of a normal distribution over codes, the decoder is given a
# draw, and the distribution pays for its distance from the prior :math:`N(0, I)` (Kingma & Welling
# 2014):
#
# .. math::
#     -\log p(x) \le \mathbb{E}_{q(z|x)} [-\log p(x|z)] + \mathrm{KL}(q(z|x) \,\Vert\, N(0, I)).
#
# With a cross-entropy for the first term both are in nats, and the sum is a bound on what one wants
# to know, the log-likelihood. For this the pixels must be black or white, so each is drawn from its
# grey value once.

torch.manual_seed(0)
bits, test_bits = torch.bernoulli(train), torch.bernoulli(test)
vae = autoencoder("variational", 64, 8, nodes=128, loss="bce")
fit = fit_autoencoder(vae, bits, epochs=60, batch_size=64, lr=2e-3)
with torch.no_grad():
    likelihood = log_likelihood(vae, test_bits, draws=200).mean().item()
print(f"negative log-likelihood of test digits: {-likelihood:.1f} nats")
print(f"of fair coins: {64 * torch.tensor(2.0).log():.1f} nats")

# %%
# `log_likelihood` weighs 200 draws of the encoder for every digit (Burda et al. 2016), which is
# closer to the truth than the bound. And since codes follow the prior, the prior's own draws decode
# to digits:

torch.manual_seed(1)
show({"drawn": sample(vae, 10), "drawn again": sample(vae, 10)})

# %%
# Between two digits lies a path of codes, and every point of it decodes to something like a digit.

with torch.no_grad():
    one, other = vae.encode(test_bits[:1]), vae.encode(test_bits[3:4])
    path = torch.lerp(one, other, torch.linspace(0, 1, 10)[:, None])
    show({"from one to another": vae.decode(path)})

# %%
# :math:`\beta` weighs the divergence (Higgins et al. 2017): the larger, the closer to the prior and
# the worse the reconstruction.

for beta in (0.1, 1.0, 4.0):
    torch.manual_seed(0)
    model = autoencoder("variational", 64, 8, nodes=128, loss="bce", weight=beta)
    fit_autoencoder(model, bits, epochs=30, batch_size=64, lr=2e-3)
    with torch.no_grad():
        off = model.error(test_bits).mean().item()
        spread = model.encode(test_bits).std(dim=0)
    used = int((spread > 0.3).sum())
    print(f"beta {beta}: {off:.1f} nats of reconstruction, {used} of 8 codes in use")

# %%
# The adversarial autoencoder
# ---------------------------
#
# A discriminator is shown draws of the prior and codes of the encoder, and tries to tell which is
# which; the encoder learns to be taken for the prior (Makhzani et al. 2016). It is the game of the
# first page, with codes in place of pictures: `CodeAdversary`. It needs no formula for the
# prior's density, only draws, so the prior may be anything.

torch.manual_seed(0)
aae = autoencoder("undercomplete", 64, 2, nodes=128, loss="bce")
judge = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


def ring(like):
    """Draws near a circle of radius 2."""
    angle = 2 * torch.pi * torch.rand(len(like))
    circle = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return circle + 0.1 * torch.randn_like(like)


game = CodeAdversary(aae, judge, ring, weight=4.0)
first = torch.optim.Adam(aae.parameters(), lr=1e-3)
second = torch.optim.Adam(judge.parameters(), lr=1e-3)
with torch.no_grad():
    before = mmd(aae.encode(test), ring(torch.empty(300, 2))).item()
play(game, Samples(train, batch_size=64), first, second, epochs=120)
with torch.no_grad():
    codes = aae.encode(digits)
    after = mmd(aae.encode(test), ring(torch.empty(300, 2))).item()
print(f"discrepancy of codes and prior: {before:.3f} before, {after:.3f} after")

figure, axes = plt.subplots(figsize=(5.4, 5), layout="constrained")
points = axes.scatter(*codes.T.numpy(), c=labels, cmap="tab10", s=6)
figure.colorbar(points, label="digit")
axes.set_title("codes, asked to lie on a ring")
axes.set_aspect("equal")

# %%
# The same two bottlenecks serve graphs: `vgae` is the first with a graph encoder, ARGA the second.
# :doc:`/generative` has their figures.
