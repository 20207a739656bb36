"""What is to be explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.graph import as_graph
from graphkit.nn.message_passing import MessagePassing

_DRAWN_POINTS = 3

Kind = Literal["multiclass", "binary", "regression"]


class Prediction:
    """What a model predicts for a node, an edge or a graph, and how that changes when edges or
    features are weakened.

    The model is called as ``model(x, graph, *inputs, **edges)``, always in evaluation mode. Its
    output has a row for whatever it predicts on, so the same `index` means a node, a pair of
    nodes or a graph.

    Args:
        model: A model with layers :class:`~graphkit.nn.MessagePassing`, all on the edges of
            `graph`.
        x: ``[N, F]`` features of the nodes, dense or sparse.
        graph: A Graph or anything graph-like.
        *inputs: What the model is given besides: the pairs it scores, or the Graph again for a
            readout.
        index: The row of the output that is explained, or several, together; None means all.
        kind: Whether the output has a logit for each class, logits that each say yes or no, or
            numbers.
        target: The class of each row of a "multiclass" output, or 0 and 1 of a "binary" one; what
            the model itself predicts if not given.
        **edges: Arguments of the model by name, such as ``edge_attr``.

    Attributes:
        graph: The Graph that `edge_mask` is about.
        output: ``[K, C]`` the output for these rows, with nothing weakened.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        graph: Any,
        *inputs: Any,
        index: int | Tensor | None = None,
        kind: Kind = "multiclass",
        target: int | Tensor | None = None,
        **edges: Any,
    ) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"kind: expected one of {', '.join(get_args(Kind))}, got {kind!r}")
        self.layers = [layer for layer in model.modules() if isinstance(layer, MessagePassing)]
        if not self.layers:
            raise ValueError("model: expected layers that pass messages along edges, got none")
        self.model = model
        self.x = x if x.layout == torch.strided else x.to_dense()
        self.kind = kind
        self.graph = as_graph(graph, (x.size(0), x.size(0)))
        self._given, self._inputs, self._edges = graph, inputs, edges
        self._index = torch.as_tensor(index).view(-1) if index is not None else slice(None)
        with torch.no_grad():
            self.output = self.run()
        if kind == "multiclass" and self.output.size(1) == 1:
            raise ValueError(
                "kind: expected 'binary' or 'regression' for an output of one number, "
                "got 'multiclass'"
            )
        self.target = self._own_target() if target is None else self._check_target(target)

    def run(self, x: Tensor | None = None, edge_mask: Tensor | None = None) -> Tensor:
        """The output ``[K, C]`` with other features, and with messages multiplied by a mask.

        Args:
            x: ``[N, F]``; the features if not given.
            edge_mask: ``[E]`` one factor for each edge of the graph.
        """
        with _weakened(self.model, self.layers, edge_mask):
            out = self.model(self.x if x is None else x, self._given, *self._inputs, **self._edges)
        out = out.unsqueeze(-1) if out.dim() == 1 else out
        return out[self._index]

    def score(self, output: Tensor) -> Tensor:
        """The number that gradients are taken of: the logits of what is predicted, summed up."""
        if self.kind == "multiclass":
            return output.gather(1, self.target.view(-1, 1)).sum()
        return output.sum() if self.kind == "regression" else (output * self._signs).sum()

    def loss(self, output: Tensor) -> Tensor:
        """How far an output is from the target: cross entropy, or the squared error."""
        if self.kind == "multiclass":
            return F.cross_entropy(output, self.target)
        if self.kind == "regression":
            return F.mse_loss(output, self.target)
        return F.softplus(-output * self._signs).mean()

    def probability(self, output: Tensor) -> Tensor:
        """``[K]`` probability of the target; of several yes or no, their mean."""
        if self.kind == "multiclass":
            return output.softmax(1).gather(1, self.target.view(-1, 1)).view(-1)
        return (output * self._signs).sigmoid().mean(1)

    def agrees(self, output: Tensor) -> Tensor:
        """``[K]`` whether the model predicts the target."""
        if self.kind == "multiclass":
            return output.argmax(1) == self.target
        return ((output > 0) == (self.target > 0)).all(1)

    def edges_in_reach(self) -> Tensor:
        """``[E]`` whether the prediction depends on an edge: whether its gradient with respect to
        the edge's factor is other than 0, where all factors are 1 or at one of a few points drawn
        from (0, 1), as units that are off at one point hide edges there."""
        ones, draw = self.ones(), torch.Generator().manual_seed(0)
        reach = torch.zeros_like(ones, dtype=torch.bool)
        for number in range(1 + _DRAWN_POINTS):
            point = ones if number == 0 else torch.rand(len(ones), generator=draw).to(ones)
            mask = point.detach().requires_grad_()
            score = self.score(self.run(edge_mask=mask))
            reach |= torch.autograd.grad(score, mask, materialize_grads=True)[0] != 0
        return reach

    def ones(self) -> Tensor:
        """``[E]`` the mask that changes nothing."""
        dtype = self.x.dtype if self.x.is_floating_point() else torch.get_default_dtype()
        return torch.ones(self.graph.num_edges, dtype=dtype, device=self.graph.device)

    @property
    def _signs(self) -> Tensor:
        return self.target.to(self.output.dtype) * 2 - 1

    def _own_target(self) -> Tensor:
        if self.kind == "multiclass":
            return self.output.argmax(1)
        return self.output if self.kind == "regression" else (self.output > 0).long()

    def _check_target(self, target: int | Tensor) -> Tensor:
        if self.kind == "regression":
            raise ValueError("target: expected none for a regression, whose output is explained")
        target = torch.as_tensor(target, device=self.output.device).long()
        shape = self.output.shape[:1] if self.kind == "multiclass" else self.output.shape
        if target.dim() == 0:
            target = target.expand(shape)
        if self.kind == "binary" and target.shape == shape[:1] and shape[1] == 1:
            target = target.unsqueeze(1)
        highest = self.output.size(1) - 1 if self.kind == "multiclass" else 1
        if target.shape != shape or not 0 <= int(target.min()) <= int(target.max()) <= highest:
            raise ValueError(
                f"target: expected numbers from 0 to {highest} of shape {list(shape)}, "
                f"got {target.tolist()}"
            )
        return target


@contextmanager
def _weakened(
    model: nn.Module, layers: list[MessagePassing], edge_mask: Tensor | None
) -> Iterator[None]:
    """The model in evaluation mode and its layers with a mask, for one call."""
    training = [module for module in model.modules() if module.training]
    masks = [layer.edge_mask for layer in layers]
    model.eval()
    for layer in layers:
        layer.edge_mask = edge_mask
    try:
        yield
    finally:
        for module in training:
            module.training = True
        for layer, mask in zip(layers, masks, strict=True):
            layer.edge_mask = mask
