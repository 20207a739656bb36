"""Settings found by search, on validation only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from graphkit._extras import require
from graphkit.benchmark.config import Config
from graphkit.benchmark.running import experiment_for, one_thread
from graphkit.experiment import recipe_of


def tune(
    config: Config,
    *,
    trials: int = 50,
    seeds: int = 3,
    seed: int = 0,
    device: str = "cpu",
    on_trial: Callable[[int, dict[str, Any], float], Any] = lambda number, settings, score: None,
) -> Config:
    """Search for better settings, by a tree-structured Parzen estimator (Bergstra et al. 2011).

    Every trial trains with all seeds; what counts is the mean of their best validation scores. The
    search is told nothing of the test set. Ctrl-C ends it after the trials that are finished, if
    there are any.

    Args:
        config: What to tune; its `search` says within what: for every setting a list of choices,
            or ``{low: 0.001, high: 0.1, log: true}``.
        trials: How many settings are tried.
        seeds: Runs of each; they are 0, 1, ...
        seed: Of the search.
        device: Where to train.
        on_trial: Called after every trial with its number, settings and score.

    Returns:
        The configuration with the best settings of all trials, and in `tuned` what they took.

    Raises:
        ValueError: There is nothing to search, or no validation set under its protocol.
        ImportError: optuna is not installed.
    """
    if config.protocol != "split":
        raise ValueError(
            f"protocol: expected 'split', which selects on validation, got {config.protocol!r}"
        )
    space = check_space(config)
    optuna: Any = require("optuna", extra="tune", what="a search for settings")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    best: dict[str, Any] = {}
    best_score = -math.inf
    finished = 0
    for number in range(1, trials + 1):
        trial = study.ask()
        settings = {name: _suggest(trial, name, about) for name, about in space.items()}
        try:
            score = validation(replace(config, settings=config.settings | settings), seeds, device)
        except FloatingPointError:  # such settings lead nowhere
            score = math.nan
        except KeyboardInterrupt:
            if not best:
                raise
            break
        finished = number
        if math.isnan(score):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, score)
            if score > best_score:
                best, best_score = settings, score
        on_trial(number, settings, score)
    if not best:
        raise ValueError(f"search: expected settings that can be trained, got none in {trials}")
    took = {
        "validation": best_score,
        "trials": finished,
        "seeds": seeds,
        "sampler": f"TPE, seed {seed}",
        "search": config.search,
    }
    return replace(config, settings=config.settings | best, search={}, tuned=took)


def validation(config: Config, seeds: int, device: str = "cpu") -> float:
    """Mean over the seeds of the best validation metric, negative where lower is better."""
    with one_thread():
        experiment = experiment_for(config, device)
        scores = []
        for seed in range(seeds):
            best = experiment.train(seed).fit.best.score
            assert isinstance(best, tuple)  # as Task.rank gives it
            scores.append(best[0])
    return statistics.fmean(scores)


def check_space(config: Config) -> dict[str, Any]:
    """What may be searched.

    Raises:
        ValueError: It is empty, or a setting or its range cannot be.
    """
    if not config.search:
        raise ValueError(f"search: expected settings and their ranges for {config.name}, got none")
    known = recipe_of(config.model).settings([config.dataset], config.level, {})
    for name, about in config.search.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"search: expected one of {', '.join(sorted(known))}; got {name!r}{hint}"
            )
        if not (_is_choice(about) or _is_range(about)):
            raise ValueError(
                f"search: {name}: expected a list of choices or {{low: ..., high: ..., log: ...}} "
                f"with low below high, above 0 where log is true; got {about!r}"
            )
    return config.search


def _is_choice(about: Any) -> bool:
    return isinstance(about, list) and len(about) > 0


def _is_range(about: Any) -> bool:
    if not isinstance(about, dict) or not {"low", "high"} <= about.keys() <= {"low", "high", "log"}:
        return False
    low, high, log = about["low"], about["high"], about.get("log", False)
    real = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (low, high))
    return real and isinstance(log, bool) and low < high and (low > 0 or not log)


def _suggest(trial: Any, name: str, about: Any) -> Any:
    if isinstance(about, list):
        return trial.suggest_categorical(name, about)
    low, high, log = about["low"], about["high"], about.get("log", False)
    whole = isinstance(low, int) and isinstance(high, int)
    suggest = trial.suggest_int if whole else trial.suggest_float
    return suggest(name, low, high, log=log)
