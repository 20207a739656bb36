"""Attention as an explanation."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from graphkit.explain.explanation import Explanation
from graphkit.explain.prediction import Prediction
from graphkit.graph import Graph
from graphkit.nn.message_passing import MessagePassing

_OPTION = "return_attention_weights"


def attention(prediction: Prediction) -> Explanation:
    """How much nodes attend to each other: the mean over all heads of all layers that can tell.

    It says what a model looks at, not that the prediction rests on it. Edges the prediction does
    not depend on have the mask 0.

    Raises:
        ValueError: No layer of the model takes `return_attention_weights`.
    """
    layers = [layer for layer in prediction.layers if _tells(layer)]
    if not layers:
        raise ValueError(
            "model: expected layers that can tell their attention, as GATConv, got "
            + ", ".join(sorted({type(layer).__name__ for layer in prediction.layers}))
        )
    found: list[Tensor] = []

    def ask(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**kwargs, _OPTION: True}

    def listen(_: Any, __: Any, output: Any) -> Tensor:
        out, (edge_index, alpha) = output
        mean = alpha if alpha.dim() == 1 else alpha.mean(-1)
        found.append(_without_loops(prediction.graph, edge_index, mean))
        return out

    hooks = [layer.register_forward_pre_hook(ask, with_kwargs=True) for layer in layers]
    hooks += [layer.register_forward_hook(listen) for layer in layers]
    try:
        with torch.no_grad():
            prediction.run()
    finally:
        for hook in hooks:
            hook.remove()
    mask = torch.stack(found).mean(0)
    return Explanation(prediction.graph, mask * prediction.edges_in_reach())


def _tells(layer: MessagePassing) -> bool:
    return _OPTION in inspect.signature(layer.forward).parameters


def _without_loops(graph: Graph, edge_index: Tensor, alpha: Tensor) -> Tensor:
    """Attention on the edges of the graph, from that on its edges and a loop on every node."""
    if torch.equal(edge_index, graph.edge_index):
        return alpha
    source, destination = graph.edge_index
    is_loop = source == destination
    num_others = int((~is_loop).sum())
    mask = alpha.new_zeros(graph.num_edges)
    mask[~is_loop] = alpha[:num_others]
    mask[is_loop] = alpha[num_others:][source[is_loop]]
    return mask
