"""Graph: edges, attributes on V (nodes), E (edges) and U (graphs), batches of graphs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from graphkit._attributes import STANDARD, Kind, check_rows, count_rows
from graphkit._foreign import is_pyg_data, is_sparse, read_edges, read_values
from graphkit._structure import (
    Adjacency,
    Connectivity,
    check_edge_index,
    check_range,
    check_sizes,
)

__all__ = ["Adjacency", "Graph", "as_graph"]

T = TypeVar("T")


class Graph:
    """A graph or a batch of graphs: directed, undirected or bipartite.

    Connectivity is immutable: the edges are copied and checked here, once. Messages flow from
    row 0 of `edge_index` (source j) to row 1 (destination i). An undirected graph holds every
    edge in both directions.

    Every attribute belongs to V, E or U. Its value is a tensor or a list with one row for each
    node, edge or graph. On a bipartite graph node attributes are pairs (sources, destinations),
    either of which may be None. On a graph that is no batch an attribute of U may be anything:
    it is that one row itself, and a batch holds the list of them.

    Args:
        edge_index: ``[2, E]`` int64 (int32 is converted).
        num_nodes: Number of nodes, or a pair (sources, destinations) for a bipartite graph. If
            not given, taken from the node attributes, else from `batch` or `ptr`, else the
            highest node in `edge_index` + 1.
        x, pos: Node attributes: features and positions.
        edge_attr, edge_weight, edge_type: Edge attributes; types are integers from 0.
        u: ``[num_graphs, ...]`` attribute of the graph as a whole.
        y: Targets. They belong to V, E or U, whichever has as many members as `y` has rows; if
            that leaves a choice it is an error: use `node_attrs`, `edge_attrs` or `graph_attrs`.
        batch: ``[num_nodes]`` sorted number of the graph each node belongs to; or
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
    _ptr: tuple[Tensor, Tensor] | None  # of sources and of destinations; None: no batch

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
        u: Tensor | None = None,
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
                raise ValueError("batch: expected either batch or ptr, got both")
            ptr = _batch_to_ptr(batch)
        standard = {
            "x": x,
            "pos": pos,
            "edge_attr": edge_attr,
            "edge_weight": edge_weight,
            "edge_type": edge_type,
            "u": u,
        }
        further: dict[Kind, dict[str, Any]] = {
            "node": dict(node_attrs or {}),
            "edge": dict(edge_attrs or {}),
            "graph": dict(graph_attrs or {}),
        }
        sizes, source = _find_sizes(edges, num_nodes, {"x": x, "pos": pos, **further["node"]}, ptr)
        num_src, num_dst, bipartite = sizes
        check_range(edges, num_src, num_dst, f"num_nodes={_spell(*sizes)}{source}")
        self._connectivity = Connectivity(edges, num_src, num_dst, bipartite, undirected)
        self._ptr = None if ptr is None else _check_ptr(ptr, *sizes)
        self._values, self._kinds = {}, {}
        for name, value in standard.items():
            self._set(name, value, STANDARD[name])
        for kind, attrs in further.items():
            for name, value in attrs.items():
                self._set(name, value, kind)
        if y is not None:
            self._set("y", y, self._find_kind("y", y))

    @classmethod
    def _of(
        cls,
        connectivity: Connectivity,
        values: dict[str, Any],
        kinds: dict[str, Kind],
        ptr: tuple[Tensor, Tensor] | None = None,
    ) -> Graph:
        """A Graph of parts that are known to fit."""
        graph = object.__new__(cls)
        graph._connectivity = connectivity
        graph._values, graph._kinds, graph._ptr = values, kinds, ptr
        return graph

    # --- connectivity -----------------------------------------------------------------------

    @property
    def edge_index(self) -> Tensor:
        """``[2, E]`` int64: sources j, destinations i. The graph's own; not to be written to."""
        return self._connectivity.edge_index

    @property
    def num_edges(self) -> int:
        return self._connectivity.edge_index.size(1)

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
        """Whether sources and destinations are numbered apart."""
        return self._connectivity.bipartite

    @property
    def is_undirected(self) -> bool:
        """Whether every edge j -> i has its opposite i -> j, as often as itself."""
        return self._connectivity.undirected

    @property
    def device(self) -> torch.device:
        return self._connectivity.edge_index.device

    @property
    def by_destination(self) -> Adjacency:
        """Edges sorted by destination: row i holds what flows into i."""
        return self._connectivity.by_destination

    @property
    def by_source(self) -> Adjacency:
        """Edges sorted by source: row j holds what flows out of j."""
        return self._connectivity.by_source

    @property
    def in_degree(self) -> Tensor:
        """``[num_dst]`` number of edges into every node."""
        return self.by_destination.degree

    @property
    def out_degree(self) -> Tensor:
        """``[num_src]`` number of edges out of every node."""
        return self.by_source.degree

    def cached(self, key: Hashable, build: Callable[[], T]) -> T:
        """What `build` returns, computed at first use and kept with the connectivity.

        For values that follow from the edges alone: graphs that share their connectivity but not
        their attributes share them.
        """
        return self._connectivity.memo(("cached", key), build)

    def reverse(self) -> Graph:
        """The graph with all edges turned round. It shares attributes and sorted structures."""
        values, ptr = self._values, self._ptr
        if self.is_bipartite:
            values = {
                name: value[::-1] if self._kinds[name] == "node" else value
                for name, value in values.items()
            }
            ptr = None if ptr is None else ptr[::-1]
        return Graph._of(self._connectivity.reverse(), values, self._kinds, ptr)

    # --- attributes -------------------------------------------------------------------------

    def _set(self, name: str, value: Any, kind: Kind) -> None:
        """Add an attribute after checking that it fits; None is no attribute."""
        if value is None:
            return
        if name in self._values:
            raise ValueError(f"{name}: given twice, on {self._kinds[name]} and on {kind}")
        if name not in STANDARD and name != "y" and hasattr(Graph, name):
            raise ValueError(f"{name}: expected another name for a {kind} attribute; Graph has it")
        if STANDARD.get(name, kind) != kind:
            raise ValueError(f"{name}: expected as attribute of {STANDARD[name]}, got {kind}")
        if kind == "node":
            self._check_nodes(name, value)
        elif kind == "edge":
            check_rows(name, value, self.num_edges, f"num_edges={self.num_edges}")
            if name == "edge_type":
                _check_edge_type(value)
        elif self.is_batch or name == "u":
            check_rows(name, value, self.num_graphs, f"num_graphs={self.num_graphs}")
        elif isinstance(value, Tensor) and value.dim() == 0:
            value = value.view(1)
        self._values[name], self._kinds[name] = value, kind

    def _check_nodes(self, name: str, value: Any) -> None:
        if not self.is_bipartite:
            check_rows(name, value, self.num_nodes, f"num_nodes={self.num_nodes}")
            return
        if not isinstance(value, tuple) or len(value) != 2:
            raise TypeError(
                f"{name}: expected a pair (sources, destinations) as the graph is bipartite, "
                f"got {type(value).__name__}"
            )
        for end, size, what in zip(value, (self.num_src, self.num_dst), ("src", "dst"), strict=True):
            if end is not None:
                check_rows(f"{name} of {what}", end, size, f"num_{what}={size}")

    def _find_kind(self, name: str, value: Any) -> Kind:
        """Whether `value` belongs to V, E or U, by its number of rows."""
        if isinstance(value, tuple) and self.is_bipartite:
            return "node"
        rows = count_rows(value)
        sizes: dict[Kind, int] = {
            "node": self.num_nodes,
            "edge": self.num_edges,
            "graph": self.num_graphs,
        }
        fits = [kind for kind, size in sizes.items() if size == rows]
        if self.is_bipartite:
            fits = [kind for kind in fits if kind != "node"]
        if len(fits) == 1:
            return fits[0]
        problem = "may belong to " + " or ".join(fits) if fits else "fits none of them"
        raise ValueError(
            f"{name}: expected rows for num_nodes={_spell(*self._sizes)}, num_edges="
            f"{self.num_edges} or num_graphs={self.num_graphs}; {rows} rows {problem}; "
            "say which with node_attrs, edge_attrs or graph_attrs"
        )

    @property
    def _sizes(self) -> tuple[int, int, bool]:
        return self.num_src, self.num_dst, self.is_bipartite

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
        # Private names are no attributes: unpickling and copying ask for them on a bare object.
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"this Graph has no attribute {name!r}")

    def replace(
        self,
        *,
        node_attrs: Mapping[str, Any] | None = None,
        edge_attrs: Mapping[str, Any] | None = None,
        graph_attrs: Mapping[str, Any] | None = None,
        **attrs: Any,
    ) -> Graph:
        """The graph with some attributes added, exchanged or, where None, left out.

        Connectivity and all that is cached with it are shared. New names come in `node_attrs`,
        `edge_attrs` or `graph_attrs`; those the graph has already, and the standard ones, also
        as plain arguments.
        """
        further: dict[Kind, Mapping[str, Any]] = {
            "node": node_attrs or {},
            "edge": edge_attrs or {},
            "graph": graph_attrs or {},
        }
        gone = set(attrs).union(*further.values())
        kept = {name: value for name, value in self._values.items() if name not in gone}
        kinds = {name: self._kinds[name] for name in kept}
        graph = Graph._of(self._connectivity, kept, kinds, self._ptr)
        for name, value in attrs.items():
            kind = self._kinds.get(name, STANDARD.get(name))
            if kind is None and value is not None:
                if name != "y":
                    raise ValueError(
                        f"{name}: new to this Graph; say whose it is with node_attrs, edge_attrs "
                        "or graph_attrs"
                    )
                kind = graph._find_kind(name, value)
            if kind is not None:
                graph._set(name, value, kind)
        for kind, values in further.items():
            for name, value in values.items():
                graph._set(name, value, kind)
        return graph

    @property
    def node_attrs(self) -> Mapping[str, Any]:
        return self._of_kind("node")

    @property
    def edge_attrs(self) -> Mapping[str, Any]:
        return self._of_kind("edge")

    @property
    def graph_attrs(self) -> Mapping[str, Any]:
        return self._of_kind("graph")

    def _of_kind(self, kind: Kind) -> Mapping[str, Any]:
        return MappingProxyType(
            {name: value for name, value in self._values.items() if self._kinds[name] == kind}
        )

    # --- batches ----------------------------------------------------------------------------

    @property
    def is_batch(self) -> bool:
        return self._ptr is not None

    @property
    def num_graphs(self) -> int:
        return 1 if self._ptr is None else self._ptr[1].numel() - 1


