r"""
From an image, a text, a molecule to a graph
============================================

Much of what one wants to learn from is no graph at first sight: an image is a raster, a text a
sequence, a molecule a formula. Each has a graph in it, and often more than one. This page makes
those graphs, draws them, turns them back into what they came from, and at the end runs one and the
same kind of model on all three.
"""

# %%
# An image: every pixel a node
# ----------------------------
#
# The simplest graph of an image joins every pixel to the up to eight around it. `x` holds the
# colours, scaled to [0, 1], and `pos` the column and row.

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import torch
from matplotlib.collections import LineCollection
from sklearn.datasets import load_sample_image

from graphkit.convert import from_image, to_image

torch.manual_seed(0)

flower = np.ascontiguousarray(load_sample_image("flower.jpg")[60:380:3, 140:460:3])
pixels = from_image(flower)
print(flower.shape, flower.dtype)
print(pixels)

# %%
# Nothing is lost: the graph knows the shape and type of its image, and gives it back exactly.

assert np.array_equal(to_image(pixels), flower)

# %%
# On this graph the oldest operation of image processing is one round of messages: the mean over the
# pixels around is a blur. A layer with that aggregation and nothing to learn does it, and as
# often as it is repeated, as far the colours spread.

from graphkit.nn import MessagePassing


class Blur(MessagePassing):
    def __init__(self):
        super().__init__(aggr="mean")

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)


blur, x = Blur(), pixels.x
shown = {0: flower}
for step in range(1, 26):
    x = blur(x, pixels)
    if step in (5, 25):
        shown[step] = to_image(pixels.replace(x=x))

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for cell, (steps, image) in zip(axes, shown.items(), strict=True):
    cell.imshow(image)
    cell.set_title(f"{steps} rounds of messages" if steps else "the image")
    cell.set_axis_off()

# %%
# An image: every region a node
# -----------------------------
#
# Ten thousand nodes for a small image are many, and most of them say what their neighbours say.
# SLIC joins pixels that are near each other and of one colour to *superpixels*, here about 150;
# two are joined if they touch. `x` holds the mean colour, the centre and the size.

from graphkit.convert import from_image_superpixels

regions = from_image_superpixels(flower, segments=200, compactness=25)
print(regions)
print("pixel graph:", pixels.num_nodes, "nodes,", pixels.num_edges, "edges")
print("superpixels:", regions.num_nodes, "nodes,", regions.num_edges, "edges")

# %%
# The graph keeps the region of every pixel, `segments`, so that whatever is predicted for a region
# can be painted. Painting the mean colours shows how much of the image the graph still holds.

source, destination = regions.edge_index
once = source < destination
ends = torch.stack([regions.pos[source[once]], regions.pos[destination[once]]], dim=1)

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
axes[0].imshow(regions.segments.numpy() % 20, cmap="tab20")
axes[0].set_title("segments")
axes[1].imshow(flower, alpha=0.35)
axes[1].add_collection(LineCollection(list(ends.numpy()), colors="0.35", linewidths=0.7))
axes[1].scatter(
    *regions.pos.T.numpy(), c=regions.x[:, :3].numpy(), s=26, edgecolors="0.2", linewidths=0.5
)
axes[1].set_title("the graph")
axes[2].imshow(to_image(regions))
axes[2].set_title("painted back")
for cell in axes:
    cell.set_axis_off()

# %%
# A text: a chain
# ---------------
#
# A text is a sequence of tokens, and a sequence is a graph: from every token an edge to the next.
# `token` numbers the words by the `vocabulary`, ready for an embedding.

from graphkit.convert import from_text, to_text, to_tokens

text = """A town on a river had seven bridges, and people asked for a walk that crosses every bridge
once. Euler drew the town as a graph: every bank of the river became a node, and every bridge an
edge. A walk enters a node by one edge and leaves it by another, so a node with an odd number of
edges must be the start or the end of the walk. All nodes of the town had an odd number of edges,
and so there was no such walk."""

chain = from_text(text.lower())
print(chain)
print(to_tokens(chain)[:9])

# %%
# The text comes back with every blank and line break, read along the edges, even if the nodes stand
# in another order.

shuffled = chain.permute(torch.randperm(chain.num_nodes))
assert to_text(shuffled) == text.lower()

# %%
# A text: words that stand together
# ---------------------------------
#
# The other graph of a text has a node for every *word*. Two are joined if they stand within a
# window that slides over the text, and `edge_weight` counts how often. Short words, and some others
# that tell little, are left out first.

from graphkit.convert import from_cooccurrence, to_networkx

little = {"another", "asked", "became", "every", "must", "once", "such", "that", "there", "with"}
words = [word for word in to_tokens(chain) if len(word) > 3 and word not in little]
together = from_cooccurrence(words, window=4)
print(together)

