r"""
A graph autoencoder on Cora
===========================

An autoencoder of a graph codes every node by a message-passing encoder, and reads off the codes
which nodes are joined. No label is needed; the links themselves are what is learnt. What comes out
is a code for every node: links that are missing can be found with it, nodes clustered, and the
graph drawn.

Cora has 2,708 papers that cite each other, and which of 1,433 words each uses. Where it is not at
hand and cannot be downloaded, the neighbours of handwritten digits take its place.
"""

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.manifold import TSNE
from torch import Tensor, nn

from graphkit import Graph
from graphkit.data import DataError, load, split_links
from graphkit.generative import CodeAdversary, frozen, train_discriminator
from graphkit.generative.graph import Links, MaskGAE, draw_links, gae, vgae
from graphkit.metrics import average_precision, clustering_quality, roc_auc
from graphkit.nn import GCN, Dropout, GCNConv, MessagePassing

try:
    graph = load("cora").graph
except DataError as error:
    print(error)
    graph = load("digits-knn").graph
features = graph.x.size(1)

# %%
# Links that are taken out
# ------------------------
#
# Five per cent of the links are kept for validation and ten for the test, with as many pairs that
# are not joined (Kipf & Welling 2016). `split.graph` has the others alone: messages never pass
# along a link that is to be predicted.

split = split_links(graph, 0.05, 0.10, seed=0)
print(f"{split.train.size(1)} links to learn from, {split.test.size(1)} for the test")


def test(model) -> str:
    model.eval()
    with torch.no_grad():
        pairs = torch.cat([split.test, split.test_negative], dim=1)
        probability = model.decode(model.encode(graph.x, split.graph))(pairs)
    joined = (torch.arange(len(probability)) < split.test.size(1)).float()
    return (
        f"AUC {roc_auc(probability, joined):.3f}, AP {average_precision(probability, joined):.3f}"
    )


# %%
# Encoder, decoder, reconstruction
# --------------------------------
#
# The encoder is any network of `graphkit.nn`, here two graph convolutions. The decoder says of a
# pair of nodes with the codes z that they are joined with probability
# :math:`\sigma(z_i^\top z_j)`, and training maximises the likelihood of the links that are left
# and of no link between all other pairs. These are added up a few rows at a time, so that no matrix
# of them is in memory; in a graph of more than 5,000 nodes a sample does, drawn anew in every
# step.


def train(model, steps=150, lr=0.01):
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(graph.x, split.graph, target=draw_links(split, generator)).backward()
        optimizer.step()
    return model


torch.manual_seed(0)
plain = train(gae(GCN(features, 32, num_layers=2, out_channels=16)))
print("GAE:", test(plain))

# %%
# The variational one has an encoder with twice as many outputs, means and log-variances, and pays
# for the distance of its codes from the standard normal distribution.

torch.manual_seed(0)
variational = train(vgae(GCN(features, 32, num_layers=2, out_channels=32), graph.num_nodes))
print("VGAE:", test(variational))

# %%
# A layer of your own is an encoder too. This one takes the mean of the differences to a node's
# neighbours.


class Differences(MessagePassing):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(aggr="mean")
        self.own = nn.Linear(in_channels, out_channels)
        self.other = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return self.own(x) + self.propagate(graph, x=self.other(x))

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return x_j - x_i


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(features, 32)
        self.first, self.second = Differences(32, 32), Differences(32, 16)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        x = self.lin(x.to_dense() if x.layout != torch.strided else x).relu()
        return self.second(self.first(x, graph).relu(), graph)


torch.manual_seed(0)
print("with a layer of one's own:", test(train(gae(Encoder()))))

# %%
# An adversary on the code
# ------------------------
#
# ARGA (Pan et al. 2018) lets a discriminator tell codes from draws of a normal distribution. It is
# the same autoencoder in a game, the one that makes an adversarial autoencoder of images.

torch.manual_seed(0)
model = gae(GCN(features, 32, num_layers=2, out_channels=32))
judge = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
game = CodeAdversary(model, judge, targets=True)
of_encoder = torch.optim.Adam(model.parameters(), lr=0.005)
of_judge = torch.optim.Adam(judge.parameters(), lr=0.001)
generator = torch.Generator().manual_seed(0)
for _ in range(150):
    batch = graph.x, split.graph, draw_links(split, generator)
    train_discriminator(game, batch, of_judge)
    with frozen(judge):
        of_encoder.zero_grad()
        game.generator_loss(batch).backward()
        of_encoder.step()
print("ARGA:", test(model))

# %%
# Links that are hidden
# ---------------------
#
# Those see in training the links that they are asked for. MaskGAE (Li et al. 2023) hides seven of
# ten, anew in every step, and asks for them: what is learnt is what is tested. It drops four of
# five words, too.


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.conv = Dropout(0.8), GCNConv(features, 128)
        self.norm = nn.BatchNorm1d(128)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return nn.functional.elu(self.norm(self.conv(self.dropout(x), graph)))


torch.manual_seed(0)
model = MaskGAE(Masked(), 128)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-5)
generator = torch.Generator().manual_seed(0)
model.train()
for _ in range(200):
    seen, hidden, unlinked = split.draw(0.7, generator)
    optimizer.zero_grad()
    model.loss(graph.x, seen, target=Links(hidden, unlinked)).backward()
    optimizer.step()
print("MaskGAE:", test(model))

# %%
# What codes are good for
# -----------------------
#
# k-means of the codes finds groups that nobody named. Normalised mutual information, adjusted Rand
# index and accuracy compare them with the topics of the papers; t-SNE draws them.

with torch.no_grad():
    codes = plain.encode(graph.x, split.graph)
found = clustering_quality(codes, graph.y, seed=0)
print(", ".join(f"{name} {value:.2f}" for name, value in found.items()))

place = TSNE(random_state=0, max_iter=500).fit_transform(codes.numpy())
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
axes.scatter(*place.T, c=graph.y, cmap="tab10", s=5)
axes.set_axis_off()

# %%
# Means over ten seeds beside the published figures are on :doc:`/generative`. They are made by the
# command line, which has the papers' settings::
#
#     graphkit run cora gae --seeds 10
#     graphkit run cora maskgae --set encoder=gat
