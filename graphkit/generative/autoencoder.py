"""Autoencoder = encoder + decoder + reconstruction, with a bottleneck, penalties and corruption.

Every kind is a composition of these: :data:`KINDS` names those of a course, for vectors, and
:func:`autoencoder` makes them. The same class takes convolutions, or layers on graphs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.generative.image.hourglass import hourglass
from graphkit.generative.objectives import (
    RECONSTRUCTIONS,
    Reconstruction,
    jacobian_norm,
    kl_sparsity,
    kl_to_normal,
)

# ------------------------------------------------------------------ bottlenecks


class Bottleneck(nn.Module):
    """What becomes of the encoder's result."""

    def code(self, hidden: Tensor) -> Tensor:
        """The code, as it is in evaluation."""
        raise NotImplementedError

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The code, as it is in training, and what it costs: ``[B]``, or one number."""
        raise NotImplementedError


class Plain(Bottleneck):
    """What the encoder gives is the code."""

    def code(self, hidden: Tensor) -> Tensor:
        return hidden

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, hidden.new_zeros(())


class Gaussian(Bottleneck):
    r"""The encoder gives mean and log-variance of a normal distribution over codes.

    Training draws the code, :math:`z = \mu + \sigma \odot \epsilon`, and pays
    :math:`\beta \, \mathrm{KL}(q(z|x) \,\Vert\, N(0, I))` (Kingma & Welling 2014, eqs. 7 and 10;
    :math:`\beta`: Higgins et al. 2017, eq. 4). Otherwise the code is the mean.

    Args:
        beta: what a nat of the divergence costs. A cross-entropy is in nats; a squared error is, if
            it is divided by twice the variance of the decoder's noise, so with entries that vary
            little a beta of 1 leaves nothing in the code.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def code(self, hidden: Tensor) -> Tensor:
        return hidden.chunk(2, dim=-1)[0]

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = hidden.chunk(2, dim=-1)
        cost = self.beta * kl_to_normal(mean, log_variance)
        if not self.training:
            return mean, cost
        return mean + torch.randn_like(mean) * (0.5 * log_variance).exp(), cost


class VectorQuantiser(Bottleneck):
    r"""Each vector that the encoder gives is replaced by the nearest of a learnt set.

    The gradient passes straight through; the vectors of the set follow those they replace, and
    these are held near (van den Oord et al. 2017, eqs. 1 to 3):
    :math:`\lVert \mathrm{sg}(h) - e \rVert^2 + \beta \lVert h - \mathrm{sg}(e) \rVert^2`.

    Args:
        size: number of vectors.
        width: of each. The code ``[B, k * width]`` is k vectors; of images ``[B, width, H, W]``
            every pixel is one.
        commitment: :math:`\beta`.
    """

    def __init__(self, size: int, width: int, commitment: float = 0.25) -> None:
        super().__init__()
        self.commitment = commitment
        self.vectors = nn.Parameter(torch.empty(size, width).uniform_(-1 / size, 1 / size))

    def indices(self, hidden: Tensor) -> Tensor:
        """``[B, k]``: which vector of the set is nearest to each of a sample's."""
        return torch.cdist(self._split(hidden), self.vectors).argmin(dim=-1)

    def code(self, hidden: Tensor) -> Tensor:
        return self._join(F.embedding(self.indices(hidden), self.vectors), hidden)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        split = self._split(hidden)
        chosen = F.embedding(self.indices(hidden), self.vectors)
        pull = (chosen - split.detach()).square().flatten(1).sum(dim=1)
        hold = (split - chosen.detach()).square().flatten(1).sum(dim=1)
        code = split + (chosen - split).detach()
        return self._join(code, hidden), pull + self.commitment * hold

    def _split(self, hidden: Tensor) -> Tensor:
        """``[B, k, width]``"""
        if hidden.dim() > 2:
            return hidden.flatten(2).transpose(1, 2)
        return hidden.view(hidden.size(0), -1, self.vectors.size(1))

    def _join(self, code: Tensor, like: Tensor) -> Tensor:
        code = code.transpose(1, 2) if like.dim() > 2 else code
        return code.reshape(like.shape)


