r"""
Autoencoders: under- and overcomplete, sparse, denoising, contractive
=====================================================================

An autoencoder is an encoder :math:`h`, a decoder :math:`d`, and the wish that :math:`d(h(x))` be
:math:`x`. That alone is no art: with room enough the identity does it. What makes the code between
them worth having is whatever stands in the identity's way, and that is what the kinds differ in.

Every kind is the same class here, `Autoencoder(encoder, decoder, reconstruction, bottleneck,
penalties, corruption)`. Four settings are the network's: the size of the code, the number of
layers, the nodes of each, and the loss. `autoencoder` makes the kinds by name.
"""

# %%
# The data are the 1,797 digits of 8 x 8 pixels that scikit-learn brings, in [0, 1]; the last 300
# are kept for the test.

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits

from graphkit.generative import (
    GaussianNoise,
    Masking,
    autoencoder,
    fit_autoencoder,
    pretrain,
)
from graphkit.generative.objectives import jacobian_norm

digits = torch.from_numpy(load_digits().data / 16).float()
train, test = digits[:-300], digits[-300:]


def trained(kind, code, epochs=30, **more):
    torch.manual_seed(0)
    model = autoencoder(kind, 64, code, **{"nodes": 64, "loss": "bce"} | more)
    fit_autoencoder(model, train, epochs=epochs, batch_size=64, lr=3e-3)
    return model


def error(model, seen=test, wanted=test):
    """Mean squared difference per pixel."""
    with torch.no_grad():
        return (model(seen) - wanted).square().mean().item()


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
# Undercomplete: a narrow code
# ----------------------------
#
# The plainest obstacle is a code with less room than the input. The narrower it is, the more is
# lost; with linear layers and squared error it would be principal component analysis.

narrow = {code: trained("undercomplete", code) for code in (2, 4, 8, 16)}
for code, model in narrow.items():
    print(f"code of {code:2}: {error(model):.4f} per pixel")
show({"input": test} | {f"code of {code}": model(test) for code, model in narrow.items()})

# %%
# Overcomplete: more room than needed
# -----------------------------------
#
# A code wider than the input could copy it. Small weights (an L2 penalty) are one way to forbid
# that: the error is larger than a copy's, and the weights stay small.

wide = trained("overcomplete", 100, weight=1e-3)
free = trained("overcomplete", 100, weight=0.0)
for name, model in (("with the penalty", wide), ("without", free)):
    square = sum(p.square().sum() for p in model.parameters() if p.dim() > 1)
    print(f"{name}: {error(model):.4f} per pixel, squared weights {square:.0f}")

# %%
# Deep, tied, and layer by layer
# ------------------------------
#
# More layers, the same on either side. *Tied* weights give the decoder the encoder's matrices,
# transposed, so that only its biases are new. A *stack* is trained greedily, one pair of layers
# after the other, each on the codes of the one before (Bengio et al. 2007), and then as a whole:
# that is how deep networks were first got to learn at all.

deep = trained("deep", 8)
tied = trained("tied", 8, layers=3)
torch.manual_seed(0)
stacked = autoencoder("stacked", 64, 8, nodes=64, loss="bce")
pretrain(stacked, train, epochs=10, batch_size=64, lr=3e-3)
fit_autoencoder(stacked, train, epochs=30, batch_size=64, lr=3e-3)
for name, model in (("deep", deep), ("tied", tied), ("stacked", stacked)):
    count = sum(p.numel() for p in model.parameters())
    print(f"{name}: {error(model):.4f} per pixel, {count:,} parameters")

# %%
# Sparse: a wide code of which little is used
# -------------------------------------------
#
# Here the code is as wide as you like, but each of its units costs when it is on: by the sum of
# absolute values (L1), or by the distance of every unit's mean activation from a small target (KL).

for kind, weight in (("sparse", 0.3), ("sparse-kl", 2.0)):
    for strength in (0.0, weight):
        model = trained(kind, 64, weight=strength)
        on = (model.encode(test) > 0.1).float().mean().item()
        print(f"{kind}, weight {strength}: {on:.0%} of the units on, {error(model):.4f} per pixel")

# %%
# Denoising: the input is spoilt, the target is clean
# ---------------------------------------------------
#
# Half of the pixels are hidden from the encoder, and the decoder is to give them back (Vincent et
# al. 2010). What it learns is where digits lie among all pictures, and it may clean what it has not
# been trained on, too.

denoising = trained("denoising", 32, corruption=Masking(0.5))
plain = trained("undercomplete", 32)
torch.manual_seed(1)
masked = Masking(0.5)(test)
print(f"half of the pixels hidden: {(masked - test).square().mean():.4f} per pixel")
print(f"given back by the plain one: {error(plain, masked):.4f}")
print(f"given back by the denoising one: {error(denoising, masked):.4f}")
show({"hidden": masked, "plain": plain(masked), "denoising": denoising(masked), "clean": test})

# %%
# Contractive: the code hardly moves when the input does
# ------------------------------------------------------
#
# The penalty is the squared norm of the code's Jacobian, exact, at every training sample (Rifai et
# al. 2011). Away from the data nothing is asked for, so directions along the data survive and the
# others are flattened.

for weight in (0.0, 0.3):
    model = trained("contractive", 16, weight=weight)
    x = test.clone().requires_grad_()
    slope = jacobian_norm(model.encode(x), x).mean().item()
    noise = GaussianNoise(0.1)
    torch.manual_seed(1)
    moved = (model.encode(noise(test)) - model.encode(test)).norm(dim=1).mean().item()
    print(f"weight {weight}: slope {slope:.2f}, moved by noise {moved:.3f}, {error(model):.4f}")

# %%
# Convolutional, and composed by hand
# -----------------------------------
#
# Pictures want convolutions: an `hourglass` is an encoder that halves the sides again and again,
# and its mirror. Any encoder and decoder go into `Autoencoder` with any bottleneck, penalty and
# corruption, so kinds compose. Here a denoising, sparse, convolutional one.

from torch import nn

from graphkit.generative import Autoencoder, L1Sparsity
from graphkit.generative.image.hourglass import hourglass

torch.manual_seed(0)
encoder, decoder = hourglass((1, 8, 8), code=32, layers=2, width=16)
model = Autoencoder(
    nn.Sequential(encoder, nn.ReLU()),
    decoder,
    "bce",
    penalties=[L1Sparsity(0.01)],
    corruption=Masking(0.5),
)
images = train.view(-1, 1, 8, 8)
fit_autoencoder(model, images, epochs=15, batch_size=64, lr=3e-3)
hidden = masked.view(-1, 1, 8, 8)
print(f"{error(model, hidden, test.view(-1, 1, 8, 8)):.4f} per pixel of hidden digits given back")
show({"hidden": hidden, "given back": model(hidden)})
