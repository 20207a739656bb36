"""The fused path while torch compiles or exports: the operators of :mod:`operators`.

Two parts. What the compiler sees (:func:`propagate`) describes the call in constants, asks for its
plan, and follows it step by step: plain torch where that comes before or after a kernel, and the
operator for the kernel. What it does not see (:func:`_planned`) makes the plan, as :mod:`plan`
does, on a twin of the layer without data, runs it on stand-ins and notes every step. The steps are
constants of the compiled program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.experimental import proxy_tensor
from torch.overrides import TorchFunctionMode

from graphkit.engine import operators, plan
from graphkit.engine.expression import FusionError
from graphkit.engine.fused import Fused, reduction
from graphkit.engine.lower import Run
from graphkit.engine.ops import kernels_wanted
from graphkit.engine.threads import in_thread
from graphkit.engine.traced import PRIMITIVE
from graphkit.graph import Graph

EXACT = (torch.float32, torch.float64)  # what the operators read


class _Program(NamedTuple):
    """A plan as the compiler may see it: nested tuples of constants.

    Attributes:
        steps: what leads to the result, see :func:`_follow`.
        read: numbers and other plain values that the message read from the layer, each as
            (path of the module, name, value).
        touched: the rest of what it read.
    """

    steps: tuple[tuple[Any, ...], ...]
    read: tuple[tuple[tuple[str, ...], str, Any], ...]
    touched: tuple[tuple[tuple[str, ...], str], ...]


# ------------------------------------------------------------------ what the compiler sees


def propagate(
    layer: Any,
    graph: Graph,
    values: dict[str, Any],
    edge_mask: Tensor | None,
    reductions: Sequence[plan.Reduction] | None,
) -> Tensor | None:
    """As :func:`plan.propagate`, in a program that is being compiled."""
    if reductions is None:
        return None
    return _serve(layer, "message", graph, values, edge_mask, reductions)


def edge_values(layer: Any, graph: Graph, values: dict[str, Any]) -> Tensor | None:
    """As :func:`plan.edge_values`."""
    return _serve(layer, "edge_update", graph, values, None, [plan.Reduction("edge")])


def _serve(
    layer: Any,
    step: str,
    graph: Graph,
    values: dict[str, Any],
    edge_mask: Tensor | None,
    reductions: Sequence[plan.Reduction],
) -> Tensor | None:
    if not kernels_wanted():
        return None
    tensors: list[Tensor] = []
    forms = []
    for name, is_end in _asked(layer, step, values):
        form = _form(values[name], None if is_end else graph.num_edges, layer.node_dim, tensors)
        if form is None:
            return None
        forms.append((name, form))
    temperatures = []
    for r in reductions:
        temperatures.append((r.name, _form(r.temperature, -1, 0, tensors)))
    floats = [t for t in tensors if t.is_floating_point()]
    if any(t.dtype not in EXACT for t in floats):
        return None
    if not plan.on_kernels(graph, tensors, edge_mask):
        return None
    found = _planned(layer, step, tuple(forms), tuple(temperatures), edge_mask is not None)
    if found is None:
        return None
    steps, read, touched = found
    for path, name, value in read:  # so that the compiler watches them
        if getattr(_module(layer, path), name) != value:
            return None
    for path, name in touched:
        if getattr(_module(layer, path), name) is None:
            return None
    return _follow(steps, layer, graph, values, edge_mask, reductions)


def reduce_edges(graph: Graph, value: Tensor, reduce: str) -> Tensor:
    """Values of the edges, reduced over those that come into every node.

    Unlike a reduction by the index of destinations, it finds the graph's own order again.
    """
    dtype = value.dtype if value.dtype in EXACT else torch.float32
    flat = value.to(dtype).reshape(value.shape[0], math.prod(value.shape[1:]))
    (width,) = _sizes(flat.shape[1:])
    address = graph._connectivity.address
    text = _reduction(reduce, width, dtype)
    out = torch.ops.graphkit.fused(text, *address, [flat], [], [])[0]
    return out.view(graph.num_dst, *value.shape[1:]).to(value.dtype)


def _asked(layer: Any, step: str, values: dict[str, Any]) -> list[tuple[str, bool]]:
    """The values that a step asks for, and whether at the ends of edges."""
    asked = []
    for parameter in layer._parameters_of[step]:
        name, stem = parameter.name, parameter.name[:-2]
        if name in values:
            asked.append((name, False))
        elif name not in plan.STRUCTURE and name[-2:] in ("_i", "_j") and stem in values:
            asked.append((stem, True))
    return list(dict.fromkeys(asked))


def _form(value: Any, num_edges: Any, node_dim: int, tensors: list[Tensor]) -> Any:
    """A value in constants; None if there is no place for it in a kernel.

    Args:
        num_edges: None for what belongs to nodes.
        tensors: gets the tensors in it.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        if num_edges is None:
            if value.dim() == 0 or (node_dim != 0 and value.dim() + node_dim != 0):
                return None
            kind, sizes = "node", _sizes(value.shape[1:])
        elif value.dim() > 0 and value.shape[0] == num_edges:
            kind, sizes = "edge", _sizes(value.shape[1:])
        else:
            kind, sizes = "whole", _sizes(value.shape)
        return None if 0 in sizes else (kind, value.dtype, sizes)
    if isinstance(value, (tuple, list)) and num_edges is None:
        ends = [_form(end, None, node_dim, tensors) for end in value]
        return None if None in ends else ("pair", *ends)
    if isinstance(value, bool) or value is None or isinstance(value, (str, torch.dtype)):
        return ("constant", value)
    # Numbers may be symbols; what is written out is none.
    if isinstance(value, int):
        return ("int", f"{value}")
    return ("float", value.hex()) if isinstance(value, float) else None


