"""Masked graph autoencoders: what is hidden is what is learnt."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit import Graph
from graphkit.data.links import split_links
from graphkit.generative.graph import Links, MaskGAE, link_error
from graphkit.metrics import roc_auc
from graphkit.nn import GCNConv


class Encoder(nn.Module):
    """One graph convolution, as in the paper's link prediction."""

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        self.conv, self.norm = GCNConv(features, out), nn.BatchNorm1d(out)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        return F.elu(self.norm(self.conv(x, graph)))


def communities() -> Graph:
    """Four groups of 25 nodes, joined within more than between, told by noisy features."""
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(100) // 25
    share = torch.where(group[:, None] == group, 0.3, 0.02)
    joined = (torch.rand(100, 100, generator=generator) < share).triu(1).nonzero().t()
    x = F.one_hot(group, 4).float() + 0.5 * torch.randn(100, 4, generator=generator)
    edges = torch.cat([joined, joined.flip(0)], dim=1)
    return Graph(edges, num_nodes=100, x=x, undirected=True)


def test_the_loss_is_of_hidden_links_and_of_their_number_at_every_node() -> None:
    torch.manual_seed(0)
    model = MaskGAE(nn.Identity(), 2, hidden=4, alpha=0.5).double()
    x = torch.randn(4, 2, dtype=torch.double)
    links = Links(torch.tensor([[0, 0], [1, 2]]), torch.tensor([[1], [3]]))
    degree = torch.tensor([2.0, 1, 1, 0]).double()
    wanted = link_error(model.decoder(x), links)
    wanted = wanted + 0.5 * (model.degree(x).squeeze(1) - degree).square().mean()
    torch.testing.assert_close(model.loss(x, target=links), wanted)


def test_links_that_were_taken_out_are_found() -> None:
    graph = communities()
    split = split_links(graph, 0.05, 0.15, seed=0)
    torch.manual_seed(0)
    model, generator = MaskGAE(Encoder(4, 32), 32), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        shown, hidden, unlinked = split.draw(0.7, generator)
        assert shown.num_edges + 2 * hidden.size(1) == split.graph.num_edges
        optimizer.zero_grad()
        model.loss(graph.x, shown, target=Links(hidden, unlinked)).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        found = model.decode(model.encode(graph.x, split.graph))(
            torch.cat([split.test, split.test_negative], dim=1)
        )
    assert (
        roc_auc(found, (torch.arange(len(found)) < split.test.size(1)).float()) > 0.7
    )  # 0.8 is all there is to know


def test_codes_and_links_move_with_their_nodes() -> None:
    graph = communities()
    model = MaskGAE(Encoder(4, 8), 8).double().eval()
    order = torch.randperm(100)
    place = order.argsort()
    other = Graph(place[graph.edge_index], num_nodes=100)
    x = graph.x.double()
    code, moved = model.encode(x, graph), model.encode(x[order], other)
    torch.testing.assert_close(moved, code[order])
    pairs = torch.tensor([[0, 5], [1, 99]])
    torch.testing.assert_close(model.decode(moved)(place[pairs]), model.decode(code)(pairs))


def test_a_target_of_another_kind() -> None:
    model = MaskGAE(nn.Identity(), 2)
    with pytest.raises(TypeError, match="target: expected Links, got NoneType"):
        model.loss(torch.randn(4, 2))
