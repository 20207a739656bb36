"""What torch.compile and torch.export see of a Graph.

A compiled program holds tensors and numbers only. Its operators find what was worked out for a
tensor of edges by the identity of that tensor, in the memory that eager layers use too, so that
edges are sorted once however often a program runs. They give copies: a compiler may write over
what an operator returns.

``torch.export`` takes a Graph apart into tensors (:mod:`torch.utils._pytree`) and puts it together
again inside the program.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from graphkit._self_loops import LoopedEdges
from graphkit._structure import Address, Connectivity, _index_dtype, owner
from graphkit.graph import Graph, Parts, as_graph

# The schema of an Address.
ADDRESS = "Tensor edge_index, SymInt num_src, SymInt num_dst, bool looped, bool turned"


def graph_at(address: Address) -> Graph:
    """The Graph that an operator was called for, with its memory, without its attributes."""
    graph = _unlooped(address)
    if address.looped:
        graph = graph.self_loops.graph
    return graph.reverse() if address.turned else graph


def loops_at(address: Address) -> LoopedEdges:
    """The loops of a looped one."""
    edges = _unlooped(address).self_loops._edges
    assert isinstance(edges, LoopedEdges)
    return edges


def rows_at(address: Address) -> tuple[int, int, int]:
    """Number of sources, of destinations, and of rows of an edge attribute."""
    edges, num_src, num_dst, looped, turned = address
    places = edges.size(1) + (min(num_src, num_dst) if looped else 0)
    return (num_dst, num_src, places) if turned else (num_src, num_dst, places)


def _unlooped(address: Address) -> Graph:
    sizes = (address.num_src, address.num_dst)
    found = owner(address.edge_index)
    if found is not None and (found.num_src, found.num_dst) == sizes:
        return Graph._of(Parts(found, {}, {}, None))
    return as_graph(address.edge_index, sizes)


# ------------------------------------------------------------------ operators


@torch.library.custom_op(
    "graphkit::order",
    mutates_args=(),
    schema=f"({ADDRESS}, int end) -> (Tensor, Tensor, Tensor, Tensor)",
)
def _order(
    edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool, end: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The edges sorted by one end: see Adjacency."""
    graph = graph_at(Address(edge_index, num_src, num_dst, looped, turned))
    order = graph.by_destination if end == 1 else graph.by_source
    return order.rowptr.clone(), order.col.clone(), order.edge.clone(), order.slot.clone()


@_order.register_fake
def _(
    edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool, end: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sizes = rows_at(Address(edge_index, num_src, num_dst, False, turned))
    edges = torch.library.get_ctx().new_dynamic_size() if looped else edge_index.size(1)
    dtype = _index_dtype(edge_index.size(1), num_src, num_dst)
    rowptr = edge_index.new_empty(sizes[end] + 1, dtype=dtype)
    col, edge, slot = (edge_index.new_empty(edges, dtype=dtype) for _ in range(3))
    return rowptr, col, edge, slot


@torch.library.custom_op("graphkit::taken", mutates_args=(), schema=f"({ADDRESS}) -> Tensor")
def _taken(edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool) -> Tensor:
    """The places of a looped graph that hold an edge."""
    address = Address(edge_index, num_src, num_dst, looped, turned)
    taken = loops_at(address).taken
    places = rows_at(address)[2]
    return torch.arange(places, device=edge_index.device) if taken is None else taken.clone()


@_taken.register_fake
def _(edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool) -> Tensor:
    return edge_index.new_empty(torch.library.get_ctx().new_dynamic_size())


@torch.library.custom_op("graphkit::own_loop", mutates_args=(), schema=f"({ADDRESS}) -> Tensor")
def _own_loop(edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool) -> Tensor:
    """The loop that every node had before, -1 where it had none."""
    return loops_at(Address(edge_index, num_src, num_dst, looped, turned)).own_loop.clone()


@_own_loop.register_fake
def _(edge_index: Tensor, num_src: int, num_dst: int, looped: bool, turned: bool) -> Tensor:
    return edge_index.new_empty(min(num_src, num_dst))


# ------------------------------------------------------------------ a Graph among the arguments
#
# Sizes are symbols only where they are sizes of tensors, so the node sets come along as tensors
# without features.


def _flatten(graph: Graph) -> tuple[list[Any], tuple[Any, ...]]:
    connectivity, values, kinds, ptr = graph._parts
    pointers = [] if ptr is None else list(ptr)
    context = (
        connectivity.bipartite,
        connectivity.known_undirected,
        len(pointers),
        tuple(kinds.items()),
    )
    edges, nodes = connectivity.edge_index, connectivity.node_sets
    return [edges, *nodes, *pointers, *values.values()], context


def _unflatten(children: Any, context: tuple[Any, ...]) -> Graph:
    bipartite, undirected, pointers, kinds = context
    edges, sources, destinations, *rest = children
    ptr = (rest[0], rest[1]) if pointers else None
    values = {name: value for (name, _), value in zip(kinds, rest[pointers:], strict=True)}
    sizes = sources.size(0), destinations.size(0)
    connectivity = Connectivity(edges, *sizes, bipartite, undirected)
    connectivity.node_sets = sources, destinations
    return Graph._of(Parts(connectivity, values, dict(kinds), ptr))


def _flatten_with_keys(graph: Graph) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
    children, context = _flatten(graph)
    _, _, pointers, kinds = context
    names = ["edge_index", "sources", "destinations", "src_ptr", "ptr"][: 3 + pointers]
    names += [name for name, _ in kinds]
    return [(pytree.GetAttrKey(n), c) for n, c in zip(names, children, strict=True)], context


def _dump(context: tuple[Any, ...]) -> Any:
    bipartite, undirected, pointers, kinds = context
    return [bipartite, undirected, pointers, [list(kind) for kind in kinds]]


def _load(context: Any) -> tuple[Any, ...]:
    bipartite, undirected, pointers, kinds = context
    return bipartite, undirected, pointers, tuple((name, kind) for name, kind in kinds)


pytree.register_pytree_node(
    Graph,
    _flatten,
    _unflatten,
    serialized_type_name="graphkit.graph.Graph",
    to_dumpable_context=_dump,
    from_dumpable_context=_load,
    flatten_with_keys_fn=_flatten_with_keys,
)
