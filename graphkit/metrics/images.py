"""How good pictures are: beside those they should be, and as samples of a distribution."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


def psnr(estimate: Tensor, target: Tensor, peak: float = 1.0) -> Tensor:
    r"""Peak ratio of signal to noise in dB, ``[B]``: :math:`10 \log_{10}(p^2 / \mathrm{MSE})`.

    Args:
        estimate, target: ``[B, ...]``, of one shape.
        peak: the brightest value there can be.
    """
    _same(estimate, target)
    error = (estimate - target).square().flatten(1).mean(dim=1)
    return 10 * (peak**2 / error).log10()


def ssim(estimate: Tensor, target: Tensor, peak: float = 1.0) -> Tensor:
    r"""Structural similarity, ``[B]``, 1 for equal pictures (Wang et al. 2004, eq. 13).

    .. math::
        \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}
             {(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}

    with means and covariances under a normal window of 11 x 11 pixels and deviation 1.5, averaged
    over all places of the window and all channels; :math:`c_1 = (0.01 p)^2, c_2 = (0.03 p)^2`.

    Args:
        estimate, target: ``[B, C, H, W]``, at least 11 pixels a side.
        peak: the brightest value there can be.
    """
    _same(estimate, target)
    if estimate.dim() != 4 or min(estimate.shape[2:]) < 11:
        raise ValueError(
            f"estimate: expected shape [B, C, H, W] with sides of at least 11, "
            f"got {list(estimate.shape)}"
        )
    line = torch.arange(11, dtype=estimate.dtype, device=estimate.device) - 5
    line = (-line.square() / (2 * 1.5**2)).exp()
    window = (line[:, None] * line / line.sum().square())[None, None]

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(x.flatten(0, 1).unsqueeze(1), window)

    x, y = mean(estimate), mean(target)
    xx, yy = mean(estimate.square()) - x.square(), mean(target.square()) - y.square()
    xy = mean(estimate * target) - x * y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similar = (2 * x * y + c1) * (2 * xy + c2)
    similar = similar / ((x.square() + y.square() + c1) * (xx + yy + c2))
    return similar.view(len(estimate), -1).mean(dim=1)


def _same(estimate: Tensor, target: Tensor) -> None:
    if estimate.shape != target.shape:
        raise ValueError(
            f"estimate: expected the target's shape {list(target.shape)}, "
            f"got {list(estimate.shape)}"
        )


# ------------------------------------------------------------------ of samples


def frechet_distance(real: Tensor, made: Tensor) -> float:
    r"""Fréchet distance of the normal distributions with the means and covariances of two samples
    of features (Heusel et al. 2017, eq. 6; FID, where the features are Inception's).

    .. math::
        \lVert \mu_r - \mu_m \rVert^2 + \operatorname{tr}(\Sigma_r + \Sigma_m
            - 2 (\Sigma_r^{1/2} \Sigma_m \Sigma_r^{1/2})^{1/2})

    Its floor is that of two samples of one distribution: it falls with their size.

    Args:
        real, made: ``[n, d]`` and ``[m, d]``, two rows at least.
    """
    (mean, square), (other_mean, other) = _moments(real), _moments(made)
    values, vectors = torch.linalg.eigh(square)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # The product is symmetric, so its root's trace is the sum of the eigenvalues' roots.
    trace = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    distance = (mean - other_mean).square().sum() + square.trace() + other.trace() - 2 * trace
    return max(distance.item(), 0.0)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    _check_features(features)
    x = features.double()
    return x.mean(dim=0), torch.cov(x.T).view(x.size(1), x.size(1))


def kernel_distance(real: Tensor, made: Tensor) -> float:
    r"""Squared maximum mean discrepancy of two samples of features under the kernel
    :math:`(x^\top y / d + 1)^3`, the unbiased estimate (Bińkowski et al. 2018; KID, where the
    features are Inception's). It may be a little below 0.

    Args:
        real, made: ``[n, d]`` and ``[m, d]``, two rows at least.
    """
    for features in (real, made):
        _check_features(features)
    x, y = real.double(), made.double()
    n, m = len(x), len(y)

    def total(a: Tensor, b: Tensor) -> Tensor:
        parts = [(part @ b.T / a.size(1) + 1).pow(3).sum() for part in a.split(1024)]
        return torch.stack(parts).sum()

    def itself(a: Tensor) -> Tensor:
        return (a.square().sum(dim=1) / a.size(1) + 1).pow(3).sum()

    within = (total(x, x) - itself(x)) / (n * (n - 1)) + (total(y, y) - itself(y)) / (m * (m - 1))
    return (within - 2 * total(x, y) / (n * m)).item()


def inception_score(probabilities: Tensor) -> float:
    r"""Exponential of the mean divergence of a classifier's answers from their mean,
    :math:`\exp \frac1n \sum_i \mathrm{KL}(p(y|x_i) \,\Vert\, p(y))` (Salimans et al. 2016).

    1 if all answers are the same, as many as there are classes if each is sure and all occur alike.

    Args:
        probabilities: ``[n, classes]``, rows that sum to 1.
    """
    p = probabilities.double()
    if p.dim() != 2 or not torch.allclose(p.sum(dim=1), p.new_ones(len(p)), atol=1e-4):
        raise ValueError(
            f"probabilities: expected rows that sum to 1, got shape {list(probabilities.shape)}"
        )
    divergence = (torch.special.xlogy(p, p) - torch.special.xlogy(p, p.mean(dim=0))).sum(dim=1)
    return divergence.mean().exp().item()


def class_entropy(labels: Tensor, classes: int) -> float:
    """Entropy in nats of how often each class occurs, at most ``ln(classes)``.

    Args:
        labels: ``[n]`` from 0 to classes - 1.
    """
    share = labels.bincount(minlength=classes).double() / len(labels)
    return torch.special.entr(share).sum().item()


def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> tuple[float, float]:
    """Share of made samples among the real ones, and of real ones among the made (Kynkäänniemi et
    al. 2019, eqs. 1 and 2). A sample is among others if it is no farther from one of them than that
    one's k-th nearest neighbour among themselves.

    Args:
        real, made: features ``[n, d]`` and ``[m, d]``, more than k rows.
    """
    for features in (real, made):
        _check_features(features, more_than=k)
    x, y = real.double(), made.double()
    return _share_among(x, y, k), _share_among(y, x, k)


def _share_among(others: Tensor, samples: Tensor, k: int) -> float:
    radius = torch.cat(
        [torch.cdist(part, others).kthvalue(k + 1, dim=1).values for part in others.split(1024)]
    )  # the first neighbour is the sample itself
    among = [(torch.cdist(part, others) <= radius).any(dim=1).sum() for part in samples.split(1024)]
    return torch.stack(among).sum().item() / len(samples)


def _check_features(features: Tensor, more_than: int = 1) -> None:
    if features.dim() != 2 or len(features) <= more_than:
        raise ValueError(
            f"features: expected shape [n, d] with more than {more_than} rows, "
            f"got {list(features.shape)}"
        )
    if not bool(features.isfinite().all()):
        raise ValueError("features: expected finite numbers, got NaN or infinity")


class Features(Protocol):
    """A classifier of pictures that shows what it looks at, such as
    :class:`~graphkit.generative.image.classifier.Classifier`."""

    def features(self, images: Tensor, /) -> Tensor: ...
    def __call__(self, images: Tensor, /) -> Tensor: ...


@torch.no_grad()
def image_quality(classifier: Features, real: Tensor, made: Tensor) -> dict[str, float]:
    """All figures of made pictures beside real ones, in a classifier's features.

    Args:
        classifier: in evaluation mode.
        real, made: ``[n, C, H, W]``, as the classifier takes them.

    Returns:
        `frechet_distance`, `kernel_distance`, `inception_score`, `precision`, `recall` and
        `class_entropy`.
    """

    def parts(of: Tensor, look: object) -> Tensor:
        return torch.cat([look(part) for part in of.split(512)])  # type: ignore[operator]

    of_real, of_made = parts(real, classifier.features), parts(made, classifier.features)
    logits = parts(made, classifier)
    precision, recall = precision_recall(of_real, of_made)
    return {
        "frechet_distance": frechet_distance(of_real, of_made),
        "kernel_distance": kernel_distance(of_real, of_made),
        "inception_score": inception_score(logits.softmax(dim=1)),
        "precision": precision,
        "recall": recall,
        "class_entropy": class_entropy(logits.argmax(dim=1), logits.size(1)),
    }