# %%
# A walk along these edges stays longest at the words the text is about (Mihalcea and Tarau, 2004,
# call that TextRank). networkx has it, under the name of another application.

network = to_networkx(together)
rank = nx.pagerank(network)
print("about:", ", ".join(sorted(rank, key=lambda word: -rank[word])[:6]))

place = nx.kamada_kawai_layout(network, weight=None)
figure, axes = plt.subplots(figsize=(8, 6.4), layout="constrained")
widths = [0.5 * weight for *_, weight in network.edges(data="weight")]
nx.draw_networkx_edges(network, place, ax=axes, width=widths, edge_color="0.75")
nx.draw_networkx_nodes(
    network, place, ax=axes, node_size=[16000 * rank[w] for w in network], node_color="#9ec9f5"
)
nx.draw_networkx_labels(network, place, ax=axes, font_size=9)
axes.margins(0.1)
axes.set_axis_off()

# %%
# A molecule
# ----------
#
# A molecule has its graph in its formula: atoms and bonds. `from_smiles` reads the notation in
# which chemistry writes molecules down. `x` holds nine features of every atom, `edge_attr` three
# of every bond, each a number that stands for a category: the features of the Open Graph Benchmark.

from graphkit.convert import ATOM_FEATURES, BOND_FEATURES, from_smiles, to_smiles

caffeine = from_smiles("CN1C=NC2=C1C(=O)N(C(=O)N2C)C")
print(caffeine)
for name, column in zip(ATOM_FEATURES, caffeine.x[3].tolist(), strict=True):
    print(f"{name:>22}: {ATOM_FEATURES[name][column]}")

# %%
# From the features the molecule can be written down again.

print(to_smiles(caffeine))
assert to_smiles(from_smiles(to_smiles(caffeine))) == to_smiles(caffeine)

# %%
# Drawn by its graph alone:

symbols = {6: "C", 7: "N", 8: "O"}
colours = {6: "#d0d7de", 7: "#9ec9f5", 8: "#ffb3a7"}
atoms = [ATOM_FEATURES["atomic_num"][number] for number in caffeine.x[:, 0].tolist()]
bonds = nx.Graph()
kinds = BOND_FEATURES["bond_type"]
for u, v, kind in zip(
    *caffeine.edge_index.tolist(), caffeine.edge_attr[:, 0].tolist(), strict=True
):
    bonds.add_edge(u, v, width={"SINGLE": 2, "DOUBLE": 5, "AROMATIC": 3.5}[kinds[kind]])

place = nx.kamada_kawai_layout(bonds)
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
widths = [width for *_, width in bonds.edges(data="width")]
nx.draw_networkx_edges(bonds, place, ax=axes, width=widths, edge_color="0.6")
nx.draw_networkx_nodes(
    bonds, place, ax=axes, node_size=600, node_color=[colours[atoms[node]] for node in bonds]
)
nx.draw_networkx_labels(
    bonds, place, labels={node: symbols[atoms[node]] for node in bonds}, ax=axes
)
axes.set_title("Caffeine: double bonds wide, aromatic ones between")
axes.set_axis_off()

# %%
# One kind of model for all
# -------------------------
#
# From here on nothing depends on where a graph came from. An encoder of nodes and a readout make a
# vector of every graph, the only difference being what turns the features into numbers: a linear
# map for colours, an embedding for words, one for each column of a molecule.

from torch import nn

from graphkit.graph import Graph
from graphkit.nn import GIN, AtomEncoder, GraphHead, Linear, Predictor


def model(inputs):
    return nn.ModuleDict(
        {"inputs": inputs, "rest": Predictor(GIN(32, 32, 2), GraphHead(Linear(32, 4)))}
    )


def predict(model, features, graph):
    return model["rest"](model["inputs"](features), graph, graph)


halves = Graph.batch([from_image_superpixels(half) for half in (flower[:, :53], flower[:, 53:])])
print(predict(model(nn.Linear(6, 32)), halves.x, halves).shape)

vocabulary = sorted({*to_tokens(chain)})
sentences = [part.strip() + "." for part in text.lower().split(".") if part]
texts = Graph.batch([from_text(sentence, vocabulary) for sentence in sentences])
print(predict(model(nn.Embedding(len(vocabulary), 32)), texts.token, texts).shape)

molecules = Graph.batch([from_smiles(smiles) for smiles in ("CCO", "c1ccccc1", "CC(=O)O")])
print(predict(model(AtomEncoder(32)), molecules.x, molecules).shape)

# %%
# Graphs that already are graphs somewhere else come by the other functions of
# :doc:`/api/convert`: NetworkX, PyTorch Geometric, DGL, SciPy and pandas.