# ------------------------------------------------------------------ corruption


class Masking(nn.Module):
    """Every entry is set to 0 with a probability (Vincent et al. 2010, section 3.3)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate: expected a probability below 1, got {rate}")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) >= self.rate)


class GaussianNoise(nn.Module):
    """Normal noise of a standard deviation is added to every entry."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        return x + self.deviation * torch.randn_like(x)


class SaltAndPepper(nn.Module):
    """Every entry is set to 0 or 1, by a fair coin, with a probability."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        hit, side = torch.rand_like(x) < self.rate, torch.rand_like(x) < 0.5
        return torch.where(hit, side.to(x.dtype), x)


# ------------------------------------------------------------------ penalties


class Step(NamedTuple):
    """What a penalty may look at in a step of training."""

    model: Autoencoder
    seen: Tensor
    """What the encoder was given."""
    code: Tensor
    output: Tensor


Penalty = Callable[[Step], Tensor]


@dataclass(frozen=True)
class L2:
    r""":math:`\lambda \sum w^2` over all weights; biases are free."""

    weight: float

    def __call__(self, step: Step) -> Tensor:
        weights = (p for p in step.model.parameters() if p.dim() > 1)
        return self.weight * torch.stack([w.square().sum() for w in weights]).sum()


@dataclass(frozen=True)
class L1Sparsity:
    r""":math:`\lambda \sum_k |h_k|` of the code."""

    weight: float

    def __call__(self, step: Step) -> Tensor:
        return self.weight * step.code.abs().flatten(1).sum(dim=1).mean()


@dataclass(frozen=True)
class KLSparsity:
    r""":math:`\lambda \sum_k \mathrm{KL}(\rho \,\Vert\, \hat\rho_k)` of a code in [0, 1]."""

    weight: float
    target: float = 0.05

    def __call__(self, step: Step) -> Tensor:
        return self.weight * kl_sparsity(step.code, self.target)


@dataclass(frozen=True)
class Contraction:
    r""":math:`\lambda \lVert J_h(x) \rVert_F^2`, exact (Rifai et al. 2011, eq. 2)."""

    weight: float

    def __call__(self, step: Step) -> Tensor:
        return self.weight * jacobian_norm(step.code, step.seen).mean()


# ------------------------------------------------------------------ the autoencoder


class Autoencoder(nn.Module):
    """An encoder, a decoder, and what makes the code between them worth having.

    .. math::
        L = \\tfrac1B \\sum_b \\ell(d(h(\\tilde x_b)), x_b) + \\text{bottleneck}
            + \\sum \\text{penalties}

    with :math:`\\tilde x` the corrupted input: the target is the clean one.

    Args:
        encoder: of samples ``[B, ...]``, and of what else :meth:`loss` is given (a graph, say).
        decoder: of codes.
        reconstruction: "mse", "l1", "bce" (the decoder then gives logits, and samples lie in
            [0, 1]), or a :class:`Reconstruction`.
        bottleneck: what becomes of the encoder's result: :class:`Plain`, :class:`Gaussian`,
            :class:`VectorQuantiser` or another :class:`Bottleneck`.
        penalties: of a step, to be added.
        corruption: of the encoder's input, in training.

    Attributes:
        noise: size of the code, where :func:`autoencoder` made the model; what is drawn to
            :func:`~graphkit.generative.sample` it.
    """

    noise: int | None = None

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        reconstruction: str | Reconstruction = "mse",
        *,
        bottleneck: Bottleneck | None = None,
        penalties: Iterable[Penalty] = (),
        corruption: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if isinstance(reconstruction, str):
            if reconstruction not in RECONSTRUCTIONS:
                raise ValueError(
                    f"reconstruction: expected one of {', '.join(RECONSTRUCTIONS)}, "
                    f"got {reconstruction!r}"
                )
            reconstruction = RECONSTRUCTIONS[reconstruction]
        self.encoder, self.decoder, self.reconstruction = encoder, decoder, reconstruction
        self.bottleneck = Plain() if bottleneck is None else bottleneck
        self.penalties = tuple(penalties)
        self.corruption = corruption

    def encode(self, x: Tensor, *given: Any) -> Tensor:
        """Codes, as they are in evaluation: no corruption, nothing drawn."""
        return self.bottleneck.code(self.encoder(x, *given))

    def decode(self, code: Tensor) -> Tensor:
        """Samples."""
        return self.reconstruction.output(self.decoder(code))

    def forward(self, x: Tensor, *given: Any) -> Tensor:
        """Reconstructions."""
        return self.decode(self.encode(x, *given))

    def error(self, x: Tensor, *given: Any) -> Tensor:
        """How far every sample's reconstruction is off, ``[B]``."""
        self.check(x)
        return self.reconstruction.error(self.decoder(self.encode(x, *given)), x)

    def loss(self, x: Tensor, *given: Any, target: Any = None) -> Tensor:
        """What training minimises.

        Args:
            x: ``[B, ...]``.
            *given: to the encoder, after x.
            target: of the reconstruction, if not x.
        """
        return self.step(x, *given, target=target)[0]

    def step(self, x: Tensor, *given: Any, target: Any = None) -> tuple[Tensor, Step]:
        """The loss, and what it was made of."""
        target = x if target is None else target
        self.check(x)
        seen = self.corrupted(x)
        contracts = any(isinstance(p, Contraction) for p in self.penalties)
        with torch.set_grad_enabled(contracts or torch.is_grad_enabled()):
            if contracts:
                seen = seen.detach().requires_grad_()
            code, cost = self.bottleneck(self.encoder(seen, *given))
            output = self.decoder(code)
            loss = self.reconstruction.error(output, target).mean() + cost.mean()
            step = Step(self, seen, code, output)
            for penalty in self.penalties:
                loss = loss + penalty(step)
        return loss, step

    def corrupted(self, x: Tensor) -> Tensor:
        """What the encoder is given: in training, x with noise, if there is to be any."""
        return x if self.corruption is None or not self.training else self.corruption(x)

    def check(self, x: Tensor) -> None:
        """Raise unless x may be reconstructed: finite, and in [0, 1] for a cross-entropy."""
        if not x.is_floating_point():
            raise TypeError(f"x: expected floating point, got {x.dtype}")
        if x.layout != torch.strided or torch.compiler.is_compiling() or x.numel() == 0:
            return
        low, high = x.detach().aminmax()
        if not bool((low > -torch.inf) & (high < torch.inf)):
            raise ValueError("x: expected finite numbers, got NaN or infinity")
        if self.reconstruction.bounded and not bool((low >= 0) & (high <= 1)):
            raise ValueError(
                f"x: expected numbers in [0, 1] for a cross-entropy, got {low:.4g} to {high:.4g}"
            )


