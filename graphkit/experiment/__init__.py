"""From a data set and a model's name to mean and deviation, with the published number beside it."""

from __future__ import annotations

from typing import Any

from graphkit.data.dataset import Dataset
from graphkit.data.interactions import Interactions
from graphkit.data.knowledge import TripleSplit
from graphkit.experiment.folds import PROTOCOLS, FairProtocol, GINProtocol
from graphkit.experiment.recipes import Published, Recipe, names, recipe_of
from graphkit.experiment.run import Experiment, Outcome, Trained, count_parameters

__all__ = [
    "PROTOCOLS",
    "Experiment",
    "FairProtocol",
    "GINProtocol",
    "Outcome",
    "Published",
    "Recipe",
    "Trained",
    "count_parameters",
    "experiment_of",
    "names",
    "recipe_of",
]


def experiment_of(
    dataset: Dataset, model: str, protocol: str = "split", **options: Any
) -> Experiment:
    """The experiment of a model's kind under a protocol.

    Args:
        dataset, model: as for :class:`Experiment`.
        protocol: "split", "gin" or "fair".
        **options: what :class:`Experiment` takes besides.

    Raises:
        ValueError: The protocol is unknown, or is not for this model; or one of data set and model
            is for knowledge graphs, or for recommendation, and the other is not.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}; got {protocol!r}")
    kind = recipe_of(model).kind
    _check_fit(dataset, model, kind)
    if kind == "network":
        return PROTOCOLS[protocol](dataset, model, **options)
    if kind == "baseline":
        from graphkit.experiment.baselines import BASELINES

        return BASELINES[protocol](dataset, model, **options)
    if protocol != "split":
        raise ValueError(f"protocol: expected 'split' for {model}, got {protocol!r}")
    if kind == "knowledge":
        from graphkit.experiment.knowledge import KnowledgeExperiment

        return KnowledgeExperiment(dataset, model, **options)
    if kind == "signs":
        from graphkit.experiment.signs import SignExperiment

        return SignExperiment(dataset, model, **options)
    if kind == "recommender":
        from graphkit.experiment.recommendation import RecommendationExperiment

        return RecommendationExperiment(dataset, model, **options)
    # Imported when it is used: it brings all generative modules.
    from graphkit.experiment.autoencoders import AutoencoderExperiment

    return AutoencoderExperiment(dataset, model, **options)


def _check_fit(dataset: Dataset, model: str, kind: str) -> None:
    """Raise where one of data set and model is of a kind that fits only its like."""
    special = {
        "knowledge": ("a knowledge graph", "wn18rr", dataset.further.get("triples"), TripleSplit),
        "recommender": (
            "users and items",
            "lastfm",
            dataset.further.get("interactions"),
            Interactions,
        ),
    }
    for own, (what, example, found, expected) in special.items():
        if kind == own and not isinstance(found, expected):
            raise ValueError(
                f"dataset: expected {what} for {model}, such as {example}, got {dataset.name}"
            )
    for own, (what, _, found, expected) in special.items():
        if kind != own and isinstance(found, expected):
            fitting = [name for name in names() if recipe_of(name).kind == own]
            raise ValueError(
                f"model: expected one of {', '.join(fitting)} for {dataset.name}, {what}; "
                f"got {model!r}"
            )
