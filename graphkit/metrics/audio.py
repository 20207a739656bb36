"""How good a sound is beside the one it should be."""

from __future__ import annotations

from torch import Tensor


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    r"""Scale-invariant ratio of signal to distortion in dB, ``[...]`` for ``[..., time]``.

    .. math::
        10 \log_{10} \frac{\lVert \alpha s \rVert^2}{\lVert \alpha s - \hat s \rVert^2},
        \quad \alpha = \frac{\hat s^\top s}{\lVert s \rVert^2}

    Both without their means (Le Roux et al. 2019, eq. 4).

    Raises:
        ValueError: The shapes differ.
    """
    if estimate.shape != target.shape:
        raise ValueError(
            f"estimate: expected the target's shape {list(target.shape)}, "
            f"got {list(estimate.shape)}"
        )
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    target = target - target.mean(dim=-1, keepdim=True)
    tiny = 1e-8  # of silence
    scale = (estimate * target).sum(-1, keepdim=True)
    scale = scale / (target.square().sum(-1, keepdim=True) + tiny)
    wanted = (scale * target).square().sum(-1)
    distortion = (scale * target - estimate).square().sum(-1)
    return 10 * ((wanted + tiny) / (distortion + tiny)).log10()