Size = int | tuple[int | None, int | None] | None


class _Known(NamedTuple):
    """What is remembered of an object that was given in place of a Graph."""

    source: weakref.ref[Any]
    version: int
    graphs: dict[Size, Graph]


# By id. An entry goes when its object goes, so nothing in it may refer to that object.
_known: dict[int, _Known] = {}


def as_graph(edge_index: Any, size: Size = None) -> Graph:
    """A Graph for anything that describes one.

    What was made for a tensor is found again by the identity and version of that tensor, so that
    edges are sorted once however often layers are called with it, and anew after a change in
    place.

    Args:
        edge_index: A Graph; an edge index ``[2, E]``, also as PyG's `EdgeIndex`; a sparse tensor
            of torch or a `SparseTensor` of torch_sparse, whose *rows are destinations*, as PyG's
            layers read them; a PyG `Data` or `Batch`. The values of a sparse tensor become
            `edge_weight`, or `edge_attr` if they have more than one dimension. Of a `Data` come
            `edge_attr`, `edge_weight` and `edge_type`; `graphkit.convert.from_pyg` takes all.
        size: Number of nodes, or (sources, destinations). As in PyG two equal numbers mean one
            set of nodes, and None, as a whole or in the pair, the highest node + 1.

    Raises:
        TypeError: `edge_index` is none of these.
        ValueError: It does not fit `size`, or is no valid edge index.
    """
    if isinstance(edge_index, Graph):
        return edge_index if size is None else _check_size(edge_index, size)
    known = _known.get(id(edge_index))
    if (
        known is not None
        and known.source() is edge_index
        and known.version == getattr(edge_index, "_version", 0)
    ):
        graph = known.graphs.get(size)
        if graph is None:
            graph = known.graphs[size] = _read_graph(edge_index, size)
    elif is_pyg_data(edge_index):
        return _read_data(edge_index, size)
    else:
        graph = _read_graph(edge_index, size)
        _remember(edge_index, size, graph)
    return _with_values(graph, edge_index) if is_sparse(edge_index) else graph


