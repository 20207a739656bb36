"""How good an explanation is, without knowing the truth."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphkit.explain.explanation import Explanation, _check_factors
from graphkit.explain.prediction import Prediction


class Fidelity(NamedTuple):
    """What becomes of a prediction without its explanation, and with it alone.

    An explanation that holds everything the prediction needs leaves `minus` at 0; one without
    which the prediction falls has a high `plus`.

    Attributes:
        plus: Mean drop of the probability of what is predicted when the explanation is taken out.
        minus: Mean drop when everything but the explanation is taken out.
        plus_label, minus_label: Share of the predictions that change with it.

    For a regression `plus` and `minus` are the mean absolute change of the output, and the two
    others None.
    """

    plus: float
    minus: float
    plus_label: float | None
    minus_label: float | None


@torch.no_grad()
def fidelity(prediction: Prediction, explanation: Explanation) -> Fidelity:
    r"""fid+ and fid-, Yuan et al. 2022, eqs. 3-6; Amara et al. 2022 ("model" explanations).

    .. math::
        \mathrm{fid}_+ = \overline{f(G)_{\hat y} - f(G \setminus S)_{\hat y}}, \qquad
        \mathrm{fid}_- = \overline{f(G)_{\hat y} - f(S)_{\hat y}}

    A soft mask weakens edges in part: S are the edges times the mask, the rest those times one
    minus it. The usual way is to compare explanations of one size: ``explanation.top(count)``.
    A feature mask in [0, 1] applies to the features in the same way.
    """
    _check_factors(explanation.edge_mask)
    mask, features = explanation.edge_mask, explanation.feature_mask
    if features is not None:
        _check_factors(features)
    weak = None if features is None else prediction.x * features
    rest = None if features is None else prediction.x * (1 - features)
    outputs = [prediction.run(rest, 1 - mask), prediction.run(weak, mask)]
    if prediction.kind == "regression":
        changes = [float((out - prediction.output).abs().mean()) for out in outputs]
        return Fidelity(changes[0], changes[1], None, None)

    def drop(of: Tensor, to: Tensor) -> float:
        return float((of.double() - to.double()).mean())

    before = prediction.probability(prediction.output), prediction.agrees(prediction.output)
    after = [(prediction.probability(out), prediction.agrees(out)) for out in outputs]
    plus, minus = (drop(before[0], probability) for probability, _ in after)
    plus_label, minus_label = (drop(before[1], agrees) for _, agrees in after)
    return Fidelity(plus, minus, plus_label, minus_label)