@torch.no_grad()
def log_likelihood(model: Autoencoder, x: Tensor, draws: int = 200) -> Tensor:
    r"""Log-likelihood of every sample in nats, ``[B]``, estimated from codes the encoder draws.

    .. math::
        \log \tfrac1K \sum_k \frac{p(x | z_k)\, p(z_k)}{q(z_k | x)}, \quad z_k \sim q(z | x)

    (Burda et al. 2016, eq. 8.) It is a lower bound in expectation, the tighter the larger K.

    Args:
        model: with a :class:`Gaussian` bottleneck and a cross-entropy for reconstruction.
        x: samples of zeros and ones.
        draws: K.
    """
    if not isinstance(model.bottleneck, Gaussian) or not model.reconstruction.bounded:
        raise ValueError(
            "model: expected a variational autoencoder with loss 'bce', got bottleneck "
            f"{type(model.bottleneck).__name__}, reconstruction {model.reconstruction.error}"
        )
    model.check(x)
    mean, log_variance = model.encoder(x).chunk(2, dim=-1)
    found = x.new_full((draws, len(x)), -torch.inf)
    for k in range(draws):
        noise = torch.randn_like(mean)
        z = mean + (0.5 * log_variance).exp() * noise
        # Both densities have the same constant.
        prior = -0.5 * z.square().sum(dim=1)
        drawn = -0.5 * (noise.square() + log_variance).sum(dim=1)
        found[k] = prior - drawn - model.reconstruction.error(model.decoder(z), x)
    return found.logsumexp(dim=0) - math.log(draws)


