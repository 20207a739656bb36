"""Graph: edges, attributes of V (nodes), E (edges) and U (graphs), batches of graphs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, overload

import torch
from torch import Tensor

from graphkit import _parts, _undirected
from graphkit._attributes import STANDARD, Kind, move
from graphkit._checks import (
    Members,
    batch_to_ptr,
    check_edge_index,
    check_edge_type,
    check_index,
    check_node_rows,
    check_pair,
    check_ptr,
    check_range,
    check_rows,
    check_shape,
    describe,
    find_kind,
    find_sizes,
    spell_sizes,
)
from graphkit._foreign import (
    Edges,
    Size,
    is_dgl,
    is_pyg_data,
    is_scipy,
    is_sparse,
    join_sizes,
    read_dgl,
    read_dgl_edge_attrs,
    read_edges,
    read_scipy,
    read_values,
)
from graphkit._memory import IdentityMemory
from graphkit._parts import Parts
from graphkit._self_loops import Looped, LoopedEdges
from graphkit._structure import Adjacency, Connectivity, build_apart

__all__ = ["Adjacency", "Graph", "SelfLoops", "as_graph"]

T = TypeVar("T")


class _Batch:
    """`Graph.batch(graphs)` joins graphs; `graph.batch` is the graph number of every node."""

    @overload
    def __get__(self, graph: None, owner: type[Graph]) -> Callable[[Sequence[Graph]], Graph]: ...
    @overload
    def __get__(self, graph: Graph, owner: type[Graph]) -> Tensor: ...
    def __get__(self, graph: Graph | None, owner: type[Graph]) -> Any:
        return batch_graphs if graph is None else graph._members()


class Graph:
    """A graph or a batch of graphs: directed, undirected or bipartite.

    Connectivity is immutable: the edges are copied and checked here, once. Messages flow from
    row 0 of `edge_index` (source j) to row 1 (destination i). An undirected graph holds every
    edge in both directions.

    Every attribute belongs to V, E or U. Its value is a tensor or a list with one row for each
    node, edge or graph. On a bipartite graph node attributes are pairs (sources, destinations),
    either of which may be None. On a graph that is no batch an attribute of U may be anything:
    it is that one row itself, and a batch holds the list of them; or one tensor, if all are
    tensors of one row or of no dimension. Attributes are read as ``graph.train_mask`` and changed
    by `replace`.

    Args:
        edge_index: ``[2, E]`` int64 (int32 is converted).
        num_nodes: Number of nodes, or a pair (sources, destinations) for a bipartite graph. If
            not given, taken from the node attributes, else from `batch` or `ptr`, else the
            highest node in `edge_index` + 1.
        x, pos: Node attributes: features and positions.
        edge_attr, edge_weight, edge_type: Edge attributes; types are int64, numbered from 0.
        u: ``[num_graphs, ...]`` features of the graphs as wholes.
        y: Targets. They belong to V, E or U, whichever has as many members as `y` has rows; if
            that leaves a choice it is an error: use `node_attrs`, `edge_attrs` or `graph_attrs`.
        batch: ``[num_nodes]`` graph number of every node, ascending; or
        ptr: ``[num_graphs + 1]`` first node of every graph; a pair if the graph is bipartite.
        undirected: Whether every edge has its opposite. It is believed, not checked; None means
            to find out when somebody asks.
        node_attrs, edge_attrs, graph_attrs: Further attributes by name.

    Raises:
        TypeError, ValueError: Names the argument, what was expected and what came.
    """

    _connectivity: Connectivity
    _values: dict[str, Any]
    _kinds: dict[str, Kind]
    _ptr: tuple[Tensor, Tensor] | None  # of sources and destinations; None: not a batch

    def __init__(
        self,
        edge_index: Tensor,
        num_nodes: int | tuple[int, int] | None = None,
        *,
        x: Any = None,
        pos: Any = None,
        edge_attr: Any = None,
        edge_weight: Tensor | None = None,
        edge_type: Tensor | None = None,
        u: Any = None,
        y: Any = None,
        batch: Tensor | None = None,
        ptr: Tensor | tuple[Tensor, Tensor] | None = None,
        undirected: bool | None = None,
        node_attrs: Mapping[str, Any] | None = None,
        edge_attrs: Mapping[str, Any] | None = None,
        graph_attrs: Mapping[str, Any] | None = None,
    ) -> None:
        edges = check_edge_index(edge_index)
        if batch is not None:
            if ptr is not None:
                raise ValueError("batch: expected batch or ptr, got both")
            ptr = batch_to_ptr(batch)
        nodes = {"x": x, "pos": pos, **(node_attrs or {})}
        sizes, origin = find_sizes(edges, num_nodes, nodes, ptr)
        check_range(edges, sizes[0], sizes[1], f"num_nodes={spell_sizes(*sizes)}{origin}")
        own_ptr = None if ptr is None else check_ptr(ptr, *sizes)
        self._fill(Parts(Connectivity(edges, *sizes, undirected), {}, {}, own_ptr))
        if own_ptr is not None:
            self._check_apart(own_ptr)
        attrs = {
            "x": x,
            "pos": pos,
            "edge_attr": edge_attr,
            "edge_weight": edge_weight,
            "edge_type": edge_type,
            "u": u,
            "y": y,
        }
        for name, value in attrs.items():
            self._add(name, value)
        self._add_further(node_attrs, edge_attrs, graph_attrs)

    @classmethod
    def _of(cls, parts: Parts) -> Graph:
        """A Graph of parts that are known to fit."""
        graph = object.__new__(cls)
        graph._fill(parts)
        return graph

    def _fill(self, parts: Parts) -> None:
        vars(self).update(
            _connectivity=parts.connectivity,
            _values=parts.values,
            _kinds=parts.kinds,
            _ptr=parts.ptr,
        )

    @property
    def _parts(self) -> Parts:
        return Parts(self._connectivity, self._values, self._kinds, self._ptr)

    # --- connectivity -----------------------------------------------------------------------

    @property
    def edge_index(self) -> Tensor:
        """``[2, E]`` int64, sources and destinations. The graph's own: not to be written to."""
        return self._connectivity.edge_index

    @property
    def num_edges(self) -> int:
        return self._connectivity.num_edges

    @property
    def num_src(self) -> int:
        return self._connectivity.num_src

    @property
    def num_dst(self) -> int:
        return self._connectivity.num_dst

    @property
    def num_nodes(self) -> int:
        """Number of nodes; of destinations, if the graph is bipartite."""
        return self._connectivity.num_dst

    @property
    def is_bipartite(self) -> bool:
        """Whether sources and destinations are two sets of nodes."""
        return self._connectivity.bipartite

    @property
    def is_undirected(self) -> bool:
        """Whether every edge j -> i has its opposite i -> j, as often as itself."""
        return self._connectivity.undirected

    @property
    def device(self) -> torch.device:
        return self._connectivity.device

    @property
    def by_destination(self) -> Adjacency:
        """Edges sorted by destination: row i holds what flows into i."""
        return self._connectivity.by_destination

    @property
    def by_source(self) -> Adjacency:
        """Edges sorted by source: row j holds what flows out of j."""
        return self._connectivity.by_source

    def by_destination_and_type(
        self, edge_type: Tensor | None = None, num_types: int | None = None
    ) -> Adjacency:
        """Edges sorted by destination and type: row ``i * num_types + type`` holds what flows
        into i by edges of this type. It is found again by the identity of `edge_type`.

        Args:
            edge_type: ``[E]`` types; those of the graph if not given.
            num_types: Number of types; if not given the highest + 1.
        """
        edge_type = self.edge_type if edge_type is None else edge_type
        if edge_type is None:
            raise ValueError("edge_type: expected one in the call or on the Graph, got none")
        check_rows("edge_type", edge_type, self.num_edges, f"num_edges={self.num_edges}")
        check_edge_type(edge_type)
        highest = int(edge_type.max()) if self.num_edges else -1
        num_types = highest + 1 if num_types is None else num_types
        if highest >= num_types:
            raise ValueError(f"edge_type: type {highest} is out of range for {num_types=}")
        return self._connectivity.by_destination_and(edge_type, num_types)

    @property
    def in_degree(self) -> Tensor:
        """``[num_dst]`` number of edges into every node."""
        return self.by_destination.degree

    @property
    def out_degree(self) -> Tensor:
        """``[num_src]`` number of edges out of every node."""
        return self.by_source.degree

    @property
    def self_loops(self) -> SelfLoops:
        """The graph with exactly one loop on every node, and the way there for edge attributes."""
        return self._connectivity.memo("self_loops", lambda: SelfLoops(self._connectivity))

    def cached(self, key: Hashable, build: Callable[[], T]) -> T:
        """What `build` returns, computed at first use and kept with the connectivity.

        For what follows from the edges alone: graphs that share their connectivity, but not their
        attributes, share it. It must not refer to the graph.
        """
        return self._connectivity.memo(("cached", key), build)

    def _written_out(self) -> tuple[Graph, Tensor | None]:
        """The graph with its edges one by one; which rows of edge attributes they have, if some
        rows are vacant."""
        if not isinstance(self._connectivity, Looped):
            return self, None
        connectivity, taken = self._connectivity.written_out()
        return Graph._of(Parts(connectivity, {}, {}, None)), taken

    def reverse(self) -> Graph:
        """The graph with all edges turned round; attributes and sorted structures are shared."""
        values, ptr = self._values, self._ptr
        if self.is_bipartite:
            values = {
                name: value[::-1] if self._kinds[name] == "node" else value
                for name, value in values.items()
            }
            ptr = None if ptr is None else (ptr[1], ptr[0])
        return Graph._of(Parts(self._connectivity.reverse(), values, self._kinds, ptr))

    # --- attributes -------------------------------------------------------------------------

    @property
    def x(self) -> Any:
        """Features of nodes, or None."""
        return self._values.get("x")

    @property
    def pos(self) -> Any:
        """Positions of nodes, or None."""
        return self._values.get("pos")

    @property
    def edge_attr(self) -> Any:
        """Features of edges, or None."""
        return self._values.get("edge_attr")

    @property
    def edge_weight(self) -> Any:
        """Weights of edges, or None."""
        return self._values.get("edge_weight")

    @property
    def edge_type(self) -> Any:
        """Types of edges, or None."""
        return self._values.get("edge_type")

    @property
    def u(self) -> Any:
        """Features of the graphs as wholes, or None."""
        return self._values.get("u")

    @property
    def y(self) -> Any:
        """Targets of nodes, edges or graphs, or None."""
        return self._values.get("y")

    def __getattr__(self, name: str) -> Any:
        # Copying and unpickling ask for special methods before there are any values.
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"this Graph has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Graph is not changed in place; use graph.replace for {name!r}")

    @property
    def node_attrs(self) -> Mapping[str, Any]:
        """All attributes of V by name."""
        return self._of_kind("node")

    @property
    def edge_attrs(self) -> Mapping[str, Any]:
        """All attributes of E by name."""
        return self._of_kind("edge")

    @property
    def graph_attrs(self) -> Mapping[str, Any]:
        """All attributes of U by name."""
        return self._of_kind("graph")

    def _of_kind(self, kind: Kind) -> Mapping[str, Any]:
        return MappingProxyType(
            {name: value for name, value in self._values.items() if self._kinds[name] == kind}
        )

    def replace(
        self,
        *,
        node_attrs: Mapping[str, Any] | None = None,
        edge_attrs: Mapping[str, Any] | None = None,
        graph_attrs: Mapping[str, Any] | None = None,
        **attrs: Any,
    ) -> Graph:
        """The graph with attributes added, exchanged or, where None is given, left out.

        Connectivity is shared, with all that is kept there. Attributes the graph has, and those
        its constructor names, may be given as arguments; others in `node_attrs`, `edge_attrs`
        or `graph_attrs`.
        """
        gone = set(attrs).union(node_attrs or (), edge_attrs or (), graph_attrs or ())
        values = {name: value for name, value in self._values.items() if name not in gone}
        kinds: dict[str, Kind] = {name: self._kinds[name] for name in values}
        graph = Graph._of(Parts(self._connectivity, values, kinds, self._ptr))
        for name, value in attrs.items():
            graph._add(name, value, self._kinds.get(name))
        graph._add_further(node_attrs, edge_attrs, graph_attrs)
        return graph

    def _add_further(
        self,
        node_attrs: Mapping[str, Any] | None,
        edge_attrs: Mapping[str, Any] | None,
        graph_attrs: Mapping[str, Any] | None,
    ) -> None:
        kinds: tuple[Kind, Kind, Kind] = ("node", "edge", "graph")
        for kind, attrs in zip(kinds, (node_attrs, edge_attrs, graph_attrs), strict=True):
            for name, value in (attrs or {}).items():
                self._add(name, value, kind)

    def _add(self, name: str, value: Any, kind: Kind | None = None) -> None:
        """Add an attribute after checking that it fits. None is no attribute."""
        if value is None:
            return
        members = Members(self.num_src, self.num_dst, self.num_edges, self.num_graphs)
        if kind is None:
            kind = STANDARD.get(name) or find_kind(name, value, members, self.is_bipartite)
        if name in self._values:
            raise ValueError(f"{name}: expected once, got it on {self._kinds[name]} and on {kind}")
        if STANDARD.get(name, kind) != kind:
            raise ValueError(f"{name}: expected on {STANDARD[name]}, got it on {kind}")
        if name.startswith("_") or (name not in (*STANDARD, "y") and hasattr(Graph, name)):
            raise ValueError(f"{name}: expected another name; this one means something on a Graph")
        if kind == "node":
            check_node_rows(name, value, members, self.is_bipartite)
        elif kind == "edge":
            check_rows(name, value, self.num_edges, f"num_edges={self.num_edges}")
            if name == "edge_type":
                check_edge_type(value)
        elif self.is_batch or name == "u":
            check_rows(name, value, self.num_graphs, f"num_graphs={self.num_graphs}")
        self._values[name], self._kinds[name] = value, kind

    # --- batches ----------------------------------------------------------------------------

    batch = _Batch()

    @property
    def is_batch(self) -> bool:
        return self._ptr is not None

    @property
    def num_graphs(self) -> int:
        """Number of graphs; 1 if this is no batch."""
        return 1 if self._ptr is None else self._ptr[1].numel() - 1

    @property
    def ptr(self) -> Tensor:
        """``[num_graphs + 1]`` first node of every graph; of destinations, if bipartite."""
        if self._ptr is None:
            return torch.tensor([0, self.num_dst], device=self.device)
        return self._ptr[1]

    @property
    def src_ptr(self) -> Tensor:
        """``[num_graphs + 1]`` first source of every graph."""
        if self._ptr is None:
            return torch.tensor([0, self.num_src], device=self.device)
        return self._ptr[0]

    @property
    def edge_batch(self) -> Tensor:
        """``[E]`` graph number of every edge."""
        return self.batch[self.edge_index[1]]

    def _members(self) -> Tensor:
        """``[num_nodes]`` graph number of every node."""
        if torch.compiler.is_compiling():
            return _parts.members(self.ptr, self.num_dst)
        found = vars(self).get("_batch")
        if found is None:
            with torch.inference_mode(False):
                members = _parts.members(self.ptr, self.num_dst)
                found = vars(self).setdefault("_batch", members)
        return found

    def _check_apart(self, ptr: tuple[Tensor, Tensor]) -> None:
        source, destination = (_parts.members(ptr[end])[self.edge_index[end]] for end in range(2))
        across = (source != destination).nonzero().view(-1)
        if across.numel():
            number = int(across[0])
            j, i = self.edge_index[:, number].tolist()
            raise ValueError(
                f"edge_index: expected edges within the graphs of the batch, got edge {number} "
                f"({j} -> {i}) from graph {source[number]} to graph {destination[number]}"
            )

    def unbatch(self) -> list[Graph]:
        """The graphs of a batch; a graph that is no batch alone in a list."""
        if not self.is_batch:
            return [self]
        return [Graph._of(parts) for parts in _parts.part(self._parts)]

    # --- other graphs from this one ---------------------------------------------------------

    def to(self, device: torch.device | str | int) -> Graph:
        """The graph on another device; itself if it is there."""
        device = torch.empty(0, device=device).device
        if device == self.device:
            return self
        values = {name: move(value, device) for name, value in self._values.items()}
        ptr = None if self._ptr is None else move(self._ptr, device)
        return Graph._of(Parts(self._connectivity.to(device), values, self._kinds, ptr))

    def subgraph(self, nodes: Any) -> Graph:
        """The nodes given and the edges among them.

        Args:
            nodes: A mask ``[num_nodes]`` or distinct node numbers; node k of the result is
                ``nodes[k]``. On a bipartite graph a pair, in which None means all.
        """
        return Graph._of(_parts.select_nodes(self._parts, self._check_ends("nodes", nodes)))

    def permute(self, perm: Any) -> Graph:
        """The same graph with its nodes numbered anew; edges keep their order.

        Args:
            perm: Node k of the result is node ``perm[k]``. On a bipartite graph a pair, in which
                None means as before.
        """
        ends = self._check_ends("perm", perm)
        for index, size in zip(ends, (self.num_src, self.num_dst), strict=True):
            if index.numel() != size:
                raise ValueError(f"perm: expected each of {size} nodes, got {index.numel()}")
        return Graph._of(_parts.select_nodes(self._parts, ends))

    def _check_ends(self, name: str, nodes: Any) -> tuple[Tensor, Tensor]:
        if not self.is_bipartite:
            index = check_index(name, nodes, self.num_nodes, distinct=True)
            return index, index
        ends = [
            torch.arange(size, device=self.device)
            if index is None
            else check_index(name, index, size, distinct=True)
            for index, size in zip(
                check_pair(name, nodes), (self.num_src, self.num_dst), strict=True
            )
        ]
        return ends[0], ends[1]

    def edge_subgraph(self, edges: Tensor) -> Graph:
        """All nodes and the edges given, by a mask ``[E]`` or by edge numbers, in that order."""
        index = check_index("edges", edges, self.num_edges, distinct=False)
        return Graph._of(_parts.select_edges(self._parts, index))

    def to_undirected(self, reduce: str = "mean") -> Graph:
        """Every edge in both directions, once, sorted by source and destination.

        Edges between the same nodes become one. Their floating-point attributes are reduced,
        a self-loop counting as two; of others the first stays. Edges that differ in `edge_type`
        are not the same.

        Args:
            reduce: "mean" (an undirected graph stays as it is), "add", "min" or "max". PyG's
                default is "add", which doubles the weights of an undirected graph.
        """
        return Graph._of(_undirected.to_undirected(self._parts, reduce))

    def __repr__(self) -> str:
        about = [f"num_nodes={spell_sizes(self.num_src, self.num_dst, self.is_bipartite)}"]
        about.append(f"num_edges={self.num_edges}")
        if self.is_batch:
            about.append(f"num_graphs={self.num_graphs}")
        about += [f"{name}={_outline(value)}" for name, value in self._values.items()]
        if self._connectivity.known_undirected:
            about.append("undirected")
        return f"Graph({', '.join(about)})"


