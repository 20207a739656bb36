"""From a data set and a model's name to mean and deviation, with the published number beside it."""

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
    "names",
    "recipe_of",
]
