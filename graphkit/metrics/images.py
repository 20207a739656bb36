"""How good pictures are: beside those they should be, and as samples of a distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit.data.images import check_images
from graphkit.metrics._inputs import check_finite


def psnr(estimate: Tensor, target: Tensor, peak: float = 1.0) -> Tensor:
    r"""Peak ratio of signal to noise in dB, ``[B]``: :math:`10 \log_{10}(p^2 / \mathrm{MSE})`,
    infinite for equal pictures.

    Args:
        estimate, target: ``[B, ...]``, of one shape.
        peak: the brightest value there can be.

    Raises:
        TypeError: They hold whole numbers.
        ValueError: Their shapes differ, or a number is not finite.
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

    Raises:
        TypeError: They hold whole numbers.
        ValueError: Their shapes differ, a side is shorter, or a number is not finite.
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
    for name, pictures in (("estimate", estimate), ("target", target)):
        if not pictures.is_floating_point():
            raise TypeError(f"{name}: expected floating-point numbers, got {pictures.dtype}")
        check_finite(name, pictures)
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
    _check_features(real, made)
    (mean, square), (other_mean, other) = _moments(real), _moments(made)
    values, vectors = torch.linalg.eigh(square)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # The product is symmetric, so its root's trace is the sum of the eigenvalues' roots.
    trace = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    distance = (mean - other_mean).square().sum() + square.trace() + other.trace() - 2 * trace
    return max(distance.item(), 0.0)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    x = features.double()
    return x.mean(dim=0), torch.cov(x.T).view(x.size(1), x.size(1))


def kernel_distance(
    real: Tensor, made: Tensor, *, subset_size: int | None = None, subsets: int = 100
) -> float:
    r"""Squared maximum mean discrepancy of two samples of features under the kernel
    :math:`(x^\top y / d + 1)^3`, the unbiased estimate (Bińkowski et al. 2018; KID, where the
    features are Inception's). It may be a little below 0.

    Args:
        real, made: ``[n, d]`` and ``[m, d]``, two rows at least.
        subset_size: If given, the mean over random subsets of so many rows each, which large
            samples of wide features need less time for. It estimates the same.
        subsets: how many; ``torch.manual_seed`` fixes which.
    """
    _check_features(real, made)
    if subset_size is None:
        return _polynomial_mmd(real.double(), made.double()).item()
    most = min(len(real), len(made))
    if not 2 <= subset_size <= most:
        raise ValueError(f"subset_size: expected 2 to {most}, got {subset_size}")
    if subsets < 1:
        raise ValueError(f"subsets: expected at least 1, got {subsets}")

    def some(features: Tensor) -> Tensor:
        rows = torch.randperm(len(features))[:subset_size]
        return features[rows.to(features.device)].double()

    return (
        torch.stack([_polynomial_mmd(some(real), some(made)) for _ in range(subsets)]).mean().item()
    )


def _polynomial_mmd(x: Tensor, y: Tensor) -> Tensor:
    n, m = len(x), len(y)

    def total(a: Tensor, b: Tensor) -> Tensor:
        parts = [(part @ b.T / a.size(1) + 1).pow(3).sum() for part in a.split(1024)]
        return torch.stack(parts).sum()

    def itself(a: Tensor) -> Tensor:
        return (a.square().sum(dim=1) / a.size(1) + 1).pow(3).sum()

    within = (total(x, x) - itself(x)) / (n * (n - 1)) + (total(y, y) - itself(y)) / (m * (m - 1))
    return within - 2 * total(x, y) / (n * m)