def _remember(source: Any, size: Size, graph: Graph) -> None:
    if isinstance(source, Tensor) and source.is_inference():
        return  # it may change unseen: such tensors count no versions
    key = id(source)

    def forget(ref: weakref.ref[Any], known: dict[int, _Known] = _known) -> None:
        if key in known and known[key].source is ref:
            del known[key]

    version = getattr(source, "_version", 0)
    _known[key] = _Known(weakref.ref(source, forget), version, {size: graph})


def _read_graph(source: Any, size: Size) -> Graph:
    edges = read_edges(source)
    num_src, num_dst = (size, size) if size is None or isinstance(size, int) else size
    own_src, own_dst = edges.size
    num_src = own_src if num_src is None else num_src
    num_dst = own_dst if num_dst is None else num_dst
    if own_src not in (None, num_src) or own_dst not in (None, num_dst):
        raise ValueError(f"size: expected {edges.size} as in edge_index, got {size}")
    index = edges.edge_index
    if num_src is None and num_dst is None:
        return Graph(index, undirected=edges.undirected)
    num_src = _highest(index, 0) + 1 if num_src is None else num_src
    num_dst = _highest(index, 1) + 1 if num_dst is None else num_dst
    num_nodes = num_src if num_src == num_dst else (num_src, num_dst)
    return Graph(index, num_nodes, undirected=edges.undirected)


