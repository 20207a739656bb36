"""What is minimised, as plain functions: graphs and images share them.

Reconstruction errors and divergences are sums over a sample's entries, one number for every sample;
whoever calls them takes the mean over the batch. Adversarial objectives take what a discriminator
says of real and of generated samples, before any sigmoid, and give one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# ------------------------------------------------------------------ reconstruction


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    r""":math:`\sum_k (\hat x_k - x_k)^2`, ``[B]``."""
    return (output - target).square().flatten(1).sum(dim=1)


def absolute_error(output: Tensor, target: Tensor) -> Tensor:
    r""":math:`\sum_k |\hat x_k - x_k|`, ``[B]``."""
    return (output - target).abs().flatten(1).sum(dim=1)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    r""":math:`-\sum_k x_k \log \hat x_k + (1 - x_k) \log(1 - \hat x_k)` in nats, ``[B]``, with
    :math:`\hat x = \sigma(\text{logits})` and targets in [0, 1]."""
    entries = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return entries.flatten(1).sum(dim=1)


class Reconstruction(NamedTuple):
    """How a reconstruction is compared.

    Attributes:
        error: of what the decoder gives and the target, ``[B]``.
        output: what makes samples of what the decoder gives.
        bounded: whether targets must lie in [0, 1].
    """

    error: Callable[[Any, Any], Tensor]
    output: Callable[[Any], Any]
    bounded: bool


def _same(output: Tensor) -> Tensor:
    return output


RECONSTRUCTIONS = {
    "mse": Reconstruction(squared_error, _same, bounded=False),
    "l1": Reconstruction(absolute_error, _same, bounded=False),
    "bce": Reconstruction(cross_entropy, torch.sigmoid, bounded=True),
}

# ------------------------------------------------------------------ codes


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Of a diagonal normal distribution to the standard one, in nats, ``[B]``,
    :math:`\tfrac12 \sum_k \mu_k^2 + \sigma_k^2 - \log \sigma_k^2 - 1` (Kingma & Welling 2014,
    appendix B)."""
    entries = mean.square() + log_variance.exp() - log_variance - 1
    return 0.5 * entries.flatten(1).sum(dim=1)


def kl_sparsity(activation: Tensor, target: float) -> Tensor:
    r""":math:`\sum_k \mathrm{KL}(\rho \,\Vert\, \hat\rho_k)` of two coins, where
    :math:`\hat\rho_k` is the mean activation of unit k over the batch (Ng 2011, CS294A notes).

    Args:
        activation: ``[B, units]`` in [0, 1].
        target: :math:`\rho`.
    """
    mean = activation.flatten(1).mean(dim=0).clamp(1e-6, 1 - 1e-6)
    terms = target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()
    return terms.sum()


def jacobian_norm(code: Tensor, x: Tensor) -> Tensor:
    r""":math:`\sum_{kl} (\partial h_k / \partial x_l)^2`, exact, ``[B]`` (Rifai et al. 2011,
    eq. 1).

    Args:
        code: ``[B, units]``, made of `x` sample by sample.
        x: requires a gradient.
    """
    units = code.flatten(1)
    choose = torch.eye(units.size(1), dtype=code.dtype, device=code.device)
    choose = choose.unsqueeze(1).expand(-1, units.size(0), -1)
    (rows,) = torch.autograd.grad(units, x, choose, create_graph=True, is_grads_batched=True)
    return rows.square().flatten(2).sum(dim=(0, 2))


def mmd(a: Tensor, b: Tensor, scales: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)) -> Tensor:
    r"""Squared maximum mean discrepancy of two samples ``[n, d]``, ``[m, d]``, the unbiased
    estimate under a mean of normal kernels (Gretton et al. 2012, eq. 3).

    Args:
        scales: bandwidths in units of :math:`\sqrt d`.
    """
    n, m = a.size(0), b.size(0)

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        square = torch.cdist(one, other).square() / a.size(1)
        return torch.stack([(-square / (2 * s * s)).exp() for s in scales]).mean(dim=0)

    aa, bb = kernel(a, a), kernel(b, b)
    same = (aa.sum() - aa.trace()) / (n * (n - 1)) + (bb.sum() - bb.trace()) / (m * (m - 1))
    return same - 2 * kernel(a, b).mean()


# ------------------------------------------------------------------ adversaries


class Adversarial(NamedTuple):
    """What either player minimises.

    Attributes:
        discriminator: of what it says of real and of generated samples, each ``[B]`` or ``[B, 1]``,
            and of real samples' label, which is 1 unless it is smoothed.
        generator: of what the discriminator says of generated samples.
        boundary: above it the discriminator calls a sample real; None for a critic, which gives
            no more than an order.
        labels: whether there are any, to be smoothed (Salimans et al. 2016, section 3.4).
    """

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    generator: Callable[[Tensor], Tensor]
    boundary: float | None = 0.0
    labels: bool = False


def _odds(real: Tensor, fake: Tensor, label: float) -> Tensor:
    r""":math:`-\log D(x) - \log(1 - D(G(z)))` (Goodfellow et al. 2014, eq. 1)."""
    of_real = F.binary_cross_entropy_with_logits(real, torch.full_like(real, label))
    return of_real + F.softplus(fake).mean()


def _minimax(fake: Tensor) -> Tensor:
    r""":math:`\log(1 - D(G(z)))`, the other side of the same game (there, eq. 1)."""
    return -F.softplus(fake).mean()


def _non_saturating(fake: Tensor) -> Tensor:
    r""":math:`-\log D(G(z))` (there, section 3)."""
    return F.softplus(-fake).mean()


def _squares(real: Tensor, fake: Tensor, label: float) -> Tensor:
    r""":math:`\tfrac12 (D(x) - 1)^2 + \tfrac12 D(G(z))^2` (Mao et al. 2017, eq. 9)."""
    return 0.5 * (real - label).square().mean() + 0.5 * fake.square().mean()


def _square(fake: Tensor) -> Tensor:
    r""":math:`\tfrac12 (D(G(z)) - 1)^2` (there, eq. 9)."""
    return 0.5 * (fake - 1).square().mean()


def _hinge(real: Tensor, fake: Tensor, label: float) -> Tensor:
    r""":math:`\max(0, 1 - D(x)) + \max(0, 1 + D(G(z)))` (Lim & Ye 2017, eq. 1)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _distance(real: Tensor, fake: Tensor, label: float) -> Tensor:
    r""":math:`D(G(z)) - D(x)` (Arjovsky et al. 2017, eq. 3)."""
    return fake.mean() - real.mean()


def _towards(fake: Tensor) -> Tensor:
    r""":math:`-D(G(z))`."""
    return -fake.mean()


ADVERSARIAL = {
    "minimax": Adversarial(_odds, _minimax, labels=True),
    "non-saturating": Adversarial(_odds, _non_saturating, labels=True),
    "least-squares": Adversarial(_squares, _square, boundary=0.5, labels=True),
    "hinge": Adversarial(_hinge, _towards),
    "wasserstein": Adversarial(_distance, _towards, boundary=None),
}


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor
) -> Tensor:
    r"""Mean of :math:`(\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1)^2` at random points
    :math:`\hat x` between real and generated samples (Gulrajani et al. 2017, eq. 3).

    Args:
        discriminator: of one batch.
        real, fake: of one shape, ``[B, ...]``.
    """
    share = torch.rand(real.size(0), *[1] * (real.dim() - 1), dtype=real.dtype, device=real.device)
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
