"""Autoencoders as scikit-learn estimators: before t-SNE in a Pipeline, in a grid search, or as a
detector of what is unlike the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.covariance import EmpiricalCovariance
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from graphkit.generative.autoencoder import Autoencoder, autoencoder
from graphkit.generative.fitting import pretrain
from graphkit.train import train_epoch


class AutoencoderEstimator(TransformerMixin, OutlierMixin, BaseEstimator):
    r"""An autoencoder of vectors, with scikit-learn's methods.

    Features should be on one scale: put a ``StandardScaler`` before it, or a ``MinMaxScaler`` where
    the loss is "bce". `transform` gives codes, `inverse_transform` samples of codes.

    A sample is strange if it is badly reconstructed, or if its code lies far from the others: what
    stands out along the very directions that the code keeps is reconstructed well. So its score is
    minus the sum of both,

    .. math::
        \frac{\ell(x)}{\sigma_\ell}
            + \frac{\sqrt{(h(x) - \mu)^\top \Sigma^{-1} (h(x) - \mu)}}{\sigma_D}

    (Denouden et al. 2018, eq. 2), each divided by its deviation over the training samples, whose
    codes have mean :math:`\mu` and covariance :math:`\Sigma`. `predict` calls -1 (an anomaly) what
    scores below `offset_`, as the share `contamination` of the training samples does.

    Args:
        kind: one of :data:`~graphkit.generative.KINDS`, but of vectors. A "stacked" one is trained
            layer by layer first, for as many epochs each.
        code: size of the code; no more than there are features.
        layers: hidden layers on either side.
        nodes: of each hidden layer.
        loss: "mse", "l1" or "bce".
        weight: of the kind's penalty, if not its own.
        epochs, batch_size, lr: of training with Adam.
        score_by: "both", or "error" for the first term alone, undivided.
        contamination: share of the training samples that count as anomalies.
        random_state: one seed, one result.

    Attributes:
        model_: the :class:`~graphkit.generative.Autoencoder`.
        codes_: mean and covariance of the training samples' codes.
        deviations_: of both parts of the score, over the training samples.
        losses_: mean loss of every epoch.
        offset_: the score below which a sample is an anomaly.
    """

    def __init__(
        self,
        kind: str = "deep",
        code: int = 2,
        layers: int = 1,
        nodes: int | Sequence[int] = 64,
        loss: str = "mse",
        weight: float | None = None,
        epochs: int = 50,
        batch_size: int = 64,
        lr: float = 1e-3,
        score_by: str = "both",
        contamination: float = 0.1,
        random_state: Any = None,
    ) -> None:
        self.kind = kind
        self.code = code
        self.layers = layers
        self.nodes = nodes
        self.loss = loss
        self.weight = weight
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.score_by = score_by
        self.contamination = contamination
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AutoencoderEstimator:
        """Train from new start values; y is not used."""
        x = self._checked(X, reset=True)
        self._start(x)
        if self.kind == "stacked":
            self._pretrain(x)
        return self._train(x, self.epochs)

    def partial_fit(self, X: Any, y: Any = None) -> AutoencoderEstimator:
        """One more epoch, over these samples; y is not used."""
        first = not hasattr(self, "model_")
        x = self._checked(X, reset=first)
        if first:
            self._start(x)
        return self._train(x, 1)

    def transform(self, X: Any) -> np.ndarray:
        """Codes ``[n_samples, code]``."""
        check_is_fitted(self)
        x = self._checked(X)
        with torch.no_grad():
            return self.model_.encode(x).numpy()

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Samples of codes ``[n_samples, code]``."""
        check_is_fitted(self)
        code = torch.as_tensor(np.asarray(X, dtype=np.float64))
        if code.dim() != 2 or code.size(1) != self._n_features_out:
            raise ValueError(
                f"X: expected codes of shape [n, {self._n_features_out}], got {list(code.shape)}"
            )
        with torch.no_grad():
            return self.model_.decode(code).numpy()

    def score_samples(self, X: Any) -> np.ndarray:
        """Every sample's score: the lower, the less like the training samples."""
        check_is_fitted(self)
        return self._score(self._checked(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for anomalies, 1 for all others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @property
    def _n_features_out(self) -> int:
        return self.code_

    def _parts(self, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Reconstruction errors, and distances of codes from their mean."""
        with torch.no_grad():
            error = self.model_.error(x).numpy()
            code = self.model_.encode(x).numpy()
        return error, np.sqrt(self.codes_.mahalanobis(code))

    def _score(self, x: Tensor) -> np.ndarray:
        error, distance = self._parts(x)
        if self.score_by == "error":
            return -error
        return -(error / self.deviations_[0] + distance / self.deviations_[1])

    def _checked(self, X: Any, reset: bool = False) -> Tensor:
        return torch.from_numpy(validate_data(self, X, reset=reset, dtype=np.float64, copy=True))

    def _start(self, x: Tensor) -> None:
        if not 0 < self.contamination <= 0.5:
            raise ValueError(
                f"contamination: expected a share above 0, at most 0.5, got {self.contamination}"
            )
        if self.score_by not in ("both", "error"):
            raise ValueError(f"score_by: expected 'both' or 'error', got {self.score_by!r}")
        # A code as wide as the data is the most that makes sense of a narrow set.
        most = x.size(1) - (self.kind == "undercomplete")
        self.code_ = self.code if self.kind == "overcomplete" else max(1, min(self.code, most))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model_: Autoencoder = autoencoder(
                self.kind,
                x.size(1),
                self.code_,
                layers=self.layers,
                nodes=self.nodes,
                loss=self.loss,
                weight=self.weight,
            )
            self._random = torch.get_rng_state()
        self._optimizer = torch.optim.Adam(self.model_.parameters(), lr=self.lr)
        self.losses_: list[float] = []

    def _pretrain(self, x: Tensor) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            pretrain(
                self.model_, x.float(), epochs=self.epochs, batch_size=self.batch_size, lr=self.lr
            )
            self._random = torch.get_rng_state()

    def _train(self, x: Tensor, epochs: int) -> AutoencoderEstimator:
        self.model_.float()  # for speed; evaluation is in float64
        short = x.float()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            for _ in range(epochs):
                batches = torch.randperm(len(x)).split(self.batch_size)
                mean = train_epoch(
                    self.model_,
                    self._optimizer,
                    batches,
                    lambda rows: self.model_.loss(short[rows]),
                    len(self.losses_) + 1,
                )
                self.losses_.append(mean)
            self._random = torch.get_rng_state()
        self.model_.double().eval()
        with torch.no_grad():
            self.codes_ = EmpiricalCovariance().fit(self.model_.encode(x).numpy())
        # A part that is the same for all tells nothing, and is left as it is.
        self.deviations_ = [float(part.std()) or 1.0 for part in self._parts(x)]
        self.offset_ = float(np.quantile(self._score(x), self.contamination))
        return self