def _sizes(shape: Sequence[int]) -> tuple[int, ...]:
    """Feature sizes as constants, also where they came as symbols."""
    return tuple([len(range(size)) for size in shape])


def _module(layer: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        layer = getattr(layer, name)
    return layer


def _follow(
    steps: tuple[tuple[Any, ...], ...],
    layer: Any,
    graph: Graph,
    values: dict[str, Any],
    edge_mask: Tensor | None,
    reductions: Sequence[plan.Reduction],
) -> Tensor:
    """Every step gives a value, and the last one's is the result. The steps are

    ("value", name) and ("value", name, end)
        what was passed to propagate;
    ("temperature", number), ("mask",), ("ends",), ("received", name)
        of an aggregation; the factors of the edges; where edges start and end; what an
        aggregation makes of 1 on every edge;
    ("attribute", path, name)
        a parameter of the layer or a module in it;
    ("function" or "functional" or "method" or "property", name, args, kwargs)
        of torch: see :func:`_argument`;
    ("kernel", text, dtype, leaves, scalars, seeds)
        a fused kernel. Seeds are numbers of dropouts, which draw once in a call.
    """
    found: list[Any] = []
    seeds: dict[int, Tensor] = {}
    for kind, *about in steps:
        if kind == "value":
            value = values[about[0]]
            found.append(value if len(about) == 1 else value[about[1]])
        elif kind == "temperature":
            found.append(reductions[about[0]].temperature)
        elif kind == "mask":
            found.append(edge_mask)
        elif kind == "ends":
            found.append(graph._connectivity.places)
        elif kind == "received":
            ones = torch.ones(graph.num_edges, 1, device=graph.device)
            found.append(reduce_edges(graph, ones, about[0]))
        elif kind == "attribute":
            found.append(getattr(_module(layer, about[0]), about[1]))
        elif kind == "kernel":
            text, dtype, leaves, scalars, drawn = about
            leaves = [_argument(leaf, found, graph).to(dtype) for leaf in leaves]
            for number in drawn:
                if number not in seeds:
                    seeds[number] = torch.randint(2**31 - 1, ())
            address = graph._connectivity.address
            keys = [seeds[number] for number in drawn]
            found.append(torch.ops.graphkit.fused(text, *address, leaves, list(scalars), keys))
        else:
            name, args, kwargs = about
            args = [_argument(arg, found, graph) for arg in args]
            kwargs = {key: _argument(arg, found, graph) for key, arg in kwargs}
            if kind == "property":
                found.append(getattr(args[0], name))
            elif kind == "method":
                found.append(getattr(args[0], name)(*args[1:], **kwargs))
            elif kind == "functional":
                found.append(getattr(F, name)(*args, **kwargs))
            else:
                found.append(getattr(torch, name)(*args, **kwargs))
    return found[-1]


def _argument(about: tuple[Any, ...], found: list[Any], graph: Graph) -> Any:
    """An argument of a step: what an earlier one gave, a number of rows, or as it is."""
    kind, *rest = about
    if kind == "step":
        value = found[rest[0]]
        return value if len(rest) == 1 else value[rest[1]]
    if kind == "rows":
        return {"i": graph.num_dst, "j": graph.num_src, "e": graph.num_edges}[rest[0]]
    if kind == "slice":
        return slice(*rest)
    if kind == "list":
        return [_argument(one, found, graph) for one in rest]
    if kind == "tuple":
        return tuple([_argument(one, found, graph) for one in rest])
    return rest[0]


# ------------------------------------------------------------------ what it does not see


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """As torch.compiler.assume_constant_result, which takes a second to import what it needs."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@_constant
def _planned(layer: Any, step: str, forms: Any, temperatures: Any, masked: bool) -> _Program | None:
    return in_thread(lambda: _plan(layer, step, forms, temperatures, masked))


def _plan(layer: Any, step: str, forms: Any, temperatures: Any, masked: bool) -> _Program | None:
    """The plan for a call of this form; None where the plain path has to serve."""
    twin = _twin(layer, {})
    values = {name: _stand_in(form) for name, form in forms}
    graph = _GraphForm(forms)
    reductions = [plan.Reduction(name, _stand_in(form)) for name, form in temperatures]
    arguments = plan.arguments_of(twin, step, graph, values)  # type: ignore[arg-type]
    if arguments is None:
        return None
    given = {a.name: plan.value_of(values, a) for a in arguments}
    sides = {a.name: a.side for a in arguments if a.side is not None}
    for parameter in layer._parameters_of[step]:
        if parameter.name not in given and parameter.name not in plan.STRUCTURE:
            if parameter.default is parameter.empty:
                return None  # the plain path says that it is missing
            given[parameter.name] = parameter.default
    made = plan.make(twin, step, given, sides, masked, reductions)
    plans = layer.__dict__.setdefault("_plans", {})
    plans["compiled", step, forms, temperatures, masked] = made
    if made.stages is None:
        return None
    try:
        return _noted(twin, made, graph, values, given, masked, reductions)
    except FusionError as error:
        plans["compiled", step, forms, temperatures, masked] = plan.Plan(str(error))
        return None


# Stand for numbers of rows: sizes that no feature dimension has.
_ROWS = {"i": 15_485_863, "j": 15_485_867, "e": 15_485_917}


class _GraphForm:
    """Stands for a graph."""

    def __init__(self, forms: Any) -> None:
        one_set = any(form[0] == "node" for _, form in forms)  # for both ends
        self.num_dst, self.num_edges = _ROWS["i"], _ROWS["e"]
        self.num_src = self.num_dst if one_set else _ROWS["j"]
        self.edge_index = torch.empty(2, self.num_edges, dtype=torch.int64, device="meta")
        names = ("sum", "mean")
        self.received = {name: torch.empty(self.num_dst, 1, device="meta") for name in names}

    def cached(self, key: Any, build: Callable[[], Any]) -> Any:
        kind, name = key
        if kind != "received":
            raise FusionError(f"reads {kind} of the graph")
        return self.received[name]


def _stand_in(form: Any, node_rows: int = _ROWS["i"]) -> Any:
    kind, *about = form
    if kind == "pair":
        return tuple(_stand_in(end, _ROWS[side]) for end, side in zip(about, "ji", strict=True))
    if kind == "int":
        return int(about[0])
    if kind == "float":
        return float.fromhex(about[0])
    if kind == "constant":
        return about[0]
    dtype, features = about
    rows = {"node": (node_rows,), "edge": (_ROWS["e"],), "whole": ()}[kind]
    return torch.empty((*rows, *features), dtype=dtype, device="meta")


def _twin(module: Any, known: dict[int, Any]) -> Any:
    """A module as it is, with tensors that have no data: those of the original may be symbols."""
    if isinstance(module, getattr(proxy_tensor, "_AttrProxy", ())):
        module = module.get_base()  # while it exports, torch puts proxies around modules
    if id(module) not in known:
        known[id(module)] = twin = object.__new__(type(module))
        inside: dict[str, Any] = {}
        for name, value in vars(module).items():
            if name in ("_parameters", "_buffers"):
                value = {k: _without_data(v) for k, v in value.items()}
            elif name == "_modules":
                value = {k: None if v is None else _twin(v, known) for k, v in value.items()}
            inside[name] = _without_data(value)
        inside["_compiled_call_impl"] = None  # of the original
        vars(twin).update(inside)
    return known[id(module)]


def _without_data(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    shape = tuple(int(size) for size in value.shape)
    return torch.empty(shape, dtype=value.dtype, device="meta", requires_grad=value.requires_grad)


def _noted(
    twin: Any,
    made: plan.Plan,
    graph: _GraphForm,
    values: dict[str, Any],
    given: dict[str, Any],
    masked: bool,
    reductions: Sequence[plan.Reduction],
) -> _Program:
    """The steps of a plan, written down while it runs on tensors without data."""
    assert made.stages is not None
    assert made.trace is not None
    mask = torch.empty(graph.num_edges, device="meta") if masked else None
    sources = [*_tensors_of(twin, values, reductions), (graph.edge_index, ("ends",))]
    if mask is not None:
        sources.append((mask, ("mask",)))
    sources += [(t, ("received", name)) for name, t in graph.received.items()]
    recorder = _Recorder({id(t): step for t, step in sources})
    kernels = [*made.kernels, *made.stages.kernels.values()]
    real = [kernel.fused for kernel in kernels]
    for kernel, fused in zip(kernels, real, strict=True):
        kernel.fused = _Noted(fused, recorder)  # type: ignore[assignment]
    try:
        with recorder:
            of_type = None if mask is None else mask.to(made.trace.dtype)
            run = Run(
                graph,  # type: ignore[arg-type]
                {**values, **given},
                made.stages.kernels,
                of_type,
                tuple(r.temperature for r in reductions),
                _Seeds(),
            )
            out = plan.outcome(made, run, reductions)
    finally:
        for kernel, fused in zip(kernels, real, strict=True):
            kernel.fused = fused
    steps = recorder.until(out)
    paths = {id(module): path for path, module in _paths(twin)}
    read, touched = {}, {}
    for owner, name, value in made.trace.guards:
        path = paths[id(owner)]
        plain = value if isinstance(value, tuple) else (value,)
        if all(isinstance(v, PRIMITIVE) for v in plain):
            read[path, name] = value
        else:
            touched[path, name] = None
    return _Program(
        steps, tuple((path, name, value) for (path, name), value in read.items()), tuple(touched)
    )


class _Seed(float):
    """Stands for a dropout's seed, by the number of the dropout."""


class _Seeds(dict):
    """A call's memory, which knows all seeds."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, tuple) and key[0] == "seed")

    def __missing__(self, key: Any) -> _Seed:
        return _Seed(key[1])


class _Noted:
    """Stands for a fused expression, whose calls are noted."""

    def __init__(self, fused: Fused, recorder: _Recorder) -> None:
        self._fused, self._recorder = fused, recorder
        self.dtype, self.aggregations = fused.dtype, fused.aggregations

    def __call__(
        self, graph: _GraphForm, leaves: Sequence[Tensor], scalars: Sequence[float]
    ) -> list[Tensor]:
        fused, note = self._fused, self._recorder
        seeds = [k for k, s in enumerate(scalars) if isinstance(s, _Seed)]
        with torch._C.DisableTorchFunction():
            outs = operators.results(fused, graph.edge_index, graph.num_dst, graph.num_edges)
        step = (
            "kernel",
            operators.encode(fused, seeds),
            fused.dtype,
            tuple(note.reference(leaf) for leaf in leaves),
            tuple(0.0 if k in seeds else float(s) for k, s in enumerate(scalars)),
            tuple(int(scalars[k]) for k in seeds),
        )
        note.add(step, outs, several=True)
        return outs


def _paths(module: nn.Module) -> Iterator[tuple[tuple[str, ...], nn.Module]]:
    for name, inner in module.named_modules(remove_duplicate=False):
        yield tuple(name.split(".")) if name else (), inner


def _tensors_of(
    twin: nn.Module, values: dict[str, Any], reductions: Sequence[plan.Reduction]
) -> Iterator[tuple[Tensor, tuple[Any, ...]]]:
    """The tensors that a leaf may be computed from, and the step that gives each."""
    for name, value in values.items():
        if isinstance(value, Tensor):
            yield value, ("value", name)
        elif isinstance(value, tuple):
            for end, one in enumerate(value):
                if isinstance(one, Tensor):
                    yield one, ("value", name, end)
    for path, module in _paths(twin):
        inside = {**vars(module), **module._parameters, **module._buffers}
        for name, value in inside.items():
            if isinstance(value, Tensor):
                yield value, ("attribute", path, name)
    for number, r in enumerate(reductions):
        if isinstance(r.temperature, Tensor):
            yield r.temperature, ("temperature", number)


@_constant
def _reduction(reduce: str, width: int, dtype: torch.dtype) -> str:
    return operators.encode(reduction(reduce, width, dtype))


class _Recorder(TorchFunctionMode):
    """Notes every call of torch."""

    def __init__(self, known: dict[int, tuple[Any, ...]]) -> None:
        super().__init__()
        self.known = known
        self.steps: list[tuple[Any, ...]] = []
        self.places: dict[int, tuple[Any, ...]] = {}
        self.alive: list[Any] = []  # an id belongs to what still lives

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        several = type(out) in (tuple, list) and all(isinstance(o, Tensor) for o in out)
        if isinstance(out, Tensor) or several:
            kind, name = _name_of(func)
            given = tuple(self.reference(a) for a in args)
            named = tuple((key, self.reference(a)) for key, a in kwargs.items())
            self.add((kind, name, given, named), out, several)
        return out

    def add(self, step: tuple[Any, ...], value: Any, several: bool = False) -> None:
        number = len(self.steps)
        self.steps.append(step)
        self.alive.append(value)
        if not several:
            self.places[id(value)] = ("step", number)
        for k, one in enumerate(value if several else ()):
            self.places[id(one)] = ("step", number, k)

    def until(self, value: Tensor) -> tuple[tuple[Any, ...], ...]:
        if self.reference(value) != ("step", len(self.steps) - 1):
            raise FusionError("a result that is not what is computed last")
        return tuple(self.steps)

    def reference(self, value: Any) -> tuple[Any, ...]:
        """An argument, as :func:`_argument` reads it."""
        if isinstance(value, Tensor):
            if id(value) not in self.places:
                if id(value) not in self.known:
                    raise FusionError("uses a tensor that is no argument and not the layer's")
                self.add(self.known[id(value)], value)
            return self.places[id(value)]
        if isinstance(value, slice):
            return ("slice", value.start, value.stop, value.step)
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return (kind, *(self.reference(one) for one in value))
        if isinstance(value, int) and not isinstance(value, bool):
            for side, rows in _ROWS.items():
                if value == rows:
                    return ("rows", side)
            return ("constant", int(value))
        return ("constant", value)


def _name_of(func: Any) -> tuple[str, str]:
    """How a function of torch is found again by its name."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return "property", func.__self__.__name__
    for kind, home in (("method", Tensor), ("function", torch), ("functional", F)):
        if getattr(home, name, None) is func:
            return kind, name
    raise FusionError(f"calls {name or func}, which is no function of torch")