def inception_score(probabilities: Tensor) -> float:
    r"""Exponential of the mean divergence of a classifier's answers from their mean,
    :math:`\exp \frac1n \sum_i \mathrm{KL}(p(y|x_i) \,\Vert\, p(y))` (Salimans et al. 2016).

    1 if all answers are the same, as many as there are classes if each is sure and all occur alike.

    Args:
        probabilities: ``[n, classes]``, rows that sum to 1.
    """
    check_finite("probabilities", probabilities)
    p = probabilities.double()
    if p.dim() != 2:
        raise ValueError(f"probabilities: expected shape [n, classes], got {list(p.shape)}")
    low, off = p.min().item(), (p.sum(dim=1) - 1).abs().max().item()
    if low < 0 or off > 1e-4:
        raise ValueError(
            "probabilities: expected rows of at least 0 that sum to 1, "
            f"got a lowest of {low:.4g} and sums up to {off:.4g} off"
        )
    divergence = (torch.special.xlogy(p, p) - torch.special.xlogy(p, p.mean(dim=0))).sum(dim=1)
    return divergence.mean().exp().item()


def class_entropy(labels: Tensor, classes: int) -> float:
    """Entropy in nats of how often each class occurs, at most ``ln(classes)``.

    Args:
        labels: ``[n]`` from 0 to classes - 1.
        classes: how many there are.
    """
    if labels.dim() != 1 or len(labels) == 0:
        raise ValueError(f"labels: expected shape [n], not empty, got {list(labels.shape)}")
    low, high = (end.item() for end in labels.aminmax())
    if low < 0 or high >= classes:
        raise ValueError(f"labels: expected 0 to {classes - 1}, got {low} to {high}")
    share = labels.bincount(minlength=classes).double() / len(labels)
    return torch.special.entr(share).sum().item()


def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> tuple[float, float]:
    """Share of made samples among the real ones, and of real ones among the made (Kynkäänniemi et
    al. 2019, eqs. 1 and 2). A sample is among others if it is no farther from one of them than that
    one's k-th nearest neighbour among themselves.

    Args:
        real, made: features ``[n, d]`` and ``[m, d]``, more than k rows.
    """
    _check_features(real, made, more_than=k)
    x, y = real.double(), made.double()
    return _share_among(x, y, k), _share_among(y, x, k)


def _share_among(others: Tensor, samples: Tensor, k: int) -> float:
    radius = torch.cat(
        [torch.cdist(part, others).kthvalue(k + 1, dim=1).values for part in others.split(1024)]
    )  # the first neighbour is the sample itself
    among = [(torch.cdist(part, others) <= radius).any(dim=1).sum() for part in samples.split(1024)]
    return torch.stack(among).sum().item() / len(samples)


def _check_features(real: Tensor, made: Tensor, more_than: int = 1) -> None:
    for name, features in (("real", real), ("made", made)):
        if features.dim() != 2 or len(features) <= more_than:
            raise ValueError(
                f"{name}: expected features of shape [n, d] with more than {more_than} rows, "
                f"got {list(features.shape)}"
            )
        check_finite(name, features)
    if real.size(1) != made.size(1):
        raise ValueError(f"made: expected {real.size(1)} features, as of real, got {made.size(1)}")


class Features(Protocol):
    """A classifier of pictures that shows what it looks at, such as
    :class:`~graphkit.generative.image.classifier.Classifier`."""

    training: bool

    def features(self, images: Tensor, /) -> Tensor: ...
    def __call__(self, images: Tensor, /) -> Tensor: ...


@torch.no_grad()
def image_quality(classifier: Features, real: Tensor, made: Tensor) -> dict[str, float]:
    """All figures of made pictures beside real ones, in a classifier's features.

    Args:
        classifier: in evaluation mode.
        real, made: ``[n, C, H, W]`` in [0, 1].

    Returns:
        `frechet_distance`, `kernel_distance`, `inception_score`, `precision`, `recall` and
        `class_entropy`.

    Raises:
        ValueError: The classifier is in training mode, or pictures are not in [0, 1].
    """
    if classifier.training:
        raise ValueError("classifier: expected one in evaluation mode, got one in training mode")
    check_images(real, name="real")
    check_images(made, name="made")

    def parts(of: Tensor, look: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.cat([look(part) for part in of.split(512)])

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
