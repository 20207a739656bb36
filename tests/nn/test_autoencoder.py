"""Graph autoencoders by PyTorch Geometric's names, beside PyTorch Geometric's own."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

import graphkit.nn as ours
from graphkit.graph import Graph

NODES, FEATURES, CODE = 40, 6, 4


def two_communities() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(NODES) % 2
    share = torch.where(group[:, None] == group, 0.4, 0.03)
    joined = (torch.rand(NODES, NODES, generator=generator) < share).triu(1)
    edges = torch.cat([joined.nonzero().t(), joined.nonzero().t().flip(0)], dim=1)
    return torch.randn(NODES, FEATURES, generator=generator) + group[:, None], edges


def encoder(library: ModuleType, variational: bool) -> nn.Module:
    """As in the examples of PyTorch Geometric."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = library.GCNConv(FEATURES, 2 * CODE)
            self.conv_mu = library.GCNConv(2 * CODE, CODE)
            if variational:
                self.conv_logstd = library.GCNConv(2 * CODE, CODE)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            x = self.conv1(x, edge_index).relu()
            mu = self.conv_mu(x, edge_index)
            return (mu, self.conv_logstd(x, edge_index)) if variational else mu

    return Encoder()


def model(library: ModuleType, name: str) -> Any:
    given = [encoder(library, name in ("VGAE", "ARGVA"))]
    if name.startswith("ARG"):
        given.append(nn.Sequential(nn.Linear(CODE, 8), nn.ReLU(), nn.Linear(8, 1)))
    return getattr(library, name)(*given)


@pytest.mark.parametrize("name", ["GAE", "VGAE", "ARGA", "ARGVA"])
def test_losses_and_scores_are_those_of_pyg(name: str):
    torch.manual_seed(0)
    x, edges = two_communities()
    x = x.double() / 10  # for small codes: theirs adds 1e-15 to every probability
    unlinked = torch.randint(NODES, (2, 50))
    theirs, mine = model(pyg, name).double(), model(ours, name).double()
    mine.load_state_dict(theirs.state_dict())  # strictly
    found = []
    for one in (theirs, mine):
        torch.manual_seed(1)
        z = one.encode(x, edges)
        losses = [one.recon_loss(z, edges, unlinked)]
        if "V" in name:
            losses += [one.kl_loss(), one.kl_loss(z, -z)]
        if name.startswith("ARG"):
            losses += [one.reg_loss(z), one.discriminator_loss(z)]
        torch.stack(losses).sum().backward()
        gradients = {key: p.grad for key, p in one.named_parameters()}
        one.eval()
        z = one.encode(x, edges)
        assert torch.equal(z, one.encode(x, edges))
        found.append((losses, gradients, one.test(z, edges, unlinked)))
    (losses, gradients, scores), (others, also, same) = found
    assert torch.allclose(torch.stack(losses), torch.stack(others), atol=1e-10)
    assert gradients.keys() == also.keys()
    for key, gradient in gradients.items():
        assert torch.allclose(gradient, also[key], atol=1e-10), key
    assert scores == pytest.approx(same)


def test_links_by_inner_products():
    z = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0]])
    decoder = ours.InnerProductDecoder()
    pairs = torch.tensor([[0, 1], [1, 2]])
    assert decoder(z, pairs, sigmoid=False).tolist() == [2.0, -1.0]
    assert decoder(z, pairs).tolist() == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.e)])
    assert decoder.forward_all(z)[0, 1].item() == pytest.approx(1 / (1 + math.exp(-2)))
    assert torch.equal(decoder.forward_all(z, sigmoid=False), z @ z.t())


def test_pairs_that_are_drawn_have_no_link():
    """With a decoder that knows exactly which nodes are joined the loss is as good as 0."""
    x, edges = two_communities()
    linked = torch.zeros(NODES, NODES)
    linked[edges[0], edges[1]] = 1

    class Known(nn.Module):
        def forward(self, z: Tensor, pairs: Tensor, sigmoid: bool = True) -> Tensor:
            return 40 * (2 * linked[pairs[0], pairs[1]] - 1)

    known = ours.GAE(nn.Identity(), Known())
    torch.manual_seed(0)
    assert known.recon_loss(x, edges) < 1e-6
    assert known.recon_loss(x, Graph(edges, NODES)) < 1e-6
    with pytest.raises(ValueError, match="edge_index"):
        known.recon_loss(x[:5], edges)


@pytest.mark.parametrize("name", ["GAE", "ARGVA"])
def test_an_example_runs_with_its_import_changed(name: str):
    torch.manual_seed(0)
    x, edges = two_communities()
    joined = torch.eye(NODES, dtype=torch.bool)
    joined[edges[0], edges[1]] = True
    unlinked = (~joined).nonzero().t()
    autoencoder = model(ours, name)
    of_encoder = torch.optim.Adam(autoencoder.encoder.parameters(), lr=0.01)

    def error() -> float:
        autoencoder.eval()
        with torch.no_grad():
            return autoencoder.recon_loss(autoencoder.encode(x, edges), edges, unlinked).item()

    before = error()
    if name == "ARGVA":
        of_judge = torch.optim.Adam(autoencoder.discriminator.parameters(), lr=0.01)
    for _ in range(150):
        autoencoder.train()
        of_encoder.zero_grad()
        z = autoencoder.encode(x, edges)
        loss = autoencoder.recon_loss(z, edges)
        if name == "ARGVA":
            of_judge.zero_grad()
            autoencoder.discriminator_loss(z).backward()
            of_judge.step()
            loss = loss + autoencoder.reg_loss(z) + autoencoder.kl_loss() / NODES
        loss.backward()
        of_encoder.step()
    assert error() < 0.97 * before
    assert autoencoder.test(autoencoder.encode(x, edges), edges, unlinked)[0] > 0.7