def _with_values(graph: Graph, source: Any) -> Graph:
    values = read_values(source)
    if values is None:
        return graph
    return graph.replace(**{"edge_weight" if values.dim() == 1 else "edge_attr": values})


def _read_data(data: Any, size: Size) -> Graph:
    edges = data.edge_index if data.edge_index is not None else data.get("adj_t")
    if edges is None:
        raise ValueError("edge_index: expected a Data with edge_index or adj_t, got one without")
    graph = as_graph(edges, data.num_nodes if size is None else size)
    names = ("edge_attr", "edge_weight", "edge_type")
    return graph.replace(**{name: data[name] for name in names if data.get(name) is not None})


def _check_size(graph: Graph, size: Size) -> Graph:
    num_src, num_dst = (size, size) if isinstance(size, int) else size or (None, None)
    if num_src not in (None, graph.num_src) or num_dst not in (None, graph.num_dst):
        own = (graph.num_src, graph.num_dst)
        raise ValueError(f"size: expected {own} (sources, destinations) as in the Graph, got {size}")
    return graph


# --- checks ---------------------------------------------------------------------------------


def _highest(index: Tensor, row: int | None = None) -> int:
    ends = index if row is None else index[row]
    return int(ends.max()) if ends.numel() else -1


def _spell(num_src: int, num_dst: int, bipartite: bool) -> str:
    return f"({num_src}, {num_dst})" if bipartite else str(num_dst)


def _find_sizes(
    edge_index: Tensor, num_nodes: Any, nodes: Mapping[str, Any], ptr: Any
) -> tuple[tuple[int, int, bool], str]:
    """(sources, destinations, bipartite), and in words where they are from if not given."""
    if num_nodes is not None:
        return check_sizes(num_nodes), ""
    for name, value in nodes.items():
        if isinstance(value, tuple) and len(value) == 2:
            rows = [count_rows(end) for end in value]
            if None not in rows:
                return check_sizes(tuple(rows)), f" (rows of {name})"
        rows = count_rows(value)
        if rows is not None:
            return check_sizes(rows), f" (rows of {name})"
    if isinstance(ptr, Tensor) and ptr.numel():
        return check_sizes(int(ptr[-1])), " (end of ptr)"
    return check_sizes(_highest(edge_index) + 1), ""


def _batch_to_ptr(batch: Tensor) -> Tensor:
    if not isinstance(batch, Tensor) or batch.dim() != 1 or batch.dtype != torch.int64:
        raise TypeError(f"batch: expected a 1-dimensional int64 tensor, got {_describe(batch)}")
    if batch.numel() and (bool((batch.diff() < 0).any()) or int(batch[0]) < 0):
        raise ValueError("batch: expected graph numbers from 0 in ascending order")
    count = torch.bincount(batch)
    return torch.cat([count.new_zeros(1), count.cumsum(0)])


def _check_ptr(ptr: Any, num_src: int, num_dst: int, bipartite: bool) -> tuple[Tensor, Tensor]:
    """The pointers of sources and destinations, owned."""
    if bipartite and not (isinstance(ptr, tuple) and len(ptr) == 2):
        raise TypeError("ptr: expected a pair (sources, destinations) as the graph is bipartite")
    pair = ptr if bipartite else (ptr, ptr)
    for end, size in zip(pair, (num_src, num_dst), strict=True):
        if not isinstance(end, Tensor) or end.dim() != 1 or end.dtype != torch.int64:
            raise TypeError(f"ptr: expected a 1-dimensional int64 tensor, got {_describe(end)}")
        if not end.numel() or int(end[0]) != 0 or int(end[-1]) != size or (end.diff() < 0).any():
            raise ValueError(
                f"ptr: expected ascending numbers from 0 to {size}, got {end.tolist()}"
            )
    if pair[0].numel() != pair[1].numel():
        lengths = [end.numel() for end in pair]
        raise ValueError(f"ptr: expected two of one length, got lengths {lengths}")
    return (pair[0].clone(), pair[1].clone())


def _check_edge_type(value: Any) -> None:
    if not isinstance(value, Tensor) or value.dim() != 1 or value.is_floating_point():
        raise TypeError(f"edge_type: expected a 1-dimensional int64 tensor, got {_describe(value)}")
    if value.numel() and not value.is_meta and int(value.min()) < 0:
        raise ValueError(f"edge_type: expected types from 0, got {int(value.min())}")


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return type(value).__name__
