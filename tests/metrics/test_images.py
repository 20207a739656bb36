"""Quality of pictures, beside scikit-image, closed forms and double loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from graphkit.metrics import (
    class_entropy,
    frechet_distance,
    image_quality,
    inception_score,
    kernel_distance,
    precision_recall,
    psnr,
    ssim,
)


def test_psnr_and_ssim_are_scikit_image_s() -> None:
    measure = pytest.importorskip("skimage.metrics")
    torch.manual_seed(0)
    target = torch.rand(3, 2, 20, 17, dtype=torch.float64)
    estimate = (target + 0.2 * torch.randn_like(target)).clamp(0, 1)
    for k in range(3):
        a, b = target[k].numpy(), estimate[k].numpy()
        expected = measure.peak_signal_noise_ratio(a, b, data_range=1)
        assert psnr(estimate, target)[k].item() == pytest.approx(expected)
        expected = measure.structural_similarity(
            a, b, data_range=1, channel_axis=0, gaussian_weights=True, sigma=1.5, truncate=3.5,
            use_sample_covariance=False,
        )  # fmt: skip
        assert ssim(estimate, target)[k].item() == pytest.approx(expected, abs=1e-10)
    assert ssim(target, target).tolist() == pytest.approx([1] * 3)
    with pytest.raises(ValueError, match="estimate: expected the target's shape"):
        psnr(estimate, target[:2])
    assert psnr(target, target).tolist() == [math.inf] * 3
    with pytest.raises(TypeError, match=r"estimate: expected floating-point numbers, got .*uint8"):
        psnr((255 * estimate).byte(), (255 * target).byte())
    target[1, 0, 3, 3] = math.nan
    with pytest.raises(ValueError, match="target: expected finite numbers, got 1 NaN"):
        ssim(estimate, target)
    target = estimate
    with pytest.raises(ValueError, match="sides of at least 11"):
        ssim(estimate[..., :10], target[..., :10])


def with_moments(mean: Tensor, square: Tensor, n: int) -> Tensor:
    """A sample with exactly this mean and covariance."""
    x = torch.randn(n, len(mean), dtype=torch.float64)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    return x @ torch.linalg.cholesky(square).T + mean


def test_frechet_distance_in_closed_form() -> None:
    torch.manual_seed(0)
    a, b = torch.tensor([4.0, 9.0]).double(), torch.tensor([1.0, 16.0]).double()
    one = with_moments(torch.zeros(2).double(), a.diag(), 50)
    other = with_moments(torch.tensor([3.0, -4.0]).double(), b.diag(), 30)
    # 25 of the means; (2 - 1)² + (3 - 4)² of the deviations.
    assert frechet_distance(one, other) == pytest.approx(27)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    line = torch.tensor([[0.0], [2.0]])  # variance 2, and 8 for twice it
    assert frechet_distance(line, 2 * line + 1) == pytest.approx(4 + 2)


def test_frechet_distance_of_covariances_that_do_not_commute() -> None:
    from scipy.linalg import sqrtm

    torch.manual_seed(1)
    one, other = (
        torch.randn(40, 5).double(),
        torch.randn(60, 5).double() @ torch.randn(5, 5).double(),
    )
    s, t = np.cov(one.numpy().T), np.cov(other.numpy().T)
    means = (one.mean(0) - other.mean(0)).square().sum().item()
    expected = means + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-8)
    flat = torch.cat([one, torch.zeros(40, 3)], dim=1)  # singular covariances
    wide = torch.cat([other, torch.zeros(60, 3)], dim=1)
    assert frechet_distance(flat, wide) == pytest.approx(expected, rel=1e-6)
    few = torch.randn(3, 5).double()  # of rank 2
    s = np.cov(few.numpy().T)
    means = (few.mean(0) - other.mean(0)).square().sum().item()
    # Tr of the root of a product is the sum of the roots of its eigenvalues.
    roots = np.sqrt(np.linalg.eigvals(s @ t).real.clip(min=0)).sum()
    expected = means + np.trace(s) + np.trace(t) - 2 * roots
    assert frechet_distance(few, other) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="made: expected 5 features, as of real, got 3"):
        frechet_distance(one, other[:, :3])


def test_kernel_distance_by_a_double_loop() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(7, 3).double(), torch.randn(5, 3).double() + 0.5

    def k(a: Tensor, b: Tensor) -> float:
        return (a @ b / 3 + 1).item() ** 3

    same = [k(x[i], x[j]) for i in range(7) for j in range(7) if i != j]
    made = [k(y[i], y[j]) for i in range(5) for j in range(5) if i != j]
    across = [k(a, b) for a in x for b in y]
    expected = np.mean(same) + np.mean(made) - 2 * np.mean(across)
    assert kernel_distance(x, y) == pytest.approx(expected)
    # Subsets of all rows are the samples themselves.
    assert kernel_distance(x, x + 1, subset_size=7, subsets=3) == pytest.approx(
        kernel_distance(x, x + 1)
    )


def test_kernel_distance_over_subsets() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(60, 3), torch.randn(50, 3) + 0.5
    torch.manual_seed(1)
    found = kernel_distance(x, y, subset_size=20, subsets=2)
    torch.manual_seed(1)
    assert kernel_distance(x, y, subset_size=20, subsets=2) == found
    torch.manual_seed(1)
    pairs = [(torch.randperm(60)[:20], torch.randperm(50)[:20]) for _ in range(2)]
    expected = [kernel_distance(x[rows], y[others]) for rows, others in pairs]
    assert found == pytest.approx(np.mean(expected))
    # All of them estimate the same.
    many = kernel_distance(x, y, subset_size=20, subsets=400)
    assert many == pytest.approx(kernel_distance(x, y), rel=0.1)
    for size in (1, 51):
        with pytest.raises(ValueError, match=f"subset_size: expected 2 to 50, got {size}"):
            kernel_distance(x, y, subset_size=size)
    with pytest.raises(ValueError, match="subsets: expected at least 1, got 0"):
        kernel_distance(x, y, subset_size=2, subsets=0)


def test_the_score_of_sure_and_of_equal_answers() -> None:
    assert inception_score(torch.eye(4).repeat(3, 1)) == pytest.approx(4)
    assert inception_score(torch.full((6, 4), 0.25)) == pytest.approx(1)
    p = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    mean = [0.65, 0.35]
    terms = [q * math.log(q / m) for row in p.tolist() for q, m in zip(row, mean, strict=True)]
    expected = sum(terms) / 2
    assert inception_score(p) == pytest.approx(math.exp(expected))
    with pytest.raises(ValueError, match=r"probabilities: expected rows .* sums up to 1 off"):
        inception_score(torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"probabilities: expected rows .* a lowest of -1 and"):
        inception_score(torch.tensor([[2.0, -1.0]]))
    with pytest.raises(ValueError, match="probabilities: expected at least one value"):
        inception_score(torch.ones(0, 2))
    with pytest.raises(
        ValueError, match=r"probabilities: expected shape \[n, classes\], got \[2\]"
    ):
        inception_score(torch.ones(2))


def test_entropy_of_classes() -> None:
    assert class_entropy(torch.arange(10), 10) == pytest.approx(math.log(10))
    assert class_entropy(torch.zeros(5, dtype=torch.int64), 10) == 0
    assert class_entropy(torch.tensor([0, 0, 0, 1]), 3) == pytest.approx(0.562335, abs=1e-6)
    with pytest.raises(ValueError, match=r"labels: expected shape \[n\], not empty, got \[0\]"):
        class_entropy(torch.zeros(0, dtype=torch.int64), 3)
    for labels, said in (([0, 3], "0 to 3"), ([-1, 2], "-1 to 2")):
        with pytest.raises(ValueError, match=f"labels: expected 0 to 2, got {said}"):
            class_entropy(torch.tensor(labels), 3)


def test_precision_and_recall_on_a_line() -> None:
    real = torch.arange(6.0)[:, None]  # every one's nearest is 1 away
    made = torch.tensor([[0.5], [0.6], [0.7], [9.0]])
    precision, recall = precision_recall(real, made, k=1)
    assert precision == 0.75  # all but 9
    # Made ones' nearest: 0.1, 0.1, 0.1 and 8.3 away, so the last one's ball holds 1 to 5.
    assert recall == pytest.approx(5 / 6)
    one = torch.zeros(4, 1) + 1e-3 * torch.arange(4.0)[:, None]
    assert precision_recall(real, one, k=1) == (1.0, 1 / 6)  # collapsed to one sample
    with pytest.raises(ValueError, match=r"made: expected features .* with more than 3 rows"):
        precision_recall(real, made[:3])
    with pytest.raises(ValueError, match="real: expected finite numbers"):
        precision_recall(real / 0, made)


def test_all_figures_at_once() -> None:
    class Sums(torch.nn.Module):
        def features(self, images: Tensor, /) -> Tensor:
            return images.mean(dim=(2, 3))

        def forward(self, images: Tensor, /) -> Tensor:
            return 50 * self.features(images)

    torch.manual_seed(0)
    real, made = torch.rand(600, 3, 4, 4), torch.rand(700, 3, 4, 4) ** 2
    found = image_quality(Sums().eval(), real, made)
    a, b = (x.mean(dim=(2, 3)) for x in (real, made))
    assert found["frechet_distance"] == pytest.approx(frechet_distance(a, b))
    assert found["kernel_distance"] == pytest.approx(kernel_distance(a, b))
    assert (found["precision"], found["recall"]) == precision_recall(a, b)
    assert found["inception_score"] == pytest.approx(inception_score((50 * b).softmax(1)))
    assert found["class_entropy"] == pytest.approx(class_entropy(b.argmax(1), 3))
    with pytest.raises(ValueError, match=r"made: expected numbers in \[0, 1\], got -"):
        image_quality(Sums().eval(), real, 2 * made - 1)
    with pytest.raises(ValueError, match="classifier: expected one in evaluation mode"):
        image_quality(Sums(), real, made)
