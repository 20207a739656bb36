"""The message-passing layer: message, aggregate, update."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphkit.engine import compiled, ops, plan
from graphkit.engine.ops import destination
from graphkit.graph import Graph, SelfLoops, as_graph
from graphkit.nn.aggr import Aggregation, aggregation

# What a Graph carries on its edges serves where the call leaves it out.
_CARRIED = ("edge_weight", "edge_attr", "edge_type")
_ENDS = ("sources", "destinations")
# The steps of a call.
_PROPAGATE = ("message", "aggregate", "update")
_EDGE_UPDATER = ("edge_update",)


class _Asked(NamedTuple):
    """What the steps of a call ask for."""

    ends: tuple[str, ...]  # names of what is taken from the ends of edges
    carried: tuple[str, ...]  # names of what the graph may carry


class MessagePassing(nn.Module):
    r"""Base class of graph layers, written as the paper writes them.

    .. math::
        x'_i = \mathrm{update}\Big(\bigoplus_{j \in N(i)} \mathrm{message}(x_i, x_j, e_{ji})\Big)

    A subclass writes :meth:`message` in plain torch and calls :meth:`propagate` from ``forward``.
    An argument of ``message`` whose name ends in ``_j`` is taken from the source of every edge, one
    ending in ``_i`` from its destination; the others belong to the edges, or are passed as they
    are. Names and calls agree with PyTorch Geometric. The signature is read once, when the class is
    made, and the message runs as one fused kernel wherever the engine can do so.

    A node that receives no message gets 0 from every aggregation.

    Args:
        aggr: "sum" ("add"), "mean", "max", "min", "var", "std", "softmax", a list of these, another
            name or module of :mod:`graphkit.nn.aggr` or one called as ``aggr(x, index, ptr=,
            dim_size=, dim=)``, or None if the subclass overrides :meth:`aggregate`.
        aggr_kwargs: passed on to the aggregation.
        flow: "source_to_target" (j -> i along ``edge_index``) or "target_to_source".
        node_dim: the dimension of node tensors that counts the nodes.

    Attributes:
        edge_mask: None, or one factor per edge of the graph that was passed, multiplied to every
            message. Explanation methods set it. Self-loops that a layer adds have the factor 1.
    """

    _parameters_of: dict[str, tuple[inspect.Parameter, ...]]
    _asked_of: dict[tuple[str, ...], _Asked]
    _updates: bool  # whether it has an update of its own

    def __init__(
        self,
        aggr: str | Sequence[str | nn.Module] | nn.Module | None = "sum",
        *,
        aggr_kwargs: dict[str, Any] | None = None,
        flow: str = "source_to_target",
        node_dim: int = -2,
    ) -> None:
        super().__init__()
        if flow not in ("source_to_target", "target_to_source"):
            raise ValueError(
                f"flow: expected 'source_to_target' or 'target_to_source', got {flow!r}"
            )
        several = isinstance(aggr, (list, tuple))
        self.aggr = [str(one) for one in aggr] if several else None if aggr is None else str(aggr)
        self.aggr_module = None if aggr is None else aggregation(aggr, **(aggr_kwargs or {}))
        self.flow = flow
        self.node_dim = node_dim
        self.edge_mask: Tensor | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _read_signatures(cls)

    def __getstate__(self) -> dict[str, Any]:
        # The engine's plans are bound to this very layer; a copy makes its own.
        return {name: value for name, value in vars(self).items() if name != "_plans"}

    def reset_parameters(self) -> None:
        reset = getattr(self.aggr_module, "reset_parameters", None)
        if reset is not None:
            reset()

    def __repr__(self) -> str:
        channels = [getattr(self, name, None) for name in ("in_channels", "out_channels")]
        inside = "" if None in channels else f"{channels[0]}, {channels[1]}"
        return f"{type(self).__name__}({inside})"

    # ------------------------------------------------------------------ what a subclass writes

    if TYPE_CHECKING:  # a subclass asks for whatever arguments it needs

        def message(self, *args: Any, **kwargs: Any) -> Any: ...

        def edge_update(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        def message(self, x_j: Tensor) -> Tensor:
            """The message along every edge; by default the source's features."""
            return x_j

        def edge_update(self) -> Tensor:
            """New values for every edge; called by :meth:`edge_updater`."""
            raise NotImplementedError(f"{type(self).__name__} must define edge_update")

    def aggregate(
        self, inputs: Tensor, index: Tensor, ptr: Tensor | None = None, dim_size: int | None = None
    ) -> Tensor:
        """Combine the messages ``inputs`` of every destination ``index``."""
        if self.aggr_module is None:
            raise NotImplementedError(f"{type(self).__name__} has aggr=None: define aggregate")
        return self.aggr_module(inputs, index, ptr=ptr, dim_size=dim_size, dim=self.node_dim)

    def update(self, inputs: Tensor) -> Tensor:
        """What every node makes of its aggregated messages; by default just them."""
        return inputs

    # ------------------------------------------------------------------ what a subclass calls

    def propagate(self, edge_index: Any, size: Any = None, **kwargs: Any) -> Any:
        """Send messages along the edges, aggregate them, update the nodes.

        Args:
            edge_index: a Graph, or anything graph-like (see :func:`graphkit.graph.as_graph`), or
                the ``self_loops`` of a Graph.
            size: numbers of nodes in row 0 and row 1 of ``edge_index``, if the node tensors do
                not tell.
            **kwargs: what message, aggregate and update ask for, without the ending. For a
                bipartite graph a pair (of the sources, of the destinations).

        Raises:
            TypeError: a step asks for an argument that was not passed.
            ValueError: a node tensor or the messages do not fit the graph.
        """
        edges = self._edges(edge_index, size, kwargs, _PROPAGATE)
        narrow, updated = None, False
        what = self, edges.graph, edges.values, edges.mask, self._reductions()
        if torch.compiler.is_compiling():
            narrow = edges.widen()
            out = compiled.propagate(*what)
        else:
            out, updated = plan.propagate_and_update(*what)
        if out is None:
            out = self._gather_and_reduce(edges)
        if narrow is not None and isinstance(out, Tensor):
            out = out.to(narrow)
        if updated:
            return out
        return self.update(out, **edges.arguments("update", skip=1))

    def edge_updater(self, edge_index: Any, size: Any = None, **kwargs: Any) -> Any:
        """Call :meth:`edge_update` with its arguments taken from the edges' ends."""
        edges = self._edges(edge_index, size, kwargs, _EDGE_UPDATER)
        path = compiled if torch.compiler.is_compiling() else plan
        out = path.edge_values(self, edges.graph, edges.values)
        if out is None:
            edges = edges.written_out()
            out = edges.placed(self.edge_update(**edges.arguments("edge_update")))
        return out

    def graph_of(self, edge_index: Any, size: Any = None, *values: Any) -> Graph:
        """The Graph that :meth:`propagate` makes of these: sizes it is not told come from `values`.

        Args:
            edge_index: a Graph, or anything graph-like.
            size: numbers of nodes in row 0 and row 1, or None; either may be None.
            *values: node tensors, or pairs (of the sources, of the destinations).
        """
        if isinstance(edge_index, SelfLoops):
            edge_index = edge_index.graph
        if size is None:
            if isinstance(edge_index, Graph):
                return edge_index
            size = (None, None)
        elif not isinstance(size, (tuple, list)) or len(size) != 2:
            raise ValueError(f"size: expected two numbers of nodes, got {size!r}")
        found = list(size)
        for value in values:
            ends = _pair(value)[:2]
            for row, end in enumerate(ends if self.flow == "source_to_target" else ends[::-1]):
                if found[row] is None and isinstance(end, Tensor) and end.dim() > self._first_dim:
                    found[row] = end.size(self.node_dim)
        plain = isinstance(edge_index, Tensor) and not hasattr(edge_index, "as_tensor")
        if plain and edge_index.layout == torch.strided:
            # It does not tell sizes itself; as in PyG, one side counts for the other too.
            found = [found[1] if found[0] is None else found[0], found[1]]
            found[1] = found[0] if found[1] is None else found[1]
        return as_graph(edge_index, (found[0], found[1]))

    # ------------------------------------------------------------------ inside

    def _mask(self, edge_index: Any, graph: Graph) -> Tensor | None:
        """The factor of every edge of `graph`."""
        mask = self.edge_mask
        if mask is not None and isinstance(edge_index, SelfLoops):
            mask = edge_index.extend(mask, 1.0)
        if mask is not None and mask.shape != (graph.num_edges,):
            raise ValueError(
                f"edge_mask: expected shape ({graph.num_edges},), one factor per edge, "
                f"got {tuple(mask.shape)}"
            )
        return mask

    def _gather_and_reduce(self, edges: _Edges) -> Any:
        """The plain path: messages as tensors, part after part where they would fill the memory."""

        def reduce(part: _Edges) -> Any:
            message = self.message(**part.arguments("message"))
            message = part.masked(part.checked(message))
            return self.aggregate(message, **part.arguments("aggregate", skip=1))

        edges = edges.written_out()
        ranges = []
        if edges.divisible():
            ranges = plan.row_ranges(self, edges.graph, edges.bytes_per_edge())
        if len(ranges) < 2:
            return reduce(edges)
        outs = []
        for first, last in ranges:
            # Messages are made again in the backward pass instead of being kept.
            outs.append(checkpoint(reduce, edges.part(first, last), use_reentrant=False))
        return torch.cat(outs)

    @property
    def _first_dim(self) -> int:
        """A tensor with more dimensions than this has the dimension `node_dim`."""
        return self.node_dim if self.node_dim >= 0 else -1 - self.node_dim

    def _reductions(self) -> list[plan.Reduction] | None:
        """The aggregation in the engine's terms; None if it is one of its own."""
        if type(self).aggregate is not MessagePassing.aggregate:
            return None
        module = self.aggr_module
        return module.reductions() if isinstance(module, Aggregation) else None

    def _edges(
        self, edge_index: Any, size: Any, kwargs: dict[str, Any], steps: tuple[str, ...]
    ) -> _Edges:
        asked = self._asked_of[steps]
        ends = [name for name in asked.ends if name in kwargs]
        graph = self.graph_of(edge_index, size, *(kwargs[name] for name in ends))
        edges = _Edges(self, graph, kwargs, self._mask(edge_index, graph))
        for name in asked.carried:
            if kwargs.get(name) is None:
                kwargs[name] = getattr(graph, name)
        edges.check(ends)
        return edges


