"""Graph autoencoders with the names and calls of PyTorch Geometric's.

:mod:`graphkit.generative` makes the same models of parts that images share, with training,
adversaries and further decoders; these serve scripts that are written for the other library.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.engine.cpu.sample.linked import linked_of
from graphkit.graph import Graph, as_graph
from graphkit.nn.inits import reset

_MAX_LOGSTD = 10


class InnerProductDecoder(nn.Module):
    r"""A link of two nodes has the probability :math:`\sigma(z_i^\top z_j)` (Kipf & Welling 2016,
    eq. 2)."""

    def forward(self, z: Tensor, edge_index: Tensor, sigmoid: bool = True) -> Tensor:
        """Of some pairs, ``[P]``.

        Args:
            z: codes ``[N, k]``.
            edge_index: pairs ``[2, P]``.
            sigmoid: probabilities; if not, their logits.
        """
        # Faster than z[...], there and back.
        first, second = (z.index_select(0, ends) for ends in edge_index)
        value = (first * second).sum(dim=1)
        return value.sigmoid() if sigmoid else value

    def forward_all(self, z: Tensor, sigmoid: bool = True) -> Tensor:
        """Of all pairs, ``[N, N]``."""
        value = z @ z.t()
        return value.sigmoid() if sigmoid else value


class GAE(nn.Module):
    """Graph autoencoder (Kipf & Welling 2016).

    Args:
        encoder: gives codes ``[N, k]`` of whatever :meth:`encode` is given.
        decoder: called as an :class:`InnerProductDecoder`, which it is if not given.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = InnerProductDecoder() if decoder is None else decoder
        GAE.reset_parameters(self)

    def reset_parameters(self) -> None:
        reset(self.encoder)
        reset(self.decoder)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """What the encoder gives."""
        return self.encoder(*args, **kwargs)

    def encode(self, *args: Any, **kwargs: Any) -> Tensor:
        """Codes ``[N, k]``."""
        return self.encoder(*args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> Tensor:
        """What the decoder gives."""
        return self.decoder(*args, **kwargs)

    def recon_loss(
        self, z: Tensor, pos_edge_index: Any, neg_edge_index: Tensor | None = None
    ) -> Tensor:
        r"""Cross-entropy of links and of pairs without one, the mean of each, added up:

        .. math::
            -\tfrac{1}{P} \sum_{(i, j)} \log p_{ij} - \tfrac{1}{Q} \sum_{(i, j)} \log(1 - p_{ij}).

        Args:
            z: codes.
            pos_edge_index: links ``[2, P]``, or a Graph.
            neg_edge_index: pairs without a link ``[2, Q]``; if not given, P different ones are
                drawn by torch's generator, each as likely.
        """
        links = pos_edge_index.edge_index if isinstance(pos_edge_index, Graph) else pos_edge_index
        if neg_edge_index is None:
            graph = as_graph(pos_edge_index, z.size(0))
            seed = int(torch.randint(2**63 - 1, ()))
            neg_edge_index = linked_of(graph.to("cpu")).sample(links.size(1), seed).to(z.device)
        linked = self.decoder(z, links, sigmoid=False)
        unlinked = self.decoder(z, neg_edge_index, sigmoid=False)
        return -F.logsigmoid(linked).mean() - F.logsigmoid(-unlinked).mean()

    def test(
        self, z: Tensor, pos_edge_index: Tensor, neg_edge_index: Tensor
    ) -> tuple[float, float]:
        """Area under the ROC curve, and average precision, of links among pairs without one."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        pairs = torch.cat([pos_edge_index, neg_edge_index], dim=1)
        found = self.decoder(z, pairs, sigmoid=True).detach().cpu().numpy()
        target = (torch.arange(pairs.size(1)) < pos_edge_index.size(1)).numpy()
        return float(roc_auc_score(target, found)), float(average_precision_score(target, found))


class VGAE(GAE):
    r"""Variational graph autoencoder (Kipf & Welling 2016).

    Args:
        encoder: gives means and logarithms of standard deviations, ``[N, k]`` each; these are held
            at 10 at most.
        decoder: as for :class:`GAE`.
    """

    __mu__: Tensor
    __logstd__: Tensor

    def reparametrize(self, mu: Tensor, logstd: Tensor) -> Tensor:
        r"""In training :math:`\mu + \sigma \odot \epsilon`, else the mean."""
        return mu + torch.randn_like(logstd) * logstd.exp() if self.training else mu

    def encode(self, *args: Any, **kwargs: Any) -> Tensor:
        """Codes, drawn in training; what they were drawn of is kept for :meth:`kl_loss`."""
        self.__mu__, logstd = self.encoder(*args, **kwargs)
        self.__logstd__ = logstd.clamp(max=_MAX_LOGSTD)
        return self.reparametrize(self.__mu__, self.__logstd__)

    def kl_loss(self, mu: Tensor | None = None, logstd: Tensor | None = None) -> Tensor:
        r"""Divergence from the standard normal distribution, the mean over nodes of
        :math:`\tfrac12 \sum_k \mu_k^2 + \sigma_k^2 - 2 \log \sigma_k - 1`.

        Args:
            mu, logstd: ``[N, k]``; if not given, what was encoded last.
        """
        mu = self.__mu__ if mu is None else mu
        logstd = self.__logstd__ if logstd is None else logstd.clamp(max=_MAX_LOGSTD)
        return 0.5 * (mu.square() + (2 * logstd).exp() - 2 * logstd - 1).sum(dim=1).mean()


class ARGA(GAE):
    """Graph autoencoder with an adversary on the code (Pan et al. 2018).

    Args:
        encoder: as for :class:`GAE`.
        discriminator: of codes ``[N, k]``, gives logits.
        decoder: as for :class:`GAE`.
    """

    def __init__(
        self, encoder: nn.Module, discriminator: nn.Module, decoder: nn.Module | None = None
    ) -> None:
        super().__init__(encoder, decoder)
        self.discriminator = discriminator
        reset(self.discriminator)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        reset(self.discriminator)

    def reg_loss(self, z: Tensor) -> Tensor:
        """What the encoder pays for codes that are told from draws of the prior."""
        return -F.logsigmoid(self.discriminator(z)).mean()

    def discriminator_loss(self, z: Tensor) -> Tensor:
        """Cross-entropy of as many draws of the standard normal distribution and of these codes,
        through which no gradient flows."""
        real = self.discriminator(torch.randn_like(z))
        fake = self.discriminator(z.detach())
        return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()


class ARGVA(VGAE, ARGA):
    """Variational graph autoencoder with an adversary on the code (Pan et al. 2018).

    Args:
        encoder: as for :class:`VGAE`.
        discriminator, decoder: as for :class:`ARGA`.
    """

    def __init__(
        self, encoder: nn.Module, discriminator: nn.Module, decoder: nn.Module | None = None
    ) -> None:
        super().__init__(encoder, discriminator, decoder)
        self.register_load_state_dict_pre_hook(_without_copy)


def _without_copy(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    """Checkpoints of PyTorch Geometric's ARGVA hold encoder and decoder twice."""
    for name in [name for name in state if name.startswith(f"{prefix}VGAE.")]:
        del state[name]
