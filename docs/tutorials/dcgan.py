r"""
DCGAN
=====

Radford et al. (2016) found what convolutional players need to be trained stably, and wrote it down
as five guidelines. This page builds both players by them, plays a short game on scikit-learn's
digits, and says how good the result is. On MNIST the same takes some minutes:
``graphkit fit-gan mnist --quality``.
"""

# %%
# The guidelines
# --------------
#
# * Strided convolutions in the discriminator and transposed ones in the generator, in place of
#   pooling.
# * Batch norm in both, but not at the generator's output and not at the discriminator's input.
# * No hidden fully connected layers.
# * ReLU in the generator, tanh at its output.
# * Leaky ReLU in the discriminator.
#
# ``DCGANGenerator`` and ``DCGANDiscriminator`` keep to them for pictures of 28, 32 and 64 pixels.

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from graphkit.data import Samples
from graphkit.generative import GAN, Average, play, sample
from graphkit.generative.image.dcgan import DCGANDiscriminator, DCGANGenerator

torch.manual_seed(0)
generator = DCGANGenerator(size=32, noise=32, width=8)
discriminator = DCGANDiscriminator(size=32, width=8)
print(generator.layers)
print(discriminator.layers)

# %%
# The game
# --------
#
# The digits of 8 x 8 pixels are enlarged to 32 x 32. Beside the generator that learns, an average
# of its weights over its latest steps is kept (Yazıcı et al. 2019): it makes better samples than
# the weights of any single step.

digits = torch.from_numpy(load_digits().images / 8 - 1).float()[:, None]
real = F.interpolate(digits, size=32, mode="bilinear", align_corners=False)

game = GAN(generator, discriminator, noise=32)
first = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
second = torch.optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
average = Average(generator, decay=0.99)


def show(pictures, title):
    figure, axes = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
    for picture, place in zip(pictures, axes.flat, strict=False):
        place.imshow(picture[0].numpy(), cmap="gray", vmin=-1, vmax=1)
        place.axis("off")
    figure.suptitle(title)


show(real, "real digits, enlarged")
for epochs in (5, 20):
    torch.manual_seed(epochs)
    rounds = play(game, Samples(real, batch_size=64), first, second, epochs=epochs, average=average)
    show(sample(average.generator, 20), f"after {epochs} more epochs")
print(rounds[-1])

# %%
# How good is it?
# ---------------
#
# Looking at samples does not tell how much of the real variety is there. The usual figures compare
# real and made pictures in the features of a network that knows such pictures: here a small
# classifier, trained on the digits themselves.
#
# * The **Fréchet distance** of the two clouds of features (Heusel et al. 2017), 0 if they are
#   alike. It has a floor, since two samples of one distribution differ too: that of real against
#   real.
# * **Precision**: how many made samples lie among the real ones. **Recall**: how many real ones lie
#   among the made (Kynkäänniemi et al. 2019). A generator that makes one good digit over and over
#   has high precision and low recall.
# * The **entropy of the classes** it makes, at most :math:`\ln 10 = 2.30`.

from graphkit.data import load_images
from graphkit.generative.image.classifier import train_classifier
from graphkit.metrics import image_quality

images = load_images("digits", size=32)
torch.manual_seed(0)
classifier = train_classifier(images, epochs=8)
made = (sample(average.generator, 1000) + 1) / 2
one = images.train[:1].repeat(1000, 1, 1, 1) + 0.02 * torch.randn(1000, 1, 32, 32)
half = len(images.train) // 2
for name, pictures in [
    ("real ones", images.train[half:]),
    ("this generator", made),
    ("one digit over and over", one.clamp(0, 1)),
]:
    figures = image_quality(classifier, images.train[:half], pictures)
    print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()))

# %%
# Classes on demand
# -----------------
#
# With ``classes=10`` the generator is told which digit to make, and the discriminator judges
# whether a sample is real *and* of its class, by a projection on the class (Miyato & Koyama 2018).
# Spectral norm and the hinge objective go well with it.

torch.manual_seed(0)
labels = torch.from_numpy(load_digits().target)
game = GAN(
    DCGANGenerator(size=32, noise=32, width=8, classes=10),
    DCGANDiscriminator(size=32, width=8, classes=10, norm="spectral"),
    noise=32,
    objective="hinge",
    classes=10,
)
first = torch.optim.Adam(game.generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
second = torch.optim.Adam(game.discriminator.parameters(), lr=1e-3, betas=(0.0, 0.9))
play(game, Samples(real, labels, batch_size=64), first, second, epochs=25)
show(game.sample(20, torch.arange(20) % 10), "0 to 9, asked for")
