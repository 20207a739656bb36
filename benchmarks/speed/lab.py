"""The speed lab: systems that take turns, each in a process of its own, and the rows about them.

What is compared runs interleaved, one turn of every system after the other, so that a drift of the
machine's speed touches all alike. Every process gets the same threads and the same allocator, and
may not use more memory than it is given. Turns that warm up (kernels are compiled or loaded, orders
are sorted, memory is touched) do not count. Before the first turn every system shows a proof, some
numbers that it computed: one whose proof differs from the first system's computes something else
and is not timed. A system that cannot do the work says why, and the others go on.
"""

from __future__ import annotations

import argparse
import csv
import math
import multiprocessing
import os
import platform
import resource
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "results"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# What glibc's malloc is told in every process. "kept": freed memory stays with the process, as
# PyTorch's allocators for GPUs have it, so that a large tensor costs no page faults every time.
ALLOCATORS: dict[str, dict[str, str]] = {
    "stock": {},
    "kept": {"MALLOC_MMAP_THRESHOLD_": str(2**40), "MALLOC_TRIM_THRESHOLD_": str(2**40)},
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PACKAGES = ("torch", "torch_geometric", "dgl", "numba", "numpy")


@dataclass
class Work:
    """What a system does when it is its turn.

    Attributes:
        turn: does one turn, and may return a number to keep (a loss, edges drawn).
        proof: named lists of numbers that every system must agree on.
        facts: called at the end; what else a row should say.
    """

    turn: Callable[[], float | None]
    proof: dict[str, list[float]] = field(default_factory=dict)
    facts: Callable[[], dict[str, Any]] = dict


@dataclass(frozen=True)
class System:
    """A name, and how its process makes the work; the function must be importable by name.

    `tolerance` is how far its proof may be from the first system's, in relation to the largest
    number in it; infinite for one that computes something else on purpose.
    """

    name: str
    build: Callable[..., Work]
    arguments: tuple[Any, ...] = ()
    tolerance: float = 1e-4


@dataclass(frozen=True)
class Setting:
    """What holds for all: see :func:`add_options`."""

    threads: int = CORES
    allocator: str = "stock"
    rounds: int = 5
    warm_up: int = 2
    memory_gb: float = 0.0  # of one process; 0: four fifths of what is free
    patience: float = 900.0  # seconds that a system may be silent


@dataclass
class Result:
    """What a system measured; `note` says why, if it did not, or not to the end."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    peak_mb: float = math.nan
    built_mb: float = math.nan
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


# ------------------------------------------------------------------ the processes


def resident_mb(what: str = "VmRSS") -> float:
    """Memory of this process: now ("VmRSS") or at most so far ("VmHWM")."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


def free_gb() -> float:
    """Memory that is free on this machine."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(s.split()[1]) for s in lines if s.startswith("MemAvailable")) / 2**20
    except OSError:
        return math.inf


def _serve(system: System, threads: int, memory_gb: float, pipe: Any) -> None:
    """A process: makes the work, does a turn whenever it is told to."""
    import torch

    warnings.simplefilter("ignore")  # of the peers' imports
    torch.set_num_threads(threads)
    if math.isfinite(memory_gb):
        # What goes beyond raises an error here, instead of ending some process of the machine.
        resource.setrlimit(resource.RLIMIT_DATA, (int(memory_gb * 2**30), resource.RLIM_INFINITY))
    try:
        work = system.build(*system.arguments)
        pipe.send((work.proof, resident_mb()))
        while pipe.recv() == "turn":
            start, cpu = time.perf_counter(), time.process_time()
            value = work.turn()
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            pipe.send((seconds, cpu, resident_mb("VmHWM"), value))
        pipe.send(work.facts())
    except Exception as error:
        pipe.send(_in_words(error, memory_gb))


def _in_words(error: Exception, memory_gb: float) -> str:
    said = (str(error).strip() or repr(error)).splitlines()[0]
    if isinstance(error, MemoryError) or "allocate memory" in said:
        return f"needs more than {memory_gb:.1f} GB of memory"
    return f"{type(error).__name__}: {said}"[:200]


class _Process:
    """The far end of a system, seen from here."""

    def __init__(self, system: System, setting: Setting, memory_gb: float) -> None:
        self.system, self.patience = system, setting.patience
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(system, setting.threads, memory_gb, theirs), daemon=False
        )
        with _environment(setting):
            self.process.start()
        theirs.close()

    def answer(self) -> Any:
        """What the process says; a sentence, if something went wrong."""
        try:
            if self.pipe.poll(self.patience):
                return self.pipe.recv()
            return f"no answer within {self.patience:.0f} s"
        except (EOFError, ConnectionError):
            self.process.join(10)
            return f"the process ended with code {self.process.exitcode}"

    def ask(self, what: str) -> Any:
        try:
            self.pipe.send(what)
        except (BrokenPipeError, ConnectionError):
            return "the process has ended"
        return self.answer()

    def end(self) -> None:
        self.pipe.close()
        self.process.join(2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextmanager
def _environment(setting: Setting) -> Iterator[None]:
    """What a process must find when it starts: threads and malloc read it once."""
    wanted = {name: str(setting.threads) for name in THREADS} | ALLOCATORS[setting.allocator]
    wanted["DGLBACKEND"] = "pytorch"
    cleared = {name for settings in ALLOCATORS.values() for name in settings} - wanted.keys()
    before = dict(os.environ)
    os.environ.update(wanted)
    for name in cleared:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def take_turns(systems: Sequence[System], setting: Setting) -> dict[str, Result]:
    """Run the systems turn by turn; the first is the one that the others must agree with."""
    found = {system.name: Result() for system in systems}
    running: dict[str, _Process] = {}
    memory_gb = setting.memory_gb or 0.8 * free_gb()
    first_proof: dict[str, list[float]] | None = None

    def dismiss(name: str, why: str) -> None:
        found[name].note = why
        running.pop(name).end()

    try:
        for system in systems:
            process = running[system.name] = _Process(system, setting, memory_gb)
            answer = process.answer()
            if isinstance(answer, str):
                dismiss(system.name, answer)
                continue
            proof, found[system.name].built_mb = answer
            first_proof = proof if first_proof is None else first_proof
            if difference := disagreement(proof, first_proof, system.tolerance):
                dismiss(system.name, f"not timed: {difference}")
        for number in range(setting.warm_up + setting.rounds):
            for name, process in list(running.items()):
                answer = process.ask("turn")
                if isinstance(answer, str):
                    dismiss(name, answer)
                    continue
                seconds, cpu, found[name].peak_mb, value = answer
                if number >= setting.warm_up:
                    found[name].seconds.append(seconds)
                    found[name].cpu_seconds.append(cpu)
                    found[name].values.append(value)
        for name, process in running.items():
            facts = process.ask("end")
            if isinstance(facts, dict):
                found[name].facts = facts
    finally:
        for process in running.values():
            process.end()
    return found


def disagreement(
    proof: dict[str, list[float]], first: dict[str, list[float]], tolerance: float
) -> str:
    """In words: where a proof is further from the first than the tolerance; empty if nowhere."""
    if math.isinf(tolerance):
        return ""
    for name, expected in first.items():
        values = proof.get(name, [])
        if len(values) != len(expected):
            return f"{name}: {len(values)} numbers for {len(expected)}"
        size = max(map(abs, expected), default=0.0) or 1.0
        far = max((abs(a - b) for a, b in zip(values, expected, strict=True)), default=0.0) / size
        if not far <= tolerance:
            return f"its {name} is {far:.1e} from the first system's"
    return ""


# ------------------------------------------------------------------ the rows


def timing(result: Result, base: Result | None, steps: int = 1) -> dict[str, Any]:
    """The columns that every speed row has: medians, spread, memory, and times the base.

    Args:
        steps: how many steps a turn has; times are of one step.
    """
    columns: dict[str, Any] = dict.fromkeys(TIMING, "")
    if not result.seconds:
        return columns
    seconds = [s / steps for s in result.seconds]
    columns |= {
        "seconds_median": _short(statistics.median(seconds)),
        "seconds_min": _short(min(seconds)),
        "seconds_max": _short(max(seconds)),
        "cpu_seconds": _short(statistics.median(result.cpu_seconds) / steps),
        "rounds": len(seconds),
        "peak_mb": round(result.peak_mb),
        "built_mb": round(result.built_mb),
    }
    if base is not None and base.seconds:
        pairs = list(zip(result.seconds, base.seconds, strict=False))
        times = [theirs / ours for theirs, ours in pairs]
        columns |= {
            "base_seconds": _short(statistics.median(base.seconds) / steps),
            "times_base": round(statistics.median(times), 3),
            "times_min": round(min(times), 3),
            "times_max": round(max(times), 3),
            "peak_times_base": round(result.peak_mb / base.peak_mb, 3),
        }
    return columns


TIMING = (
    *("seconds_median", "seconds_min", "seconds_max", "cpu_seconds", "rounds"),
    *("base_seconds", "times_base", "times_min", "times_max"),
    *("peak_mb", "built_mb", "peak_times_base"),
)


def _short(seconds: float) -> float:
    """Four digits that count."""
    return float(f"{seconds:.4g}")


def about(setting: Setting) -> dict[str, Any]:
    """Where and with what a row was measured."""
    import graphkit

    def version(package: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return ""

    return {
        "threads": setting.threads,
        "allocator": setting.allocator,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else "",
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {CORES} cores",
        "python": platform.python_version(),
        "graphkit": graphkit.__version__,
        **{package: version(package) for package in PACKAGES},
    }


class Table:
    """Rows in a CSV file, told apart by some columns: a row takes the place of an older one.

    The file is written after every row, so that a run that was broken off goes on where it was.
    """

    def __init__(self, path: Path | None, key: Iterable[str]) -> None:
        self.path, self.key = path, tuple(key)
        self.rows: list[dict[str, Any]] = []
        if path is not None and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    def has(self, **key: Any) -> bool:
        """Whether a row with this key is there."""
        wanted = tuple(str(key[name]) for name in self.key)
        return any(self._key(row) == wanted for row in self.rows)

    def put(self, row: dict[str, Any]) -> None:
        keys = [self._key(other) for other in self.rows]
        place = keys.index(self._key(row)) if self._key(row) in keys else len(keys)
        self.rows[place : place + 1] = [row]
        if self.path is None:
            return
        columns = list(dict.fromkeys(name for row in reversed(self.rows) for name in row))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".part")
        with fresh.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        fresh.replace(self.path)

    def _key(self, row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in self.key)


# ------------------------------------------------------------------ the command line


def add_options(parser: Any, rounds: int = 5, warm_up: int = 2) -> None:
    """The options that all scripts share; :func:`setting_of` reads them."""
    parser.add_argument("--threads", type=int, default=CORES, help="of every system")
    parser.add_argument(
        "--allocator",
        choices=ALLOCATORS,
        default="stock",
        help="glibc's malloc as it comes, or told to keep freed memory; for every system",
    )
    parser.add_argument("--rounds", type=int, default=rounds, help="turns that count")
    parser.add_argument("--warm-up", type=int, default=warm_up, help="turns that do not")
    parser.add_argument(
        "--memory-gb", type=float, default=0.0, help="of one process (four fifths of what is free)"
    )
    parser.add_argument(
        "--patience", type=float, default=900.0, help="seconds that a turn may take"
    )
    parser.add_argument("--csv", type=Path, help="put the rows into this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file has")


def setting_of(options: Any) -> Setting:
    return Setting(
        threads=options.threads,
        allocator=options.allocator,
        rounds=options.rounds,
        warm_up=options.warm_up,
        memory_gb=options.memory_gb,
        patience=options.patience,
    )


def say(head: str, row: dict[str, Any]) -> None:
    """A row in a line."""
    if row["seconds_median"] == "":
        print(f"{head}  {row['note']}", flush=True)
        return
    line = (
        f"{head}  {1e3 * row['seconds_median']:9.2f} ms "
        f"({1e3 * row['seconds_min']:.2f} to {1e3 * row['seconds_max']:.2f})  "
        f"peak {row['peak_mb']} MB"
    )
    if row["times_base"] != "":
        line += f"  x{row['times_base']} ({row['times_min']} to {row['times_max']})"
    print(f"{line}  {row['note']}".rstrip(), flush=True)


def epochs_parser(doc: str | None, peers: Sequence[str]) -> argparse.ArgumentParser:
    """The options of a script that trains for some epochs in every turn; see `measure_epochs`."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--systems", nargs="+", choices=peers, default=list(peers))
    add_options(parser, warm_up=1)
    return parser


def measure_epochs(
    options: argparse.Namespace, build: Callable[[str], Work], epochs: int, judged: str
) -> None:
    """Turns of graphkit's and of its peers', and their rows.

    Args:
        options: of `epochs_parser`.
        build: the work of a system of that name, whose turns give a score.
        epochs: in a turn; a row's time is that of one.
        judged: what the score is called in the row.
    """
    setting = setting_of(options)
    table = Table(options.csv, ("system", "threads", "allocator"))
    key = {"threads": setting.threads, "allocator": setting.allocator}
    asked = [s for s in options.systems if options.again or not table.has(system=s, **key)]
    if not asked:
        return
    found = take_turns([System(name, build, (name,)) for name in ("graphkit", *asked)], setting)
    for system, result in found.items():
        row = {
            "system": system,
            "epochs": epochs,
            **timing(result, found["graphkit"], steps=epochs),
            judged: next(iter(result.values[-1:]), ""),
            "note": result.note,
            "seed": 0,
            **about(setting),
        }
        table.put(row)
        say(f"{system:12} {setting.threads} threads", row)