# ------------------------------------------------------------------ networks for vectors


class Tied(nn.Module):
    r"""The mirror of an encoder of linear layers, with its weights: :math:`x = W^\top h + b`.

    Args:
        layers: the encoder's linear layers, from the input on; only biases are new.
        act: between layers.
    """

    def __init__(self, layers: Sequence[nn.Linear], act: Callable[[Tensor], Tensor] = F.relu):
        super().__init__()
        self._mirrored = tuple(reversed(layers))  # in a tuple, so that weights are listed once
        self.act = act
        sizes = [layer.in_features for layer in self._mirrored]
        self.biases = nn.ParameterList([torch.zeros(size) for size in sizes])

    def forward(self, code: Tensor) -> Tensor:
        for k, (layer, bias) in enumerate(zip(self._mirrored, self.biases, strict=True)):
            code = F.linear(code if k == 0 else self.act(code), layer.weight.t(), bias)
        return code


def perceptron(sizes: Sequence[int], last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers of these sizes with ReLU between them, and `last` after the last."""
    modules: list[nn.Module] = []
    for i, o in pairwise(sizes):
        modules += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*modules[:-1], *([] if last is None else [last]))


def linear_layers(module: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, in order."""
    return [m for m in module.modules() if isinstance(m, nn.Linear)]


# ------------------------------------------------------------------ kinds

KINDS = (
    *("undercomplete", "overcomplete", "deep", "stacked", "tied", "sparse", "sparse-kl"),
    *("denoising", "contractive", "variational", "vector-quantised", "convolutional"),
)
_DEEP = ("deep", "stacked")  # three hidden layers


def autoencoder(
    kind: str,
    features: int | Sequence[int],
    code: int,
    *,
    layers: int | None = None,
    nodes: int | Sequence[int] | None = None,
    loss: str = "mse",
    weight: float | None = None,
    corruption: nn.Module | None = None,
) -> Autoencoder:
    """An autoencoder of vectors or images, by the name of its kind.

    =================  ========================================================================
    undercomplete      the code is narrower than the input
    overcomplete       it is not, and weights are held small (:class:`L2`)
    deep               three hidden layers on either side, if `layers` does not say otherwise
    stacked            the same; :func:`~graphkit.generative.pretrain` it, layer by layer
    tied               the decoder's weights are the encoder's, transposed (:class:`Tied`)
    sparse             few of the code's units are on, by :class:`L1Sparsity` after ReLU
    sparse-kl          the same by :class:`KLSparsity` after a sigmoid
    denoising          the clean input is the target (:class:`Masking` half of it, if not told)
    contractive        the code moves little when the input does (:class:`Contraction`)
    variational        :class:`Gaussian`
    vector-quantised   :class:`VectorQuantiser` of 64 vectors of width 4, or less
    convolutional      an :func:`~graphkit.generative.image.hourglass`, of images
    =================  ========================================================================

    Args:
        kind: one of the above. For an adversarial one see :mod:`graphkit.generative.adversarial`.
        features: of a sample; or channels, height and width of an image.
        code: size of the code.
        layers: hidden layers on either side (1; 2 of convolutions).
        nodes: of each hidden layer (128); or of every one, from the input on. Of convolutions the
            channels of the first (32).
        loss: "mse", "l1" or "bce".
        weight: of the kind's penalty.
        corruption: of the input in training.

    Raises:
        ValueError: The kind is unknown, or the sizes are not its own.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    shape = [features] if isinstance(features, int) else list(features)
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ValueError(
            f"features: expected at least 1, or channels, height and width, got {features}"
        )
    if code < 1:
        raise ValueError(f"code: expected at least 1, got {code}")
    size = math.prod(shape)
    if kind == "undercomplete" and code >= size:
        raise ValueError(f"code: expected less than the {size} features, got {code}")
    if kind == "overcomplete" and code < size:
        raise ValueError(f"code: expected at least the {size} features, got {code}")
    build = _hourglass if kind == "convolutional" else _perceptrons
    encoder, decoder = build(kind, shape, code, layers, nodes)
    model = Autoencoder(
        encoder,
        decoder,
        loss,
        bottleneck=_bottleneck(kind, code, weight),
        penalties=_penalties(kind, weight),
        corruption=Masking(0.5) if kind == "denoising" and corruption is None else corruption,
    )
    model.noise = code
    return model


def _hourglass(
    kind: str,
    shape: list[int],
    code: int,
    layers: int | None,
    nodes: int | Sequence[int] | None,
) -> tuple[nn.Module, nn.Module]:
    if len(shape) != 3:
        raise ValueError(f"features: expected channels, height and width of images, got {shape}")
    if not isinstance(nodes, int | None):
        raise ValueError(f"nodes: expected the channels of the first layer, got {nodes}")
    return hourglass(shape, code, layers=layers or 2, width=nodes or 32)


def _perceptrons(
    kind: str,
    shape: list[int],
    code: int,
    layers: int | None,
    nodes: int | Sequence[int] | None,
) -> tuple[nn.Module, nn.Module]:
    nodes = 128 if nodes is None else nodes
    if isinstance(nodes, int):
        nodes = [nodes] * ((3 if kind in _DEEP else 1) if layers is None else layers)
    elif layers is not None and layers != len(nodes):
        raise ValueError(f"nodes: expected {layers} numbers, one for every layer, got {nodes}")
    sizes = [math.prod(shape), *nodes]
    ends: dict[str, nn.Module] = {"sparse": nn.ReLU(), "sparse-kl": nn.Sigmoid()}
    ends["contractive"] = nn.Sigmoid()
    encoder = perceptron([*sizes, 2 * code if kind == "variational" else code], ends.get(kind))
    decoder: nn.Sequential | Tied = perceptron([code, *reversed(sizes)])
    if kind == "tied":
        decoder = Tied(linear_layers(encoder))
    if len(shape) == 1:
        return encoder, decoder
    back = [decoder] if isinstance(decoder, Tied) else decoder
    return nn.Sequential(nn.Flatten(), *encoder), nn.Sequential(*back, nn.Unflatten(1, shape))


def _bottleneck(kind: str, code: int, weight: float | None) -> Bottleneck | None:
    if kind == "variational":
        return Gaussian(1.0 if weight is None else weight)
    if kind == "vector-quantised":
        width = next(w for w in (4, 3, 2, 1) if code % w == 0)
        return VectorQuantiser(64, width, 0.25 if weight is None else weight)
    return None


def _penalties(kind: str, weight: float | None) -> list[Penalty]:
    def chosen(usual: float) -> float:
        return usual if weight is None else weight

    match kind:
        case "overcomplete":
            return [L2(chosen(1e-3))]
        case "sparse":
            return [L1Sparsity(chosen(0.05))]
        case "sparse-kl":
            return [KLSparsity(chosen(1.0))]
        case "contractive":
            return [Contraction(chosen(0.1))]
    return []
