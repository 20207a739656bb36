"""Explanations from gradients with respect to features and edges."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkit.explain.explanation import Explanation
from graphkit.explain.prediction import Prediction


def saliency(prediction: Prediction) -> Explanation:
    r"""How much the prediction would change: :math:`|\partial s / \partial m_e|` for every edge's
    factor :math:`m_e = 1`, and :math:`|\partial s / \partial x|`. Simonyan et al. 2014.

    :math:`s` is the logit of what is predicted.
    """
    edges, features = _gradients(prediction, prediction.x, prediction.ones())
    return Explanation(prediction.graph, edges.abs(), None if features is None else features.abs())


def input_x_gradient(prediction: Prediction) -> Explanation:
    r"""What edges and features contribute, to first order: :math:`m_e\, \partial s / \partial m_e`
    and :math:`x\, \partial s / \partial x`. Shrikumar et al. 2017.

    A negative number speaks against the prediction.
    """
    edges, features = _gradients(prediction, prediction.x, prediction.ones())
    return Explanation(
        prediction.graph, edges, None if features is None else features * prediction.x
    )


def integrated_gradients(prediction: Prediction, *, steps: int = 50) -> Explanation:
    r"""What edges and features contribute, gradients averaged on the straight way from no edges
    and features 0 to all of them. Sundararajan et al. 2017.

    .. math::
        \int_0^1 \frac{\partial s}{\partial m_e}(t) \, dt, \qquad
        x \int_0^1 \frac{\partial s}{\partial x}(t x) \, dt

    Together the contributions sum up to the difference between the logit and that of a graph
    without edges and features. Features that are no floating-point numbers stay as they are.

    Args:
        prediction: What to explain.
        steps: Of the midpoint rule for the integral.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    x, ones = prediction.x, prediction.ones()
    edges, features = torch.zeros_like(ones), torch.zeros_like(x)
    for step in range(steps):
        share = (step + 0.5) / steps
        weak = x * share if x.is_floating_point() else x
        of_edges, of_features = _gradients(prediction, weak, ones * share)
        edges += of_edges / steps
        if of_features is not None:
            features += of_features / steps
    return Explanation(prediction.graph, edges, features * x if x.is_floating_point() else None)


def _gradients(
    prediction: Prediction, x: Tensor, edge_mask: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Of the score, with respect to the mask and, if these are floating-point, the features."""
    asked = [edge_mask.detach().requires_grad_()]
    if x.is_floating_point():
        asked.append(x.detach().clone().requires_grad_())
    score = prediction.score(prediction.run(asked[-1] if len(asked) > 1 else x, asked[0]))
    found = torch.autograd.grad(score, asked, materialize_grads=True)
    return found[0], found[1] if len(found) > 1 else None
