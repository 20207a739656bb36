"""Why a model predicts what it predicts: the edges and features a prediction rests on."""

from graphkit.explain.attention import attention
from graphkit.explain.explanation import Explanation
from graphkit.explain.fidelity import Fidelity, fidelity
from graphkit.explain.gnn_explainer import gnn_explainer
from graphkit.explain.gradients import input_x_gradient, integrated_gradients, saliency
from graphkit.explain.prediction import Prediction

__all__ = [
    "Explanation",
    "Fidelity",
    "Prediction",
    "attention",
    "fidelity",
    "gnn_explainer",
    "input_x_gradient",
    "integrated_gradients",
    "saliency",
]
