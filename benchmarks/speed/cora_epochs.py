"""GCN on Cora as its paper trains it: 200 epochs, each with an evaluation.

    python benchmarks/speed/cora_epochs.py [--threads 1] [--csv FILE]

Hidden 16, dropout 0.5, Adam, features divided by their sum, validation accuracy after every epoch.
The loop is one and the same; what differs is the library's layers and the form of its data. PyTorch
Geometric has dense features with `edge_index` or a CSR adjacency and `cached=True` as in its
example, and runs under torch.compile, too; DGL has dense features and the graph with self-loops;
graphkit has sparse features, as loading gives them. A turn is 200 epochs, a row's time one epoch.
"""

from __future__ import annotations

import argparse
from typing import Any

import lab

EPOCHS, HIDDEN, SEED = 200, 16, 0
SYSTEMS = ("pyg", "pyg-csr", "pyg-compile", "dgl")


def build(system: str) -> lab.Work:
    """Trains for 200 epochs in a turn, which gives the last validation accuracy."""
    import torch
    import torch.nn.functional as F

    from graphkit import data

    graph = data.normalize_features(data.load("cora").graph)
    split, y = data.load("cora").split(), graph.y
    x, edges = inputs(system, graph)
    dropout = F.dropout
    if system == "graphkit":
        from graphkit.nn import dropout

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = layer(system, x.size(1), HIDDEN)
            self.conv2 = layer(system, HIDDEN, 7)

        def forward(self, x, edges):
            h = dropout(x, 0.5, self.training)
            h = call(self.conv1, h, edges).relu()
            h = dropout(h, 0.5, self.training)
            return call(self.conv2, h, edges)

    def call(conv: Any, h: Any, edges: Any) -> torch.Tensor:
        return conv(edges, h) if system == "dgl" else conv(h, edges)

    def turn() -> float:
        torch.manual_seed(SEED)
        net = Net()
        groups = [
            {"params": net.conv1.parameters(), "weight_decay": 5e-4},
            {"params": net.conv2.parameters(), "weight_decay": 0},
        ]
        optimizer = torch.optim.Adam(groups, lr=0.01)
        model = torch.compile(net) if system == "pyg-compile" else net
        accuracy = 0.0
        for _ in range(EPOCHS):
            model.train()
            optimizer.zero_grad()
            out = model(x, edges)
            F.cross_entropy(out[split.train], y[split.train]).backward()
            optimizer.step()
            model.eval()
            with torch.no_grad():
                out = model(x, edges)
            accuracy = (out[split.val].argmax(dim=1) == y[split.val]).float().mean().item()
        return accuracy

    def proof() -> dict[str, list[float]]:
        """What a network with certain weights makes of the graph."""
        net, generator = Net().eval(), torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            for conv in (net.conv1, net.conv2):
                weight = conv.weight.T if system == "dgl" else conv.lin.weight
                weight.copy_(torch.randn(weight.shape, generator=generator))
            return {"output": net(x, edges)[::10].flatten().tolist()}

    return lab.Work(turn, proof())


def inputs(system: str, graph: Any) -> tuple[Any, Any]:
    """Features and edges in the library's form."""
    import torch

    if system == "graphkit":
        return graph.x, graph
    x, edges = graph.x.to_dense(), graph.edge_index
    if system == "dgl":
        import dgl

        return x, dgl.add_self_loop(dgl.graph(tuple(edges), num_nodes=graph.num_nodes))
    if system == "pyg-csr":
        # PyTorch Geometric reads the rows of a sparse matrix as destinations.
        ones, size = torch.ones(graph.num_edges), (graph.num_nodes, graph.num_nodes)
        edges = torch.sparse_coo_tensor(edges.flip(0), ones, size).coalesce().to_sparse_csr()
    return x, edges


def layer(system: str, i: int, o: int) -> Any:
    if system == "graphkit":
        from graphkit.nn import GCNConv

        return GCNConv(i, o)
    if system == "dgl":
        from dgl.nn import GraphConv

        return GraphConv(i, o)
    from torch_geometric.nn import GCNConv

    return GCNConv(i, o, cached=True)


def options_parser() -> argparse.ArgumentParser:
    return lab.epochs_parser(__doc__, SYSTEMS)


if __name__ == "__main__":
    lab.measure_epochs(options_parser().parse_args(), build, EPOCHS, "validation_accuracy")
