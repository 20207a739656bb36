"""Autoencoders as scikit-learn estimators: before t-SNE in a Pipeline, in a grid search, or as a
detector of what is unlike the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from graphkit.generative.autoencoder import Autoencoder, autoencoder
from graphkit.generative.fitting import pretrain
from graphkit.train import train_epoch


class AutoencoderEstimator(TransformerMixin, OutlierMixin, BaseEstimator):
    r"""An autoencoder of vectors, with scikit-learn's methods.

    Features should be on one scale: put a ``StandardScaler`` before it, or a ``MinMaxScaler`` where
    the loss is "bce". `transform` gives codes, `inverse_transform` samples of codes. The score of
    a sample is minus its reconstruction error, and `predict` calls -1 (an anomaly) what scores
    below `offset_`, as the share `contamination` of the training samples does.

    Args:
        kind: one of :data:`~graphkit.generative.KINDS`, but of vectors. A "stacked" one is trained
            layer by layer first, for as many epochs each.
        code: size of the code; no more than there are features.
        layers: hidden layers on either side.
        nodes: of each hidden layer.
        loss: "mse", "l1" or "bce".
        weight: of the kind's penalty, if not its own.
        epochs, batch_size, lr: of training with Adam.
        contamination: share of the training samples that count as anomalies.
        random_state: one seed, one result.

    Attributes:
        model_: the :class:`~graphkit.generative.Autoencoder`.
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
        """Minus every sample's reconstruction error: the lower, the less like the training ones."""
        check_is_fitted(self)
        x = self._checked(X)
        with torch.no_grad():
            return -self.model_.error(x).numpy()

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for anomalies, 1 for all others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @property
    def _n_features_out(self) -> int:
        return self.code_

    def _checked(self, X: Any, reset: bool = False) -> Tensor:
        return torch.from_numpy(validate_data(self, X, reset=reset, dtype=np.float64, copy=True))

    def _start(self, x: Tensor) -> None:
        if not 0 < self.contamination <= 0.5:
            raise ValueError(
                f"contamination: expected a share above 0, at most 0.5, got {self.contamination}"
            )
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
            scores = -self.model_.error(x).numpy()
        self.offset_ = float(np.quantile(scores, self.contamination))
        return self
