"""From a data set and a model's name to mean and deviation, with the published number beside it."""

from __future__ import annotations

from typing import Any

from graphkit.data.dataset import Dataset
from graphkit.experiment.folds import PROTOCOLS, FairProtocol, GINProtocol
from graphkit.experiment.recipes import Published, Recipe, names, recipe_of
from graphkit.experiment.run import Experiment, Outcome, Trained, count_parameters
from graphkit.experiment.signs import SignExperiment

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
        ValueError: The protocol is unknown, or is not for this model.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}; got {protocol!r}")
    recipe = recipe_of(model)
    if not recipe.is_autoencoder and not recipe.is_of_signs:
        return PROTOCOLS[protocol](dataset, model, **options)
    if protocol != "split":
        raise ValueError(f"protocol: expected 'split' for {model}, got {protocol!r}")
    if recipe.is_of_signs:
        return SignExperiment(dataset, model, **options)
    # Imported when it is used: it brings all generative modules.
    from graphkit.experiment.autoencoders import AutoencoderExperiment

    return AutoencoderExperiment(dataset, model, **options)