class _Edges:
    """The edges of one call, and the values its steps ask for."""

    def __init__(
        self, layer: MessagePassing, graph: Graph, values: dict[str, Any], mask: Tensor | None
    ) -> None:
        self.layer, self.values, self.mask = layer, values, mask
        self.given = graph
        # From here on messages run from row 0 to row 1.
        self.graph = graph.reverse() if layer.flow == "target_to_source" else graph
        self.taken: Tensor | None = None
        self.num_rows = graph.num_edges

    def widen(self) -> torch.dtype | None:
        """Under autocast, take the message's tensors to float32, for operators that read no other.

        Returns:
            The dtype that the result gets: that of the tensors, if all of them came narrow.
        """
        if not torch.is_autocast_enabled(self.graph.device.type):
            return None
        found = set()

        def wide(value: Any) -> Any:
            if isinstance(value, (tuple, list)):
                return tuple([wide(end) for end in value])
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return value
            found.add(value.dtype)
            return value.float() if value.dtype in ops.NARROW else value

        asked = {p.name for p in self.layer._parameters_of["message"]}
        for name, value in self.values.items():
            if name in asked or f"{name}_i" in asked or f"{name}_j" in asked:
                self.values[name] = wide(value)
        narrow = found.pop() if len(found) == 1 else None
        return narrow if narrow in ops.NARROW else None

    def written_out(self) -> _Edges:
        """The edges one by one, where attributes of theirs may have vacant rows."""
        given, taken = self.given._written_out()
        if taken is None:
            return self
        mask = None if self.mask is None else self.mask.index_select(0, taken)
        values = dict(self.values)
        for name, value in values.items():
            at_ends = name in self.layer._asked_of[_PROPAGATE].ends
            if isinstance(value, Tensor) and not at_ends and self._is_of_edges(value):
                values[name] = value.index_select(0, taken)
        edges = _Edges(self.layer, given, values, mask)
        edges.taken, edges.num_rows = taken, self.num_rows
        return edges

    def placed(self, value: Any) -> Any:
        """What was computed for every edge, in the rows that it has."""
        if self.taken is None or not isinstance(value, Tensor):
            return value
        rows = value.new_zeros(self.num_rows, *value.shape[1:])
        return rows.index_copy(0, self.taken, value)

    def _is_of_edges(self, value: Tensor) -> bool:
        return value.dim() > 0 and value.size(0) == self.graph.num_edges

    def check(self, ends: list[str]) -> None:
        sizes, dim = (self.graph.num_src, self.graph.num_dst), self.layer.node_dim
        first_dim = self.layer._first_dim
        for name in ends:
            if isinstance(self.values[name], (tuple, list)) and len(self.values[name]) != 2:
                raise ValueError(
                    f"{name}: expected a pair (sources, destinations), "
                    f"got {len(self.values[name])} entries"
                )
            for row, end in enumerate(_pair(self.values[name])):
                if not isinstance(end, Tensor):
                    continue
                if end.dim() <= first_dim or end.size(dim) != sizes[row]:
                    raise ValueError(
                        f"{name}: expected {sizes[row]} {_ENDS[row]} in dimension {dim}, "
                        f"got shape {tuple(end.shape)}"
                    )

    def arguments(self, step: str, skip: int = 0) -> dict[str, Any]:
        """What one step is called with, gathered to the edges."""
        return dict(self._arguments(step, self.layer._parameters_of[step][skip:]))

    def _arguments(
        self, step: str, parameters: tuple[inspect.Parameter, ...]
    ) -> Iterator[tuple[str, Any]]:
        for parameter in parameters:
            name = parameter.name
            stem = name[:-2] if name.endswith(("_i", "_j")) else name
            if name in self.values:
                yield name, self.values[name]
            elif name in plan.STRUCTURE:
                yield name, self._structure(name)
            elif stem in self.values:
                yield name, self._gather(self.values[stem], 1 if name.endswith("_i") else 0)
            elif parameter.default is not inspect.Parameter.empty:
                yield name, parameter.default
            else:
                raise TypeError(
                    f"{type(self.layer).__name__}.{step} asks for {name!r}: "
                    f"pass {stem}= to propagate or edge_updater"
                )

    def _gather(self, value: Any, row: int) -> Any:
        value = _pair(value)[row]
        if not isinstance(value, Tensor):
            return value
        index = destination(self.graph) if row == 1 else self.graph.edge_index[0]
        return value.index_select(self.layer.node_dim, index)

    def _structure(self, name: str) -> Any:
        graph = self.graph
        if name in ("index", "edge_index_i"):
            return destination(graph)
        if name == "edge_index_j":
            return graph.edge_index[0]
        if name == "edge_index":
            return self.given.edge_index
        if name == "size":
            return [self.given.num_src, self.given.num_dst]
        if name in ("size_i", "dim_size"):
            return graph.num_dst
        return graph.num_src if name == "size_j" else None  # ptr: edges stay in their own order

    def checked(self, message: Any) -> Any:
        if isinstance(message, Tensor):
            dim = self.layer.node_dim
            rows = message.size(dim) if message.dim() > self.layer._first_dim else None
            if rows != self.graph.num_edges:
                raise ValueError(
                    f"{type(self.layer).__name__}.message: expected {self.graph.num_edges} rows "
                    f"(edges) in dimension {dim}, got shape {tuple(message.shape)}"
                )
        return message

    def divisible(self) -> bool:
        """Whether the destinations may be taken part by part: all tensors count in dimension 0."""
        own = type(self.layer).aggregate is not MessagePassing.aggregate
        ends = [e for value in self.values.values() for e in _pair(value) if isinstance(e, Tensor)]
        dim = self.layer.node_dim
        return not own and all(dim == 0 or e.dim() + dim == 0 for e in ends if e.dim() > 1)

    def bytes_per_edge(self) -> int:
        """Of the gathered arguments, and as much again for what the message makes of them."""
        total = 0
        for parameter in self.layer._parameters_of["message"]:
            stem = parameter.name[:-2]
            if parameter.name.endswith(("_i", "_j")) and stem in self.values:
                value = _pair(self.values[stem])[parameter.name.endswith("_i")]
                if isinstance(value, Tensor) and value.size(0):
                    total += 2 * value[0].numel() * value.element_size()
        return max(total, 1)

    def part(self, first: int, last: int) -> _Edges:
        """The edges of the destinations from ``first`` to before ``last``."""
        graph, edge = plan.part_of(self.graph, first, last)
        values = dict(self.values)
        asked = {p.name for p in self.layer._parameters_of["message"]}
        for name, value in values.items():
            if name not in asked and f"{name}_i" in asked:
                source, destination = _pair(value)
                if isinstance(destination, Tensor):
                    values[name] = source, destination[first:last]
            elif isinstance(value, Tensor) and self._is_of_edges(value):
                values[name] = value.index_select(0, edge)
        part = copy.copy(self)
        part.graph = graph
        part.values, part.mask = values, None if self.mask is None else self.mask[edge]
        return part

    def masked(self, message: Tensor) -> Tensor:
        if self.mask is None:
            return message
        shape = [1] * message.dim()
        shape[self.layer.node_dim] = -1
        return message * self.mask.view(shape)


