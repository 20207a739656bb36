from __future__ import annotations

import pytest
import torch

from graphkit.metrics import si_sdr


def test_orthogonal_distortion_of_a_tenth_of_the_power_is_ten_db() -> None:
    time = torch.arange(1000).double() / 1000 * 6.283185307179586
    target, distortion = torch.sin(5 * time), torch.cos(5 * time)
    estimate = target + 0.1**0.5 * distortion
    assert si_sdr(estimate, target).item() == pytest.approx(10, abs=1e-6)
    scaled = torch.stack([3 * estimate + 7, -0.2 * estimate])
    torch.testing.assert_close(
        si_sdr(scaled, target.expand(2, -1)), torch.full((2,), 10.0).double(), atol=1e-5, rtol=0
    )


def test_shapes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"estimate: expected the target's shape \[3\], got \[4\]"):
        si_sdr(torch.zeros(4), torch.zeros(3))


def test_gradients() -> None:
    torch.manual_seed(0)
    estimate = torch.randn(2, 9, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(si_sdr, (estimate, torch.randn(2, 9, dtype=torch.double)))
