"""GNNExplainer of Ying et al."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphkit._undirected import match_opposites
from graphkit.explain.explanation import Explanation
from graphkit.explain.prediction import Prediction

_TINY = 1e-15


def gnn_explainer(
    prediction: Prediction,
    *,
    epochs: int = 100,
    lr: float = 0.05,
    edge_size: float = 0.05,
    edge_entropy: float = 1.0,
    feature_size: float = 1.0,
    feature_entropy: float = 0.1,
    seed: int = 0,
) -> Explanation:
    r"""Learn the small part of graph and features that a prediction rests on. Ying et al. 2019.

    .. math::
        \min_{m, f}\; -\log P(\hat y \mid A \odot \sigma(m), X \odot \sigma(f))
            + \lambda_1 \sum_e \sigma(m_e) + \lambda_2 \overline{H(\sigma(m))}
            + \lambda_3 \overline{\sigma(f)} + \lambda_4 \overline{H(\sigma(f))}

    with one number for each edge and one for each feature, the same for all nodes; :math:`H` is
    the entropy, which drives a mask to 0 or 1. As in the authors' code, the two directions of an
    edge of an undirected graph have one number, and :math:`\lambda_2` to :math:`\lambda_4` are as
    there; with its :math:`\lambda_1 = 0.005` and learning rate 0.1 most masks end at 1 where many
    edges are in reach.

    Edges that the prediction does not depend on, in neither direction, have the mask 0, and count
    neither in the sum nor in the mean. For a regression, the squared change of the output takes
    the place of the likelihood. Features that are no floating-point numbers get no mask.

    Args:
        prediction: What to explain.
        epochs, lr: Steps and learning rate of Adam.
        edge_size, edge_entropy, feature_size, feature_entropy: :math:`\lambda_1` to
            :math:`\lambda_4`.
        seed: Of the start values.
    """
    if epochs < 1:
        raise ValueError(f"epochs: expected at least 1, got {epochs}")
    x, ones, draw = prediction.x, prediction.ones(), torch.Generator().manual_seed(seed)
    reach, number = _number(prediction)
    edges = _start(int(number.max()) + 1 if len(number) else 0, math.sqrt(2.0 / len(x)), ones, draw)
    features = _start(x.size(-1), 0.1, ones, draw) if x.is_floating_point() else None
    learnt = [edges] if features is None else [edges, features]
    optimizer = torch.optim.Adam(learnt, lr=lr)

    def masks() -> tuple[Tensor, Tensor | None]:
        edge_mask = torch.zeros_like(ones).masked_scatter(reach, edges.sigmoid()[number])
        return edge_mask, None if features is None else features.sigmoid()

    for _ in range(epochs):
        edge_mask, feature_mask = masks()
        weak = x if feature_mask is None else x * feature_mask
        loss = prediction.loss(prediction.run(weak, edge_mask))
        chosen = edge_mask[reach]
        loss = loss + edge_size * chosen.sum() + edge_entropy * _entropy(chosen)
        if feature_mask is not None:
            loss = loss + feature_size * feature_mask.mean()
            loss = loss + feature_entropy * _entropy(feature_mask)
        # Not loss.backward(), which would leave gradients in the model too.
        for mask, gradient in zip(learnt, torch.autograd.grad(loss, learnt), strict=True):
            mask.grad = gradient
        optimizer.step()
    with torch.no_grad():
        return Explanation(prediction.graph, *masks())


def _number(prediction: Prediction) -> tuple[Tensor, Tensor]:
    """Which edges get a mask, ``[E]``, and of each of these the number of the mask it gets."""
    graph, reach = prediction.graph, prediction.edges_in_reach()
    first = torch.arange(graph.num_edges, device=graph.device)
    if graph.is_undirected:
        there, back = match_opposites(graph.edge_index, graph.num_nodes)
        reach = reach.index_put((there,), reach[there] | reach[back])
        first = first.index_put((there,), torch.minimum(there, back))
    return reach, first[reach].unique(return_inverse=True)[1]


def _start(size: int, deviation: float, like: Tensor, draw: torch.Generator) -> Tensor:
    start = torch.randn(size, generator=draw) * deviation
    return start.to(like).requires_grad_()


def _entropy(mask: Tensor) -> Tensor:
    """Mean entropy of coins that fall on one side with these probabilities."""
    if not mask.numel():
        return mask.sum()
    return -(mask * (mask + _TINY).log() + (1 - mask) * (1 - mask + _TINY).log()).mean()
