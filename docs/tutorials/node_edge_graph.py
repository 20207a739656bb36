r"""
Node, edge, graph
=================

A graph network can be asked about nodes, about edges or about whole graphs. What changes is the
*head* that reads the features of the nodes, and what counts as seen and unseen; the layers below
stay the same. In graphkit a `Task` holds what belongs to the question: head, loss, metric, split
and the rule by which an epoch is selected.

This page asks one question of each kind. Nothing is downloaded.
"""

# %%
# One way to train
# ----------------
#
# A model is an *encoder*, which turns the features of the nodes and the graph into new features of
# the nodes, and a *head* on it. `phases` are training, validation and test; `fit` trains, looks at
# validation after every epoch and keeps the best state. The test is looked at once, at the end.

import matplotlib.pyplot as plt
import networkx as nx
import torch
from torch import nn

from graphkit import Graph
from graphkit.convert import to_networkx
from graphkit.nn import GCN, GIN, MLP, GraphHead, Predictor
from graphkit.train import fit


def train(task, dataset, model, epochs, lr=0.01):
    phases = task.phases(dataset, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-4)
    fit(
        model,
        optimizer,
        phases.train.batches,
        loss=lambda batch: task.loss(*phases.train.predict(model, batch)),
        evaluate=lambda: task.rank(*task.evaluate(model, phases.val)),
        epochs=epochs,
        schedule=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    )
    score, _ = task.evaluate(model, phases.test)
    return score


# %%
# Nodes: which side is everybody on?
# ----------------------------------
#
# Zachary's karate club split in two. Training is told the side of one member on each; four more
# of each side choose the epoch; the others are to be found. Nothing is known of the members but
# who sees whom, so `x` has one column for each. Messages pass along all edges, for it is the
# *labels* of the test members that are hidden, not the members.

from graphkit.data import load
from graphkit.tasks import NodeTask

torch.manual_seed(0)
club = load("karate")
task = NodeTask.of(club)
model = Predictor(GCN(34, 16, num_layers=2, dropout=0.5), task.head(16))
score = train(task, club, model, epochs=100)
print(f"{club}\n{task.metric.name} on the test: {score:.2f}")

# %%
# The two members whose side was told have a ring. A colour is what the model predicts, and a cross
# a mistake. With two labels much depends on chance: other start values get between 0.6 and 1.0.

graph, split = club.graph, club.split(0)
with torch.no_grad():
    side = model(graph.x, graph).argmax(dim=1)

network = to_networkx(graph, directed=False)
place = nx.spring_layout(network, seed=4)
wrong = [place[node] for node in range(34) if side[node] != graph.y[node]]

figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
nx.draw_networkx_edges(network, place, ax=axes, edge_color="0.8")
nx.draw_networkx_nodes(
    network,
    place,
    ax=axes,
    node_size=160,
    node_color=["#4477aa" if s == 0 else "#ee6677" for s in side],
    linewidths=[2.5 if node in split.train else 0 for node in range(34)],
    edgecolors="black",
)
for x, y in wrong:
    axes.plot(x, y, "kx")
axes.set_axis_off()
figure.show()

# %%
# Edges: who else meets?
# ----------------------
#
# In "Les Misérables" 254 pairs of characters meet. A fifth of these links is hidden for the test
# and a tenth for validation. Here something has to be hidden from the *messages*, too: a link that
# is to be found must not carry any. In training the task therefore takes links out of the graph,
# anew in every epoch, and asks for these.
#
# Every hidden link (a, b) competes with 30 characters that a never meets. The metric is the mean
# reciprocal rank: 1 if the right one always comes first.

from graphkit.data import Dataset, les_miserables, split_links
from graphkit.tasks import FriendTask, adamic_adar, common_neighbours

novel = les_miserables()
dataset = Dataset(
    name="les-miserables",
    title="Les Misérables",
    level="edge",
    kind="link",
    metric="mrr",
    graphs=[novel.replace(x=torch.eye(novel.num_nodes), edge_weight=None)],
    num_outputs=1,
    splits=[],
    split_name="70/10/20 of the links",
)
task = FriendTask(val=0.1, test=0.2, candidates=30)
torch.manual_seed(0)
plain = Predictor(GCN(77, 64, num_layers=2), task.head(64))
score = train(task, dataset, plain, epochs=100)

# %%
# A number alone says little, so here are two ways to guess that learn nothing: the number of
# common neighbours, and the same with popular neighbours counting less (Adamic and Adar, 2003).
# They see the same graph and rank the same candidates. An encoder cannot see which neighbours two
# nodes share; `FriendModel` is told.

from graphkit.tasks import FriendModel

torch.manual_seed(0)
told = train(task, dataset, FriendModel(GCN(77, 64, num_layers=2), 64), epochs=100)

split = split_links(dataset.graph, 0.1, 0.2, seed=0)
_, pairs = task.ranked(split, dataset.graph, seed=0)
target = torch.zeros(pairs.shape[1:])
target[:, 0] = 1

print(f"GCN               {score:.3f}")
print(f"GCN, told         {told:.3f}")
for guess in (common_neighbours, adamic_adar):
    found = guess(split.graph, pairs.flatten(1)).view_as(target)
    print(f"{guess.__name__:17} {task.score(found, target):.3f}")

# %%
# Where friends of friends meet, counting is hard to beat. Show it beside every link predictor.
#
# Graphs: has the molecule two rings?
# -----------------------------------
#
# A thousand made-up carbon skeletons; half of them have two rings, the others one or three. All
# atoms are the same, and the number of atoms has nothing to do with the answer. The head sums over
# the atoms of each molecule and decides by the sum; batches are made of whole graphs, and so is the
# split.

from graphkit.tasks import GraphTask

rings = load("toy-rings")
task = GraphTask.of(rings)


class WithoutEdges(nn.Module):
    """As many layers, but every atom is on its own."""

    def __init__(self):
        super().__init__()
        self.mlp = MLP([1, 32, 32, 32], norm=None)

    def forward(self, x, graph):
        return self.mlp(x)


def with_head(encoder):
    return Predictor(encoder, GraphHead(MLP([32, 32, 2], norm=None), pool="sum"))


torch.manual_seed(0)
model = with_head(GIN(1, 32, num_layers=3, norm="batch_norm"))
score = train(task, rings, model, epochs=15, lr=0.005)
guessed = train(task, rings, with_head(WithoutEdges()), epochs=5, lr=0.005)
print(f"GIN {score:.3f}, without edges {guessed:.3f}")

# %%
# Without the edges there is nothing to go by. With them, a sum over the atoms of (half the number
# of bonds, less 1) is the number of rings less 1, and that is within a GIN's reach.

some = Graph.batch([rings.graphs[i] for i in rings.split(0).test[::25]])
with torch.no_grad():
    yes = model(some.x, some, some).argmax(dim=1)

figure, panels = plt.subplots(2, 4, figsize=(8, 4.5), layout="constrained")
for axes, molecule, answer in zip(panels.flat, some.unbatch(), yes, strict=True):
    network = to_networkx(molecule, directed=False)
    place = nx.kamada_kawai_layout(network)
    nx.draw(network, place, ax=axes, node_size=12, node_color="black", edge_color="0.5")
    axes.set_title(f"two rings: {'yes' if answer else 'no'}", fontsize=10)
figure.show()
