"""Running configurations: seed by seed, in one process or several, going on where it was left."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import date
from itertools import islice
from typing import Any

import torch

from graphkit import report, runtime
from graphkit.benchmark.config import Config
from graphkit.benchmark.records import Record, Results, machine
from graphkit.data import DataError, load
from graphkit.experiment import Experiment, GINProtocol, Trained, experiment_of, recipe_of

_EXPECTED = (ValueError, DataError, ImportError, FloatingPointError)
"""What ends a configuration, not the others."""
Todo = Iterator[tuple[Config, int]]


def run(
    configs: Sequence[Config],
    results: Results,
    *,
    seeds: int | None = None,
    jobs: int = 1,
    fresh: bool = False,
    device: str = "cpu",
    on_record: Callable[[Record], Any] = lambda record: None,
    on_note: Callable[[str], Any] = lambda note: None,
) -> list[str]:
    """Run what the results lack. Every seed is on the disk before it is told of.

    A seed's score depends on nothing but its configuration: not on how often the run was broken
    off, and not on `jobs`. Every process has one thread.

    Args:
        configs: What to run.
        results: Where records are, and go to.
        seeds: How many of each, if not as many as the configuration asks for.
        jobs: Processes that run seeds side by side.
        fresh: Forget what was recorded of these configurations before.
        device: "cpu", "cuda".
        on_record: Called with every new record.
        on_note: Called with what is worth saying besides.

    Returns:
        For every configuration that could not be run to its end, a sentence that says why.

    Raises:
        ValueError: Records of a configuration are of other settings.
        OSError: The results cannot be written, or a process was ended from outside.
    """
    if results.damaged:
        on_note(f"{results.damaged}; it is cut off, and its seed runs again")
        results.repair()
    if fresh:
        results.forget(config.name for config in configs)
    for config in configs:
        for record in results.of(config.name):
            _check_settings(config, record, results)
    failed: dict[str, str] = {}

    def todo() -> Todo:
        for config in configs:
            for seed in range(seeds or config.seeds):
                if (config.name, seed) in results.records or config.name in failed:
                    continue
                done = results.of(config.name)
                spent = sum(record.seconds or 0.0 for record in done) / 60
                if config.budget is not None and spent >= config.budget:
                    on_note(
                        f"{config.name}: its budget of {config.budget:g} minutes is spent after "
                        f"{len(done)} seeds"
                    )
                    break
                yield config, seed

    finish = _here(todo(), device) if jobs == 1 else _in_processes(todo(), jobs, device)
    for config, outcome in finish:
        if isinstance(outcome, Record):
            results.append(outcome)
            on_record(outcome)
        else:
            failed.setdefault(config.name, f"{config.name}: {outcome}")
    return list(failed.values())


def _check_settings(config: Config, record: Record, results: Results) -> None:
    """Compare with what would run now, by the settings that both know: a setting that came to be
    since has a default that changes nothing."""
    recipe, difference = recipe_of(config.model), []
    for groups in ([config.dataset], ["molecules", config.dataset]):
        now = recipe.settings(groups, config.level, config.settings)
        changed = [k for k in now if k in record.settings and record.settings[k] != now[k]]
        if not changed:
            return
        difference.append([f"{k} {record.settings[k]}, now {now[k]}" for k in changed])
    raise ValueError(
        f"results: expected seeds of {config.name} with its settings in {results.file}, got "
        f"others ({'; '.join(min(difference, key=len))}); --fresh runs them anew"
    )


class _Runner:
    """Runs seeds; the experiment of the last one is kept, as the next is often its own."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.config: Config | None = None
        self.experiment: Experiment
        self.settings: dict[str, Any]

    def __call__(self, config: Config, seed: int) -> Record:
        if config != self.config:
            self.experiment = experiment_for(config, self.device)
            self.settings = dict(self.experiment.settings)  # the fair protocol changes them
            self.config = config
        curve: list[float] = []

        def keep(trained: Trained, score: float) -> None:
            if isinstance(self.experiment, GINProtocol):
                curve.extend(self.experiment.curve(trained))

        start = time.perf_counter()
        outcome = self.experiment.run([seed], on_seed=keep)
        seconds = time.perf_counter() - start
        if not outcome.complete:
            raise KeyboardInterrupt
        further = {name: values[0] for name, values in outcome.further.items()}
        if not all(map(math.isfinite, [*outcome.values, *curve, *further.values()])):
            raise FloatingPointError(
                f"seed {seed}: expected a finite {outcome.metric}, got {outcome.values[0]}; it is "
                "not recorded"
            )
        versions = report.versions()
        return Record(
            config=config.name,
            seed=seed,
            value=None if curve else outcome.values[0],
            curve=curve,
            further=further,
            dataset=outcome.dataset,
            split=outcome.split,
            task=outcome.task,
            model=outcome.model,
            protocol=outcome.protocol,
            metric=outcome.metric,
            unit=outcome.unit,
            parameters=outcome.parameters,
            seconds=round(seconds, 3),
            settings=self.settings,
            engine=report.engine(),
            **{name: versions[name] for name in ("graphkit", "torch", "numpy", "python")},
            machine=machine(self.device),
            date=date.today().isoformat(),
        )


def experiment_for(config: Config, device: str = "cpu") -> Experiment:
    """The experiment that a configuration describes.

    Raises:
        ValueError: What it states of task, split or selection is not so.
        DataError: The data set is not at hand.
    """
    experiment = experiment_of(
        load(config.dataset),
        config.model,
        config.protocol,
        level=config.level,
        settings=config.settings,
        device=device,
    )
    outcome = experiment.outcome()
    for name in ("task", "split", "selection"):
        stated, found = getattr(config, name), getattr(outcome, name)
        if stated != found:
            raise ValueError(f"{name}: expected {found!r}, as it runs, got {stated!r}")
    return experiment


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums of floating-point numbers depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Finished = Iterator[tuple[Config, Record | str]]


def _here(todo: Iterable[tuple[Config, int]], device: str) -> Finished:
    runner = _Runner(device)
    for config, seed in todo:
        try:
            with one_thread():
                record = runner(config, seed)
        except _EXPECTED as error:
            yield config, str(error)
        else:
            yield config, record


def _in_processes(todo: Todo, jobs: int, device: str) -> Finished:
    """The next seed is taken when a process is free for it."""
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, context, _begin, (device,))
    running: dict[Future[Record], Config] = {}
    try:
        while True:
            for config, seed in islice(todo, jobs - len(running)):
                running[pool.submit(_work, config, seed)] = config
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                config = running.pop(future)
                try:
                    record = future.result()
                except _EXPECTED as error:
                    yield config, str(error)
                else:
                    yield config, record
    except BrokenProcessPool:
        raise OSError(
            "a process was ended from outside, for want of memory, say; what was finished is kept, "
            "and the same command goes on from there"
        ) from None
    finally:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        pool.shutdown(cancel_futures=True)


_runner: _Runner


def _begin(device: str) -> None:
    """What a process does first. It ends with the one that began it, however that one ends."""
    global _runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other's to answer
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    torch.set_num_threads(1)
    runtime.keep_memory()
    _runner = _Runner(device)


def _work(config: Config, seed: int) -> Record:
    return _runner(config, seed)
