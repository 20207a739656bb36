"""A graph autoencoder: links that were taken out, clusters of nodes, and a picture of the codes.

    python graph_autoencoder.py [PICTURE]

The graph joins 1,797 handwritten digits with their nearest ones. No label is used in training.
"""

import sys
from pathlib import Path

import torch

from graphkit import plot
from graphkit.data import load, split_links
from graphkit.generative.graph import draw_links, gae
from graphkit.metrics import roc_auc
from graphkit.metrics.communities import clustering_quality
from graphkit.nn import GCN

torch.manual_seed(0)
graph = load("digits-knn").graph
split = split_links(graph, 0.05, 0.10, seed=0)

model = gae(GCN(64, 32, num_layers=2, out_channels=16))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
generator = torch.Generator().manual_seed(0)
for _ in range(100):
    optimizer.zero_grad()
    model.loss(graph.x, split.graph, target=draw_links(split, generator)).backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    codes = model.encode(graph.x, split.graph)
    probability = model.decode(codes)(torch.cat([split.test, split.test_negative], dim=1))
linked = (torch.arange(len(probability)) < split.test.size(1)).float()
print(f"AUC of the links taken out: {roc_auc(probability, linked):.3f}")

found = clustering_quality(codes, graph.y, seed=0)
print("k-means of the codes:", ", ".join(f"{name} {value:.3f}" for name, value in found.items()))

plot.embedding(
    Path(sys.argv[1] if len(sys.argv) > 1 else "codes.png"),
    codes.numpy(),
    graph.y.numpy(),
    title="Digits, coded by their neighbours",
    subtitle="Codes of a graph autoencoder, by t-SNE; colours are the labels, which it never saw",
)
