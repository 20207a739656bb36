"""What PyTorch Geometric derives from an ``edge_index`` at every call, derived once.

Its layers add self-loops, normalise and take sub-graphs in ``forward``, so that every call meets
a tensor of edges that was never seen before, and whose order is not known. The functions here do
what theirs do, by calling them, and find the result again by the identity and version of what they
were given. They stand in the accelerated layers in place of the originals, and nowhere else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkit._memory import IdentityMemory
from graphkit.engine import ops
from graphkit.engine.traced import Traced
from graphkit.graph import Graph, as_graph


class _Result(NamedTuple):
    """Derived edges (None: the very edges that were given) and weights, and their versions."""

    edge_index: Tensor | None
    weight: Tensor | None
    versions: tuple[int, ...]

    @classmethod
    def of(cls, edge_index: Tensor | None, weight: Tensor | None) -> _Result:
        return cls(edge_index, weight, _versions(edge_index, weight))

    def holds(self) -> bool:
        """Whether nobody wrote to it since."""
        return self.versions == _versions(self.edge_index, self.weight)


def _versions(*tensors: Tensor | None) -> tuple[int, ...]:
    return tuple(t._version for t in tensors if t is not None)


_results: IdentityMemory[IdentityMemory[_Result]] = IdentityMemory()
_NO_WEIGHT = torch.empty(0)


def found_again(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function of edges and weights, ``f(edge_index, weight, ...) -> (edge_index, weight)``.

    With the same edges and weights the result is the same, the very tensors. Weights that learn are
    computed anew, for the edges that are found again.
    """
    signature = inspect.signature(original)

    @functools.wraps(original)
    def derive(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        given = dict(signature.bind(*args, **kwargs).arguments)
        edge_index, weight = (given.pop(name, None) for name in list(signature.parameters)[:2])
        key = (original, *sorted(given.items()))
        if (
            not _is_plain(edge_index)
            or not _is_constant(key)
            or not (weight is None or isinstance(weight, Tensor))
        ):
            return original(*args, **kwargs)
        known = _results.get(edge_index, key)
        if known is None:
            _results.put(edge_index, key, known := IdentityMemory())
        learns = weight is not None and weight.requires_grad and torch.is_grad_enabled()
        source = _NO_WEIGHT if weight is None else weight
        found = None if learns else known.get(source, "result")
        if found is None or not found.holds():
            with torch.inference_mode(False), torch.set_grad_enabled(learns):
                edges, values = original(*args, **kwargs)
            found = _Result.of(_edges(known, edges, edge_index), values)
            if not learns:
                # A memory must not hold what it is asked for, or neither would ever go.
                own = values.clone() if values is not None and _shares(values, weight) else values
                found = _Result.of(found.edge_index, own)
                known.put(source, "result", found)
        return edge_index if found.edge_index is None else found.edge_index, found.weight

    return derive


def _edges(known: IdentityMemory[_Result], edges: Tensor, given: Tensor) -> Tensor | None:
    """The tensor that has these derived edges at every call; None if it is the given one."""
    if edges is given:
        return None
    same = known.get(_NO_WEIGHT, "edges")
    if same is None or not same.holds():
        same = _Result.of(edges.clone() if edges._is_view() else edges, None)
        known.put(_NO_WEIGHT, "edges", same)
    return same.edge_index


def _shares(values: Tensor, weight: Tensor | None) -> bool:
    return values is weight or values._is_view()


def _is_plain(edge_index: Any) -> bool:
    return type(edge_index) is Tensor and edge_index.layout == torch.strided


def _is_constant(key: Any) -> bool:
    """Whether a key holds no tensor, whose values might differ while it is the same."""
    if isinstance(key, (tuple, list)):
        return all(_is_constant(part) for part in key)
    return not isinstance(key, (Tensor, dict, set))


# ------------------------------------------------------------------ graphs

_graphs: IdentityMemory[Graph] = IdentityMemory()
_parts: IdentityMemory[list[Graph]] = IdentityMemory()


def graph_of(edge_index: Tensor, size: tuple[int, int], root: Tensor | None) -> Graph:
    """The Graph of these edges.

    Args:
        root: the edges that the layer was called with. A part of them that is made anew at every
            call is compared with the parts that were made of them before, which takes a fraction of
            the time that sorting takes; what is kept goes with ``root``.
    """
    if root is None or root is edge_index or not (_is_plain(edge_index) and _is_plain(root)):
        return as_graph(edge_index, size)
    graph = _graphs.get(edge_index, size)
    if graph is None:
        graph = _part_of(root, edge_index, size)
        _graphs.put(edge_index, size, graph)
    return graph


def _part_of(root: Tensor, edge_index: Tensor, size: tuple[int, int]) -> Graph:
    known = _parts.get(root, size)
    if known is None:
        _parts.put(root, size, known := [])
    for graph in known:
        if graph.num_edges == edge_index.size(1) and torch.equal(graph.edge_index, edge_index):
            return graph
    graph = as_graph(edge_index, size)
    room = 4 * (root.size(1) + sum(size))
    if sum(g.num_edges for g in known) + graph.num_edges <= room:
        known.append(graph)
    return graph


# ------------------------------------------------------------------ what stands for what


def _softmax(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @functools.wraps(original)
    def softmax(
        src: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        num_nodes: int | None = None,
        dim: int = 0,
    ) -> Tensor:
        if isinstance(src, Traced) or ops.remembers(index, num_nodes):
            return ops.segment_softmax(src, index, None, num_nodes, dim)
        return original(src, index, ptr, num_nodes, dim)

    return softmax


@functools.cache
def substitutes() -> dict[Any, Callable[..., Any]]:
    from torch_geometric import utils
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    derived = (
        gcn_norm,
        utils.add_self_loops,
        utils.remove_self_loops,
        utils.add_remaining_self_loops,
        utils.get_laplacian,
    )
    return {**{f: found_again(f) for f in derived}, utils.softmax: _softmax(utils.softmax)}


def rebound(function: FunctionType, substitutes: dict[Any, Any]) -> Callable[..., Any] | None:
    """The same function, with stand-ins in its own globals; None if it uses nothing of theirs."""
    stand_ins = {}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType) and value in substitutes:
            stand_ins[name] = substitutes[value]
    if not stand_ins:
        return None
    own = {**function.__globals__, **stand_ins}
    if "__name__" not in function.__code__.co_names:
        del own["__name__"]  # by it torch.compile would look for these names in the module
    twin = FunctionType(
        function.__code__,
        own,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return functools.update_wrapper(twin, function)