def _outline(value: Any) -> str:
    """What a value looks like, in one word."""
    if isinstance(value, Tensor):
        return str(list(value.shape))
    if isinstance(value, tuple):
        return f"({', '.join(_outline(end) for end in value)})"
    return f"list of {len(value)}" if isinstance(value, list) else repr(value)


def batch_graphs(graphs: Sequence[Graph]) -> Graph:
    """One Graph of several, which do not touch; `Graph.unbatch` gives them back.

    All must have the same attributes. Members may be batches themselves.
    """
    graphs = list(graphs)
    if not graphs:
        raise ValueError("graphs: expected at least one Graph, got none")
    for graph in graphs:
        if not isinstance(graph, Graph):
            raise TypeError(f"graphs: expected Graphs, got {describe(graph)}")
    return Graph._of(_parts.join([graph._parts for graph in graphs]))


def pack_graphs(graphs: Sequence[Graph]) -> Callable[[Tensor], Graph] | None:
    """What gives the batch of the graphs of some numbers; None if they cannot be kept joined."""
    parts = [graph._parts for graph in graphs]
    if not _parts.Pack.fits(parts):
        return None
    pack = _parts.Pack(parts)
    return lambda numbers: Graph._of(pack.pick(numbers))


class SelfLoops:
    """A graph with exactly one loop on every node.

    Attributes:
        graph: The edges that are no loops, in their order, then the loop of node 0, 1, ... It has
            no attributes: `extend` brings those of edges over. On a bipartite graph node k is
            taken to be the same among sources and destinations, as in a sampled block, and the
            nodes in both have loops.
    """

    def __init__(self, connectivity: Connectivity) -> None:
        if torch.compiler.is_compiling():
            self._edges = looped = Looped(connectivity)
        else:
            self._edges = LoopedEdges.of(connectivity)
            looped = self._edges.connectivity
        self.graph = Graph._of(Parts(looped, {}, {}, None))

    def extend(self, value: Tensor, fill: float | Tensor = 1.0, keep: bool = True) -> Tensor:
        """An attribute of the edges, for the edges of `graph`.

        Args:
            value: ``[E, ...]`` one row per old edge.
            fill: What loops get: a number, one row ``[...]``, or ``[num_loops, ...]``.
            keep: Whether loops that were there before keep their row instead, as graph
                convolution wants it; where a node had several, the last. False replaces them,
                as graph attention wants it.
        """
        return self._edges.extend(value, fill, keep)

    def listed(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """``edge_index`` of `graph`, and an attribute of its edges, with a row for each of them.

        It makes a difference while torch compiles: attributes have vacant rows then.
        """
        graph, taken = self.graph._written_out()
        return graph.edge_index, value if taken is None else value.index_select(0, taken)


# Lets torch.load read saved graphs safely, that is with weights_only.
torch.serialization.add_safe_globals([Graph, Connectivity])


# --- anything as a Graph --------------------------------------------------------------------

_known: IdentityMemory[Graph] = IdentityMemory()

# What layers look for on the edges of a Graph.
_CARRIED = ("edge_attr", "edge_weight", "edge_type")


def as_graph(edge_index: Any, size: Size = None) -> Graph:
    """A Graph for anything that describes one.

    What was made for a tensor is found again by the identity and version of that tensor: edges
    are sorted once however often layers are called with it, and anew after a change in place.

    Args:
        edge_index: One of

            - a Graph, or an edge index ``[2, E]``, also as PyG's `EdgeIndex`;
            - a sparse tensor of torch or a `SparseTensor` of torch_sparse, whose *rows are
              destinations*, as PyG's layers read them; the values become `edge_weight`, or
              `edge_attr` if they have more than one dimension;
            - a sparse matrix of SciPy, whose *rows are sources*, as NetworkX has it; the values
              become `edge_weight` in torch's default dtype, but not those of a matrix of bools.
              The matrix may change between calls: its entries are compared at each, and sorted
              anew only where they differ;
            - a PyG `Data` or `Batch`, or a DGL graph of one relation, of which `edge_attr`,
              `edge_weight` and `edge_type` come along (DGL's names are ``feat``, ``weight`` and
              ``_TYPE``); `graphkit.convert.from_pyg` and `from_dgl` take all.
        size: Number of nodes, or (sources, destinations). As in PyG two equal numbers mean one
            set of nodes, and None, as a whole or in the pair, the highest node + 1.

    Raises:
        TypeError: `edge_index` is none of these.
        ValueError: It does not fit `size`, or is no valid edge index.
    """
    if isinstance(edge_index, Graph):
        return edge_index if size is None else _check_size(edge_index, size)
    if torch.compiler.is_compiling() and isinstance(edge_index, Tensor):
        return _symbolic(edge_index, size)
    if is_scipy(edge_index):
        return _read_matrix(edge_index, size)
    if is_dgl(edge_index):
        return _check_size(_read_dgl(edge_index), size)
    graph = _known.get(edge_index, size)
    if graph is None:
        if is_pyg_data(edge_index):
            return _read_data(edge_index, size)
        graph = build_apart(lambda: _read_graph(edge_index, size))
        _known.put(edge_index, size, graph)
    return _with_values(graph, edge_index) if is_sparse(edge_index) else graph


def _symbolic(edge_index: Tensor, size: Size) -> Graph:
    """A Graph of edges that torch compiles for; operators check them when they first meet them."""
    if edge_index.layout != torch.strided:
        raise TypeError(
            "edge_index: expected a Graph or a dense tensor under torch.compile and torch.export, "
            f"got one of {edge_index.layout}"
        )
    edges = check_shape(edge_index).to(torch.int64)
    sizes = join_sizes(Edges(edges), size)
    if sizes is None:
        sizes = int(edges.max()) + 1
    num_src, num_dst = sizes if isinstance(sizes, tuple) else (sizes, sizes)
    connectivity = Connectivity(edges, num_src, num_dst, isinstance(sizes, tuple))
    return Graph._of(Parts(connectivity, {}, {}, None))


def _read_graph(source: Any, size: Size) -> Graph:
    edges = read_edges(source)
    return Graph(edges.edge_index, join_sizes(edges, size), undirected=edges.undirected)


def _with_values(graph: Graph, source: Any) -> Graph:
    values = read_values(source)
    if values is None:
        return graph
    return (
        graph.replace(edge_weight=values) if values.dim() == 1 else graph.replace(edge_attr=values)
    )


def _read_data(data: Any, size: Size) -> Graph:
    edges = data.edge_index if data.edge_index is not None else data.get("adj_t")
    if edges is None:
        raise ValueError(
            "edge_index: expected a Data with edge_index or adj_t, got one with neither"
        )
    graph = as_graph(edges, data.num_nodes if size is None else size)
    attrs = {name: data.get(name) for name in _CARRIED}
    given = {name: value for name, value in attrs.items() if value is not None}
    return graph.replace(edge_attrs=given) if given else graph


def _read_matrix(matrix: Any, size: Size) -> Graph:
    """SciPy counts no versions, so a graph found by identity must still have the same edges."""
    edges, values = read_scipy(matrix)
    graph = _known.get(matrix, size)
    if (
        graph is None
        or (graph.num_src, graph.num_dst) != edges.size
        or not torch.equal(graph.edge_index, edges.edge_index)
    ):
        graph = Graph(edges.edge_index, join_sizes(edges, size))
        _known.put(matrix, size, graph)
    if values is None:
        return graph
    return graph.replace(edge_weight=values.to(torch.get_default_dtype()))


def _read_dgl(source: Any) -> Graph:
    # A DGL graph is mutable, but its index of edges is not: a change gives it another one.
    index = source._graph
    graph = _known.get(index, None)
    if graph is None:
        graph = Graph(*read_dgl(source))
        _known.put(index, None, graph)
    attrs = read_dgl_edge_attrs(source)
    given = {name: attrs[name] for name in _CARRIED if name in attrs}
    return graph.replace(edge_attrs=given) if given else graph


def _check_size(graph: Graph, size: Size) -> Graph:
    num_src, num_dst = (size, size) if size is None or isinstance(size, int) else size
    if num_src not in (None, graph.num_src) or num_dst not in (None, graph.num_dst):
        own = (graph.num_src, graph.num_dst)
        raise ValueError(f"size: expected {own} as the Graph says, got {size}")
    return graph


from graphkit import _compiled  # noqa: E402, F401  (it stands on what is above)