def _pair(value: Any) -> Any:
    return value if isinstance(value, (tuple, list)) else (value, value)


def reduce_edges(graph: Graph, value: Tensor, reduce: str) -> Tensor:
    """Values of the edges ``[E, ...]`` reduced over those that come into every node."""
    if torch.compiler.is_compiling():
        return compiled.reduce_edges(graph, value, reduce)
    return ops.segment_reduce(value, destination(graph), None, graph.num_dst, 0, reduce)


def _read_signatures(cls: type[MessagePassing]) -> None:
    cls._parameters_of = {
        step: tuple(
            parameter
            for parameter in list(inspect.signature(getattr(cls, step)).parameters.values())[1:]
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        )
        for step in (*_PROPAGATE, *_EDGE_UPDATER)
    }
    cls._updates = cls.update is not MessagePassing.update
    cls._asked_of = {}
    for steps in (_PROPAGATE, _EDGE_UPDATER):
        names = dict.fromkeys(p.name for step in steps for p in cls._parameters_of[step])
        ends = dict.fromkeys(name[:-2] for name in names if name.endswith(("_i", "_j")))
        cls._asked_of[steps] = _Asked(tuple(ends), tuple(n for n in _CARRIED if n in names))


_read_signatures(MessagePassing)


def softmax(
    src: Tensor,
    index: Tensor | None = None,
    ptr: Tensor | None = None,
    num_nodes: int | None = None,
    dim: int = 0,
) -> Tensor:
    r"""Softmax over every neighbourhood: :math:`\exp(s_e) / \sum_{e' \to i} \exp(s_{e'})`.

    Args:
        src: scores of the edges along ``dim``.
        index: the destination of every edge.
        ptr: row pointers instead of ``index``, for edges sorted by destination.
        num_nodes: number of destinations.
    """
    return ops.segment_softmax(src, index, ptr, num_nodes, dim)
