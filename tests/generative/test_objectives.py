"""Objectives against cases computed by hand, or by torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from graphkit.generative.objectives import (
    ADVERSARIAL,
    absolute_error,
    cross_entropy,
    gradient_penalty,
    jacobian_norm,
    kl_sparsity,
    kl_to_normal,
    mmd,
    squared_error,
)


def test_errors_are_sums_over_a_sample() -> None:
    x = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    y = torch.tensor([[[1.0, 1.0], [0.0, 6.0]]])
    assert squared_error(x, y).tolist() == [14.0]
    assert absolute_error(x, y).tolist() == [6.0]
    logits, target = torch.tensor([[0.0, 0.0, math.log(3)]]), torch.tensor([[1.0, 0.5, 0.0]])
    expected = 2 * math.log(2) + math.log(4)  # sigmoid(log 3) is 3/4
    assert cross_entropy(logits, target).item() == pytest.approx(expected)


def test_divergences_are_torch_s() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_normal(mean, log_variance), expected)
    activation = torch.rand(7, 4)
    expected = kl_divergence(Bernoulli(0.05), Bernoulli(activation.mean(0))).sum()
    torch.testing.assert_close(kl_sparsity(activation, 0.05), expected)
    assert kl_sparsity(torch.full((3, 2), 0.05), 0.05).item() == pytest.approx(0, abs=1e-6)


def test_the_jacobian_s_norm_is_exact_and_can_be_trained() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid()).double()
    x = torch.randn(5, 4, dtype=torch.double, requires_grad=True)
    found = jacobian_norm(network(x), x)
    for row, norm in zip(x, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(network, row)
        torch.testing.assert_close(norm, jacobian.square().sum())
    (gradient,) = torch.autograd.grad(found.sum(), network[0].weight)
    step = 1e-6
    with torch.no_grad():
        network[0].weight[1, 2] += step
    after = jacobian_norm(network(x), x).sum()
    assert ((after - found.sum()) / step).item() == pytest.approx(gradient[1, 2].item(), rel=1e-4)


def test_samples_of_one_distribution_have_no_discrepancy() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 1000, 2)
    assert abs(mmd(a, b).item()) < 5e-3
    assert mmd(a, b + 1).item() > 0.05


REAL, FAKE = torch.tensor([math.log(3), 0.0]), torch.tensor([0.0, math.log(3)])


# D says 3/4 and 1/2 of the real ones, 1/2 and 3/4 of the generated.
OF_REAL, OF_FAKE = (math.log(4 / 3) + math.log(2)) / 2, (math.log(2) + math.log(4)) / 2
L = math.log(3)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("minimax", OF_REAL + OF_FAKE, -OF_FAKE),
        ("non-saturating", OF_REAL + OF_FAKE, OF_REAL),
        ("least-squares", ((L - 1) ** 2 + 1 + L**2) / 4, (1 + (L - 1) ** 2) / 4),
        ("hinge", 1 / 2 + (2 + L) / 2, -L / 2),
        ("wasserstein", 0.0, -L / 2),
    ],
)
def test_adversarial_objectives(name: str, discriminator: float, generator: float) -> None:
    objective = ADVERSARIAL[name]
    assert objective.discriminator(REAL, FAKE, 1.0).item() == pytest.approx(discriminator)
    assert objective.generator(FAKE).item() == pytest.approx(generator)


def test_smoothed_labels() -> None:
    said = torch.tensor([0.3])
    odds, silent = ADVERSARIAL["non-saturating"].discriminator, torch.tensor([-100.0])
    p = torch.sigmoid(said)
    expected = -(0.9 * p.log() + 0.1 * (1 - p).log())
    torch.testing.assert_close(odds(said, silent, 0.9), expected[0])
    squares = ADVERSARIAL["least-squares"].discriminator
    assert squares(said, torch.zeros(1), 0.9).item() == pytest.approx(0.5 * 0.36)


def test_the_gradient_penalty_of_a_linear_judge_is_known() -> None:
    weight = torch.tensor([3.0, 4.0])  # of length 5 everywhere
    real, fake = torch.randn(6, 2), torch.randn(6, 2)
    penalty = gradient_penalty(lambda x: x @ weight, real, fake)
    assert penalty.item() == pytest.approx(16.0, rel=1e-5)
    slope = torch.ones((), requires_grad=True)
    gradient_penalty(lambda x: slope * (x @ weight), real, fake).backward()
    assert slope.grad is not None
    assert slope.grad.item() == pytest.approx(2 * 4 * 5, rel=1e-5)
