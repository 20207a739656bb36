"""Exact outputs for all nodes of a large graph, layer by layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from graphkit._attributes import take
from graphkit._checks import check_rows
from graphkit.graph import Graph
from graphkit.nn.conv import GCNConv, gcn_norm
from graphkit.sampling._seeds import check_number
from graphkit.sampling._source import FLOWS, check_graph
from graphkit.sampling.neighbour import NeighborSampler


@torch.no_grad()
def layerwise_inference(
    layers: Sequence[Callable[..., Tensor]], graph: Any, x: Tensor, batch_size: int
) -> Tensor:
    r"""What the layers, one after the other, give on the whole graph, with bounded memory.

    Every layer is computed for all nodes before the next one begins, `batch_size` nodes at a
    time, each with all its neighbours. So nothing is computed twice for being in many
    neighbourhoods, and beside the features of two layers only one batch is held.

    Args:
        layers: what is applied in turn. With two required arguments, as layers of messages have,
            one is called as ``layer((sources, destinations), block)`` with a bipartite block that
            carries the edges' attributes. With one, as activations and normalisations have, it is
            called with the features of all nodes. Modules should be in evaluation mode. A
            :class:`~graphkit.nn.GCNConv` gets the coefficients of the whole graph.
        graph: a Graph, or anything graph-like, on the CPU.
        x: ``[N, in]`` features, dense or sparse; on any device, where the layers are.
        batch_size: nodes for each batch.

    Returns:
        ``[N, out]`` the same as from the whole graph at once.
    """
    graph = check_graph(graph)
    batch_size = check_number("batch_size", batch_size, 1)
    check_rows("x", x, graph.num_nodes, f"num_nodes={graph.num_nodes}")
    for layer in layers:
        x = _in_batches(layer, graph, x, batch_size) if _takes_graph(layer) else layer(x)
    return x


def _takes_graph(layer: Callable[..., Tensor]) -> bool:
    function = layer.forward if isinstance(layer, torch.nn.Module) else layer
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # built into torch, as torch.relu is
        return False
    required = [p for p in parameters if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    return len(required) > 1


def _in_batches(layer: Callable[..., Tensor], graph: Graph, x: Tensor, batch_size: int) -> Tensor:
    flow = getattr(layer, "flow", FLOWS[0])
    if flow != FLOWS[0]:
        raise ValueError(f"layers: expected flow {FLOWS[0]!r}, got a layer with {flow!r}")
    if isinstance(layer, GCNConv):
        layer, graph, x = _coefficients_first(layer, graph, x)
    bare = graph.replace(node_attrs=dict.fromkeys(graph.node_attrs))
    sampler = NeighborSampler(bare, [-1])
    out = None
    for nodes in torch.arange(graph.num_nodes).split(batch_size):
        batch = sampler.sample(nodes, 0)
        (block,) = batch.blocks
        sources = take(x, batch.n_id.to(x.device))
        if sources.layout != torch.strided:
            sources = sources.to_dense()  # of these rows alone
        part = layer((sources, sources[: nodes.numel()]), block.to(x.device))
        if out is None:
            out = part.new_empty(graph.num_nodes, *part.shape[1:])
        out[nodes] = part
    assert out is not None  # even no nodes make one batch
    return out


def _coefficients_first(
    conv: GCNConv, graph: Graph, x: Tensor
) -> tuple[Callable[..., Tensor], Graph, Tensor]:
    """The steps of a GCNConv that need the whole graph, done; and the one that is left.

    A block knows all neighbours of its destinations, but not the degrees of its sources.
    """
    if conv.normalize:
        graph, weight = gcn_norm(
            graph,
            improved=conv.improved,
            add_self_loops=conv.add_self_loops,
            dtype=x.dtype,
        )
        graph = graph.replace(edge_weight=weight)

    def aggregate(x: tuple[Tensor, Tensor], block: Graph) -> Tensor:
        out = conv.propagate(block, x=(x[0], None), edge_weight=block.edge_weight)
        return out if conv.bias is None else out + conv.bias

    return aggregate, graph, conv.lin(x)
