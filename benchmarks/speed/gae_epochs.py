"""A graph autoencoder on PubMed as PyTorch Geometric's example trains it.

    python benchmarks/speed/gae_epochs.py [--threads 1] [--csv FILE]

Two graph convolutions, 32 and 16 wide, inner products, 85 % of the links with as many pairs without
one, drawn anew, Adam. The loop is one and the same, with `GAE` and `GCNConv` of either library.
What differs is the form of the features: PyTorch Geometric's are dense, as in its example;
graphkit's are sparse, as loading gives them. The peer has `edge_index` or a CSR adjacency, with
`cached=True`. A turn is ten epochs, a row's time one epoch.
"""

from __future__ import annotations

import argparse
from typing import Any

import lab

EPOCHS, CODE, SEED = 10, 16, 0
SYSTEMS = ("pyg", "pyg-csr")


def build(system: str) -> lab.Work:
    """Trains for ten epochs in a turn, which gives the last AUC of the test links."""
    import torch

    from graphkit import data

    graph = data.normalize_features(data.load("pubmed").graph)
    split = data.split_links(graph, 0.05, 0.10, seed=SEED)
    links, unlinked = split.test, split.test_negative
    positive = split.graph.edge_index
    if system == "graphkit":
        import graphkit.nn as library

        x, edges, positive, options = graph.x, split.graph, split.graph, {}
    else:
        import torch_geometric.nn as library

        x, edges, options = graph.x.to_dense(), positive, {"cached": True}
        if system == "pyg-csr":
            ones, size = torch.ones(positive.size(1)), (graph.num_nodes, graph.num_nodes)
            edges = torch.sparse_coo_tensor(positive.flip(0), ones, size).coalesce()
            edges = edges.to_sparse_csr()

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = library.GCNConv(x.size(1), 2 * CODE, **options)
            self.conv2 = library.GCNConv(2 * CODE, CODE, **options)

        def forward(self, x: Any, edges: Any) -> torch.Tensor:
            return self.conv2(self.conv1(x, edges).relu(), edges)

    def turn() -> float:
        torch.manual_seed(SEED)
        model = library.GAE(Encoder())
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(EPOCHS):
            model.train()
            optimizer.zero_grad()
            model.recon_loss(model.encode(x, edges), positive).backward()
            optimizer.step()
        with torch.no_grad():
            return model.test(model.encode(x, edges), links, unlinked)[0]

    def proof() -> dict[str, list[float]]:
        """What an encoder with certain weights makes of the graph, and its loss."""
        encoder, generator = Encoder(), torch.Generator().manual_seed(SEED)
        model = library.GAE(encoder)
        with torch.no_grad():
            for conv in (encoder.conv1, encoder.conv2):
                weight = conv.lin.weight
                weight.copy_(torch.randn(weight.shape, generator=generator) / 4)
            z = model.encode(x, edges)
            loss = model.recon_loss(z, positive, unlinked)
        return {"output": z[::100].flatten().tolist(), "loss": [loss.item()]}

    return lab.Work(turn, proof())


def options_parser() -> argparse.ArgumentParser:
    return lab.epochs_parser(__doc__, SYSTEMS)


if __name__ == "__main__":
    lab.measure_epochs(options_parser().parse_args(), build, EPOCHS, "auc")
