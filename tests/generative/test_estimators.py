"""The estimator behaves as scikit-learn wants it to, and finds what is unlike the rest."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from graphkit.generative import AutoencoderEstimator


@parametrize_with_checks([AutoencoderEstimator(epochs=3, nodes=8, random_state=0)])
def test_scikit_learn_s_own_checks(estimator, check) -> None:
    check(estimator)


def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return (x / 16)[:600], y[:600]


def test_codes_serve_a_classifier_and_can_be_searched_for() -> None:
    x, y = digits()
    coder = AutoencoderEstimator(code=8, epochs=15, lr=3e-3, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), coder, LogisticRegression(max_iter=2000))
    assert pipeline.fit(x[:400], y[:400]).score(x[400:], y[400:]) > 0.7
    search = GridSearchCV(
        pipeline, {"autoencoderestimator__code": [1, 8]}, cv=2, error_score="raise"
    ).fit(x, y)
    assert search.best_params_ == {"autoencoderestimator__code": 8}


def test_samples_of_another_kind_are_told() -> None:
    x, y = digits()
    usual, other = x[y != 1], x[y == 1]
    noise = np.random.default_rng(0).uniform(0, 1, other.shape)
    model = AutoencoderEstimator("undercomplete", 10, epochs=20, lr=3e-3, random_state=0)
    model.fit(usual)
    scores = model.score_samples(np.concatenate([usual, noise]))
    target = np.r_[np.ones(len(usual)), np.zeros(len(noise))]
    assert roc_auc_score(target, scores) > 0.99
    assert (model.predict(noise) == -1).mean() > 0.95
    assert (model.predict(usual) == -1).mean() == pytest.approx(0.1, abs=0.02)


def test_the_score_is_error_and_distance_in_their_deviations() -> None:
    x, _ = digits()
    model = AutoencoderEstimator(code=3, epochs=3, random_state=0).fit(x)
    code = model.transform(x)
    error = ((model.inverse_transform(code) - x) ** 2).sum(axis=1)
    centred = code - code.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred / len(x))
    distance = np.sqrt(np.einsum("nk,kl,nl->n", centred, inverse, centred))
    expected = -(error / error.std() + distance / distance.std())
    np.testing.assert_allclose(model.score_samples(x), expected, rtol=1e-6)
    errors = AutoencoderEstimator(code=3, epochs=3, score_by="error", random_state=0).fit(x)
    np.testing.assert_allclose(errors.score_samples(x), -error, rtol=1e-6)


def test_what_is_far_along_the_code_s_own_direction_is_strange() -> None:
    """It is reconstructed well, and so the error alone finds nothing strange about it."""
    random = np.random.default_rng(0)
    along = np.outer(random.normal(size=400), [2.0, 2.0, 2.0, 2.0])
    usual = along + 0.3 * random.normal(size=(400, 4))
    far = np.outer([8.0, -8.0, 9.0], [2.0, 2.0, 2.0, 2.0])
    x = np.concatenate([usual, far])
    settings = {"kind": "undercomplete", "code": 1, "nodes": 16, "epochs": 60, "lr": 1e-2}
    model = AutoencoderEstimator(**settings, random_state=0).fit(x)
    assert set(np.argsort(model.score_samples(x))[:3]) == {400, 401, 402}


def test_one_seed_one_result_and_the_caller_s_own_numbers_stay() -> None:
    import torch

    x, _ = digits()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (
        AutoencoderEstimator(epochs=2, random_state=3).fit(x).transform(x) for _ in range(2)
    )
    assert np.array_equal(one, two)
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(
        one, AutoencoderEstimator(epochs=2, random_state=4).fit(x).transform(x)
    )


def test_more_samples_may_come_later() -> None:
    x, _ = digits()
    model = AutoencoderEstimator(code=8, lr=3e-3, score_by="error", random_state=0)
    errors = [-model.partial_fit(x).score_samples(x).mean() for _ in range(10)]
    assert errors[-1] < 0.8 * errors[0]
    assert len(model.losses_) == 10
    assert model.inverse_transform(model.transform(x)).shape == x.shape


def test_what_does_not_fit() -> None:
    x, _ = digits()
    model = AutoencoderEstimator(epochs=1).fit(x)
    with pytest.raises(ValueError, match=r"X: expected codes of shape \[n, 2\], got \[600, 64\]"):
        model.inverse_transform(x)
    with pytest.raises(ValueError, match=r"contamination: expected a share above 0, at most 0\.5"):
        AutoencoderEstimator(contamination=0.6).fit(x)
    with pytest.raises(ValueError, match="score_by: expected 'both' or 'error', got 'code'"):
        AutoencoderEstimator(score_by="code").fit(x)
    with pytest.raises(ValueError, match=r"x: expected numbers in \[0, 1\] for a cross-entropy"):
        AutoencoderEstimator(loss="bce").fit(20 * x)
