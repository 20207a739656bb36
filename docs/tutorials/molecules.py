r"""
Molecules by a GAN and by editing
=================================

Three ways to a molecule that nobody has made yet: a generator that was trained against a critic, a
variational autoencoder, and a search that edits one atom or bond at a time with a graph network as
its judge. The budgets here are small, so that this page builds in a minute; what comes of larger
ones is on :doc:`/generative`.

Molecules are read and written by rdkit: ``pip install 'graphkit-torch[mol]'``.
"""

# %%
import matplotlib.pyplot as plt
import torch
from rdkit import Chem
from rdkit.Chem.Draw import MolsToGridImage
from torch import nn

from graphkit.convert import from_smiles
from graphkit.data import Batches, Samples
from graphkit.generative import fit_autoencoder, play, sample
from graphkit.generative.graph import (
    DenseMolecules,
    MolGAN,
    OfValid,
    PredictedScore,
    Scarce,
    design,
    graph_vae,
    neighbours,
)
from graphkit.metrics import molecule_quality, qed
from graphkit.nn import GIN, GraphHead, Predictor

# %%
# A few hundred molecules
# -----------------------
#
# They are grown from a handful by edits: `neighbours` gives all molecules that are one atom or bond
# away, every one of them with valences that chemistry allows.

seeds = ["CCO", "c1ccccc1", "CC(=O)N", "C1CCNC1", "CC#N", "O=CC=C"]
pool = dict.fromkeys(seeds)
for seed in seeds:
    for one in list(neighbours(seed, ["C", "N", "O", "F"])):
        pool |= dict.fromkeys(neighbours(one, ["C", "N", "O", "F"]))
code = DenseMolecules(9, ("C", "N", "O", "F"))
smiles = code.chosen(pool).fitting
order = torch.randperm(len(smiles), generator=torch.Generator().manual_seed(0))
smiles = [smiles[k] for k in order[:600]]
print(len(pool), "molecules, of which we take", len(smiles), "such as", smiles[:4])

# %%
# Molecules as tensors
# --------------------
#
# To be made at one stroke, a molecule of up to nine atoms is a row of atoms and a table of bonds,
# one-hot. A generator gives both of noise.

packed = code.encode(smiles)
atoms, bonds = code.unpack(packed)
print("atoms", list(atoms.shape), "bonds", list(bonds.shape))
assert code.decode(packed) == smiles

# %%
# MolGAN
# ------
#
# A critic with two relational graph convolutions tells real molecules from generated ones (De Cao &
# Kipf 2018). Its objective is Wasserstein's, with a gradient penalty, the same function that image
# GANs use. A reward network learns what molecules are worth, here how drug-like they are, and
# passes the gradient on that rdkit cannot give. `Scarce` divides a part of the reward among
# repetitions, which keeps the generator from making one good molecule for ever.

torch.manual_seed(0)
worth = OfValid(qed)
game = MolGAN(code, Scarce(worth), hidden=(64, 128))
optimizers = [
    torch.optim.Adam(player.parameters(), lr=1e-3, betas=(0.5, 0.9))
    for player in (game.generator, game.discriminator)
]
batches = Samples(packed, worth(smiles), batch_size=32)
play(game, batches, *optimizers, epochs=25, discriminator_steps=3)
game.critic_share = 0.1  # from now on mostly for the reward
play(game, batches, *optimizers, epochs=15, discriminator_steps=3)


def show(made):
    found = molecule_quality(made, set(smiles), smiles)
    print({name: round(found[name], 2) for name in ("validity", "uniqueness", "novelty", "qed")})
    drawn = [Chem.MolFromSmiles(one) for one in dict.fromkeys(made) if one][:8]
    if drawn:
        _, axes = plt.subplots(figsize=(8, 4), layout="constrained")
        axes.imshow(MolsToGridImage(drawn, molsPerRow=4, subImgSize=(240, 200), returnPNG=False))
        axes.set_axis_off()


torch.manual_seed(0)
show(code.decode(sample(game.generator, 200)))

# %%
# A variational autoencoder
# -------------------------
#
# The same tensors are coded and decoded: the probability of every atom and bond. Of the decoded
# probabilities bonds are put in the surest first, each only as strong as the valences that are left
# allow: validity by correction, which is stated with every figure.

torch.manual_seed(0)
model = graph_vae(beta=0.2)
fit_autoencoder(model, packed, epochs=60, batch_size=32)
made = sample(model.eval(), 200)
print("as they come:", sum(one is not None for one in code.decode(made)), "of 200 are valid")
show(code.decode(made, correct=True))

# %%
# Design by editing
# -----------------
#
# A graph network learns the property from the molecules, and a beam search edits with it as its
# judge: of every molecule in the beam it looks at neighbours, and keeps the best.

torch.manual_seed(0)
values = qed(smiles).float()
graphs = [
    from_smiles(one).replace(graph_attrs={"y": value.view(1, 1)})
    for one, value in zip(smiles, values, strict=True)
]
features = graphs[0].x.size(1)
network = Predictor(GIN(features, 64, num_layers=3), GraphHead(nn.Linear(64, 1)))
optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
for _ in range(20):
    for batch in Batches(graphs[:500], batch_size=64):
        optimizer.zero_grad()
        (network(batch.x, batch, batch) - batch.y).abs().mean().backward()
        optimizer.step()
judge = PredictedScore(network)
error = (judge(smiles[500:]) - values[500:]).abs().mean().item()
print(f"mean absolute error on molecules it did not learn from: {error:.3f}")

way = design("CCO", judge, budget=300, beam=4, elements=code.elements)
for step in way:
    print(f"{step.edit:20} {step.smiles:24} predicted {step.score:.2f}, ", end="")
    print(f"in truth {qed([step.smiles]).item():.2f}")

# %%
# A judge that is only a network is led astray: the further a search goes, the less do its molecules
# look like those the network knows, and the more it promises. So let the search ask for the truth
# in the end, or, as `benchmarks/design.py` does, let the network learn from what misled it. With
# rdkit itself as the judge:

way = design("CCO", qed, budget=300, beam=4, elements=code.elements)
picture = MolsToGridImage(
    [Chem.MolFromSmiles(step.smiles) for step in way],
    legends=[f"{step.edit}: {step.score:.2f}" for step in way],
    molsPerRow=4,
    subImgSize=(240, 200),
    returnPNG=False,
)
_, axes = plt.subplots(figsize=(8, 5), layout="constrained")
axes.imshow(picture)
axes.set_axis_off()

# %%
# From the command line
# ---------------------
#
# ::
#
#     graphkit generate molgan --dataset qm9 --limit 5000 --reward qed --n 100 --out made.smi
#     graphkit generate graph-vae --dataset qm9 --n 100 --out made.svg
#     graphkit generate made-generator.safetensors --n 1000 --out more.smi
