"""The house: imports run downwards only, and only the engine knows kernels."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "graphkit"

# From the ground up: a room may import itself and what stands below it. Rooms of one floor do not
# know each other.
FLOORS = [
    {"graph", "runtime", "resume"},
    {"train"},
    {"convert"},
    {"engine"},
    {"nn"},
    {"data"},
    {"sampling"},
    {"generative"},
    {"metrics"},
    {"tasks"},
    {"experiment"},
    {"explain", "temporal", "hetero", "distributed"},
    {"acceleration"},
    {"plot", "report"},
    {"demo", "benchmark"},
    {"cli"},
]
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
KERNEL_PACKAGES = {"numba", "llvmlite", "triton"}
# Seconds at import, for what most programs never use.
IMPORTED_WHEN_USED = {"torch_geometric", "networkx", "matplotlib", "sklearn"}

# Which is itself imported when it is used: its classes are scikit-learn's.
LATE = {PACKAGE / "generative" / "estimators.py"}

SOURCES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """`graphkit/nn/conv/x.py` stands in `nn`."""
    return room_named(path.relative_to(PACKAGE).with_suffix("").parts[0])


def room_named(part: str) -> str:
    """The private files beside graph.py hold parts of it and make one room with it."""
    private = part.startswith("_") and not part.startswith("__")
    return "graph" if private else part


def imports(path: Path, *, at_import_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that a file imports, relative imports spelt out."""
    package = ("graphkit", *path.relative_to(PACKAGE).parent.parts)
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            # `from graphkit import nn` names a room, not only the package
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        if at_import_only and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_type_checkers(node)
        ):
            continue
        waiting.extend(ast.iter_child_nodes(node))


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in SOURCES} - {"__init__", "__main__"}
    assert rooms <= HEIGHT.keys(), "a new room: say in FLOORS where it stands"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path):
    room = room_of(path)
    if room in {"__init__", "__main__"}:
        return  # the door of the house: it shows every room
    for line, name in imports(path):
        package, _, rest = name.partition(".")
        if package != "graphkit":
            continue
        other = room_named(rest.split(".")[0])
        if other not in HEIGHT:
            continue  # a plain name such as graphkit.__version__
        assert other == room or HEIGHT[other] < HEIGHT[room], (
            f"{path.name}, line {line}: {room} imports {other}, which does not stand below it"
        )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_engine_knows_kernels(path: Path):
    known = {name.split(".")[0] for _, name in imports(path)} & KERNEL_PACKAGES
    assert room_of(path) == "engine" or not known, f"{path} imports {', '.join(known)}"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p not in LATE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_heavy_packages_are_imported_when_used(path: Path):
    at_import = imports(path, at_import_only=True)
    heavy = {(line, name) for line, name in at_import if name.split(".")[0] in IMPORTED_WHEN_USED}
    assert not heavy, f"{path}: move into the function that needs it: {sorted(heavy)}"


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("graphkit.nn", IMPORTED_WHEN_USED),
        ("graphkit.generative", IMPORTED_WHEN_USED),
        ("graphkit.cli", {"torch", "numba", *IMPORTED_WHEN_USED}),
    ],
)
def test_an_import_loads_no_more_than_it_needs(module: str, unwanted: set[str]):
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not unwanted & set(done.stdout.split())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import graphkit.nn", {"graphkit.nn"}),
        ("from graphkit import nn", {"graphkit.nn"}),
        ("from ..nn import conv", {"graphkit.nn.conv"}),
        ("def f():\n    from . import plan", {"graphkit.engine.plan"}),
    ],
)
def test_imports_are_read_right(
    source: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    file = tmp_path / "engine" / "trace.py"
    file.parent.mkdir()
    file.write_text(source)
    assert {name for _, name in imports(file)} == expected
    inside_function = source.startswith("def")
    assert not inside_function or not list(imports(file, at_import_only=True))
